"""Criteria: slabs recounted, brain tables, miliary yes or no against its hard negatives, and the cost."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from table import Row

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

from brains import TABLE
from judged import judged
from patterns import MILIARY, OTHERS, scenes

from millet.core import pattern, triage
from millet.core.analysis import Pattern, TriageLevel
from millet.core.criteria import evaluate
from millet.core.criteria_sets import BRAIN_MILIARY_CT, BRAIN_MILIARY_MR
from millet.core.geometry import PointMm
from millet.core.lesion import UPWARDS, Lesion, on_each, slabs_mm, spans_mm
from millet.evaluate.estimate import wilson

FIRST, SCENES = 1000, 400
"""Seeds of each kind; the answer was made up on those below 400."""
CROWDS = 1000
EXAMS = 10_000
SHARE, LOWER = 0.99, 0.98


def rows() -> list[Row]:
    """Every figure of this part."""
    return [_slabs(), _brains(), _urgent(), *_miliary(), _cost()]


def _slabs() -> Row:
    rng, wrong = np.random.default_rng(61), 0
    for _ in range(CROWDS):
        count = int(rng.integers(0, 400))
        crowd = tuple(
            Lesion(centre_mm=PointMm(0.0, 0.0, float(z)), diameter_mm=float(d))
            for z, d in zip(rng.uniform(-300, 300, count), rng.uniform(1, 9, count), strict=True)
        )
        edges = slabs_mm(spans_mm(crowd, UPWARDS), 10.0)
        counted = on_each(spans_mm(crowd, UPWARDS), edges)
        wrong += sum(
            int(found) != _recount(crowd, low, high) for found, low, high in zip(counted, *edges, strict=True)
        )
    return Row(name="slabs whose count differs from a recount", unit="", value=int(wrong), n=CROWDS, target=0)


def _recount(crowd: tuple[Lesion, ...], low: float, high: float) -> int:
    spans = ((one.centre_mm.z - one.diameter_mm / 2, one.centre_mm.z + one.diameter_mm / 2) for one in crowd)
    return sum(begin < high and end > low for begin, end in spans)


def _brains() -> Row:
    sets = (BRAIN_MILIARY_MR, BRAIN_MILIARY_CT)
    right = [
        evaluate(one, exam).level == met
        for _, exam, *mets in TABLE
        for one, met in zip(sets, mets, strict=True)
    ]
    return Row(
        name="brain criteria on exams made by hand: right",
        unit="share",
        value=float(np.mean(right)),
        n=len(right),
        target=1.0,
        higher_is_better=True,
    )


def _urgent() -> Row:
    rng, order, below = np.random.default_rng(62), list(TriageLevel), 0
    for _ in range(EXAMS):
        seen = Pattern(
            level=int(rng.integers(1, 4)),
            criteria_version="any",
            nodules_right=int(rng.integers(0, 2000)),
            nodules_left=int(rng.integers(0, 2000)),
            small_nodules=int(rng.integers(0, 2000)),
            median_diameter_mm=float(rng.uniform(1, 9)),
            diameter_cv=float(rng.uniform(0, 1)),
            slabs_10mm_with_10=int(rng.integers(0, 30)),
        )
        told = triage.judge(triage.Exam(nodules=(), pattern=seen, effusions=()))
        below += order.index(told.level) < order.index(TriageLevel.URGENT)
    return Row(name="exams at level >= 1 below urgent", unit="", value=below, n=EXAMS, target=0)


def _miliary() -> Iterator[Row]:
    """Sensitivity over all that is miliary, specificity for each of what is taken for it."""
    yield from _share("miliary, yes", tuple(MILIARY), yes=True)
    for kind in OTHERS:
        yield from _share(f"miliary, no: {kind}", (kind,), yes=False)


def _share(what: str, kinds: tuple[str, ...], *, yes: bool) -> Iterator[Row]:
    found = [judged(scenes(kind, seed)) for kind in kinds for seed in range(FIRST, FIRST + SCENES)]
    right = sum(pattern.miliary(one) is yes for one in found)
    low, high = wilson(right, len(found))
    levels = ", ".join(f"LMP-{level} {sum(one.level == level for one in found)}" for level in range(4))
    row = Row(
        name=what,
        unit="share",
        value=right / len(found),
        low=low,
        high=high,
        n=len(found),
        target=SHARE,
        higher_is_better=True,
        note=levels,
    )
    yield row
    yield replace(row, name=f"{what}, lower bound", target=LOWER, strict=True, note="")


def _cost() -> Row:
    scene = max((scenes("miliary", seed) for seed in range(16)), key=lambda one: len(one.lesions))
    nodules, known = scene.nodules, pattern.known_of(scene.chest.lungs)
    started_s = time.process_time()
    pattern.judge(nodules, known)
    pattern.judgements(nodules, known)
    spent_s = time.process_time() - started_s
    return Row(
        name=f"pattern and judgement of {len(nodules)} nodules, processor time", unit="s", value=spent_s
    )
