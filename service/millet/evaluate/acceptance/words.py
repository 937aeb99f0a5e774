"""Figures of an acceptance in words and cells: the same on the screen and on the page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from millet.evaluate.acceptance.groups import Group
from millet.evaluate.acceptance.predictive import ROWS, Accuracy
from millet.evaluate.acceptance.summary import Held, Summary
from millet.evaluate.estimate import Estimate

NOTHING = "-"
NARROW = "\N{NO-BREAK SPACE}"
"""Keeps an interval on one line."""
Cells = tuple[str, ...]

ACCURACY_HEAD = ("against the truth", "value", "95 % interval", "n")


def many(count: int, one: str, more: str = "") -> str:
    """A number of things."""
    return f"{count} {one if count == 1 else more or one + 's'}"


def size(summary: Summary) -> tuple[str, str, str]:
    """How many studies, patients and series."""
    return (
        many(len(summary.cases), "study", "studies"),
        many(summary.patients, "patient"),
        many(summary.series, "series", "series"),
    )


def percent(estimate: Estimate | None) -> str:
    """A share in percent."""
    return NOTHING if estimate is None or estimate.value is None else f"{estimate.value:.1%}"


def ends(estimate: Estimate | None) -> str:
    """Its interval."""
    if estimate is None or estimate.low is None or estimate.high is None:
        return NOTHING
    return f"{estimate.low:.1%} to {estimate.high:.1%}"


def share(estimate: Estimate | None) -> str:
    """Both."""
    found = ends(estimate)
    if found == NOTHING:
        return percent(estimate)
    return f"{percent(estimate)} ({found.replace(' ', NARROW)})"


def share_of(estimate: Estimate) -> str:
    """Both, and of how many."""
    return f"{share(estimate)} of{NARROW}{estimate.n}"


def level_rows(summary: Summary) -> Iterator[Cells]:
    """Of each level: name, share of the analysed, interval, n."""
    for level, estimate in summary.levels.items():
        yield level.value, percent(estimate), ends(estimate), str(estimate.n)


def reason_rows(summary: Summary) -> Iterator[Cells]:
    """Of each reason for not analysing: code, studies, series."""
    for code, series in summary.series_by_reason.items():
        yield code, str(summary.studies_by_reason.get(code, 0)), str(series)


def accuracy_rows(held: Held) -> Iterator[Cells]:
    """Of each figure against the truth: name, value, interval, n."""
    found = held.accuracy
    yield _line("sensitivity, of what was analysed", found.sensitivity)
    yield _line("sensitivity, of all (not analysed is no alert)", held.sensitivity_of_all)
    yield _line("specificity", found.specificity)
    yield _line("PPV in these cases", found.ppv_here)
    yield _line("NPV in these cases", found.npv_here)
    if found.prevalence is not None:
        yield _line(f"PPV at a prevalence of {found.prevalence:.3g}", found.ppv)
        yield _line(f"NPV at a prevalence of {found.prevalence:.3g}", found.npv)
    if held.count_difference is not None:
        yield _counted("nodules found less told, median", held.count_difference)


def _line(name: str, estimate: Estimate | None) -> Cells:
    return name, percent(estimate), ends(estimate), str(estimate.n if estimate else 0)


def _counted(name: str, estimate: Estimate) -> Cells:
    value = NOTHING if estimate.value is None else f"{estimate.value:+g}"
    interval = NOTHING if estimate.low is None else f"{estimate.low:+g} to {estimate.high:+g}"
    return name, value, interval, str(estimate.n)


def in_practice(accuracy: Accuracy) -> str:
    """What it means for the work, in one sentence; empty without a prevalence."""
    told, value = accuracy.alerts_in_1000, accuracy.sensitivity.value
    if told is None or told.value is None or value is None or accuracy.prevalence is None:
        return ""
    positive = ROWS * accuracy.prevalence
    right = positive * value
    interval = "" if told.low is None else f" ({told.low:.0f} to {told.high:.0f})"
    return (
        f"Of {ROWS:,} such studies, {positive:.0f} of them positive, {told.value:.0f}{interval} raise an "
        f"alert: {right:.0f} rightly, {told.value - right:.0f} not. "
        f"{positive - right:.0f} positive ones raise none."
    )


def group_head(what: str, summary: Summary) -> Cells:
    """What stands above `group_rows`."""
    counts = (what, "studies", "analysed", "raise an alert")
    if summary.held is None:
        return counts
    at = summary.asked.prevalence
    worth = "PPV in these cases" if at is None else f"PPV at a prevalence of {at:.3g}"
    return (*counts, "sensitivity", "specificity", worth)


def group_rows(groups: Sequence[Group], summary: Summary) -> Iterator[Cells]:
    """Of each group: how many, how many raise an alert, and what that is worth where the truth is known."""
    for one in groups:
        few = " *" if one.few else ""
        counts = (f"{one.name}{few}", str(one.studies), str(one.analysed), share(one.alerts))
        yield counts if summary.held is None else (*counts, *_worth(one.accuracy))


def _worth(found: Accuracy | None) -> Cells:
    if found is None:
        return (NOTHING,) * 3
    ppv = found.ppv_here if found.prevalence is None else found.ppv
    return share_of(found.sensitivity), share_of(found.specificity), share(ppv)


def of_digest(digest: str) -> str:
    """As much of a digest as a person compares."""
    return digest[:12]
