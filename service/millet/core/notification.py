"""Who is told what of a study: raised, lowered and withdrawn levels, and what waits for a digest.

Theory of operation. A study's level is the highest of its series, each by its newest generation. A recipient
is told of a study once its level has reached the one that the recipient asked for, and from then on of every
change, so that whoever heard of a level hears of its end. What is told is the difference between the level
now and the level that was told last: what rises and falls in between is no news. Nothing that is told says
that a study is normal.

A ceiling bounds the messages of an hour to people. What is over it stays due, and goes out in one digest as
soon as the hour has room again. What reaches or leaves the highest level is never held, gathered or counted.
A system that keeps an entry for each study has no ceiling: a message changes its entry, and disturbs nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from itertools import chain

from millet.core.analysis import TriageLevel
from millet.core.language import Language, Phrase, said

WINDOW_S = 3600.0
"""The time over which messages are counted."""
REFERENCE_DIGITS = 12
HIGHEST = max(TriageLevel, key=list(TriageLevel).index)
LEVELS = (TriageLevel.NOTABLE, TriageLevel.URGENT, TriageLevel.CRITICAL)
"""From which on a recipient may want to be told; below them there is nothing to be told of."""


class Change(StrEnum):
    """What became of a study's level since a recipient was told last."""

    RAISED = "raised"
    """It is higher, or the recipient was told of none."""
    LOWERED = "lowered"
    WITHDRAWN = "withdrawn"
    """It is below what the recipient asked for."""


class Identify(StrEnum):
    """How a message names the study."""

    NOTHING = "none"
    ACCESSION = "accession"
    STUDY = "study"
    """By its UID."""
    PATIENT = "patient"
    """By its UID, its accession number, and the patient's ID with its issuer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What one recipient asked for."""

    least: TriageLevel
    """From this level on."""
    most_an_hour: int | None
    """Messages of other than the highest level; None for all there are, each by itself."""
    identify: Identify = Identify.NOTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """A reason for a level."""

    code: str
    """Stable; empty for a text that has none."""
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A study as one recipient must hear of it."""

    site: str
    study_uid: str
    series_uid: str
    """Of the series that has the level."""
    accession: str
    patient_id: str
    issuer: str
    """Of the patient's ID."""
    before: TriageLevel | None
    """The level that was told last; None for none, or for one that was withdrawn."""
    told: int
    """How often the recipient was told of the study."""
    level: TriageLevel
    """Of the study now."""
    grounds: tuple[Ground, ...]
    """Of the series that has this level."""


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What a recipient is told of one study."""

    change: Change
    standing: Standing

    @property
    def is_highest(self) -> bool:
        """Whether the highest level is reached or left."""
        return HIGHEST in {self.standing.level, self.standing.before}

    @property
    def told_level(self) -> TriageLevel | None:
        """The level that the recipient has been told of after this."""
        return None if self.change is Change.WITHDRAWN else self.standing.level


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What goes out now, and what waits."""

    single: tuple[News, ...]
    """Each in a message of its own."""
    digest: tuple[News, ...] = ()
    """In one message; two at least, or none."""
    held: tuple[News, ...] = ()


def highest(levels: Iterable[TriageLevel]) -> TriageLevel:
    """The level of a study of which at least one series has one."""
    return max(levels, key=_rank)


def news(standing: Standing, least: TriageLevel) -> News | None:
    """What is to be told; None where the recipient knows all that it asked for."""
    before, now = standing.before, standing.level
    if now is before:
        return None
    if _rank(now) < _rank(least):
        return None if before is None else News(change=Change.WITHDRAWN, standing=standing)
    raised = before is None or _rank(now) > _rank(before)
    return News(change=Change.RAISED if raised else Change.LOWERED, standing=standing)


def plan(known: Sequence[News], sent: int, most_an_hour: int | None) -> Plan:
    """What of all that is to be told goes out now.

    Args:
        known: in the order in which it became known; all of it, what was held before included.
        sent: messages within the last `WINDOW_S`, those of the highest level left out.
        most_an_hour: at least 1, or None for no ceiling.
    """
    if most_an_hour is None:
        return Plan(single=tuple(known))
    urgent = tuple(one for one in known if one.is_highest)
    others = tuple(one for one in known if not one.is_highest)
    room = most_an_hour - sent
    if len(others) <= room:
        return Plan(single=urgent + others)
    if room <= 0:
        return Plan(single=urgent, held=others)
    return Plan(single=urgent + others[: room - 1], digest=others[room - 1 :])


def reference(site: str, study_uid: str) -> str:
    """A short name of a study that says nothing of it, always the same."""
    return sha256(f"{site}\n{study_uid}".encode()).hexdigest()[:REFERENCE_DIGITS]


def grounds(reasons: Iterable[str], language: Language) -> tuple[Ground, ...]:
    """A triage's reasons with their codes, in words of a language."""
    return tuple(Ground(code=_code(reason), words=said(reason, language)) for reason in reasons)


def _code(reason: str) -> str:
    if not isinstance(reason, Phrase):
        return ""
    parts = chain.from_iterable(part for part in reason.parts.values() if isinstance(part, tuple))
    first = next((part for part in parts if isinstance(part, Phrase)), None)
    return first.key if reason.key == "joined" and first is not None else reason.key


def _rank(level: TriageLevel) -> int:
    return list(TriageLevel).index(level)
