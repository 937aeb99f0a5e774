"""British Thoracic Society 2015, for nodules of adults, however they were found.

Source: Callister, Thorax 70 Suppl 2:ii1, 2015, algorithms 1, 2 and 4, and its summary of recommendations;
Thorax 73:199, 2018, table 1. Volumes decide; diameters (the longest) do where the nodule is at the limit
of resolution, and for subsolid nodules. From 8 mm or 300 mm3 on the Brock model decides at 10 %: where a
factor is not known, between the probability without and with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from millet.core import brock
from millet.core.advice import Advice, Guideline
from millet.core.advice_codes import Assumption, Management, WhyNot
from millet.core.change import NoduleChange
from millet.core.character import NoduleType
from millet.core.nodule import Nodule
from millet.core.subject import (
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
    is_benign,
    is_new,
    is_smooth_solid,
    kind_of,
)

ADULT_YEARS = 18.0
GROWTH = 0.25
"""From this share of the volume on a nodule has grown."""
FAST_DAYS, SLOW_DAYS = 400.0, 600.0
"""Volume doubling times: up to the first one works up, beyond the second one may end the surveillance."""
THREE_MONTHS_DAYS, YEAR_DAYS, TWO_YEARS_DAYS = 80, 350, 715
"""An exam so long after the prior is the one of three months, one or two years."""
HIGH_RISK = 0.10
LYMPH_NODE_MM = 10.0


class Rule(NamedTuple):
    """What holds for one nodule; urgency 0 is the most urgent."""

    urgency: int
    category: str
    management: Management


BENIGN = Rule(9, "benign-features", Management.DISCHARGE)
SMALL = Rule(9, "below-threshold", Management.DISCHARGE)
STABLE = Rule(8, "stable", Management.DISCHARGE)
SLOW = Rule(7, "growth-slow", Management.CT_OR_DISCHARGE)
STABLE_2_YEARS = Rule(6, "stable", Management.CT_2_YEARS)
STABLE_1_YEAR = Rule(6, "stable", Management.CT_1_YEAR)
STABLE_SUBSOLID = Rule(6, "stable-subsolid", Management.CT_1_2_4_YEARS)
ONE_YEAR = Rule(5, "surveillance", Management.CT_1_YEAR)
THREE_MONTHS = Rule(4, "surveillance", Management.CT_3_MONTHS)
BELOW_10 = Rule(4, "risk-below-10", Management.CT_3_MONTHS)
OPEN_RISK = Rule(3, "risk-around-10", Management.PET_CT_OR_CT_3_MONTHS)
UNKNOWN_RISK = Rule(3, "risk-not-assessed", Management.ASSESS_RISK)
GROWTH_400_600 = Rule(2, "growth-moderate", Management.BIOPSY_OR_CT)
SUBSOLID_RISK = Rule(2, "risk-10-or-more", Management.DISCUSS_BIOPSY_OR_CT)
ABOVE_10 = Rule(1, "risk-10-or-more", Management.PET_CT)
GROWN_SUBSOLID = Rule(0, "growth", Management.RESECTION_OR_BIOPSY)
GROWN = Rule(0, "growth", Management.GROWTH_WORK_UP)


def judge(exam: Subject) -> Advice:
    """What the nodule with the most urgent rule asks for."""
    if why_not := _forbidden(exam):
        return declined(Guideline.BTS, why_not)
    since = changes(exam)
    decided = [(rule_of(exam, nodule, since.get(nodule.number)), nodule) for nodule in exam.nodules]
    rule, nodule = min(decided, key=lambda one: (one[0].urgency, -character_of(one[1]).axes.long_axis_mm))
    return Advice(
        guideline=Guideline.BTS,
        applies=True,
        why_not=(),
        category=rule.category,
        management=rule.management.value,
        probability=None,
        nodule=nodule.number,
        assumes=tuple(code.value for code in _assumed(exam, nodule)),
    )


def rule_of(exam: Subject, nodule: Nodule, since: NoduleChange | None) -> Rule:
    """The rule of one nodule."""
    if is_benign(nodule) or is_lymph_node(nodule):
        return BENIGN
    if kind_of(nodule) is NoduleType.SOLID:
        return _solid(exam, nodule, since)
    return _subsolid(exam, nodule, since)


def is_lymph_node(nodule: Nodule) -> bool:
    """Smooth, solid, under 10 mm, at fissure or pleura; that it is lentiform or triangular is assumed."""
    of = character_of(nodule)
    small = half_up(of.axes.long_axis_mm, 1) < LYMPH_NODE_MM
    return (of.perifissural or of.juxtapleural) and is_smooth_solid(nodule) and small


def size_of(nodule: Nodule) -> str:
    """The step: below (5 mm, 80 mm3), lower (6 mm, by diameter only), middle, large (8 mm, 300 mm3)."""
    of = character_of(nodule)
    if kind_of(nodule) is NoduleType.SOLID and not of.at_resolution_limit:
        mm3 = half_up(nodule.volume_mm3)
        return "below" if mm3 < 80 else "middle" if mm3 < 300 else "large"
    mm = half_up(of.axes.long_axis_mm, 1)
    return "below" if mm < 5 else "lower" if mm < 6 else "middle" if mm < 8 else "large"


def _solid(exam: Subject, nodule: Nodule, since: NoduleChange | None) -> Rule:
    size = size_of(nodule)
    if growth := _growth(since):
        return growth
    if size == "below":
        return THREE_MONTHS if is_new(since) else SMALL
    stable = _stable(exam, nodule, since)
    if stable and (stable.management is Management.DISCHARGE or size != "large"):
        return stable
    if size == "large":
        return _by_risk(exam, nodule, below=BELOW_10, above=ABOVE_10)
    return ONE_YEAR if size == "lower" else THREE_MONTHS


def _growth(since: NoduleChange | None) -> Rule | None:
    """By the volume doubling time, where the volume grew by a quarter or more."""
    if since is None or since.volume_change is None or half_up(since.volume_change, 3) < GROWTH:
        return None
    days = since.doubling_days
    if days is None or days <= FAST_DAYS:
        return GROWN
    return GROWTH_400_600 if days <= SLOW_DAYS else SLOW


def _stable(exam: Subject, nodule: Nodule, since: NoduleChange | None) -> Rule | None:
    """The step of surveillance of a nodule that has not grown; None where nothing comparable says so."""
    if since is None or since.volume_change is None:
        return None
    days = (exam.change.interval_days if exam.change else None) or 0
    by_diameter = character_of(nodule).at_resolution_limit
    if days >= (TWO_YEARS_DAYS if by_diameter else YEAR_DAYS):
        return STABLE
    if by_diameter and days >= YEAR_DAYS:
        return STABLE_2_YEARS
    return STABLE_1_YEAR if days >= THREE_MONTHS_DAYS else None


def _subsolid(exam: Subject, nodule: Nodule, since: NoduleChange | None) -> Rule:
    if _growth(since):
        return GROWN_SUBSOLID
    if size_of(nodule) == "below":
        return THREE_MONTHS if is_new(since) else SMALL
    if _stable(exam, nodule, since):
        return _by_risk(exam, nodule, below=STABLE_SUBSOLID, above=SUBSOLID_RISK)
    return THREE_MONTHS


def _by_risk(exam: Subject, nodule: Nodule, *, below: Rule, above: Rule) -> Rule:
    if len(exam.nodules) > brock.MOST_NODULES or brock.forbidden_here(exam):
        return UNKNOWN_RISK
    low, high = brock.bounds(brock.factors_of(exam, nodule))
    if low >= HIGH_RISK:
        return above
    if high < HIGH_RISK:
        return below
    return OPEN_RISK if kind_of(nodule) is NoduleType.SOLID else above


def _forbidden(exam: Subject) -> Sequence[WhyNot]:
    return forbidden(exam) + aged(exam, ADULT_YEARS)


def _assumed(exam: Subject, nodule: Nodule) -> list[Assumption]:
    shaped = any(is_lymph_node(one) for one in candidates(exam))
    held = {
        Assumption.FIRST_CT: not comparable(exam),
        Assumption.BENIGN_SHAPE: shaped,
    }
    return assumed(exam, [nodule]) + [code for code, holds in held.items() if holds]
