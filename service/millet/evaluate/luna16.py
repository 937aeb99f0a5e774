"""LUNA16's own rules, for figures that stand beside published ones (Setio, Med Image Anal 42:1, 2017).

A candidate hits a nodule when it lies nearer than half the diameter; a nodule takes the best score among
its hits, and the other hits are forgotten; a candidate may hit several nodules. What lies within any
reference nodule or excluded finding is never false. False positives are averaged over all scans, with
nodules or without. The curve has one point for each distinct score and is linear between them; the
CPM is its mean at seven rates. The challenge's program kept at most 100 candidates a scan; here no list is
cut unless asked.

These rules are not safe for dense scans: nothing is matched one to one, and half of 1.5 mm is finer than
anybody can point. `match` and `froc` are ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from millet.core.geometry import Floats
from millet.evaluate.bootstrap import LEAST_CASES, Weights, draws, percentiles
from millet.evaluate.estimate import NO_INTERVAL, Interval
from millet.evaluate.froc import RATES

UNKNOWN_DIAMETER_MM = 10.0
"""What a negative diameter stands for: a finding whose size nobody measured."""

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Points:
    """(N,) numbers of scans, (N, 3) centres in mm, and (N,) diameters in mm, or scores for candidates."""

    scan: NDArray[np.intp]
    centre_mm: Floats
    value: Floats

    def __len__(self) -> int:
        """How many there are."""
        return len(self.scan)

    def some(self, keep: Mask | NDArray[np.intp]) -> Points:
        """Those that a mask or a list of indices names."""
        return Points(scan=self.scan[keep], centre_mm=self.centre_mm[keep], value=self.value[keep])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Judged:
    """Every score that counts: (K,) the scan it is from, the score, and whether it is a nodule's.

    `nodules` is (scans,), how many each scan has. The rest of the candidates counts neither way.
    """

    scan: NDArray[np.intp]
    score: Floats
    true: Mask
    nodules: NDArray[np.int64]
    hits: int
    """Candidates that hit a nodule, the best of it or not."""
    irrelevant: int
    """Candidates within excluded findings and no nodule."""
    cut: int
    """Candidates left out by `best`."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Curve:
    """Points by falling score: (T,) false positives a scan, rising, and sensitivity; the first is (0, 0)."""

    false_per_scan: Floats
    sensitivity: Floats

    def at(self, rates: Sequence[float] = RATES) -> Floats:
        """Sensitivities, linear between the points and level beyond the last; NaN without nodules."""
        values: Floats = np.interp(np.asarray(rates), self.false_per_scan, self.sensitivity)
        return values


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Result:
    """Sensitivities at `RATES` and their mean, each with its 95 % interval over scans."""

    sensitivity: Floats
    intervals: tuple[Interval, ...]
    cpm: float
    cpm_interval: Interval


def best(candidates: Points, most_per_scan: int) -> Points:
    """What the challenge's program keeps of each scan: the candidates above the first one too many.

    So of candidates that tie with the first one too many, none is kept.
    """
    keep = np.ones(len(candidates), bool)
    for rows in _by_scan(candidates).values():
        if len(rows) > most_per_scan:
            scores = candidates.value[rows]
            keep[rows] = scores > np.sort(scores)[::-1][most_per_scan]
    return candidates.some(keep)


def judge(
    scans: int, nodules: Points, excluded: Points, candidates: Points, most_per_scan: int | None = None
) -> Judged:
    """Say of every candidate whether it counts as a nodule's score, as false, or not at all.

    Args:
        scans: how many there are; all `Points` number them from 0.
        nodules: the reference; `value` is the diameter.
        excluded: other findings; `value` is the diameter, negative where unknown.
        candidates: `value` is the score.
        most_per_scan: a cap, as in `best`; None for none.
    """
    kept = candidates if most_per_scan is None else best(candidates, most_per_scan)
    best_of, hit = _best_hits(kept, nodules)
    _, spared = _best_hits(kept, excluded)
    found = ~np.isnan(best_of)
    alone = ~(hit | spared)
    return Judged(
        scan=np.concatenate([nodules.scan[found], kept.scan[alone]]),
        score=np.concatenate([best_of[found], kept.value[alone]]),
        true=np.repeat([True, False], [int(found.sum()), int(alone.sum())]),
        nodules=np.bincount(nodules.scan, minlength=scans).astype(np.int64),
        hits=int(hit.sum()),
        irrelevant=int((spared & ~hit).sum()),
        cut=len(candidates) - len(kept),
    )


def curve(judged: Judged, weights: Weights | None = None) -> Curve:
    """The curve of all scans, or of a draw that has scan i `weights[i]` times."""
    return _Ordered(judged).curve(np.ones(len(judged.nodules), np.int64) if weights is None else weights)


def result(judged: Judged, repeats: int = 0) -> Result:
    """Sensitivities, CPM, and with `repeats` bootstrap draws of scans their intervals."""
    ordered = _Ordered(judged)
    whole = ordered.curve(np.ones(len(judged.nodules), np.int64)).at()
    intervals: list[Interval] = [NO_INTERVAL] * (len(RATES) + 1)
    if repeats and len(judged.nodules) >= LEAST_CASES:
        drawn = np.asarray([ordered.curve(w).at() for w in draws(len(judged.nodules), repeats)])
        intervals = [percentiles(column) for column in np.column_stack([drawn, drawn.mean(axis=1)]).T]
    return Result(
        sensitivity=whole,
        intervals=tuple(intervals[:-1]),
        cpm=float(whole.mean()),
        cpm_interval=intervals[-1],
    )


class _Ordered:
    """The scores in falling order, ready to be weighted."""

    def __init__(self, judged: Judged) -> None:
        order = np.argsort(-judged.score, kind="stable")
        score = judged.score[order]
        self._true, self._scan = judged.true[order], judged.scan[order]
        self._ends = np.flatnonzero(np.append(score[1:] != score[:-1], len(score) > 0))
        self._nodules = judged.nodules

    def curve(self, weights: Weights) -> Curve:
        each = weights[self._scan]
        true = np.cumsum(each * self._true)[self._ends]
        false = np.cumsum(each * ~self._true)[self._ends]
        total = int(weights @ self._nodules)
        found = np.append(0, true) / total if total else np.full(len(true) + 1, np.nan)
        return Curve(false_per_scan=np.append(0, false) / max(int(weights.sum()), 1), sensitivity=found)


def _best_hits(candidates: Points, findings: Points) -> tuple[Floats, Mask]:
    """The best score within each finding, NaN for none; and which candidates lie within any."""
    radius = np.where(findings.value < 0, UNKNOWN_DIAMETER_MM, findings.value) / 2
    top, within = np.full(len(findings), np.nan), np.zeros(len(candidates), bool)
    of_scan = _by_scan(candidates)
    for scan, rows in _by_scan(findings).items():
        if (near := of_scan.get(scan)) is None:
            continue
        squared = cdist(findings.centre_mm[rows], candidates.centre_mm[near], "sqeuclidean")
        hits = squared < radius[rows, None] ** 2
        within[near[hits.any(axis=0)]] = True
        scores = np.where(hits, candidates.value[near], -np.inf).max(axis=1)
        top[rows] = np.where(hits.any(axis=1), scores, np.nan)
    return top, within


def _by_scan(points: Points) -> dict[int, NDArray[np.intp]]:
    """The rows of each scan that has any."""
    order = np.argsort(points.scan, kind="stable")
    names, starts = np.unique(points.scan[order], return_index=True)
    return dict(zip(names.tolist(), np.split(order, starts[1:]), strict=True)) if len(names) else {}
