"""An analysis of which every text is one that the service itself says, in any language."""

from __future__ import annotations

from dataclasses import replace

from characters import whole
from reports import analysis

from millet.core import pattern, triage
from millet.core.advice import Advice, Guideline
from millet.core.advice_codes import Assumption, Management
from millet.core.analysis import Reliability, VolumeSummary
from millet.core.criteria import evaluate
from millet.core.criteria_sets import BRAIN_MILIARY_CT
from millet.core.language import Language, phrase
from millet.core.lesion import Exam
from millet.core.reasons import Reason, Remark, Weight
from millet.core.worded import worded
from millet.flow.analyse import NOT_ASSESSED, NOT_COMPARED
from millet.flow.second_reader import NONE

REMARKS = (
    Remark(reason=Reason.GANTRY_TILT, weight=Weight.NOTE, detail=phrase("stack.tilt", angle=0.54)),
    Remark(
        reason=Reason.READERS_DISAGREE,
        weight=Weight.OUTSIDE_USE,
        detail=phrase("agreement.more", reported=3, second=40),
    ),
)
FLEISCHNER = Advice(
    guideline=Guideline.FLEISCHNER,
    applies=True,
    why_not=(),
    category="solid-multiple-over-8",
    management=Management.CT_3_6_THEN_18_24_MONTHS.value,
    probability=0.0495,
    nodule=1,
    assumes=(Assumption.FIRST_CT.value, Assumption.NOT_SCREENING.value),
)


def phrased(count: int, language: Language, *, compared: bool = True):
    """Findings of everything, and what is said of them."""
    made = whole(count, compared=compared)
    judgements = (
        *pattern.judgements(made.nodules),
        evaluate(BRAIN_MILIARY_CT, Exam(organ="lung", lesions=())),
    )
    judged = replace(pattern.judge(made.nodules), level=3, miliary=True)
    exam = triage.Exam(nodules=made.nodules, pattern=judged, effusions=made.effusions, remarks=REMARKS)
    energy = phrase("split.no-energy")
    label = phrase("split.name", axis=phrase("split.coronal"), kernel="B70f", energy=energy)
    volumes = (_volume(label, phrase("choice.best"), chosen=True), _volume(energy, phrase("choice.thicker")))
    return worded(
        replace(
            made,
            language=language,
            remarks=REMARKS,
            volumes=volumes,
            triage=triage.judge(exam),
            pattern=judged,
            judgements=judgements,
            advice=(*made.advice[:1], FLEISCHNER),
            not_assessed=(*NOT_ASSESSED, NOT_COMPARED),
            reliability=Reliability(
                second_reader=NONE,
                small_nodules=3,
                second_small_nodules=40,
                noise_hu=21.4,
                detectability=5.5,
                detectability_mm=2.5,
            ),
        )
    )


def _volume(label: str, why: str, *, chosen: bool = False):
    return VolumeSummary(label=label, slices=30, spacing_mm=2.5, chosen=chosen, why=why)


def refused(language: Language):
    """A series that was not analysed, and why."""
    detail = phrase("stack.uneven", low=1.25, high=2.5)
    remark = Remark(reason=Reason.UNEVEN_SPACING, weight=Weight.REFUSES, detail=detail)
    base = phrased(0, language, compared=False)
    made = analysis(remarks=[remark], language=language, volumes=base.volumes)
    return worded(
        replace(
            made,
            triage=triage.not_assessed(remark),
            not_assessed=(phrase("not-assessed.everything"),),
        )
    )
