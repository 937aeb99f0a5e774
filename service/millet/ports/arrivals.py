"""The journal while series arrive: for intake, and for the analyser that follows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple, Protocol

from millet.core.series import SliceHeader
from millet.ports.stores import Stored

if TYPE_CHECKING:
    from millet.core.best import Candidate


class Site(NamedTuple):
    """Where an instance came from."""

    site: str
    calling_ae: str
    called_ae: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One instance as an association delivered it."""

    source: Site
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    encoded: bytes
    """A DICOM file: preamble, file meta information, and the data set's bytes as they were sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A durable instance that is to be journalled."""

    source: Site
    header: SliceHeader
    stored: Stored
    received_utc: datetime
    urgency: int = 0
    """`core.turns`: 0 routine, 1 an emergency; of a series that of its first instance counts."""


class Recorded(NamedTuple):
    """What the journal made of an instance."""

    series_id: int
    generation: int
    new: bool
    """False when the same bytes were there already: success, and nothing to do."""
    conflict: bool
    """Its SOP Instance UID is known with other bytes; both are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSeries:
    """A series that is still being received."""

    series_id: int
    generation: int
    headers: tuple[SliceHeader, ...]


class Arrived(NamedTuple):
    """An instance that was acknowledged, of a series that this analyser follows."""

    instance_id: int
    """Grows from instance to instance."""
    series_id: int
    path: str
    """In the spool."""
    urgency: int


class ArrivalLog(Protocol):
    """The journal as an analyser sees it while series arrive. Blocks, raises StoreError."""

    def arrived(self, analyser: str, after: int, now_utc: datetime) -> Sequence[Arrived]:
        """Instances beyond that of number `after`, oldest first, of series that are being received.

        A series is leased to one analyser, the first that asks, until it is complete or that one is dead;
        those of others are left out.
        """


class ProgressLog(Protocol):
    """Where an analyser says how far it has got, for whoever watches. Blocks, raises StoreError."""

    def reached(self, series_id: int, stage: str, done: int, total: int) -> None:
        """So many of the windows of a series are looked at in this stage."""


class InstanceLog(Protocol):
    """The journal as intake sees it. Each method is one transaction, blocks, raises StoreError."""

    def record(self, entry: Entry) -> Recorded:
        """Journal a durable instance; a new one re-opens a closed series as its next generation."""

    def open_series(self) -> Sequence[OpenSeries]:
        """Every series that is being received, as after a restart."""

    def headers(self, series_id: int) -> tuple[SliceHeader, ...]:
        """The headers of all instances of a series."""

    def close(
        self, series_id: int, generation: int, now_utc: datetime, candidate: Candidate | None = None
    ) -> bool:
        """Journal that a generation is to be analysed, with its job; False if it no longer is open.

        `candidate` is what its headers say of it beside the others of its study, which are ranked anew.
        """

    def known_paths(self) -> frozenset[str]:
        """The spool paths of all journalled instances."""
