"""Pulls that callers ask for: an order, how far it is, and how it ended."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import NamedTuple, Protocol

from millet.core.origin import Origin
from millet.ports.archive import SeriesName, SeriesQuery


@dataclass(frozen=True, slots=True, kw_only=True)
class PullOrder:
    """Which series are wanted, from where, and whose they are taken to be."""

    archive: str
    wanted: SeriesQuery
    expected: Origin


class PulledSeries(NamedTuple):
    """How far one series is."""

    name: SeriesName
    wanted: int
    """Instances that the archive has of it; 0 while it has not been asked."""
    here: int
    """Those of them that the journal knows."""

    @property
    def complete(self) -> bool:
        """Whether all of it is here."""
        return self.wanted > 0 and self.here == self.wanted


class PullEnd(StrEnum):
    """How a pull ended."""

    COMPLETE = "complete"
    NO_SERIES = "no series"
    """The archive has none that matches."""
    NOT_EXPECTED = "not expected"
    """It is another patient's or study's; nothing was fetched."""
    NO_ARCHIVE = "no archive"
    """The archive does not answer, or answers nonsense."""
    INCOMPLETE = "incomplete"
    """Not everything came."""
    FAILED = "failed"
    """The store failed, or we did."""


class PullState(NamedTuple):
    """How a pull stands."""

    series: Sequence[PulledSeries]
    end: PullEnd | None
    """None while it is under way."""
    why: str = ""
    """How it ended, in words; no patient data."""
    differing: tuple[str, ...] = ()
    """Of one that was not expected: the fields."""


class AskedPull(Protocol):
    """A pull that was asked for. Thread-safe."""

    def state(self) -> PullState:
        """How it stands. Blocks, raises StoreError."""


class Asked(Enum):
    """What becomes of an order."""

    NEW = "new"
    AGAIN = "again"
    OTHER_ORDER = "other order"
    """The key stands for another one."""
    TOO_MANY = "too many"
    """So many wait already."""


class PullDesk(Protocol):
    """Where pulls are asked for. Thread-safe, does not block."""

    @property
    def archives(self) -> Collection[str]:
        """The names of those that are configured."""

    def ask(self, key: str, order: PullOrder) -> tuple[Asked, AskedPull | None]:
        """Have series pulled, once for each key unless it failed; None where that is not taken."""
