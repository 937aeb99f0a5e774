"""RECIST 1.1: which nodules of a patient with cancer can be target lesions, and which never can.

Source: Eisenhauer, Eur J Cancer 45:228, 2009, sections 3.1 (measurable from 10 mm in the longest diameter,
or twice the thickness of slices of more than 5 mm), 3.2 (at most two target lesions of an organ) and 4.3.4
(unequivocal progression of non-target disease: a burden that grows by as much as 73 % in volume; new
lesions). Miliary disease is non-target disease: none of its nodules is measured for the sum, and only a
lesion that stands out of them can be a target. Responses need baseline and nadir, which we do not keep:
none is computed, and progression is a question to the reader.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from millet.core.advice import Advice, Guideline
from millet.core.advice_codes import Assumption, Management, WhyNot
from millet.core.change import Fate
from millet.core.criteria_sets import STANDS_OUT
from millet.core.nodule import Nodule
from millet.core.subject import (
    Subject,
    assumed,
    candidates,
    character_of,
    comparable,
    declined,
    forbidden,
    half_up,
)

MEASURABLE_MM = 10.0
THIN_MM = 5.0
TARGETS_OF_AN_ORGAN = 2
PROGRESSION = 0.73
"""Growth of the volume that equals 20 % in diameter."""


def judge(exam: Subject) -> Advice:
    """Whether the lungs hold target lesions, non-target lesions or both."""
    if why_not := _forbidden(exam):
        return declined(Guideline.RECIST, why_not)
    chosen = targets(exam)
    rest = len(candidates(exam)) > len(chosen)
    category = ("target-and-non-target" if rest else "target") if chosen else "non-target"
    return Advice(
        guideline=Guideline.RECIST,
        applies=True,
        why_not=(),
        category=category,
        management=_management(exam, chosen).value,
        probability=None,
        nodule=chosen[0].number if chosen else None,
        assumes=tuple(code.value for code in _assumed(exam)),
    )


def targets(exam: Subject) -> tuple[Nodule, ...]:
    """The nodules that can be target lesions: the largest, two at most, the larger first."""
    measurable = [nodule for nodule in candidates(exam) if long_mm(nodule) >= least_mm(exam)]
    if exam.pattern_level >= 1:
        usual_mm = median(nodule.diameter_mm for nodule in candidates(exam))
        stand_out_mm = STANDS_OUT.ratio * usual_mm
        measurable = [nodule for nodule in measurable if nodule.diameter_mm >= stand_out_mm]
    return tuple(sorted(measurable, key=long_mm, reverse=True)[:TARGETS_OF_AN_ORGAN])


def long_mm(nodule: Nodule) -> float:
    """The longest diameter as it is reported."""
    return half_up(character_of(nodule).axes.long_axis_mm, 1)


def least_mm(exam: Subject) -> float:
    """From this size on a lesion is measurable in these slices."""
    slice_mm = exam.slice_mm or 0.0
    return 2 * slice_mm if slice_mm > THIN_MM else MEASURABLE_MM


def _management(exam: Subject, chosen: Sequence[Nodule]) -> Management:
    change = exam.change
    if change is None or not comparable(exam):
        return Management.MEASURE_TARGETS if chosen else Management.FOLLOW_AS_NON_TARGET
    grew = change.median_volume_change is not None and change.median_volume_change >= PROGRESSION
    if grew or any(one.fate is Fate.NEW for one in change.nodules):
        return Management.JUDGE_PROGRESSION
    return Management.MEASURE_TARGETS if chosen else Management.NON_CR_NON_PD


def _forbidden(exam: Subject) -> Sequence[WhyNot]:
    asked = {WhyNot.OUTSIDE_VALIDATED_USE, WhyNot.NO_NODULES, WhyNot.NOT_MEASURED}
    held = [code for code in forbidden(exam) if code in asked]
    if exam.known_cancer is False:
        held.append(WhyNot.NO_KNOWN_CANCER)
    if exam.known_cancer is None and exam.pattern_level < 1:
        held.append(WhyNot.CANCER_UNKNOWN)
    if WhyNot.NOT_MEASURED not in held and exam.nodules and not candidates(exam):
        held.append(WhyNot.NO_NODULES)
    return held


def _assumed(exam: Subject) -> list[Assumption]:
    held: list[Assumption] = [code for code in assumed(exam) if code is not Assumption.NO_KNOWN_CANCER]
    if exam.known_cancer is None:
        held.append(Assumption.KNOWN_CANCER)
    if exam.slice_mm is None:
        held.append(Assumption.THIN_SLICES)
    return held
