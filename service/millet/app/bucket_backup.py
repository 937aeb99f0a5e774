"""A bucket as the folders of a backup, and back: the backup of a bucket is that of a folder.

So a backup is checked in one way, and what was kept in a bucket can be restored into a folder, and the other
way round: paths and digests in the journal are the same for both.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from millet.edge import copies
from millet.edge.copies import Copy
from millet.edge.store import Bucket, BucketObjects, BucketSpool, LogSpool, rebuild
from millet.errors import Removed, StoreError
from millet.settings import Settings


def taken(chosen: Settings, out: Path) -> Iterator[Copy]:
    """Copy all that is in the bucket to `out`. Raises StoreError, OSError."""
    spool, objects = _opened(chosen)
    for name in spool.segments():
        below = f"spool/{name}"
        kept = spool.kept(name, 0, None)
        try:
            rebuild(out / below, ((one, spool.read(one.stored.path)) for one in kept))
        except StoreError:
            (out / below).unlink(missing_ok=True)
            if name in spool.segments():
                raise
            continue  # retention took it; what needed it is noticed when the copy is checked
        yield copies.noted(out, below)
    for path in objects.paths():
        try:
            body = objects.read(path)
        except Removed:
            continue  # as above
        yield copies.kept(out, f"objects/{path}", body)


def put(chosen: Settings, folder: Path) -> None:
    """Put what a backup holds into the bucket. Raises StoreError, OSError.

    Every segment is marked as one of a receiver that is gone: who starts looks through it for what the
    journal does not have.
    """
    spool, objects = _opened(chosen)
    log = LogSpool(folder / "spool", "restore")
    for name in log.segments():
        spool.reopen(name)
        for one in log.kept(name, 0, None):
            spool.put_back(one, log.read(one.stored.path))
    for path in sorted((folder / "objects").rglob("*")):
        if path.is_file():
            objects.write(path.read_bytes())


def held(chosen: Settings) -> list[str]:
    """Which folders of the bucket are not empty. Raises StoreError."""
    bucket = Bucket(chosen.spool_url)
    bucket.check()
    return [name for name in ("spool", "objects") if next(bucket.items(f"{name}/"), None)]


def _opened(chosen: Settings) -> tuple[BucketSpool, BucketObjects]:
    bucket = Bucket(chosen.spool_url)
    return BucketSpool(bucket, "backup", chosen.state_dir / "receivers"), BucketObjects(bucket)
