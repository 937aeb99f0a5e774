"""An instance arrives: checked as it comes, durable, and only then acknowledged.

Nothing waits here for the journal: what it needs lies beside the bytes, and the indexer reads it there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from millet.codec import ct
from millet.codec.elements import data_set_start
from millet.codec.part10 import preface
from millet.errors import RefusedInstance, StoreError, UnfitSeries
from millet.ports import Clock, Offer, Received, Spool

OUT_OF_RESOURCES = 0xA700
"""DIMSE status codes of PS3.4 B.2.3 and PS3.7 C."""
DOES_NOT_MATCH = 0xA900
CANNOT_UNDERSTAND = 0xC000
SOP_CLASS_NOT_SUPPORTED = 0x0122
CT_CLASSES = frozenset(
    {
        "1.2.840.10008.5.1.4.1.1.2",  # CT Image Storage
        "1.2.840.10008.5.1.4.1.1.2.1",  # Enhanced CT Image Storage
        "1.2.840.10008.5.1.4.1.1.2.2",  # Legacy Converted Enhanced CT Image Storage
    }
)
"""What is taken. Everything else is refused with 0x0122: a sender that still needs the object stored
must not be told that we did, and our own reports must not come back as work."""
Classes = Callable[[str], Collection[str]]
"""The SOP classes that are taken at a called AE title; it is empty for what came by other ways."""
HEAD_BYTES = 8192
"""Of an instance, kept to be read before it is acknowledged, and when it is journalled; more where private
elements fill that."""
LONGEST_HEAD_BYTES = 1 << 24


class Receptions:
    """Makes a `Reception` for each association, and takes in what came by other ways."""

    def __init__(
        self,
        spool: Spool,
        clock: Clock,
        came: Callable[[], None],
        *,
        classes: Classes = lambda _called_ae: CT_CLASSES,
        most_bytes: int,
    ) -> None:
        self._spool = spool
        self._clock = clock
        self._came = came
        self._classes = classes
        self._most_bytes = most_bytes

    def associated(self) -> Reception:
        """For one association, of one thread."""
        return Reception(self._spool, self._clock, self._came, self._classes, self._most_bytes)

    def admit(self, received: Received, association: int = 0) -> None:
        """Make an instance durable; success may be told when this returns.

        Raises:
            RefusedInstance: it is not taken, with the status that says why.
            StoreError: it could not be made durable.
        """
        reception = self.associated()
        offer = Offer(
            received.source,
            received.sop_class_uid,
            received.sop_instance_uid,
            received.transfer_syntax_uid,
            association,
        )
        try:
            reception.begin(offer)
            reception.write(memoryview(received.encoded)[data_set_start(received.encoded) :])
            reception.end()
        finally:
            reception.close()


class Reception:
    """A `ports.Reception`."""

    def __init__(
        self,
        spool: Spool,
        clock: Clock,
        came: Callable[[], None],
        classes: Classes,
        most_bytes: int,
    ) -> None:
        self._spool = spool
        self._writer = spool.writer()
        self._clock = clock
        self._came = came
        self._classes = classes
        self._most_bytes = most_bytes
        self._offer: Offer | None = None
        self._head = bytearray()
        self._head_bytes = HEAD_BYTES
        self._told: ct.Identity | None = None
        """What the head says, once it says enough."""
        self._bytes = 0

    def begin(self, offer: Offer) -> None:
        """An instance is coming; see `ports.Reception`."""
        if offer.sop_class_uid not in self._classes(offer.source.called_ae):
            raise RefusedInstance(SOP_CLASS_NOT_SUPPORTED, "objects of this SOP class are not taken")
        if not offer.sop_instance_uid:
            raise RefusedInstance(CANNOT_UNDERSTAND, "a C-STORE without a SOP Instance UID")
        self._offer = offer
        self._head.clear()
        self._head_bytes = HEAD_BYTES
        self._told = None
        self._bytes = 0
        self._writer.begin(offer, self._clock.utc())
        # The same for all, so that the same instance is the same bytes whichever way it came.
        self.write(
            preface(
                sop_class_uid=offer.sop_class_uid,
                sop_instance_uid=offer.sop_instance_uid,
                transfer_syntax_uid=offer.transfer_syntax_uid,
            )
        )

    def write(self, piece: bytes | memoryview) -> None:
        """Some of its bytes; see `ports.Reception`."""
        self._bytes += len(piece)
        if self._bytes > self._most_bytes:
            raise RefusedInstance(OUT_OF_RESOURCES, f"it is larger than {self._most_bytes} bytes")
        if len(self._head) < self._head_bytes:
            self._keep(piece)
        self._writer.write(piece)

    def end(self) -> None:
        """It is all there; see `ports.Reception`."""
        if self._offer is None:
            raise StoreError("no instance was begun")
        _check(self._told or _identity(bytes(self._head)), self._offer)
        self._writer.commit(ct.head_of(bytes(self._head)))
        self._offer = None
        self._came()

    def abandon(self) -> None:
        """It is not taken; see `ports.Reception`."""
        self._offer = None
        self._writer.abandon()

    def _keep(self, piece: bytes | memoryview) -> None:
        while len(piece) and len(self._head) < self._head_bytes:
            room = self._head_bytes - len(self._head)
            self._head += piece[:room]
            piece = piece[room:]
            if self._head_bytes <= len(self._head) < LONGEST_HEAD_BYTES:
                told = _identity(bytes(self._head))
                if told.series_uid:
                    self._told = told
                else:
                    self._head_bytes *= 8

    def close(self) -> None:
        """The association ended; see `ports.Reception`."""
        self._writer.close()


def _check(told: ct.Identity, offer: Offer) -> None:
    """Whether an instance is what the request says."""
    if not told.series_uid:
        raise RefusedInstance(CANNOT_UNDERSTAND, "no Series Instance UID")
    if (told.sop_class_uid, told.sop_instance_uid) != (offer.sop_class_uid, offer.sop_instance_uid):
        raise RefusedInstance(DOES_NOT_MATCH, "the data set is not the instance that the request names")


def _identity(head: bytes) -> ct.Identity:
    try:
        return ct.read_identity(head)
    except UnfitSeries as verdict:
        raise RefusedInstance(CANNOT_UNDERSTAND, str(verdict)) from verdict
