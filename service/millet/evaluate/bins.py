"""Sensitivity taken apart: by size, by kind, or by anything that a mark says of itself."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from millet.codec.tables import Mark
from millet.evaluate.bootstrap import proportion
from millet.evaluate.case import Judged
from millet.evaluate.estimate import Estimate

EDGES_MM = (1.5, 2.0, 3.0, 5.0, 8.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """The marks of one sort: how many of them were found."""

    name: str
    hits: int
    sensitivity: Estimate


def of(judged: Sequence[Judged], name: str, belongs: Callable[[Mark], bool]) -> Bin:
    """The bin of the marks that belong; its sensitivity is None of n = 0 where there are none."""
    hits, totals = [], []
    for one in judged:
        missed = set(one.matching.missed)
        inside = [number for number, mark in enumerate(one.case.truth) if belongs(mark)]
        totals.append(len(inside))
        hits.append(sum(number not in missed for number in inside))
    return Bin(name=name, hits=sum(hits), sensitivity=proportion(hits, totals))


def by_size(judged: Sequence[Judged], edges_mm: Sequence[float] = EDGES_MM) -> tuple[Bin, ...]:
    """One bin from each edge up to, not with, the next; the last is open.

    What is smaller than the first edge has a bin of its own if there is any, so that nothing is left out.
    """
    if list(edges_mm) != sorted(set(edges_mm)) or not edges_mm or edges_mm[0] < 0:
        raise ValueError(f"edges must grow from 0 or more, not {list(edges_mm)}")
    edges = [0.0, *edges_mm, math.inf] if edges_mm[0] > 0 else [*edges_mm, math.inf]
    every = [of(judged, size_name(low, high), _between(low, high)) for low, high in pairwise(edges)]
    below = edges_mm[0] > 0 and every[0].sensitivity.n == 0
    return tuple(every[1:] if below else every)


def by_kind(judged: Sequence[Judged]) -> tuple[Bin, ...]:
    """One bin for each kind there is, by name."""
    kinds = sorted({mark.kind for one in judged for mark in one.case.truth})
    return tuple(of(judged, kind, _of_kind(kind)) for kind in kinds)


def size_name(low_mm: float, high_mm: float) -> str:
    """Words for a range of diameters."""
    if math.isinf(high_mm):
        return f">= {low_mm:g} mm"
    return f"{low_mm:g}-{high_mm:g} mm" if low_mm else f"< {high_mm:g} mm"


def _between(low_mm: float, high_mm: float) -> Callable[[Mark], bool]:
    return lambda mark: low_mm <= mark.diameter_mm < high_mm


def _of_kind(kind: str) -> Callable[[Mark], bool]:
    return lambda mark: mark.kind == kind
