"""Studies told apart by scanner, kernel and slice thickness: their alerts, and what these are worth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from millet.core.analysis import TriageLevel
from millet.evaluate.acceptance.predictive import Accuracy, Judged, accuracy
from millet.evaluate.acceptance.study import NOT_STATED, StudySeen
from millet.evaluate.acceptance.truth import Told
from millet.evaluate.bootstrap import proportion
from millet.evaluate.estimate import Estimate

FEWEST = 30
"""Studies without which nothing is concluded: of 30 an interval still is 35 points wide in the middle."""
EDGES_MM = (1.0, 1.5, 3.0)
"""Up to 1.5 mm nodules are to be measured on (BTS 2015, Fleischner 2017); over 3 mm nothing was validated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a site wants to know."""

    alert: TriageLevel
    """The level from which on a study raises an alert."""
    prevalence: float | None = None
    """Share of studies that should raise one where this is to run, 0..1."""
    positive_from: int | None = None
    """Nodules from which on a study is positive, where the truth has counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A study with its number in the report, and what the site says of it, if anything."""

    number: int
    study: StudySeen
    told: Told | None


Counts = Callable[[Case], bool]
"""Whether a study counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The studies of one sort."""

    name: str
    studies: int
    analysed: int
    alerts: Estimate
    """Share of the analysed that raise one."""
    accuracy: Accuracy | None
    """None where the site said nothing."""

    @property
    def few(self) -> bool:
        """Whether there are too few to conclude anything."""
        return self.analysed < FEWEST


def by_scanner(cases: Sequence[Case], asked: Asked) -> tuple[Group, ...]:
    """By maker and model, the one with most studies first."""
    return _groups(cases, asked, lambda case: case.study.shown.scanner)


def by_kernel(cases: Sequence[Case], asked: Asked) -> tuple[Group, ...]:
    """By the kernel of the series to open first, the most frequent first."""
    return _groups(cases, asked, lambda case: case.study.shown.kernel)


def by_thickness(cases: Sequence[Case], asked: Asked) -> tuple[Group, ...]:
    """By the slices of the series to open first, thin ones first."""
    groups = _groups(cases, asked, lambda case: thickness_name(case.study.shown.thickness_mm))
    order = [thickness_name(edge) for edge in (*EDGES_MM, 2 * EDGES_MM[-1])]
    return tuple(sorted(groups, key=lambda one: order.index(one.name) if one.name in order else len(order)))


def thickness_name(thickness_mm: float | None) -> str:
    """Words for a range of slice thickness; its upper end belongs to it."""
    if not thickness_mm:
        return NOT_STATED
    thickness_mm = round(thickness_mm, 2)
    if thickness_mm <= EDGES_MM[0]:
        return f"up to {EDGES_MM[0]:g} mm"
    for low, high in pairwise(EDGES_MM):
        if thickness_mm <= high:
            return f"over {low:g} to {high:g} mm"
    return f"over {EDGES_MM[-1]:g} mm"


def share(cases: Iterable[Case], counts: Counts) -> Estimate:
    """Of some studies those that count; studies of one patient are drawn together."""
    cases = tuple(cases)
    totals = Counter(case.study.patient for case in cases)
    hits = Counter(case.study.patient for case in cases if counts(case))
    return proportion([hits[patient] for patient in totals], list(totals.values()))


def alerts(cases: Iterable[Case], asked: Asked) -> Estimate:
    """Of the analysed among some studies those that raise an alert."""
    return share(analysed(cases), lambda case: case.study.is_alert(asked.alert))


def analysed(cases: Iterable[Case]) -> tuple[Case, ...]:
    """Those of which something was judged."""
    return tuple(case for case in cases if case.study.analysed)


def judged(cases: Iterable[Case], asked: Asked) -> tuple[Judged, ...]:
    """The studies of which the site said something; one that was not analysed raises no alert."""
    return tuple(
        Judged(
            patient=case.study.patient,
            alert=case.study.is_alert(asked.alert),
            positive=case.told.positive,
        )
        for case in cases
        if case.told is not None
    )


def _groups(cases: Sequence[Case], asked: Asked, name: Callable[[Case], str]) -> tuple[Group, ...]:
    sorts: Mapping[str, int] = Counter(name(case) for case in cases)
    ordered = sorted(sorts, key=lambda one: (-sorts[one], one))
    return tuple(_group(one, [case for case in cases if name(case) == one], asked) for one in ordered)


def _group(name: str, cases: Sequence[Case], asked: Asked) -> Group:
    known = judged(analysed(cases), asked)
    return Group(
        name=name,
        studies=len(cases),
        analysed=len(analysed(cases)),
        alerts=alerts(cases, asked),
        accuracy=accuracy(known, asked.prevalence) if known else None,
    )
