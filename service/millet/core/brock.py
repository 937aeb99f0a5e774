"""Probability of cancer of one nodule: the Brock (PanCan) model, full, with spiculation.

Source: McWilliams, NEJM 369:910, 2013, model 2b; coefficients as in Eur Radiol 29:5367, 2019, table 2
(PMC6717521), whose constant 0.2761 is the one here with age, count and size not centred. The model was made
on first screening scans of smokers of 50 to 75 years with few nodules: each further nodule lowers the
probability, so that among two hundred nodules a mass of 41.5 mm comes out below one in ten million.
Outside its domain no figure is given at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import exp

from millet.core.advice import Advice, Guideline
from millet.core.advice_codes import Assumption, WhyNot
from millet.core.change import NoduleChange
from millet.core.character import Lobe, NoduleType, Zone
from millet.core.nodule import Nodule
from millet.core.subject import (
    SPICULATED,
    Subject,
    aged,
    assumed,
    candidates,
    changes,
    character_of,
    declined,
    forbidden,
    half_up,
    is_new,
    kind_of,
    prior_scale,
)

YEARS = (50.0, 75.0)
"""Ages of the cohort."""
MOST_NODULES = 10
"""With more nodules than this no figure is given; ours, the paper names no limit."""
MODEL = "full-with-spiculation"
_UPPER = frozenset({Lobe.RIGHT_UPPER, Lobe.LEFT_UPPER})


@dataclass(frozen=True, slots=True, kw_only=True)
class Factors:
    """What the model asks for; None where it is not known."""

    age_years: float
    female: bool
    size_mm: float
    """The longest diameter."""
    nodules: int
    """How many the scan shows."""
    type: NoduleType = NoduleType.SOLID
    upper_lobe: bool | None = False
    spiculated: bool = False
    family_history: bool | None = False
    emphysema: bool | None = False


def probability(factors: Factors) -> float:
    """Probability of cancer, 0 to 1, with what is not known taken as absent. No domain is checked here."""
    logit = (
        -6.7892
        + 0.0287 * (factors.age_years - 62)
        + 0.6011 * factors.female
        + 0.2961 * (factors.family_history is True)
        + 0.2953 * (factors.emphysema is True)
        - 5.3854 * ((factors.size_mm / 10) ** -0.5 - 1.58113883)
        - 0.1276 * (factors.type is NoduleType.GROUND_GLASS)
        + 0.3770 * (factors.type is NoduleType.PART_SOLID)
        + 0.6581 * (factors.upper_lobe is True)
        - 0.0824 * (factors.nodules - 4)
        + 0.7729 * factors.spiculated
    )
    return 1 / (1 + exp(-logit))


def bounds(factors: Factors) -> tuple[float, float]:
    """The probability with all that is not known absent, and with all of it present."""
    worst = replace(
        factors,
        family_history=factors.family_history is not False,
        emphysema=factors.emphysema is not False,
        upper_lobe=factors.upper_lobe is not False,
    )
    return probability(factors), probability(worst)


def factors_of(exam: Subject, nodule: Nodule) -> Factors:
    """The factors of one nodule of an exam that `forbidden_here` allows.

    Nodules set aside as benign do not count: each would lower the probability of the others.
    """
    of = character_of(nodule)
    return Factors(
        age_years=exam.age_years or 0.0,
        female=exam.sex == "F",
        size_mm=half_up(of.axes.long_axis_mm, 1),
        nodules=len(candidates(exam)),
        type=kind_of(nodule),
        upper_lobe=None if of.lobe is None else of.lobe in _UPPER,
        spiculated=of.spiculation >= SPICULATED,
        family_history=exam.family_history,
        emphysema=exam.emphysema,
    )


def judge(exam: Subject) -> Advice:
    """The highest probability of any nodule, where the model may be asked."""
    if why_not := forbidden_here(exam):
        return declined(Guideline.BROCK, why_not)
    rated = [(probability(_by_zone(factors_of(exam, one), one)), one) for one in candidates(exam)]
    highest, nodule = max(rated, key=lambda one: one[0])
    return Advice(
        guideline=Guideline.BROCK,
        applies=True,
        why_not=(),
        category=MODEL,
        management="",
        probability=highest,
        nodule=nodule.number,
        assumes=tuple(code.value for code in _assumed(exam, nodule)),
    )


def forbidden_here(exam: Subject) -> list[WhyNot]:
    """What forbids a figure."""
    held = forbidden(exam) + aged(exam, *YEARS)
    if exam.sex not in {"F", "M"}:
        held.append(WhyNot.SEX_UNKNOWN)
    if len(exam.nodules) > MOST_NODULES:
        held.append(WhyNot.TOO_MANY_NODULES)
    if WhyNot.NOT_MEASURED in held:
        return held
    if exam.nodules and not candidates(exam):
        held.append(WhyNot.NO_NODULES)
    return held + ([WhyNot.NEW_OR_GROWN] if _moving(changes(exam)) else [])


def _moving(since: Mapping[int, NoduleChange]) -> bool:
    """Whether any nodule is new or has grown: the model knows first scans only, and growth says more."""
    return any(is_new(one) or prior_scale(one) is not None for one in since.values())


def _by_zone(factors: Factors, nodule: Nodule) -> Factors:
    """With the zone in place of a lobe that is not known."""
    if factors.upper_lobe is not None:
        return factors
    return replace(factors, upper_lobe=character_of(nodule).zone is Zone.UPPER)


def _assumed(exam: Subject, nodule: Nodule) -> list[Assumption]:
    held = {
        Assumption.NO_FAMILY_HISTORY: exam.family_history is None,
        Assumption.NO_EMPHYSEMA: exam.emphysema is None,
        Assumption.LOBE_BY_ZONE: character_of(nodule).lobe is None,
    }
    return assumed(exam, [nodule]) + [code for code, holds in held.items() if holds]
