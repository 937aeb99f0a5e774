"""From the instances of one series to a volume that can be trusted, or the reason why there is none."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from millet.codec.ct import read_header, read_slice
from millet.core import gate, identity
from millet.core.analysis import VolumeSummary
from millet.core.choice import Choice, choose
from millet.core.reasons import Reason, Remark, Weight
from millet.core.series import SliceHeader
from millet.core.split import split
from millet.core.stack import Stack, grid
from millet.core.volume import Volume
from millet.errors import UnfitSeries

MOST_DECODERS = 4
"""Threads that decode; each holds one slice, so memory is the volume and little more."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReadSeries:
    """The chosen volume of a series, with what was said on the way.

    `headers` and `instances` are in the order of the volume's z index (before `canonical`).
    """

    volume: Volume
    headers: tuple[SliceHeader, ...]
    instances: tuple[bytes, ...]
    volumes: tuple[VolumeSummary, ...]
    remarks: tuple[Remark, ...]


def read(instances: Sequence[bytes]) -> ReadSeries:
    """Read a series from its instances, encoded as received, in any order.

    Identity is judged before everything else, intended use before geometry, geometry before pixels.

    Raises:
        UnfitSeries: The series is not to be analysed, with its coded reason.
    """
    encoded, unreadable = _headers(instances)
    headers = list(encoded)
    identity.check(headers)
    admitted = gate.admit(headers)
    choice = choose(split(admitted.headers), lambda one, other: _same(one, other, encoded))
    found = unreadable + admitted.remarks + choice.remarks
    return _decoded(choice, encoded, found)


def _headers(instances: Sequence[bytes]) -> tuple[dict[SliceHeader, bytes], tuple[Remark, ...]]:
    """Headers with their bytes; an instance that came twice, byte for byte, counts once."""
    encoded: dict[SliceHeader, bytes] = {}
    broken = 0
    for instance in sorted(set(instances)):
        try:
            header = read_header(instance)
        except UnfitSeries:
            broken += 1
            continue
        if header in encoded and not np.array_equal(
            read_slice(instance, header), read_slice(encoded[header], header)
        ):
            raise UnfitSeries(Reason.DUPLICATE_SLICES, "one instance came twice with different pixels")
        encoded.setdefault(header, instance)
    if not encoded:
        raise UnfitSeries(Reason.UNREADABLE_OBJECT, "no instance could be read")
    detail = f"set aside: {broken} objects that cannot be read"
    note = Remark(reason=Reason.UNREADABLE_OBJECT, weight=Weight.NOTE, detail=detail)
    return encoded, (note,) if broken else ()


def _same(one: SliceHeader, other: SliceHeader, encoded: Mapping[SliceHeader, bytes]) -> bool:
    return np.array_equal(read_slice(encoded[one], one), read_slice(encoded[other], other))


def _decoded(choice: Choice, encoded: Mapping[SliceHeader, bytes], found: tuple[Remark, ...]) -> ReadSeries:
    headers = choice.stack.slices
    return ReadSeries(
        volume=_volume(choice.stack, encoded),
        headers=headers,
        instances=tuple(encoded[header] for header in headers),
        volumes=choice.volumes,
        remarks=found + gate.judge(headers),
    )


def _volume(stack: Stack, encoded: Mapping[SliceHeader, bytes]) -> Volume:
    """Decode side by side into one array; the first slice that fails ends it."""
    place = grid(stack)
    hu: NDArray[np.float32] = np.empty(place.shape, np.float32)

    def fill(at: int) -> None:
        header = stack.slices[at]
        hu[at] = read_slice(encoded[header], header)

    with ThreadPoolExecutor(min(MOST_DECODERS, os.cpu_count() or 1), "decode") as pool:
        for _ in pool.map(fill, range(len(stack.slices))):
            pass
    return Volume(hu=hu, grid=place)
