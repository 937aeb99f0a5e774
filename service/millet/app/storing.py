"""Where bytes are kept: in folders of the state, or in a bucket that all machines share."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable

from millet.edge.store import ErrandFolder, LogSpool, ObjectFolder
from millet.errors import StoreError
from millet.ports import ErrandStore, ObjectStore
from millet.ports.retention import ReceiverSpool
from millet.settings import Settings

PROBE = "probe/doctor"
PROBE_BYTES = 524_288
"""Of a slice at 512 squared."""
PROBES = 8


def open_spool(
    chosen: Settings, owner: str, flushed: Callable[[float], None] = lambda _seconds: None
) -> ReceiverSpool:
    """The spool as one executor. Raises StoreError where a bucket cannot be used."""
    if not chosen.spool_url:
        reserve_bytes = chosen.spool_reserve_bytes
        folder = chosen.state_dir / "spool"
        return LogSpool(folder, owner, reserve_bytes=reserve_bytes, flushed=flushed)
    from millet.edge.store import Bucket, BucketSpool

    bucket = Bucket(chosen.spool_url)
    bucket.check()
    return BucketSpool(bucket, owner, chosen.state_dir / "receivers")


def open_objects(chosen: Settings) -> ObjectStore:
    """What we made, where the spool is."""
    if not chosen.spool_url:
        return ObjectFolder(chosen.state_dir / "objects")
    from millet.edge.store import Bucket, BucketObjects

    return BucketObjects(Bucket(chosen.spool_url))


def open_errands(chosen: Settings) -> ErrandStore:
    """What archives send for comparison only, where the spool is."""
    if not chosen.spool_url:
        return ErrandFolder(chosen.state_dir / "errands", reserve_bytes=chosen.spool_reserve_bytes)
    from millet.edge.store import Bucket, ErrandBucket

    return ErrandBucket(Bucket(chosen.spool_url))


def used_share(chosen: Settings) -> float:
    """How much of the disk is used on which instances are kept; 0 for a bucket."""
    if chosen.spool_url:
        return 0.0
    disk = shutil.disk_usage(chosen.state_dir)
    return disk.used / disk.total


def look(chosen: Settings) -> str:
    """Whether the bucket takes, gives back and forgets, and how quickly. Raises StoreError."""
    from millet.edge.store import Bucket

    bucket, body, times_ms = Bucket(chosen.spool_url), os.urandom(PROBE_BYTES), list[float]()
    bucket.check()
    key = f"{PROBE}-{os.urandom(8).hex()}"
    try:
        for _ in range(PROBES):
            started = time.perf_counter()
            bucket.put(key, body, len(body))
            times_ms.append(1000 * (time.perf_counter() - started))
        if bucket.first(key, len(body)) != body:
            raise StoreError("the bucket gave back other bytes than it took")
    finally:
        bucket.delete([key])
    times_ms.sort()
    durable = f"512 KB durable in {times_ms[PROBES // 2]:.0f} ms, at worst {times_ms[-1]:.0f}"
    return f"{chosen.spool_url}: {durable}; the free space of state_dir does not matter to it"
