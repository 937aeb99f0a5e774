"""The journal while series arrive: for intake, and for the analyser that follows them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple, Protocol

from millet.core.doors import USUAL
from millet.core.series import SliceHeader
from millet.ports.stores import Offer, Site, Stored

if TYPE_CHECKING:
    from millet.core.best import Candidate


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One instance that came whole, by another way than an association."""

    source: Site
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    encoded: bytes
    """A DICOM file: preamble, file meta information, and the data set's bytes as they were sent."""


class Reception(Protocol):
    """What comes over one association: one instance after the other; of one thread. Blocks."""

    def begin(self, offer: Offer) -> None:
        """An instance is coming. Raises RefusedInstance before its bytes come, or StoreError."""

    def write(self, piece: bytes | memoryview) -> None:
        """Some of its data set. Raises RefusedInstance or StoreError."""

    def end(self) -> None:
        """It is all there: durable when this returns. Raises RefusedInstance or StoreError."""

    def abandon(self) -> None:
        """The rest of it does not come, or was refused. Does not raise."""

    def close(self) -> None:
        """The association ended. Does not raise."""


class Policy(NamedTuple):
    """What our rules say of what comes from somewhere; of a series that of its first instance counts."""

    urgency: int = 0
    """`core.turns`: 0 routine, 1 an emergency."""
    model_title: str = USUAL
    """The called title whose own model analyses it, see `core.doors`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A durable instance that is to be journalled."""

    source: Site
    header: SliceHeader
    stored: Stored
    received_utc: datetime
    urgency: int = 0
    """See `Policy`."""
    model_title: str = USUAL
    """See `Policy`."""


class Recorded(NamedTuple):
    """What the journal made of an instance."""

    series_id: int
    generation: int
    new: bool
    """False when the same bytes were there already: success, and nothing to do."""
    conflict: bool
    """Its SOP Instance UID is known with other bytes; both are kept."""


class Known(NamedTuple):
    """An instance that the journal holds."""

    sop_instance_uid: str
    sop_class_uid: str
    digest: str
    path: str
    """In the spool."""
    series_id: int
    generation: int
    conflict: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSeries:
    """A series that is still being received."""

    series_id: int
    generation: int
    last_path: str
    """In the spool: of the instance that was journalled last."""


class Arrived(NamedTuple):
    """An instance that was acknowledged, of a series that this analyser follows."""

    instance_id: int
    """Grows from instance to instance."""
    series_id: int
    path: str
    """In the spool."""
    urgency: int
    model_title: str = USUAL


class ArrivalLog(Protocol):
    """The journal as an analyser sees it while series arrive. Blocks, raises StoreError."""

    def arrived(self, analyser: str, after: int, titles: Collection[str] = (USUAL,)) -> Sequence[Arrived]:
        """Instances beyond that of number `after`, oldest first, of series that are being received.

        A series is leased to one analyser, the first that asks and has its model, until it is complete or
        that one is dead; those of others are left out. `titles` are those whose models the analyser has.
        """


class ProgressLog(Protocol):
    """Where an analyser says how far it has got, for whoever watches. Blocks, raises StoreError."""

    def reached(self, series_id: int, stage: str, done: int, total: int) -> None:
        """So many of the windows of a series are looked at in this stage."""


class InstanceIndex(Protocol):
    """The journal as the indexer of the spool sees it.

    Each method is one transaction, blocks, raises StoreError.
    """

    def record_all(self, entries: Sequence[Entry], segments: Mapping[str, int]) -> Sequence[Recorded]:
        """Journal durable instances in their order, and the bytes of each segment that are indexed by that.

        A new one re-opens a closed series as its next generation. The same bytes again, also within the
        batch, are no new one.
        """

    def indexed(self) -> Mapping[str, int]:
        """How many bytes of each segment are indexed."""

    def forget_segments(self, names: Iterable[str]) -> None:
        """These segments are no more; of one that was not known nothing is said."""

    def known_instances(self, site: str, sop_instance_uids: Sequence[str]) -> Sequence[Known]:
        """Each instance of a site that is journalled under one of these UIDs; two where bytes differ."""


class InstanceLog(InstanceIndex, Protocol):
    """The journal as intake sees it. Each method is one transaction, blocks, raises StoreError."""

    def open_series(self) -> Sequence[OpenSeries]:
        """Every series that is being received, as after a restart."""

    def headers(self, series_id: int) -> tuple[SliceHeader, ...]:
        """The headers of all instances of a series."""

    def held(self, series_id: int) -> int:
        """How many different instances (SOP Instance UIDs) of a series are journalled."""

    def close(
        self, series_id: int, generation: int, now_utc: datetime, candidate: Candidate | None = None
    ) -> bool:
        """Journal that a generation is to be analysed, with its job; False if it no longer is open.

        `candidate` is what its headers say of it beside the others of its study, which are ranked anew.
        """
