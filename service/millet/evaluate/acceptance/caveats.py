"""What a report of an acceptance must not be read without, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from millet.core.assembler import ClosedBy
from millet.evaluate.acceptance.groups import FEWEST, Group
from millet.evaluate.acceptance.summary import Summary

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
        yield f"{beside.faults} series ended by a fault of this machine, not of the series: run again."
    analysed = summary.analysed.value or 0.0
    if 1 - analysed > MANY_NOT_ANALYSED:
        yield f"{1 - analysed:.0%} of the studies were not analysed: see the reasons."
    if beside.unread:
        yield f"{beside.unread} files could not be read and are in no study."
    if gaps := summary.closed_by.get(ClosedBy.GAP_TIMEOUT, 0):
        yield f"{gaps} series have gaps or are no stack: is the export complete?"
    seen = round(analysed * summary.analysed.n)
    if seen < FEWEST:
        yield f"{seen} studies were analysed: of fewer than {FEWEST} nothing can be concluded."


def _of_truth(summary: Summary, beside: Beside) -> Iterator[str]:
    if (held := summary.held) is None:
        yield "No truth was given: nothing is known of what the alerts are worth."
        return
    if beside.untold:
        yield f"{beside.untold} studies are not in the table of the truth and are in no figure against it."
    if beside.unknown:
        yield f"{beside.unknown} lines of the table name no study of the cases."
    seen = held.accuracy.confusion
    for count, what in ((seen.positives, "positive"), (seen.negatives, "negative")):
        if count < FEWEST:
            yield f"{count} {what} studies were analysed: fewer than {FEWEST}, so its intervals are wide."
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
