"""Who and what the guidelines are asked about, and what they have in common.

Unknown is None, never "no": a guideline that needs an answer that nobody gave states what it took for
granted (`Advice.assumes`) or does not apply (`Advice.why_not`). Sizes are rounded as each guideline
says, halves up, and only here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum

from millet.core.advice import Advice, Guideline
from millet.core.advice_codes import Assumption, WhyNot
from millet.core.change import Change, Fate, NoduleChange
from millet.core.character import Axes, Character, NoduleType
from millet.core.nodule import MASS_DIAMETER_MM, Nodule

MOSTLY_CALCIFIED = 0.5
"""From this calcified share on the calcification is taken for one of the benign patterns; ours."""
SPICULATED = 0.5
"""From this estimate on an edge is called spiculated; ours."""
SMOOTH = 0.2
"""Up to this estimate an edge is called smooth; ours."""
_SCREENING = re.compile(r"\bSCREENING\b|\bLUNG.?SCREEN|\bLCS\b|\bLUNG.?RADS\b")


class Basis(StrEnum):
    """Which of its two columns a guideline's table is entered by."""

    DIAMETER = "diameter"
    VOLUME = "volume"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One exam, as the guidelines look at it. None where something is not known."""

    nodules: tuple[Nodule, ...]
    pattern_level: int
    """LMP level of the exam: 0 not miliary, 1 possible, 2 probable, 3 definite."""
    age_years: float | None = None
    sex: str | None = None
    """As DICOM writes it (0010,0040): "F", "M", "O" or empty."""
    known_cancer: bool | None = None
    """Any malignancy, in the past or now."""
    immunosuppressed: bool | None = None
    family_history: bool | None = None
    """Lung cancer in a first-degree relative."""
    emphysema: bool | None = None
    screening: bool | None = None
    """Whether the exam belongs to a lung cancer screening programme."""
    outside_validated_use: bool = False
    """Whether a remark says so that speaks neither of the count nor of the lungs: see the next two."""
    count_reliable: bool = True
    whole_lungs: bool = True
    """False where a part of the lungs could not be evaluated."""
    slice_mm: float | None = None
    """Slice thickness."""
    change: Change | None = None
    basis: Basis = Basis.DIAMETER

    def __post_init__(self) -> None:
        if self.pattern_level < 0:
            raise ValueError(f"no pattern level: {self.pattern_level}")
        if self.age_years is not None and not self.age_years >= 0:
            raise ValueError("an age is not negative")


def stated_screening(descriptions: Iterable[str]) -> bool | None:
    """True where the descriptions of a scan (upper case) name screening, else None: silence says nothing."""
    return True if any(_SCREENING.search(words) for words in descriptions) else None


def half_up(value: float, decimals: int = 0) -> float:
    """Round to so many decimals, halves up, as people do; noise of the ninth decimal is no half."""
    step = Decimal(1).scaleb(-decimals)
    return float(Decimal(str(round(value, 9))).quantize(step, ROUND_HALF_UP))


def tenths_mm(axes: Axes) -> float:
    """Mean diameter as Lung-RADS v2022 reports it: both axes, then their mean, to 0.1 mm (note on size)."""
    return half_up((half_up(axes.long_axis_mm, 1) + half_up(axes.short_axis_mm, 1)) / 2, 1)


def whole_mm(axes: Axes) -> float:
    """Mean diameter to the whole mm, as the Fleischner Society reports it (Radiology 285:584, 2017)."""
    return half_up(axes.mean_mm)


def character_of(nodule: Nodule) -> Character:
    """The character of a nodule that was measured; ValueError for one that was not (see `unmeasured`)."""
    if nodule.character is None:
        raise ValueError(f"nodule {nodule.number} has no character")
    return nodule.character


def unmeasured(exam: Subject) -> bool:
    """Whether any nodule lacks what the guidelines' tables ask for."""
    return any(nodule.character is None for nodule in exam.nodules)


def kind_of(nodule: Nodule) -> NoduleType:
    """Its type for the tables: a nodule that is calcified in a smaller part only is a solid one."""
    of = character_of(nodule)
    eccentric = of.type is NoduleType.CALCIFIED and of.calcified_share < MOSTLY_CALCIFIED
    return NoduleType.SOLID if eccentric else of.type


