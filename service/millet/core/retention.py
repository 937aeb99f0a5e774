"""Which segments of the spool may go: only what is done, and only when it has been done for long."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta


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
