"""When an archive is asked how many instances it holds of a series, and what its answers mean.

It is asked where waiting would be the only other way: a series with holes, one whose association stays
open, one of which a tag says that more is to come. Never sooner than `settle_s` after the last instance
(the archive receives from the same scanner, a little sooner or later than we do), a second time after
`quiet_s`, and no third time, until another instance comes. That it holds more is believed at once. That
it holds the same is believed at once of a stack without holes, and when it is said twice of any other.
That it holds less, or nothing, says nothing: it may be receiving, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from millet.core.assembler import ArchiveSays, Arrival, Waits, looks_whole

MOST = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What an archive answered about a series."""

    asked_s: float
    """When it was asked, by the monotonic clock."""
    instances: int | None
    """None where it does not know, or did not answer."""


def due(arrival: Arrival, answers: Sequence[Answer], now_s: float, waits: Waits) -> bool:
    """Whether the archive is to be asked now, given what it answered before."""
    since = _since(arrival, answers)
    after_s = (waits.settle_s, waits.quiet_s)
    if len(since) >= MOST or now_s - arrival.last_instance_s < after_s[len(since)]:
        return False
    return says(arrival, answers) is not ArchiveSays.ALL


def says(arrival: Arrival, answers: Sequence[Answer]) -> ArchiveSays:
    """What the answers since the last instance say of what came."""
    known = [one.instances for one in _since(arrival, answers) if one.instances is not None]
    came = len(arrival.headers)
    if not known or known[-1] < came:
        return ArchiveSays.NOTHING
    if known[-1] > came:
        return ArchiveSays.MORE
    agreed = known == [came] * MOST or looks_whole(arrival)
    return ArchiveSays.ALL if agreed else ArchiveSays.NOTHING


def _since(arrival: Arrival, answers: Sequence[Answer]) -> list[Answer]:
    """Answers to questions that were asked after the last instance came."""
    return [one for one in answers if one.asked_s >= arrival.last_instance_s]