def is_benign(nodule: Nodule) -> bool:
    """Whether fat or calcification sets it aside (Lung-RADS category 1, BTS, Fleischner)."""
    return kind_of(nodule) in {NoduleType.FAT, NoduleType.CALCIFIED}


def is_smooth_solid(nodule: Nodule) -> bool:
    """Whether it is solid with a smooth edge; its shape is not judged (`Assumption.BENIGN_SHAPE`)."""
    return kind_of(nodule) is NoduleType.SOLID and character_of(nodule).spiculation <= SMOOTH


def candidates(exam: Subject) -> tuple[Nodule, ...]:
    """The nodules that are not set aside as benign."""
    return tuple(nodule for nodule in exam.nodules if not is_benign(nodule))


def has_mass(exam: Subject) -> bool:
    """Whether any lesion is larger than a nodule; the guidelines for nodules end there."""
    return any(
        max(nodule.diameter_mm, nodule.character.axes.mean_mm if nodule.character else 0.0) > MASS_DIAMETER_MM
        for nodule in exam.nodules
    )


def comparable(exam: Subject) -> bool:
    """Whether a prior was used and nothing limits the comparison: only then is anything new or grown."""
    return exam.change is not None and not exam.change.not_used and not exam.change.limited


def changes(exam: Subject) -> Mapping[int, NoduleChange]:
    """What became of each nodule since a comparable prior, by number; none without one."""
    if exam.change is None or not comparable(exam):
        return {}
    return {one.number: one for one in exam.change.nodules if one.number is not None}


def is_new(since: NoduleChange | None) -> bool:
    """Whether the prior did not show it."""
    return since is not None and since.fate is Fate.NEW


def prior_scale(since: NoduleChange | None) -> float | None:
    """What to multiply a diameter of a grown nodule by to have the prior's; None where it has not grown.

    The prior's own axes are not kept: the volume's change is taken as equal in all directions.
    """
    if since is None or since.fate is not Fate.GROWN or since.volume_change is None:
        return None
    return float((1.0 + since.volume_change) ** (-1 / 3)) if since.volume_change > 0 else None


def forbidden(exam: Subject) -> list[WhyNot]:
    """What forbids every rule made for single nodules in persons without a known cancer."""
    held = {
        WhyNot.OUTSIDE_VALIDATED_USE: exam.outside_validated_use,
        WhyNot.COUNT_UNRELIABLE: not exam.count_reliable,
        WhyNot.INCOMPLETE_LUNGS: not exam.whole_lungs,
        WhyNot.MILIARY_PATTERN: exam.pattern_level >= 1,
        WhyNot.KNOWN_CANCER: exam.known_cancer is True,
        WhyNot.MASS: has_mass(exam),
        WhyNot.NO_NODULES: not exam.nodules,
        WhyNot.NOT_MEASURED: unmeasured(exam),
    }
    return [code for code, holds in held.items() if holds]


def aged(exam: Subject, low: float, high: float = 200.0) -> list[WhyNot]:
    """Whether the age forbids it: unknown, or outside low to high completed years, both included."""
    if exam.age_years is None:
        return [WhyNot.AGE_UNKNOWN]
    return [] if low <= int(exam.age_years) <= high else [WhyNot.AGE]


def assumed(exam: Subject, deciding: Sequence[Nodule] = ()) -> list[Assumption]:
    """What is taken for granted by every rule for nodules."""
    set_aside = any(kind_of(nodule) is NoduleType.CALCIFIED for nodule in exam.nodules)
    held = {
        Assumption.NO_KNOWN_CANCER: exam.known_cancer is None,
        Assumption.BENIGN_CALCIFICATION: set_aside,
        Assumption.SIZE_AT_LIMIT: any(character_of(nodule).at_resolution_limit for nodule in deciding),
    }
    return [code for code, holds in held.items() if holds]


def declined(guideline: Guideline, why_not: Sequence[WhyNot]) -> Advice:
    """The advice of a guideline that does not apply."""
    return Advice(
        guideline=guideline,
        applies=False,
        why_not=tuple(code.value for code in why_not),
        category="",
        management="",
        probability=None,
        nodule=None,
    )
