"""When people must be told that something they may have acted on has changed.

A slice that comes late makes the next generation of a series. Its triage level may then be another one
than the level by which the worklist was sorted, or the phone was picked up: whichever way it moved,
up or down, to or from "not assessed", it is told. The same level again tells nothing new.
"""

from __future__ import annotations

from dataclasses import dataclass

from millet.core.analysis import TriageLevel


@dataclass(frozen=True, slots=True, kw_only=True)
class TriageChange:
    """The level of one generation against that of the generation before."""

    before: TriageLevel
    after: TriageLevel


def triage_changed(before: TriageLevel | None, after: TriageLevel) -> TriageChange | None:
    """What is to be told of a new generation; None for a first one and for the same level."""
    if before is None or before is after:
        return None
    return TriageChange(before=before, after=after)
