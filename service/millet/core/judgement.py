"""What a set of criteria says of a list of lesions, condition by condition."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Standing(StrEnum):
    """What stands behind a set of criteria."""

    PROPOSAL = "proposal"
    PUBLISHED = "published"


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One condition, with what was found and what was asked."""

    name: str
    """A stable name, such as "small-nodules"."""
    observed: float | None
    """None where it could not be evaluated; the condition then does not hold."""
    relation: str
    """">=", "<=", ">", "<" or "between"."""
    threshold: float
    upper: float | None = None
    """The upper limit of "between"."""
    holds: bool
    standing: Standing
    level: int = 0
    """The level that it is asked for; 0 where it is told beside and decides nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """One set of criteria, evaluated."""

    criteria: str
    """Its identifier, such as "lung-miliary"."""
    version: str
    organ: str
    standing: Standing
    source: str
    """Where the criteria are published, or that they are a proposal."""
    level: int
    """0 where nothing holds; what a level means, the criteria say."""
    meaning: str
    """The level in words, such as "probably miliary"."""
    conditions: tuple[Condition, ...]
    not_evaluated: str = ""
    """What was not known that a higher level asks for, or why nothing could be evaluated; else empty."""
