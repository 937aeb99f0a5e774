"""What readers say: that they have seen a level, that they take that back, and what they think of a nodule.

What was said is never changed; who changes their mind says another thing, and the newest counts. A series is
acknowledged with the level that was seen: where a later generation is more urgent than that, nobody has seen
it yet. A person acknowledges a study: what is no more urgent in it counts as seen with the series that they
name, and is taken back with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from millet.core.analysis import TriageLevel
from millet.core.geometry import PointMm

LONGEST_NAME = 100
LONGEST_REQUEST = 128
LONGEST_COMMENT = 500
"""Characters."""
FARTHEST_MM = 10_000.0
"""No place in a patient has a larger coordinate."""


class Opinion(StrEnum):
    """What a reader thinks of a nodule."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    """It is none."""
    MISSED = "missed"
    """One that was not reported."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who says it."""

    name: str
    recognised: bool
    """Whether a door recognised them by token or certificate; otherwise the caller named them."""

    def __post_init__(self) -> None:
        _check("the name of a person", self.name, 1, LONGEST_NAME)


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """A person has seen what the newest analysis of a series says, or takes that back."""

    by: Person
    at_utc: datetime
    generation: int
    """Of the analysis that was seen; 0 where none was there."""
    level: TriageLevel | None
    """That it had; None where no analysis was there."""
    withdrawn: bool = False
    """Whether it takes back the one before."""

    def __post_init__(self) -> None:
        if (self.generation < 1) != (self.level is None) or self.generation < 0:
            raise ValueError("a generation from 1 on and its level belong together")


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """What a person thinks of a nodule of one generation.

    The comment is free text of theirs: it is kept, and goes into no log, metric or error.
    """

    by: Person
    at_utc: datetime
    generation: int
    opinion: Opinion
    nodule_id: str = ""
    """Of the nodule that is accepted or rejected."""
    place_mm: PointMm | None = None
    """Of the one that was missed, LPS."""
    comment: str = ""

    def __post_init__(self) -> None:
        _check("a comment", self.comment, 0, LONGEST_COMMENT)
        missed = self.opinion is Opinion.MISSED
        if missed != (self.place_mm is not None) or missed == bool(self.nodule_id):
            raise ValueError(
                "a missed nodule has a place and no nodule ID, any other a nodule ID and no place"
            )
        if self.place_mm and not all(abs(one) <= FARTHEST_MM for one in self.place_mm):
            raise ValueError(f"a place has coordinates of at most {FARTHEST_MM:.0f} mm")


class Stand(NamedTuple):
    """How a series stands for readers."""

    generation: int
    """Of its newest analysis; 0 while there is none."""
    level: TriageLevel | None
    """That it has."""
    seen: Acknowledgement | None
    """The one that counts."""


def check_request(request: str) -> str:
    """The key that makes a repeated request known; raises ValueError where it is none."""
    _check("an idempotency key", request, 1, LONGEST_REQUEST)
    return request


def standing(said: Sequence[Acknowledgement]) -> Acknowledgement | None:
    """Of all acknowledgements of a series, oldest first, the one that counts; None where it was withdrawn."""
    return said[-1] if said and not said[-1].withdrawn else None


def with_it(said: Acknowledgement, of: Stand, other: Stand) -> Acknowledgement | None:
    """What is said of another series of the study with what is said of one; None for nothing.

    Whoever has seen a level has seen what is no more urgent and was analysed; who saw it before stays named.
    What was said at once is taken back at once.

    Args:
        said: what is said.
        of: how the series stands that it is said of, before.
        other: how the other one stands.
    """
    if said.withdrawn:
        if of.seen is None or other.seen is None or not _at_once(of.seen, other.seen):
            return None
        return replace(said, generation=other.seen.generation, level=other.seen.level)
    if not other.generation or has_risen(said.level, other.level):
        return None
    if other.seen is not None and not has_risen(other.seen.level, other.level):
        return None
    return replace(said, generation=other.generation, level=other.level)


def _at_once(one: Acknowledgement, other: Acknowledgement) -> bool:
    return (one.by, one.at_utc) == (other.by, other.at_utc)


def has_risen(seen: TriageLevel | None, now: TriageLevel | None) -> bool:
    """Whether a level is more urgent than the one that was seen; any level is more than none."""
    return _rank(now) > _rank(seen)


def _rank(level: TriageLevel | None) -> int:
    return -1 if level is None else list(TriageLevel).index(level)


def _check(what: str, text: str, least: int, most: int) -> None:
    if not least <= len(text) <= most:
        raise ValueError(f"{what} has {least} to {most} characters, not {len(text)}")
    if not all(one.isprintable() or one == "\n" for one in text) or text != text.strip():
        raise ValueError(f"{what} has characters that cannot be printed, or begins or ends with a space")
