"""Lung-RADS v2022, for exams of a lung cancer screening programme.

Source: ACR Lung-RADS v2022 Assessment Categories (Christensen, Chest 165:738 and JACR 21:473, 2024);
its notes on size, growth, infectious findings and the modifier S. The category is that of the most
suspicious nodule. A miliary pattern is never in category 1 or 2: it is category 0, with the modifier S,
unless a nodule meets the size of 4B, and asks for evaluation now.

Not judged: cysts, airway nodules, and the steps down after a stable follow-up, which need the earlier
category. That a nodule has grown as a whole is taken as growth of its solid part.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from millet.core.advice import Advice, Guideline
from millet.core.advice_codes import Assumption, Management, WhyNot
from millet.core.change import Fate, NoduleChange
from millet.core.character import NoduleType
from millet.core.nodule import Nodule
from millet.core.subject import (
    SPICULATED,
    Basis,
    Subject,
    aged,
    assumed,
    changes,
    character_of,
    comparable,
    declined,
    forbidden,
    half_up,
    is_benign,
    is_new,
    is_smooth_solid,
    kind_of,
    prior_scale,
    tenths_mm,
)

SCREENED_YEARS = (50.0, 80.0)
"""Who is screened (USPSTF 2021); asked for only where nobody says that this exam is a screening one."""
GROWTH_MM = 1.5
"""More than this in mean diameter is growth."""
MANY_NEW = 6
"""More new nodules than this suggest an infection: category 0."""
JUXTAPLEURAL = (10.0, 524.0)
"""Under this (mm, mm3) a smooth solid juxtapleural nodule is in category 2."""


class Course(StrEnum):
    """Which rows of the table a nodule is looked up in."""

    FIRST = "first"
    NEW = "new"
    GROWN = "grown"
    STABLE = "stable"


class Step(NamedTuple):
    """Under this size the category holds."""

    mm: float
    mm3: float
    category: str


SOLID: Mapping[Course, tuple[Step, ...]] = {
    Course.FIRST: (Step(6, 113, "2"), Step(8, 268, "3"), Step(15, 1767, "4A")),
    Course.STABLE: (Step(6, 113, "2"), Step(8, 268, "3"), Step(15, 1767, "4A")),
    Course.NEW: (Step(4, 34, "2"), Step(6, 113, "3"), Step(8, 268, "4A")),
    Course.GROWN: (Step(8, 268, "4A"),),
}
"""From the last step on: 4B."""
MANAGEMENT: Mapping[str, Management] = {
    "1": Management.LDCT_12_MONTHS,
    "2": Management.LDCT_12_MONTHS,
    "3": Management.LDCT_6_MONTHS,
    "4A": Management.LDCT_3_MONTHS,
    "4B": Management.WORK_UP,
    "4X": Management.WORK_UP,
}
_ANSWERED = {
    WhyNot.COUNT_UNRELIABLE,
    WhyNot.INCOMPLETE_LUNGS,
    WhyNot.MILIARY_PATTERN,
    WhyNot.MASS,
    WhyNot.NO_NODULES,
}
"""What its table has a category for."""
ORDER = tuple(MANAGEMENT)
"""From the least suspicious to the most."""


class Rated(NamedTuple):
    """One nodule by the table, before X and S."""

    by_size: str
    mm: float
    nodule: Nodule
    juxtapleural: bool
    """Whether the juxtapleural rule lowered it."""

    @property
    def category(self) -> str:
        """With X for extra suspicious features of categories 3 and 4."""
        spiculated = character_of(self.nodule).spiculation >= SPICULATED
        return "4X" if spiculated and self.by_size in {"3", "4A", "4B"} else self.by_size


def judge(exam: Subject) -> Advice:
    """The category of an exam and what it asks for."""
    if why_not := _forbidden(exam):
        return declined(Guideline.LUNG_RADS, why_not)
    since = changes(exam)
    rated = [rate(exam, nodule, since.get(nodule.number)) for nodule in exam.nodules]
    worst = _worst(rated)
    category, management, decided = _of_exam(exam, rated, since)
    held = {
        Assumption.SCREENING: exam.screening is None,
        Assumption.FIRST_CT: not comparable(exam),
        Assumption.NO_EARLIER_CATEGORY: comparable(exam),
        Assumption.NO_IMMUNOSUPPRESSION: exam.immunosuppressed is None and any(map(is_new, since.values())),
        Assumption.BENIGN_SHAPE: any(one.juxtapleural for one in rated),
    }
    assumes = assumed(exam, [worst.nodule] if worst else [])
    return Advice(
        guideline=Guideline.LUNG_RADS,
        applies=True,
        why_not=(),
        category=category,
        management=management.value,
        probability=None,
        nodule=decided.nodule.number if decided else None,
        assumes=tuple(code.value for code in [*assumes, *(code for code, holds in held.items() if holds)]),
    )


def rate(exam: Subject, nodule: Nodule, since: NoduleChange | None) -> Rated:
    """One nodule by the table."""
    of = character_of(nodule)
    mm, mm3 = tenths_mm(of.axes), half_up(nodule.volume_mm3)
    by_volume = exam.basis is Basis.VOLUME
    course = course_of(nodule, since)
    shaped = (
        (of.juxtapleural or of.perifissural)
        and is_smooth_solid(nodule)
        and course is not Course.GROWN
        and (mm3 < JUXTAPLEURAL[1] if by_volume else mm < JUXTAPLEURAL[0])
    )

    def under(step: Step) -> bool:
        return mm3 < step.mm3 if by_volume else mm < step.mm

    if is_benign(nodule):
        category = "1"
    elif kind_of(nodule) is NoduleType.GROUND_GLASS:
        category = "2" if under(Step(30, 14137, "2")) or course is Course.STABLE else "3"
    elif kind_of(nodule) is NoduleType.PART_SOLID:
        core_mm = mm if of.core_mm is None else half_up(of.core_mm, 1)
        category = _part_solid(core_mm, course, small=under(Step(6, 113, "2")))
    else:
        category = next((step.category for step in SOLID[course] if under(step)), "4B")
    exempt = shaped and ORDER.index(category) > ORDER.index("2")
    return Rated("2" if exempt else category, mm, nodule, exempt)


def course_of(nodule: Nodule, since: NoduleChange | None) -> Course:
    """New, grown by more than 1.5 mm, stable or seen first.

    Growth between scans more than a year apart may all lie in one of the twelve months: it counts.
    """
    if since is None or since.fate is Fate.UNCERTAIN:
        return Course.FIRST
    if is_new(since):
        return Course.NEW
    scale = prior_scale(since)
    mm = character_of(nodule).axes.mean_mm
    if scale is not None and half_up(mm - mm * scale, 1) > GROWTH_MM:
        return Course.GROWN
    return Course.STABLE if since.fate in {Fate.STABLE, Fate.SHRUNK} else Course.FIRST


def _part_solid(core_mm: float, course: Course, *, small: bool) -> str:
    """By the solid part; small: the whole is under 6 mm."""
    if course in {Course.NEW, Course.GROWN}:
        if core_mm >= 4:
            return "4B"
        return "3" if small and course is Course.NEW else "4A"
    if small:
        return "2"
    return "3" if core_mm < 6 else "4A" if core_mm < 8 else "4B"


def _worst(rated: Iterable[Rated]) -> Rated | None:
    return max(rated, key=lambda one: (ORDER.index(one.category), one.mm), default=None)


def _of_exam(
    exam: Subject, rated: Sequence[Rated], since: Mapping[int, NoduleChange]
) -> tuple[str, Management, Rated | None]:
    """Category, management, and the nodule that decided where one did."""
    worst, large = _worst(rated), _worst(one for one in rated if one.by_size == "4B")
    if exam.pattern_level >= 1:
        if large:
            return f"{large.category}S", Management.EVALUATE_AND_WORK_UP, large
        return "0S", Management.EVALUATE_NOW, None
    if large is None and _infectious(exam, since):
        return "0", Management.LDCT_1_3_MONTHS, None
    category = worst.category if worst else "1"
    if category in {"1", "2"} and not (exam.whole_lungs and exam.count_reliable):
        return "0", Management.COMPLETE_THE_EXAM, None
    return category, MANAGEMENT[category], worst


def _infectious(exam: Subject, since: Mapping[int, NoduleChange]) -> bool:
    """Many new nodules, or a new one that is not ground glass in an immunosuppressed patient."""
    new = [nodule for nodule in exam.nodules if is_new(since.get(nodule.number))]
    dense = any(kind_of(nodule) in {NoduleType.SOLID, NoduleType.PART_SOLID} for nodule in new)
    return len(new) > MANY_NEW or (exam.immunosuppressed is True and dense)


def _forbidden(exam: Subject) -> Sequence[WhyNot]:
    held = [code for code in forbidden(exam) if code not in _ANSWERED]
    if exam.screening is False:
        held.append(WhyNot.NOT_SCREENING)
    return held + (aged(exam, *SCREENED_YEARS) if exam.screening is None else [])
