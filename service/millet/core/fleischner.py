"""Fleischner Society 2017, for nodules found by chance in adults.

Source: MacMahon, Radiology 284:228, 2017 (table 1 and recommendations 1 to 5): not for screening, not
under 35 years, not with a known cancer or immunosuppression. Diameters are means of both axes to the
whole millimetre (Bankier, Radiology 285:584, 2017), so that "under 6 mm" is 5 mm or less; growth is 2 mm
or more (Thorax 73:199, 2018, table 1). Columns for few and for many risk factors are told in one sentence,
since nobody tells us which holds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from millet.core.advice import Advice, Guideline
from millet.core.advice_codes import Assumption, Management, WhyNot
from millet.core.change import NoduleChange
from millet.core.character import NoduleType
from millet.core.nodule import Nodule
from millet.core.subject import (
    Basis,
    Subject,
    aged,
    assumed,
    candidates,
    changes,
    character_of,
    comparable,
    declined,
    forbidden,
    half_up,
    is_smooth_solid,
    kind_of,
    prior_scale,
    whole_mm,
)

ADULT_YEARS = 35.0
GROWTH_MM = 2.0
LYMPH_NODE_MM = 10.0
"""Under this a smooth solid perifissural nodule needs no follow-up."""
SUSPICIOUS_CORE_MM = 6.0
"""From this size on the solid part of a nodule that persists is highly suspicious."""
WORK_UP_CORE_MM = 8.0
"""Above this size of the solid part no CT is waited for (recommendation 4)."""


class Rule(NamedTuple):
    """A cell of the table, and how soon it asks for something, in months."""

    months: float
    category: str
    management: Management


class Decided(NamedTuple):
    """The rule that holds for one nodule."""

    rule: Rule
    nodule: Nodule


NEVER = 999.0
BENIGN = Rule(NEVER, "benign-features", Management.NO_ROUTINE_FOLLOW_UP)
GROWTH = Rule(0, "growth", Management.GROWTH_WORK_UP)
_SOLID = {
    (False, "under-6"): Rule(12, "solid-single-under-6", Management.OPTIONAL_CT_12_MONTHS),
    (False, "6-to-8"): Rule(6, "solid-single-6-to-8", Management.CT_6_12_THEN_18_24_MONTHS),
    (False, "over-8"): Rule(2, "solid-single-over-8", Management.CT_3_MONTHS_PET_OR_BIOPSY),
    (True, "under-6"): Rule(12, "solid-multiple-under-6", Management.OPTIONAL_CT_12_MONTHS),
    (True, "6-to-8"): Rule(3, "solid-multiple-6-to-8", Management.CT_3_6_THEN_18_24_MONTHS),
    (True, "over-8"): Rule(2.5, "solid-multiple-over-8", Management.CT_3_6_THEN_18_24_MONTHS),
}
"""By whether there are several, and by size."""
_SUBSOLID_SMALL = {
    NoduleType.GROUND_GLASS: Rule(NEVER, "ground-glass-single-under-6", Management.NO_ROUTINE_FOLLOW_UP),
    NoduleType.PART_SOLID: Rule(NEVER, "part-solid-single-under-6", Management.NO_ROUTINE_FOLLOW_UP),
}
_GROUND_GLASS = Rule(6, "ground-glass-single-6-or-more", Management.CT_6_12_MONTHS_THEN_2_YEARLY)
_PART_SOLID = Rule(3, "part-solid-single-6-or-more", Management.CT_3_6_MONTHS_THEN_YEARLY)
_LARGE_CORE = Rule(2.5, "part-solid-single-core-6-or-more", Management.CT_3_6_MONTHS_SUSPICIOUS)
_HUGE_CORE = Rule(1, "part-solid-core-over-8", Management.PET_BIOPSY_OR_RESECTION)
_SEVERAL_SMALL = Rule(3, "subsolid-multiple-under-6", Management.CT_3_6_MONTHS_THEN_2_4_YEARS)
_SEVERAL = Rule(2.75, "subsolid-multiple-6-or-more", Management.CT_3_6_MONTHS_THEN_MOST_SUSPICIOUS)


def judge(exam: Subject) -> Advice:
    """What the most suspicious nodule asks for."""
    if why_not := _forbidden(exam):
        return declined(Guideline.FLEISCHNER, why_not)
    since = changes(exam)
    decided = decisions(exam, since)
    first = min(decided, key=lambda one: (one.rule.months, -character_of(one.nodule).axes.mean_mm))
    return Advice(
        guideline=Guideline.FLEISCHNER,
        applies=True,
        why_not=(),
        category=first.rule.category,
        management=first.rule.management.value,
        probability=None,
        nodule=first.nodule.number,
        assumes=tuple(code.value for code in _assumed(exam, first)),
    )


def decisions(exam: Subject, since: Mapping[int, NoduleChange]) -> list[Decided]:
    """The rule of every nodule; solid and subsolid ones are counted apart."""
    open_ones = [nodule for nodule in candidates(exam) if not is_lymph_node(nodule)]
    solid = [nodule for nodule in open_ones if kind_of(nodule) is NoduleType.SOLID]
    subsolid = [nodule for nodule in open_ones if kind_of(nodule) is not NoduleType.SOLID]
    open_numbers = {nodule.number for nodule in open_ones}
    several = _subsolid_rule(exam, subsolid)
    rules = {nodule.number: _SOLID[len(solid) > 1, size_of(exam, nodule)] for nodule in solid}
    rules |= {nodule.number: _one_of(several, _single_subsolid(exam, nodule)) for nodule in subsolid}
    return [
        Decided(GROWTH if has_grown(nodule, since.get(nodule.number)) else rules[nodule.number], nodule)
        if nodule.number in open_numbers
        else Decided(BENIGN, nodule)
        for nodule in exam.nodules
    ]


def size_of(exam: Subject, nodule: Nodule) -> str:
    """The column: under-6 (100 mm3), 6-to-8, over-8 (250 mm3)."""
    if exam.basis is Basis.VOLUME:
        mm3 = half_up(nodule.volume_mm3)
        return "under-6" if mm3 < 100 else "6-to-8" if mm3 <= 250 else "over-8"
    mm = whole_mm(character_of(nodule).axes)
    return "under-6" if mm < 6 else "6-to-8" if mm <= 8 else "over-8"


def is_lymph_node(nodule: Nodule) -> bool:
    """Whether it lies like an intrapulmonary lymph node; that it is shaped like one is taken for granted."""
    of = character_of(nodule)
    return of.perifissural and is_smooth_solid(nodule) and whole_mm(of.axes) < LYMPH_NODE_MM


def has_grown(nodule: Nodule, since: NoduleChange | None) -> bool:
    """Whether its mean diameter has grown by 2 mm or more."""
    scale = prior_scale(since)
    mm = character_of(nodule).axes.mean_mm
    return scale is not None and half_up(mm) - half_up(mm * scale) >= GROWTH_MM


def _subsolid_rule(exam: Subject, subsolid: Sequence[Nodule]) -> Rule | None:
    """The rule of several subsolid nodules; None for one."""
    if len(subsolid) < 2:
        return None
    return _SEVERAL_SMALL if all(size_of(exam, one) == "under-6" for one in subsolid) else _SEVERAL


def _one_of(several: Rule | None, single: Rule) -> Rule:
    """Of several subsolid nodules the most suspicious one guides: a large solid part does not wait."""
    return single if several is None or single is _HUGE_CORE else several


def _single_subsolid(exam: Subject, nodule: Nodule) -> Rule:
    if size_of(exam, nodule) == "under-6":
        return _SUBSOLID_SMALL[kind_of(nodule)]
    if kind_of(nodule) is NoduleType.GROUND_GLASS:
        return _GROUND_GLASS
    of = character_of(nodule)
    core_mm = half_up(of.axes.mean_mm if of.core_mm is None else of.core_mm)
    if core_mm > WORK_UP_CORE_MM:
        return _HUGE_CORE
    return _LARGE_CORE if core_mm >= SUSPICIOUS_CORE_MM else _PART_SOLID


def _forbidden(exam: Subject) -> Sequence[WhyNot]:
    held = forbidden(exam)
    if exam.immunosuppressed:
        held.append(WhyNot.IMMUNOSUPPRESSED)
    if exam.screening:
        held.append(WhyNot.SCREENING)
    return held + aged(exam, ADULT_YEARS)


def _assumed(exam: Subject, first: Decided) -> list[Assumption]:
    shaped = any(is_lymph_node(nodule) for nodule in candidates(exam))
    held = {
        Assumption.NO_IMMUNOSUPPRESSION: exam.immunosuppressed is None,
        Assumption.NOT_SCREENING: exam.screening is None,
        Assumption.FIRST_CT: not comparable(exam),
        Assumption.FROM_FIRST_CT: comparable(exam),
        Assumption.BENIGN_SHAPE: shaped,
    }
    return assumed(exam, [first.nodule]) + [code for code, holds in held.items() if holds]
