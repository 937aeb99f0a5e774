"""The journal as readers write in it."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from millet.core.readers import Acknowledgement, Feedback
    from millet.ports.worklist import SeriesKey


class About(NamedTuple):
    """Which series, and by which key of the caller's a repeated request is known for one."""

    key: SeriesKey
    request: str


class Taken(StrEnum):
    """What became of what a reader said."""

    NEW = "new"
    """It is journalled."""
    AGAIN = "again"
    """It was before, by the same request: nothing was changed."""
    OTHER_REQUEST = "other-request"
    """Its key stands for another request of this site; nothing was changed, as below."""
    NO_SERIES = "no-series"
    CHANGED = "changed"
    """The newest analysis is not of the generation and level that were seen: look again."""
    NOTHING = "nothing"
    """There is no acknowledgement to be withdrawn."""

    @property
    def is_kept(self) -> bool:
        """Whether it is in the journal now."""
        return self in {Taken.NEW, Taken.AGAIN}


class Acknowledged(NamedTuple):
    """What became of an acknowledgement."""

    taken: Taken
    others: Sequence[tuple[SeriesKey, Acknowledgement]] = ()
    """What was said with it of other series of the study, by `core.readers.with_it`; none the second time."""


class ReaderLog(Protocol):
    """The journal as readers write in it. Each method is one transaction, blocks, raises StoreError."""

    def acknowledge(self, about: About, said: Acknowledgement) -> Acknowledged:
        """A person has seen the newest analysis of a series, or takes that back; whoever watches is told.

        It is of the study: `core.readers.with_it` says what is said of its other series, which is kept too.
        """

    def give_feedback(self, about: About, said: Feedback) -> Taken:
        """A person has said what they think of a nodule of the newest analysis."""

    def acknowledgements(self, key: SeriesKey) -> Sequence[Acknowledgement]:
        """All of a series, oldest first; see `core.readers.standing`."""

    def feedback(self, key: SeriesKey) -> Sequence[Feedback]:
        """All of a series, oldest first."""
