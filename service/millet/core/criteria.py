"""Criteria as data: conditions on measures of an exam, level by level, and the engine that judges them.

A set is a value: it has a version, it is written and read as TOML (`codec.criteria_toml`), and it is part of
the configuration digest. A level holds when all its rules hold and so do all levels below it. What is
not known never holds: the condition then has nothing observed, and the judgement names what is missing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from math import isfinite
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from millet.core.criteria_measures import MEASURES, Asked, Missing, Taken
from millet.core.judgement import Condition, Judgement, Standing
from millet.core.language import coded, listed, phrase
from millet.core.lesion import Exam, Lesion

MOST_LEVELS = 9
MOST_RULES = 50
MOST_REGIONS = 100
LONGEST_TEXT = 400
MODALITY = re.compile(r"[A-Z0-9]{1,16}")
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,59}")
_ALWAYS = ("under_mm", "without_dominant")

RELATIONS: Mapping[str, Callable[[float, float, float], bool]] = MappingProxyType(
    {
        ">=": lambda value, low, _: value >= low,
        ">": lambda value, low, _: value > low,
        "<=": lambda value, low, _: value <= low,
        "<": lambda value, low, _: value < low,
        "between": lambda value, low, high: low <= value <= high,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule(Asked):
    """One condition: a measure, what it is taken of, and its threshold. Raises ValueError by field."""

    name: str
    measure: str
    """A word of `criteria_measures.MEASURES`."""
    relation: str
    """One of `RELATIONS`; "between" includes both ends."""
    threshold: float
    upper: float | None = None
    """The upper end of "between"."""
    standing: Standing
    where_unknown: Rule | None = None
    """Judged in its place where something that it needs is not known."""
    alternative: Rule | None = None
    """Suffices where it does not hold itself."""

    def __post_init__(self) -> None:
        if mistakes := list(_rule_mistakes(self)):
            raise ValueError("; ".join(mistakes))


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """One level above the one before it."""

    meaning: str
    rules: tuple[Rule, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.rules) <= MOST_RULES:
            raise ValueError(f"rules: {len(self.rules)} is not within 1 to {MOST_RULES}")
        if mistake := _text_mistake(self.meaning):
            raise ValueError(f"meaning: {mistake}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dominant:
    """When the largest lesion stands out from all others."""

    least_mm: float
    ratio: float
    """Times the median of the others, at least."""

    def __post_init__(self) -> None:
        for name in ("least_mm", "ratio"):
            if not 0 < getattr(self, name) < float("inf"):
                raise ValueError(f"{name}: {getattr(self, name)} must be a finite number above 0")

    def of(self, diameters_mm: Sequence[float]) -> int | None:
        """The place of the dominant one in a list, None where none stands out."""
        if not diameters_mm:
            return None
        largest = int(np.argmax(diameters_mm))
        others = np.delete(np.asarray(diameters_mm, float), largest)
        rest_mm = float(np.median(others)) if len(others) else 0.0
        return largest if diameters_mm[largest] >= max(self.least_mm, self.ratio * rest_mm) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class CriteriaSet:
    """A versioned set. Raises ValueError with every mistake of its own."""

    identifier: str
    version: str
    organ: str
    standing: Standing
    source: str
    below: str
    """What level 0 means."""
    levels: tuple[Level, ...]
    """From level 1 on."""
    reported: tuple[Rule, ...] = ()
    """Evaluated and told, but they decide nothing."""
    dominant: Dominant | None = None
    """None where no lesion is ever left out as dominant."""
    modality: str = ""
    """Of the images that it was written for (0008,0060), such as "MR"; empty for any."""

    def __post_init__(self) -> None:
        if mistakes := list(_set_mistakes(self)):
            raise ValueError("; ".join(mistakes))


def regions_of(sets: Sequence[CriteriaSet]) -> frozenset[str]:
    """All regions that rules of the sets ask for."""
    return frozenset(region for one in sets for rule in _rules(one) for region in rule.regions)


def evaluate(criteria: CriteriaSet, exam: Exam) -> Judgement:
    """Judge an exam by a set; an exam of another organ or modality is not evaluated, and said so."""
    if why := _other(criteria, exam):
        return _judgement(criteria, 0, (), why)
    diameters_mm = [one.diameter_mm for one in exam.lesions]
    dominant = criteria.dominant.of(diameters_mm) if criteria.dominant else None
    seen = _Seen(exam, tuple(one for at, one in enumerate(exam.lesions) if at != dominant))
    verdicts = [[_verdict(rule, seen) for rule in level.rules] for level in criteria.levels]
    level = 0
    while level < len(verdicts) and all(verdict.holds for verdict in verdicts[level]):
        level += 1
    conditions = [
        _condition(judged, number)
        for number, row in enumerate([[_verdict(rule, seen) for rule in criteria.reported], *verdicts])
        for verdict in row
        for judged in verdict.judged
    ]
    missing = [told for row in verdicts[level:] for verdict in row for told in verdict.missing]
    return _judgement(criteria, level, (*conditions,), _untold(missing))


def _other(criteria: CriteriaSet, exam: Exam) -> str:
    """What the criteria were not written for."""
    if exam.organ != criteria.organ:
        organs = {"criteria": criteria.organ, "exam": exam.organ}
        return phrase("criteria.other-organ", **{of: coded("organ", organ) for of, organ in organs.items()})
    if criteria.modality and exam.modality and criteria.modality != exam.modality:
        return phrase("criteria.other-modality", criteria=criteria.modality, exam=exam.modality)
    return ""


class _Seen(NamedTuple):
    exam: Exam
    without_dominant: tuple[Lesion, ...]

    def taken(self, asked: Asked) -> Taken:
        lesions = self.without_dominant if asked.without_dominant else self.exam.lesions
        if asked.under_mm:
            lesions = tuple(one for one in lesions if one.diameter_mm < asked.under_mm)
        return Taken(exam=self.exam, lesions=lesions, asked=asked)


class _Judged(NamedTuple):
    rule: Rule
    observed: float | None

    @property
    def holds(self) -> bool:
        if self.observed is None:
            return False
        upper = self.rule.threshold if self.rule.upper is None else self.rule.upper
        return RELATIONS[self.rule.relation](self.observed, self.rule.threshold, upper)


class _Verdict(NamedTuple):
    """A rule, what stood in for it or beside it, and whether any of them holds."""

    judged: tuple[_Judged, ...]
    missing: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        return any(one.holds for one in self.judged)


def _verdict(rule: Rule, seen: _Seen) -> _Verdict:
    try:
        own = _Verdict((_Judged(rule, MEASURES[rule.measure].of(seen.taken(rule))),))
    except Missing as missing:
        if rule.where_unknown:
            return _verdict(rule.where_unknown, seen)
        (what,) = missing.args
        told = phrase("criteria.missing", name=coded("condition", rule.name), what=what)
        own = _Verdict((_Judged(rule, None),), (told,))
    if rule.alternative is None:
        return own
    other = _verdict(rule.alternative, seen)
    return _Verdict(own.judged + other.judged, () if other.holds else own.missing + other.missing)


def _condition(judged: _Judged, level: int) -> Condition:
    rule, observed = judged
    return Condition(
        name=rule.name,
        observed=None if observed is None else float(observed),
        relation=rule.relation,
        threshold=rule.threshold,
        upper=rule.upper,
        holds=judged.holds,
        standing=rule.standing,
        level=level,
    )


def _untold(missing: Sequence[str]) -> str:
    return listed(tuple(dict.fromkeys(missing)), "criteria.not-known")


def _judgement(
    criteria: CriteriaSet, level: int, conditions: tuple[Condition, ...], not_evaluated: str
) -> Judgement:
    return Judgement(
        criteria=criteria.identifier,
        version=criteria.version,
        organ=criteria.organ,
        standing=criteria.standing,
        source=criteria.source,
        level=level,
        meaning=criteria.levels[level - 1].meaning if level else criteria.below,
        conditions=conditions,
        not_evaluated=not_evaluated,
    )


def _name_mistake(value: str) -> str:
    return "" if _NAME.fullmatch(value) else f"{value[:60]!r} is no name in small letters, digits, . and -"


def _text_mistake(value: str) -> str:
    good = value.strip() and value.isprintable() and len(value) <= LONGEST_TEXT
    return "" if good else f"must be one line of text, up to {LONGEST_TEXT} characters"


def _rule_mistakes(rule: Rule) -> Iterator[str]:
    if mistake := _name_mistake(rule.name):
        yield f"name: {mistake}"
    if rule.measure in MEASURES:
        yield from _asked_mistakes(rule)
    else:
        yield f"measure: {rule.measure[:60]!r} is none of {', '.join(MEASURES)}"
    if rule.relation not in RELATIONS:
        yield f"relation: {rule.relation[:60]!r} is none of {', '.join(RELATIONS)}"
    if not isfinite(rule.threshold):
        yield "threshold: must be a finite number"
    if (rule.relation == "between") != (rule.upper is not None):
        yield 'upper: belongs to "between", and only to it'
    elif rule.upper is not None and not rule.threshold <= rule.upper < float("inf"):
        yield "upper: must be a finite number, not below threshold"
    if rule.where_unknown and rule.where_unknown.where_unknown:
        yield "where_unknown: cannot have one of its own"
    if rule.alternative and (rule.alternative.alternative or rule.alternative.where_unknown):
        yield "alternative: cannot have one of its own"


def _asked_mistakes(rule: Rule) -> Iterator[str]:
    measure = MEASURES[rule.measure]
    for one in fields(Asked):
        value, given = getattr(rule, one.name), getattr(rule, one.name) != one.default
        if one.name in measure.needs and not given:
            yield f"{one.name}: the measure {rule.measure} needs it"
        elif given and one.name not in (*measure.needs, *measure.takes, *_ALWAYS):
            yield f"{one.name}: the measure {rule.measure} does not take it"
        elif one.name == "regions":
            yield from _regions_mistakes(value)
        elif not _ASKED[one.name](value):
            yield f"{one.name}: {value} is out of range"
    if rule.per_side and rule.each_side:
        yield "each_side: has no meaning beside per_side"


_ASKED: Mapping[str, Callable[[float], bool]] = MappingProxyType(
    {
        "under_mm": lambda value: 0 <= value < float("inf"),
        "without_dominant": lambda _: True,
        "limit_mm": lambda value: 0 <= value < float("inf"),
        "slab_mm": lambda value: 0.1 <= value <= 1000,
        "lesions": lambda value: value >= 0,
        "each_side": lambda value: value >= 0,
        "per_side": lambda _: True,
        "known_share": lambda value: 0 <= value <= 1,
    }
)


def _regions_mistakes(regions: tuple[str, ...]) -> Iterator[str]:
    if len(regions) > MOST_REGIONS or len(set(regions)) < len(regions):
        yield f"regions: must be up to {MOST_REGIONS} different names"
    elif mistake := next(filter(None, map(_name_mistake, regions)), ""):
        yield f"regions: {mistake}"


def _rules(criteria: CriteriaSet) -> Iterator[Rule]:
    waiting = [*criteria.reported, *(rule for level in criteria.levels for rule in level.rules)]
    while waiting:
        rule = waiting.pop()
        yield rule
        waiting.extend(other for other in (rule.where_unknown, rule.alternative) if other)


def _set_mistakes(criteria: CriteriaSet) -> Iterator[str]:
    for name in ("identifier", "version", "organ"):
        if mistake := _name_mistake(getattr(criteria, name)):
            yield f"{name}: {mistake}"
    if criteria.modality and not MODALITY.fullmatch(criteria.modality):
        yield f"modality: {criteria.modality[:60]!r} is none, such as MR"
    for name in ("source", "below"):
        if mistake := _text_mistake(getattr(criteria, name)):
            yield f"{name}: {mistake}"
    if not 1 <= len(criteria.levels) <= MOST_LEVELS:
        yield f"levels: {len(criteria.levels)} is not within 1 to {MOST_LEVELS}"
    if len(criteria.reported) > MOST_RULES:
        yield f"reported: more than {MOST_RULES} rules"
    names = [rule.name for rule in _rules(criteria)]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        yield f"rules: {', '.join(twice)}: each needs a name of its own"
    if criteria.dominant is None and any(rule.without_dominant for rule in _rules(criteria)):
        yield "dominant: a rule is without_dominant, and what that is, is not said"
