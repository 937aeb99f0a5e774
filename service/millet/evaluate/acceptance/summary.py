"""Everything that an acceptance says, in one value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from millet.core.analysis import TriageLevel
from millet.evaluate.acceptance import groups
from millet.evaluate.acceptance.groups import Asked, Case, Group
from millet.evaluate.acceptance.predictive import Accuracy, accuracy
from millet.evaluate.acceptance.truth import LEVELS
from millet.evaluate.bootstrap import median_of
from millet.evaluate.estimate import Estimate


class Sort(StrEnum):
    """How service and site disagree, in the order in which they are listed."""

    MISSED = "no alert"
    """The site says positive."""
    NOT_ANALYSED = "not analysed"
    """The site says positive."""
    FALSE_ALERT = "alert"
    """The site says negative."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreement:
    """One study of which service and site say different things."""

    number: int
    digest: str
    sort: Sort
    said: str
    """By the service: its level and the reason for it, in words."""
    told: str
    """By the site."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What was found, held against what the site said."""

    studies: int
    """Of which it said something."""
    accuracy: Accuracy
    """Of those that were analysed."""
    sensitivity_of_all: Estimate
    """A study that was not analysed raises no alert."""
    count_difference: Estimate | None
    """Median of found less told nodules in a study; None where no counts were told."""
    disagreements: tuple[Disagreement, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seconds:
    """How long studies took."""

    median: float
    nine_in_ten: float
    """Took no longer."""
    longest: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """All figures of an acceptance."""

    asked: Asked
    cases: tuple[Case, ...]
    patients: int
    series: int
    analysed: Estimate
    """Share of the studies."""
    alerts: Estimate
    """Share of the analysed studies."""
    levels: Mapping[TriageLevel, Estimate]
    """Share of the analysed studies of each level."""
    from_level: Mapping[TriageLevel, Estimate]
    """Share of the analysed studies of each level or a higher one."""
    studies_by_reason: Mapping[str, int]
    """Why studies were not analysed, by code."""
    series_by_reason: Mapping[str, int]
    outside_use: Mapping[str, int]
    """Studies that were analysed outside the validated use, by code."""
    closed_by: Mapping[str, int]
    """By what the service would have taken series for complete."""
    decided_elsewhere: int
    """Studies that raise an alert for another series than the one to open first."""
    unreliable: int
    """Analysed studies whose number of nodules is not to be relied on."""
    by_scanner: tuple[Group, ...]
    by_kernel: tuple[Group, ...]
    by_thickness: tuple[Group, ...]
    held: Held | None
    """None where the site said nothing."""
    seconds: Seconds


def summarise(cases: Sequence[Case], asked: Asked) -> Summary:
    """The figures of some studies, at least one."""
    seen = groups.analysed(cases)
    series = [one for case in cases for one in case.study.series]
    shown = [case.study.shown for case in seen]
    return Summary(
        asked=asked,
        cases=tuple(cases),
        patients=len({case.study.patient for case in cases}),
        series=len(series),
        analysed=groups.share(cases, lambda case: case.study.analysed),
        alerts=groups.alerts(cases, asked),
        levels={level: groups.share(seen, _has(level)) for level in LEVELS},
        from_level={level: groups.share(seen, _reaches(level)) for level in LEVELS[1:]},
        studies_by_reason=_counted(case.study.reason_code for case in cases),
        series_by_reason=_counted(one.reason_code for one in series),
        outside_use=_counted(code for one in shown for code in one.outside_use),
        closed_by=_counted(one.closed_by.value for one in series),
        decided_elsewhere=sum(_elsewhere(case, asked) for case in seen),
        unreliable=sum(not one.count_reliable for one in shown),
        by_scanner=groups.by_scanner(cases, asked),
        by_kernel=groups.by_kernel(cases, asked),
        by_thickness=groups.by_thickness(cases, asked),
        held=_held([case for case in cases if case.told is not None], asked),
        seconds=_seconds([case.study.seconds for case in cases]),
    )


def _has(level: TriageLevel) -> groups.Counts:
    return lambda case: case.study.level is level


def _reaches(level: TriageLevel) -> groups.Counts:
    return lambda case: case.study.is_alert(level)


def _counted(codes: Iterable[str]) -> Mapping[str, int]:
    """Most frequent first; what has no code is left out."""
    counts = Counter(code for code in codes if code)
    return dict(sorted(counts.items(), key=lambda one: (-one[1], one[0])))


def _elsewhere(case: Case, asked: Asked) -> bool:
    return case.study.is_alert(asked.alert) and not case.study.shown.is_alert(asked.alert)


def _held(told: Sequence[Case], asked: Asked) -> Held | None:
    if not told:
        return None
    seen = groups.analysed(told)
    everything = accuracy(groups.judged(told, asked), asked.prevalence)
    return Held(
        studies=len(told),
        accuracy=accuracy(groups.judged(seen, asked), asked.prevalence),
        sensitivity_of_all=everything.sensitivity,
        count_difference=_count_difference(seen),
        disagreements=_disagreements(told, asked),
    )


def _count_difference(seen: Sequence[Case]) -> Estimate | None:
    """Of each study whose count is told; exams of one patient are drawn together."""
    by_patient: dict[str, list[float]] = {}
    for case in seen:
        if case.told is not None and case.told.count is not None:
            difference = float(case.study.shown.nodules - case.told.count)
            by_patient.setdefault(case.study.patient, []).append(difference)
    return median_of([*by_patient.values()]) if by_patient else None


def _disagreements(told: Sequence[Case], asked: Asked) -> tuple[Disagreement, ...]:
    found = [one for case in told if (one := _disagreement(case, asked))]
    return tuple(sorted(found, key=lambda one: (list(Sort).index(one.sort), one.number)))


def _disagreement(case: Case, asked: Asked) -> Disagreement | None:
    study, told = case.study, case.told
    if told is None or study.is_alert(asked.alert) is told.positive:
        return None
    silent = Sort.MISSED if study.analysed else Sort.NOT_ANALYSED
    return Disagreement(
        number=case.number,
        digest=study.digest,
        sort=silent if told.positive else Sort.FALSE_ALERT,
        said=_said(case),
        told=told.words,
    )


def _said(case: Case) -> str:
    one = case.study.deciding
    return f"{case.study.level.value}: {'; '.join(one.reasons)}"


def _seconds(each: Sequence[float]) -> Seconds:
    middle, most, longest = np.percentile(each, [50, 90, 100]).tolist()
    return Seconds(median=middle, nine_in_ten=most, longest=longest)
