"""One series that is there already, without a service: what `millet analyse` and the tests run."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor

from millet.flow.ahead import Ahead
from millet.flow.analyse import Made, Order, finish
from millet.flow.batcher import Batcher, running
from millet.flow.finding import Progress
from millet.flow.model import Model
from millet.flow.read import ReadSeries, read
from millet.flow.shelf import Shelf

MOST_DECODERS = 4
AT_ONCE = 16
"""Instances that are held as bytes."""


def analyse(
    order: Order,
    instances: Iterable[bytes],
    model: Model,
    progress: Progress,
    *,
    everything: bool = False,
) -> Made:
    """Analyse one series, as the service would; see `flow.analyse.finish`.

    `instances` are encoded as received, in any order; they are read one after the other and let go.
    `everything` collects candidates down to the model's floor.
    """
    with running(Batcher()) as batcher:
        ahead = Ahead(order.series_uid, model.readers, batcher, everything=everything)
        read_all(ahead, instances)
        return finish(order, ahead, model, progress)


def read_series(instances: Iterable[bytes]) -> ReadSeries:
    """Make a volume of instances; see `flow.read.read`. Raises UnfitSeries."""
    shelf = Shelf()
    for encoded in instances:
        shelf.take(_name(encoded), encoded)
    return read(shelf.all())


def read_all(ahead: Ahead, instances: Iterable[bytes]) -> None:
    """Take instances side by side."""
    with ThreadPoolExecutor(min(MOST_DECODERS, os.cpu_count() or 1), "decode") as pool:
        begun: list[Future[None]] = []
        for encoded in instances:
            begun.append(pool.submit(_take, ahead, encoded))
            if len(begun) > AT_ONCE:
                begun.pop(0).result()
        for one in begun:
            one.result()


def _take(ahead: Ahead, encoded: bytes) -> None:
    ahead.take(_name(encoded), encoded)


def _name(encoded: bytes) -> str:
    return hashlib.sha256(encoded).hexdigest()
