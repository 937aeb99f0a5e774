"""What of spool and objects may go: only what is done, and only when it has been done for long."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

LARGE = ("seg", "labelmap", "sc-axial", "sc-coronal", "sc-rotating")
"""Kinds of objects that nothing here reads once they are delivered: nine tenths of all bytes.

Each holds UIDs of its own analysis, so that its bytes are no other object's."""
BRIEF = timedelta(days=1)
"""How long they are kept, at most, of an analysis that a later one replaced, and of the canary."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentFacts:
    """What is known of one segment."""

    name: str
    closed: bool
    """Whether nothing will be appended to it."""
    indexed: bool
    """Whether everything in it is journalled."""
    unfinished: int
    """Series with an instance in it that have not ended, or whose reports have not all arrived or been given
    up."""
    last_utc: datetime | None
    """When something happened last to a series with an instance in it; None where it has none."""


def removable(segments: Iterable[SegmentFacts], now_utc: datetime, keep: timedelta) -> Sequence[str]:
    """The names of segments that may go, the longest done first.

    A segment of which nothing is journalled is none of them: why it is there is not known.
    """
    done = [
        (one.last_utc, one.name)
        for one in segments
        if one.closed
        and one.indexed
        and not one.unfinished
        and one.last_utc
        and now_utc - one.last_utc > keep
    ]
    return [name for _, name in sorted(done)]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisFacts:
    """What is known of an analysis whose large objects are still there."""

    analysis_id: int
    unfinished: bool
    """Whether its series has not ended, or a delivery of its objects is still to be made, or was given up and
    neither replayed nor dismissed."""
    passing: bool
    """Whether a later generation replaced it, or it is the canary's."""
    last_utc: datetime
    """When something happened last to its series or to a delivery of its objects."""


def spent(analyses: Iterable[AnalysisFacts], now_utc: datetime, keep: timedelta) -> Sequence[int]:
    """The analyses whose large objects may go, the longest done first."""
    done = [
        (one.last_utc, one.analysis_id)
        for one in analyses
        if not one.unfinished and now_utc - one.last_utc > (min(keep, BRIEF) if one.passing else keep)
    ]
    return [number for _, number in sorted(done)]
