"""From the instances of one series to a volume that can be trusted, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from millet.core import gate, identity
from millet.core.analysis import VolumeSummary
from millet.core.choice import Choice, choose
from millet.core.language import phrase
from millet.core.reasons import Reason, Remark, Weight
from millet.core.series import SliceHeader
from millet.core.split import split
from millet.core.stack import grid
from millet.core.volume import Volume
from millet.errors import UnfitSeries
from millet.flow.shelf import Taken, stacked


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReadSeries:
    """The chosen volume of a series, with what was said on the way.

    `headers` and `taken` are in the order of the volume's z index (before `canonical`).
    """

    volume: Volume
    headers: tuple[SliceHeader, ...]
    taken: tuple[Taken, ...]
    volumes: tuple[VolumeSummary, ...]
    remarks: tuple[Remark, ...]


def read(instances: Sequence[Taken]) -> ReadSeries:
    """Make a volume of the instances of a series, in any order.

    Identity is judged before everything else, intended use before geometry, geometry before pixels.

    Raises:
        UnfitSeries: The series is not to be analysed, with its coded reason.
    """
    known, unreadable = _headers(instances)
    headers = list(known)
    identity.check(headers)
    admitted = gate.admit(headers)
    choice = choose(split(admitted.headers), lambda one, other: _same(known[one], known[other]))
    return _chosen(choice, known, unreadable + admitted.remarks + choice.remarks)


def _headers(instances: Sequence[Taken]) -> tuple[dict[SliceHeader, Taken], tuple[Remark, ...]]:
    """Instances by their headers; one that came twice with the same pixels counts once."""
    known: dict[SliceHeader, Taken] = {}
    broken = 0
    for one in sorted(instances, key=lambda taken: taken.name):
        if one.header is None:
            broken += 1
            continue
        if one.header in known and not _same(one, known[one.header]):
            raise UnfitSeries(Reason.DUPLICATE_SLICES, phrase("read.twice"))
        known.setdefault(one.header, one)
    if not known:
        raise UnfitSeries(Reason.UNREADABLE_OBJECT, phrase("read.none"))
    detail = phrase("read.unreadable", count=broken)
    note = Remark(reason=Reason.UNREADABLE_OBJECT, weight=Weight.NOTE, detail=detail)
    return known, (note,) if broken else ()


def _same(one: Taken, other: Taken) -> bool:
    return np.array_equal(one.hu, other.hu)


def _chosen(choice: Choice, known: Mapping[SliceHeader, Taken], found: tuple[Remark, ...]) -> ReadSeries:
    headers = choice.stack.slices
    taken = tuple(known[header] for header in headers)
    return ReadSeries(
        volume=Volume(hu=stacked([one.hu for one in taken]), grid=grid(choice.stack)),
        headers=headers,
        taken=taken,
        volumes=choice.volumes,
        remarks=found + gate.judge(headers),
    )
