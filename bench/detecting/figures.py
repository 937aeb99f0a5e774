"""From results to figures: rows of estimates, shares of labelled truth, pairs, twins and differences."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial import cKDTree
from table import Row

from detecting.store import Result
from millet.codec.tables import Mark
from millet.core.geometry import Floats
from millet.evaluate.bootstrap import proportion
from millet.evaluate.case import Case, Judged, Reports, at_least, centres, diameters, judge
from millet.evaluate.estimate import Estimate
from millet.evaluate.match import near


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """What a figure should be; `least` when higher is better."""

    name: str
    target: float | None = None
    stretch: float | None = None
    least: bool = True
    strict: bool = False
    """By the worse end of the interval."""
    unit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """Results by group and by who was judged ("network", "log", "fp16", "int8")."""

    by_group: Mapping[tuple[str, str], tuple[Result, ...]]

    def of(self, *groups: str, who: str = "network") -> tuple[Result, ...]:
        """Those of some groups, in order."""
        return tuple(result for group in groups for result in self.by_group.get((group, who), ()))


def row(goal: Goal, figure: Estimate | None, note: str = "", *, scale: float = 1.0) -> Row:
    """A row; one that was not measured says so."""
    empty = Row(
        name=goal.name,
        unit=goal.unit,
        target=goal.target,
        stretch=goal.stretch,
        higher_is_better=goal.least,
        note=note or "not in this run",
    )
    if figure is None or figure.value is None:
        return empty
    low, high = (None if end is None else end * scale for end in (figure.low, figure.high))
    ends = low is not None and high is not None
    return replace(
        empty,
        value=figure.value * scale,
        low=low,
        high=high,
        n=figure.n,
        strict=goal.strict and ends,
        note=note if ends or not goal.strict else f"{note}; no interval, so its value is judged",
    )


def plain(value: float, n: int, low: float | None = None, high: float | None = None) -> Estimate:
    """A figure that is no estimate of a share or a mean."""
    return Estimate(value=value, low=low, high=high, n=n, cases=n, method="")


def judged(results: Sequence[Result]) -> list[Judged]:
    """Judged at the operating point of the model."""
    return [judge(one.case(), _reported_by(one)) for one in results]


def judged_at(results: Sequence[Result], threshold: float) -> list[Judged]:
    """Judged at one threshold for all."""
    return [judge(one.case(), at_least(threshold)) for one in results]


def measured(results: Sequence[Result]) -> list[Judged]:
    """As the service would report them: reported, with the place and size that were measured."""
    cases = [Case(name=r.name, truth=r.truth, found=r.measured, ignored=r.ignored) for r in results]
    return [judge(case, lambda _candidate: True) for case in cases]


def _reported_by(result: Result) -> Reports:
    kept = set(result.reported)
    return lambda candidate: candidate in kept


def labelled(results: Sequence[Result], label: str, at: Sequence[Judged] | None = None) -> Estimate:
    """The share found of the truth whose label begins so."""
    hits, totals = [], []
    for result, one in zip(results, at or judged(results), strict=True):
        missed = set(one.matching.missed)
        wanted = [n for n, own in enumerate(result.labels) if own.startswith(label)]
        totals.append(len(wanted))
        hits.append(sum(n not in missed for n in wanted))
    return proportion(hits, totals)


def both_found(results: Sequence[Result], apart_mm: float) -> Estimate:
    """Of all pairs of nodules that far apart, the share of which both are found."""
    hits, totals = [], []
    for one in judged(results):
        missed = set(one.matching.missed)
        pairs = cKDTree(centres(one.case.truth)).query_pairs(apart_mm * 1.1)
        totals.append(len(pairs))
        hits.append(sum(not {a, b} & missed for a, b in pairs))
    return proportion(hits, totals)


def shifts(alone: Sequence[Result], among: Sequence[Result]) -> list[float]:
    """How much the best score at each nodule differs between two scans that both have it; no score is 0."""
    moved: list[float] = []
    for few, many in zip(alone, among, strict=True):
        moved += np.abs(_scores(few, few.truth) - _scores(many, few.truth)).tolist()
    return moved


def _scores(result: Result, marks: Sequence[Mark]) -> Floats:
    """The best score within reach of each mark, reported or not."""
    reach = near(centres(result.found), centres(marks), diameters(marks))
    best = np.zeros(len(marks))
    np.maximum.at(best, reach.true, np.asarray([c.score for c in result.found])[reach.found])
    return best


def difference(one: Estimate, other: Estimate) -> Estimate:
    """One proportion less another, with Newcombe's interval (Stat Med 17:873, 1998, method 10)."""
    ends = (one.value, one.low, one.high, other.value, other.low, other.high)
    if any(end is None for end in ends):
        return Estimate(value=None, low=None, high=None, n=0, cases=0, method="")
    p, l1, u1, q, l2, u2 = (float(end or 0.0) for end in ends)
    return Estimate(
        value=p - q,
        low=p - q - math.hypot(p - l1, u2 - q),
        high=p - q + math.hypot(u1 - p, q - l2),
        n=one.n + other.n,
        cases=one.cases + other.cases,
        method="newcombe",
    )


def threshold_at(empty: Sequence[Result], rate: float = 1.0) -> float:
    """The lowest score at which scans without a nodule have at most `rate` false findings each."""
    scores = sorted((c.score for one in empty for c in one.found), reverse=True)
    allowed = int(rate * len(empty))
    return float(np.nextafter(scores[allowed], 2.0)) if len(scores) > allowed else 0.0


def shown(figure: Estimate) -> str:
    """A figure in a few words, for a note."""
    return "-" if figure.value is None else f"{figure.value:.3f}".lstrip("0") + f" ({figure.n})"
