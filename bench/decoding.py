"""What a slice costs in a decoder's own process, against the same decoder in a thread of ours.

    make bench-decoding

Slices of a phantom at 512 squared, in JPEG-LS and JPEG 2000, by as many threads as the service has.
Both ways take turns; the best of several rounds is the wall time, the processor time is that of all rounds
without the start of the processes.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from table import Row, write

from millet.codec import decoders
from millet.codec.decoders import Coded, Decode
from millet.edge.decoding.pool import Decoders
from millet.flow.streaming import MOST_DECODERS
from millet.phantom import presets

ROUNDS = 7
THREADS = min(MOST_DECODERS, os.cpu_count() or 1)
SIDE = 512
SLICES = 24
CODES: dict[str, tuple[str, Callable[[NDArray[np.uint16]], bytes]]] = {
    "JPEG-LS": ("1.2.840.10008.1.2.4.80", imagecodecs.jpegls_encode),
    "JPEG 2000": (
        "1.2.840.10008.1.2.4.90",
        lambda v: imagecodecs.jpeg2k_encode(v, reversible=True, codecformat="j2k"),
    ),
}


def slices() -> list[NDArray[np.uint16]]:
    """A chest with scanner noise, each slice SIDE squared."""
    hu = presets.make("negative", seed=3, scale=0.5).volume.hu
    made = []
    for plane in hu[:: max(len(hu) // SLICES, 1)][:SLICES]:
        times = [-(-SIDE // side) for side in plane.shape]
        made.append((np.tile(plane, times)[:SIDE, :SIDE].clip(-1024, 3000) + 1024).astype(np.uint16))
    return made


def timed(decode: Decode, coded: Sequence[Coded]) -> tuple[float, float]:
    """Milliseconds a slice: of the wall, and of this process's processor time."""
    with ThreadPoolExecutor(THREADS) as pool:
        began_s, used_s = time.perf_counter(), time.process_time()
        for values in pool.map(decode, coded):
            assert values.shape == (SIDE, SIDE)
        wall_s, cpu_s = time.perf_counter() - began_s, time.process_time() - used_s
    return 1000 * wall_s / len(coded), 1000 * cpu_s / len(coded)


def theirs_ms(pool: Decoders) -> float:
    """Processor time of the decoders so far, as the scheduler counts it."""
    counted = (Path(f"/proc/{pid}/schedstat").read_text("ascii").split()[0] for pid in pool.pids)
    return sum(map(int, counted)) / 1e6


def rows_of(name: str, coded: Sequence[Coded]) -> Iterator[Row]:
    """One code, both ways in turns."""
    pool, alone = Decoders(THREADS), decoders.decode
    with ThreadPoolExecutor(THREADS) as threads:
        for values in threads.map(pool.decode, coded):
            assert values.shape == (SIDE, SIDE)
    assert all(np.array_equal(pool.decode(one), alone(one)) for one in coded[:3])
    before_ms = theirs_ms(pool)
    here, there = zip(*((timed(alone, coded), timed(pool.decode, coded)) for _ in range(ROUNDS)), strict=True)
    spent_ms = (theirs_ms(pool) - before_ms) / (ROUNDS * len(coded))
    pool.stop()
    threads_ms, processes_ms = (min(wall for wall, _ in way) for way in (here, there))
    threads_cpu_ms, ours_cpu_ms = (statistics.mean(cpu for _, cpu in way) for way in (here, there))
    size = f"{statistics.mean(len(one.code) for one in coded) / 1000:.0f} kB a slice, {THREADS} at once"
    yield Row(name=f"{name}, threads", unit="ms", value=threads_ms, n=ROUNDS, note=size)
    yield Row(name=f"{name}, processes", unit="ms", value=processes_ms, n=ROUNDS, note=size)
    yield Row(name=f"{name}, processor time, threads", unit="ms", value=threads_cpu_ms, n=ROUNDS)
    both_ms, note = ours_cpu_ms + spent_ms, f"{ours_cpu_ms:.2f} ours, {spent_ms:.2f} theirs"
    yield Row(name=f"{name}, processor time, processes", unit="ms", value=both_ms, n=ROUNDS, note=note)
    dearer = 100 * (both_ms / threads_cpu_ms - 1)
    yield Row(name=f"{name}, processor time dearer by", unit="%", value=dearer, n=ROUNDS, target=10.0)


def main() -> None:
    """Measure and show."""
    planes, rows = slices(), []
    for name, (syntax, encode) in CODES.items():
        coded = [Coded(syntax, SIDE, SIDE, 16, bytes(encode(plane))) for plane in planes]
        rows += rows_of(name, coded)
    write("decoding", rows)


if __name__ == "__main__":
    main()
