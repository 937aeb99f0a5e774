"""Rows on phantoms; the worse end of each interval is judged."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from table import Row

from detecting.figures import (
    Goal,
    Results,
    both_found,
    difference,
    judged,
    judged_at,
    measured,
    plain,
    row,
    shifts,
    shown,
    threshold_at,
)
from detecting.plans import MOST
from detecting.specs import FIRST, SECOND
from millet.core.nodule import NoduleClass
from millet.evaluate import bootstrap, measures
from millet.evaluate.bins import of
from millet.evaluate.case import Judged
from millet.evaluate.estimate import Estimate
from millet.evaluate.froc import froc
from millet.evaluate.sweep import sweep

MILIARY_BINS = ((3.0, math.inf, 0.99, 0.995), (2.0, 3.0, 0.97, 0.985), (1.5, 2.0, 0.90, 0.95))
SIZED_MM = (2.0, 5.0)
PAIR_MM = 4.0


def rows(results: Results) -> list[Row]:
    """All of them, in the order of the table."""
    return [
        *_miliary(results, FIRST),
        *_miliary(results, SECOND),
        *_counting(results),
        *_scenes(results),
        *_case(results),
        _cpm(results),
        _drop(results),
        *_sizes(results),
    ]


def _miliary(results: Results, simulator: str) -> Iterator[Row]:
    """Sensitivity by size, and the false findings that go with it."""
    name = f"miliary phantoms, {simulator} simulator"
    some, empty = results.of(f"miliary-{simulator}"), results.of(f"empty-{simulator}")
    at = judged(some)
    one_a_scan = threshold_at(empty) if empty else None
    looser = judged_at(some, one_a_scan) if one_a_scan is not None else []
    for low, high, target, stretch in MILIARY_BINS:
        size = f">= {low:g}" if high == math.inf else f"{low:g} to {high:g}"
        goal = Goal(name=f"{name}: sensitivity, {size} mm", target=target, stretch=stretch, strict=True)
        note = f"{len(some)} scans"
        if looser and one_a_scan is not None:
            there = _between(looser, low, high)
            note += f"; {shown(there)} at {one_a_scan:.3f}, the threshold of 1 false finding an empty scan"
        yield row(goal, _between(at, low, high), note if some else "")
    goal = Goal(name=f"{name}: false findings a nodule-free scan", target=1.0, least=False, unit="1/scan")
    yield row(goal, measures.false_per_scan(judged(empty)) if empty else None, _each(judged(empty)))
    goal = Goal(name=f"{name}: false discovery rate", target=0.02, stretch=0.01, least=False, strict=True)
    yield row(goal, measures.false_discovery_rate(at) if at else None, _each(at))


def _between(at: list[Judged], low: float, high: float) -> Estimate:
    return of(at, "", lambda mark: low <= mark.diameter_mm < high).sensitivity


def _each(at: list[Judged]) -> str:
    """False findings scan by scan."""
    return "false by scan: " + " ".join(str(len(one.matching.false)) for one in at) if at else ""


def _counting(results: Results) -> Iterator[Row]:
    some = judged(results.of("counts", "miliary-first", "miliary-second"))
    goal = Goal(name="count error, median", target=0.03, least=False, strict=True)
    yield row(
        goal,
        measures.count_error(some) if some else None,
        f"{len(some)} scans of both simulators" if some else "",
    )
    first = judged(results.of("empty-first", "few", "miliary-first", "counts"))
    line = measures.found_against_true(first) if first else None
    most = max((len(one.case.truth) for one in first), default=0)
    note = f"first simulator, 0 to {most} nodules, {len(first)} scans" if line else ""
    for words, target, least in (("at least", 0.97, True), ("at most", 1.03, False)):
        goal = Goal(name=f"slope of found against true, {words}", target=target, least=least, strict=True)
        yield row(goal, line.slope if line else None, note)
    many, few = judged(results.of("most")), judged(results.of("few"))
    goal = Goal(name=f"recall({MOST:,}) / recall(20)", target=0.98, strict=True)
    if not (many and few):
        yield row(goal, None)
        return
    one, other = measures.sensitivity(many), measures.sensitivity(few)
    yield row(goal, _ratio(one, other), f"{shown(one)} of {most} over {shown(other)} in {len(few)} scans")


def _ratio(one: Estimate, other: Estimate) -> Estimate:
    """A ratio of proportions, its interval by logarithms (Katz, Biometrics 34:469, 1978)."""
    p, q = one.value or 0.0, other.value or 0.0
    if not (p and q):
        return plain(0.0, other.n)
    spread = 1.96 * math.sqrt((1 - p) / (p * one.n) + (1 - q) / (q * other.n))
    return plain(p / q, one.n + other.n, p / q * math.exp(-spread), p / q * math.exp(spread))


def _scenes(results: Results) -> Iterator[Row]:
    pairs = results.of("pairs")
    goal = Goal(name="two 3 mm nodules 4 mm apart, both found", target=0.95, stretch=0.98, strict=True)
    yield row(
        goal,
        both_found(pairs, PAIR_MM) if pairs else None,
        f"{len(pairs)} scans of both simulators" if pairs else "",
    )
    alone, among = results.of("alone"), results.of("among")
    moved = shifts(alone, among) if alone and among else []
    goal = Goal(name="score shift, alone against among 2,000, median", target=0.02, least=False, strict=True)
    note = f"99th percentile {np.percentile(moved, 99):.3f}" if moved else ""
    yield row(goal, bootstrap.median(moved) if moved else None, note)


def _case(results: Results) -> Iterator[Row]:
    """The published case: the fewest found, and the worst error of the mass, of all seeds."""
    some = measured(results.of("case"))
    found = [_small_found(one) for one in some]
    asked = max(
        (sum(m.nodule_class is NoduleClass.NODULE for m in one.case.truth) for one in some), default=0
    )
    goal = Goal(name="case phantom: found of 220, fewest", target=215, stretch=219)
    note = f"of {asked}: {' '.join(map(str, found))}; one scan a simulator and seed"
    yield row(
        goal, plain(min(found), len(found), min(found), max(found)) if found else None, note if found else ""
    )
    errors = [_mass_error(one) for one in some]
    goal = Goal(name="case phantom: mass, error of its diameter, worst", target=2.0, least=False, unit="mm")
    if not errors:
        yield row(goal, None)
    elif any(math.isnan(error) for error in errors):
        yield row(
            Goal(name=goal.name, target=1, unit="found"), plain(0.0, len(errors)), "a mass was not found"
        )
    else:
        worst = max(errors, key=abs)
        yield row(goal, plain(abs(worst), len(errors)), " ".join(f"{error:+.1f}" for error in errors) + " mm")


def _small_found(one: Judged) -> int:
    small = [n for n, mark in enumerate(one.case.truth) if mark.nodule_class is NoduleClass.NODULE]
    return len(small) - len(set(small) & set(one.matching.missed))


def _mass_error(one: Judged) -> float:
    """Found less true diameter of the mass in mm; NaN where it was not found."""
    errors = [c.diameter_mm - m.diameter_mm for c, m in one.pairs if m.nodule_class is NoduleClass.MASS]
    return errors[0] if errors else math.nan


def _cpm(results: Results) -> Row:
    goal = Goal(name="sparse phantoms as in LUNA16: CPM", target=0.985, stretch=0.995, strict=True)
    some = results.of("sparse")
    if not some:
        return row(goal, None)
    curve = froc([sweep(one.case()) for one in some])
    at = " ".join(f"{rate:g}: {shown(point)}" for rate, point in curve.at)
    return row(goal, curve.cpm, f"{len(some)} scans of both simulators; {at}")


def _drop(results: Results) -> Row:
    goal = Goal(
        name="trained on the first simulator, drop on the second",
        target=2.0,
        stretch=1.0,
        least=False,
        unit="points",
        strict=True,
    )
    first, second = (judged(results.of(f"miliary-{simulator}")) for simulator in (FIRST, SECOND))
    if not (first and second):
        return row(goal, None)
    one, other = measures.sensitivity(first), measures.sensitivity(second)
    note = f"{shown(one)} less {shown(other)}, same protocols, threshold and sizes"
    return row(goal, difference(one, other), note, scale=100.0)


def _sizes(results: Results) -> Iterator[Row]:
    """How exact places and sizes are, as measured on the scan; the network's own stand in the note."""
    some = results.of("miliary-first", "miliary-second")
    at, own = measured(some), judged(some)
    goals = (
        (
            Goal(name="centre error, 2 to 5 mm", target=0.4, least=False, unit="mm", strict=True),
            measures.centre_error_mm,
        ),
        (
            Goal(name="diameter bias, 2 to 5 mm", target=0.1, least=False, unit="mm", strict=True),
            measures.diameter_bias_mm,
        ),
        (
            Goal(name="diameter RMSE, 2 to 5 mm", target=0.3, least=False, unit="mm", strict=True),
            measures.diameter_rmse_mm,
        ),
    )
    for goal, figure in goals:
        if not some:
            yield row(goal, None)
            continue
        note = f"as measured; the graph's own {shown(figure(own, SIZED_MM))}"
        yield row(goal, _size(figure(at, SIZED_MM)), note)


def _size(figure: Estimate) -> Estimate:
    """A bias either way, and the worse end of its interval."""
    ends = [abs(end) for end in (figure.low, figure.high) if end is not None]
    if figure.value is None or figure.value >= 0:
        return figure
    return Estimate(
        value=abs(figure.value),
        low=min(ends, default=None),
        high=max(ends, default=None),
        n=figure.n,
        cases=figure.cases,
        method=figure.method,
    )
