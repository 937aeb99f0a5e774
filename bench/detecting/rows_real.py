"""Rows on real lungs, each judged by a network that never saw the patient; the value is judged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from table import Row

from detecting import plans, real
from detecting.figures import Goal, Results, judged, judged_at, labelled, plain, row, shown
from detecting.real import Finding
from detecting.store import Result
from millet.evaluate.case import Judged, best_at, judge
from millet.evaluate.estimate import Estimate, poisson, wilson

IMPLANTED = (
    ("thin", plans.CRISP_3, "crisp solid, 3 to 5 mm", 0.98, 0.99),
    ("thin", plans.CRISP_2, "crisp solid, 2 to 3 mm", 0.95, 0.98),
    ("thin", plans.CRISP_1, "crisp solid, 1.5 to 2 mm", 0.85, 0.94),
    ("vague", plans.FAINT_RANDOM, "faint and vague, 1.5 to 4 mm, at random", 0.75, 0.85),
    ("vague", plans.FAINT_ALONG, "faint and vague, 1.5 to 4 mm, along pleura and vessels", 0.50, 0.65),
    ("vague", plans.GLASS, "ground glass, 2.5 to 6 mm", 0.80, 0.95),
    ("thick", plans.THICK, "crisp solid, 3 to 5 mm, 2.5 mm slices", 0.92, 0.96),
)
FAINT = "faint-"
SMALL_MM = 3.0


def rows(results: Results, *, seen: Sequence[str] = ()) -> list[Row]:
    """All of them, in the order of the table. `seen` are series that their judge learned from."""
    caution = f"; it learned from {', '.join(seen)}" if seen else ""
    return [*_implanted(results, caution), *_false(results, caution), *_agreed(results)]


def _implanted(results: Results, caution: str) -> Iterator[Row]:
    for group, label, name, target, stretch in IMPLANTED:
        some = results.of(group)
        at = judged(some)
        goal = Goal(name=f"implanted in real lungs: {name}", target=target, stretch=stretch)
        if not some:
            yield row(goal, None)
            continue
        parts = [
            _part(some, at, series, label) for series in dict.fromkeys(one.name.split()[0] for one in some)
        ]
        sites = [
            f"{site} {shown(found)}"
            for site in ("free", "vessel", "pleura")
            if (found := labelled(some, f"{label}@{site}", at)).n
        ]
        yield row(goal, labelled(some, label, at), "; ".join([*parts, *sites]) + caution)


def _part(some: Sequence[Result], at: Sequence[Judged], series: str, label: str) -> str:
    """One series by itself."""
    mine = [n for n, one in enumerate(some) if one.name.startswith(series)]
    return f"{series} {shown(labelled([some[n] for n in mine], label, [at[n] for n in mine]))}"


def _false(results: Results, caution: str) -> Iterator[Row]:
    """False findings in the five lungs at the operating point, and against the analytic detector's."""
    goal = Goal(name="false findings in five real lungs, in all", target=10, stretch=3, least=False)
    against = Goal(
        name="false findings over the analytic detector's, five real lungs",
        target=0.1,
        stretch=1 / 30,
        least=False,
    )
    five = [one for one in results.of("real") if not one.name.startswith(real.FUSED)]
    at = judged(five)
    false = [len(one.matching.false) for one in at]
    if not five:
        yield row(goal, None)
        yield row(against, None)
        return
    told = "; ".join(f"{one.name.split()[0]} {count}" for one, count in zip(five, false, strict=True))
    low, high = poisson(sum(false), 1)
    litres = sum(one.figures["lung_l"] for one in five)
    yield row(goal, plain(sum(false), len(five), low, high), f"{told}; in {litres:.1f} L{caution}")
    yield _against(against, results, sum(false))


def _against(goal: Goal, results: Results, false: int) -> Row:
    """The analytic detector at the network's sensitivity on faint implants, or the most that it reaches."""
    vague, theirs = results.of("vague"), results.of("vague", who="log")
    background = [one for one in results.of("real", who="log") if not one.name.startswith(real.FUSED)]
    if not (vague and theirs and background):
        return row(goal, None)
    wanted = labelled(vague, FAINT).value or 0.0
    threshold, reached = _matching_threshold(theirs, wanted)
    count = sum(len(one.matching.false) for one in judged_at(background, threshold))
    sense = f"faint implants {wanted:.3f}, the analytic detector {reached:.3f} at {threshold:.3g}"
    note = f"{false} against {count}; {sense}"
    if not count:
        return row(goal, None, f"{note}: no ratio")
    low, high = poisson(false, count)
    return row(goal, plain(false / count, count, low, high), note)


def _matching_threshold(results: Sequence[Result], wanted: float) -> tuple[float, float]:
    """The highest threshold at which so many faint ones are found, or the lowest there is, and the share."""
    scores = np.unique([c.score for one in results for c in one.found])
    low, high = 0, len(scores) - 1
    while low < high:  # the share falls with the threshold
        middle = (low + high + 1) // 2
        share = labelled(results, FAINT, judged_at(results, float(scores[middle]))).value or 0.0
        low, high = (middle, high) if share >= wanted else (low, middle - 1)
    threshold = float(scores[low])
    return threshold, labelled(results, FAINT, judged_at(results, threshold)).value or 0.0


def _agreed(results: Results) -> Iterator[Row]:
    """Findings that two readers or more marked, as k of n."""
    scans = {one.name.split()[0]: one for one in results.of("real")}
    every = [f for name in real.LIDC for f in real.findings(name)] if scans else []
    for words, small, target, stretch in ((">= 3 mm", False, 4, 4), ("< 3 mm", True, 2, 4)):
        some = [f for f in every if (f.diameter_mm is None or f.diameter_mm < SMALL_MM) is small]
        goal = Goal(
            name=f"real findings of two readers or more, {words}: found", target=target, stretch=stretch
        )
        if not some:
            yield row(goal, None)
            continue
        told = [_told(f, scans[f.series]) for f in some]
        found = sum(is_found(f, scans[f.series]) for f in some)
        yield row(goal, _count(found, len(some)), f"{found} of {len(some)}: " + "; ".join(told))


def _count(found: int, n: int) -> Estimate:
    low, high = wilson(found, n)
    return plain(found, n, None if low is None else low * n, None if high is None else high * n)


def is_found(finding: Finding, result: Result) -> bool:
    """Whether anything reported lies within the finding's radius, or `real.POINT_MM`."""
    kept = set(result.reported)
    case = result.case()
    alone = type(case)(name=case.name, truth=(finding.mark,), found=case.found)
    return not judge(alone, lambda candidate: candidate in kept).missed


def missed(results: Results) -> list[Finding]:
    """The findings that were missed, for pictures."""
    scans = {one.name.split()[0]: one for one in results.of("real")}
    every = [f for name in real.LIDC for f in real.findings(name)] if scans else []
    return [f for f in every if not is_found(f, scans[f.series])]


def _told(finding: Finding, result: Result) -> str:
    best = best_at(result.case(), finding.mark)
    score = f"{best.score:.2f}" if best else "nothing"
    word = "" if is_found(finding, result) else " MISSED"
    return f"{finding.series[-4:]} {finding.readers} readers {score}{word}"
