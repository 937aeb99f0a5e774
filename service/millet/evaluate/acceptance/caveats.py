"""What a report of an acceptance must not be read without, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from millet.core.assembler import ClosedBy
from millet.evaluate.acceptance.groups import FEWEST, Group
from millet.evaluate.acceptance.summary import Summary
from millet.evaluate.acceptance.words import many

MANY_NOT_ANALYSED = 0.05
"""Share of the studies from which on it is said first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What was noticed beside the studies."""

    untold: int = 0
    """Studies that the table of the truth does not name."""
    unknown: int = 0
    """Lines of the table that name no study of the cases."""
    faults: int = 0
    """Series that ended by a fault of this machine."""
    unread: int = 0
    """Files that could not be read."""


def caveats(summary: Summary, beside: Beside) -> tuple[str, ...]:
    """Each a sentence, the weightiest first."""
    return (*_of_studies(summary, beside), *_of_truth(summary, beside), *_of_groups(summary))


def _of_studies(summary: Summary, beside: Beside) -> Iterator[str]:
    if beside.faults:
        yield f"Ended by a fault of this machine: {beside.faults} series. Run it again."
    analysed = summary.analysed.value or 0.0
    if 1 - analysed > MANY_NOT_ANALYSED:
        yield f"{1 - analysed:.0%} of the studies were not analysed: see the reasons."
    if beside.unread:
        yield f"Could not be read, and in no study: {many(beside.unread, 'file')}."
    if gaps := summary.closed_by.get(ClosedBy.GAP_TIMEOUT, 0):
        yield f"With gaps, or no stack at all: {gaps} series. Is the export complete?"
    seen = round(analysed * summary.analysed.n)
    if seen < FEWEST:
        yield f"Analysed: {_studies(seen)}. Of fewer than {FEWEST} nothing can be concluded."


def _of_truth(summary: Summary, beside: Beside) -> Iterator[str]:
    if (held := summary.held) is None:
        yield "No truth was given: nothing is known of what the alerts are worth."
        return
    if beside.untold:
        yield f"Not in the table of the truth, and in no figure against it: {_studies(beside.untold)}."
    if beside.unknown:
        yield f"In the table, but no study of the cases: {many(beside.unknown, 'line')}."
    seen = held.accuracy.confusion
    for count, what in ((seen.positives, "positive"), (seen.negatives, "negative")):
        if count < FEWEST:
            yield f"Analysed: {_studies(count, what)}, fewer than {FEWEST}, so that intervals are wide."
    if held.accuracy.prevalence is None:
        share = seen.positives / max(seen.positives + seen.negatives, 1)
        yield f"PPV and NPV hold where {share:.0%} of the studies are positive, as here: say --prevalence."


def _of_groups(summary: Summary) -> Iterator[str]:
    sorts: Mapping[str, tuple[Group, ...]] = {
        "scanner": summary.by_scanner,
        "kernel": summary.by_kernel,
        "slice thickness": summary.by_thickness,
    }
    for what, found in sorts.items():
        if few := [f"{one.name} ({one.analysed})" for one in found if one.few]:
            yield f"Too few studies to conclude anything by {what}, below {FEWEST}: {', '.join(few)}."


def _studies(count: int, sort: str = "") -> str:
    return many(count, f"{sort} study".strip(), f"{sort} studies".strip())
