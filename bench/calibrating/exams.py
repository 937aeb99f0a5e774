"""From kept results to exams with few and with many nodules, whose findings are nodules or are none.

A score depends on nothing farther than the network's halo, so that a scan that keeps some of its drawn
nodules has the findings of the whole, less those at the nodules that it lost. Whatever it keeps, its vessels
are the same: it is one subject.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from detecting import real
from detecting.specs import Real, Spec
from detecting.store import Result

from millet.codec.tables import Mark
from millet.evaluate.calibrating import Exam
from millet.evaluate.case import Case, centres, diameters, judge
from millet.evaluate.match import within

COUNTS = (0, 1, 2, 4, 8, 16, 32, 64, 128, 256)
"""Nodules that are kept, each count as often as the others."""
DRAWS = 20
"""Of each count."""
LARGEST_MM = 10.0
"""The coarse network's findings, which are larger, are too few here to say anything of."""


def exams(spec: Spec, result: Result, slice_mm: float) -> Iterator[Exam]:
    """Those of one case; on a real series what two readers or more marked is always there, and a nodule.

    What fewer marked is neither nodule nor false, nor is a second finding in the same place.
    """
    own = tuple(one.mark for one in real.findings(spec.series)) if isinstance(spec, Real) else ()
    subject = spec.series if isinstance(spec, Real) else result.name
    rng = np.random.default_rng(len(result.truth))
    whole = replace(result.case(), found=result.reported)
    for count in COUNTS:
        for _ in range(DRAWS if count <= len(whole.truth) else 0):
            kept = set(rng.choice(len(whole.truth), count, replace=False).tolist())
            judged = judge(_keeping(whole, kept, own), lambda _finding: True)
            yield _small(Exam.of(judged, subject, result.figures["lung_l"], slice_mm))


def _small(exam: Exam) -> Exam:
    kept = exam.diameters_mm <= LARGEST_MM
    return replace(
        exam, scores=exam.scores[kept], diameters_mm=exam.diameters_mm[kept], nodule=exam.nodule[kept]
    )


def _keeping(whole: Case, kept: set[int], own: tuple[Mark, ...]) -> Case:
    """A case that lost all drawn nodules but some."""
    lost = [mark for number, mark in enumerate(whole.truth) if number not in kept]
    gone = within(centres(whole.found), centres(lost), diameters(lost))
    found = tuple(one for one, left_out in zip(whole.found, gone, strict=True) if not left_out)
    truth = tuple(mark for number, mark in enumerate(whole.truth) if number in kept)
    return replace(whole, truth=(*truth, *own), found=found)
