"""Errands at the receiver: what comes to a title that is for priors alone, and is taken if it was asked for.

It passes through neither spool nor intake: no series of any worklist is made of it, and nobody is told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from millet.codec.identifiers import names_of
from millet.codec.part10 import preface
from millet.errors import RefusedInstance, StoreError, TooLarge
from millet.ports import Clock, ErrandLog, ErrandStore, Offer, Reception, Wanted

STALE = timedelta(hours=1)
"""So long after its time an errand is that of an analyser that died, and its bytes are nobody's."""
NOT_AUTHORISED = 0x0124
"""DIMSE "Refused: Not Authorized" (PS3.7 9.1.1.1.9)."""
PROCESSING_FAILURE = 0x0110
DOES_NOT_MATCH = 0xA900
CANNOT_UNDERSTAND = 0xC000


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrandDesk:
    """What receivers and analysers both know of errands."""

    site: str
    log: ErrandLog
    store: ErrandStore
    clock: Clock

    def tidy(self) -> None:
        """Remove what nobody came for. Raises StoreError."""
        long_ago_utc = self.clock.utc() - STALE
        self.store.remove(self.log.end_errand("", long_ago_utc))
        self.store.remove(self.store.older(long_ago_utc))


class ErrandReception:
    """A `ports.Reception` at a title to which archives send priors: what nobody waits for is refused."""

    def __init__(self, desk: ErrandDesk) -> None:
        self._desk = desk
        self._offer: Offer | None = None
        self._wanted: Wanted | None = None
        self._encoded = bytearray()

    def begin(self, offer: Offer) -> None:
        """An instance is coming; see `ports.Reception`."""
        desk = self._desk
        self._offer = offer
        with _failing():
            self._wanted = desk.log.wanted(offer.source.site, offer.sop_instance_uid, desk.clock.utc())
        if self._wanted is None:
            raise _unasked()
        self._encoded[:] = preface(
            sop_class_uid=offer.sop_class_uid,
            sop_instance_uid=offer.sop_instance_uid,
            transfer_syntax_uid=offer.transfer_syntax_uid,
        )

    def write(self, piece: bytes | memoryview) -> None:
        """Some of its bytes; see `ports.Reception`."""
        most_bytes = self._wanted.most_bytes if self._wanted else 0
        if len(self._encoded) + len(piece) > most_bytes:
            raise TooLarge(CANNOT_UNDERSTAND, f"it is larger than the {most_bytes} bytes of a prior")
        self._encoded += piece

    def end(self) -> None:
        """It is all there; see `ports.Reception`."""
        if self._offer is None or self._wanted is None:
            raise StoreError("no instance was begun")
        encoded = bytes(self._encoded)
        _check(encoded, self._offer, self._wanted)
        if not self._wanted.is_here:
            with _failing():
                self._keep(encoded, self._offer)
        self.abandon()

    def abandon(self) -> None:
        """It is not taken; see `ports.Reception`."""
        self._offer = self._wanted = None
        self._encoded.clear()

    def close(self) -> None:
        """The association ended; see `ports.Reception`."""
        self.abandon()

    def _keep(self, encoded: bytes, offer: Offer) -> None:
        desk = self._desk
        path = desk.store.write(encoded, desk.clock.utc())
        if not desk.log.came(offer.source.site, offer.sop_instance_uid, path, desk.clock.utc()):
            desk.store.remove([path])
            raise _unasked()


class ByTitle:
    """A `ports.Reception` whose kind is chosen by the title that the association called."""

    def __init__(self, of_title: Callable[[str], Reception]) -> None:
        self._of_title = of_title
        self._chosen: Reception | None = None

    def begin(self, offer: Offer) -> None:
        """An instance is coming; see `ports.Reception`."""
        if self._chosen is None:
            self._chosen = self._of_title(offer.source.called_ae)
        self._chosen.begin(offer)

    def write(self, piece: bytes | memoryview) -> None:
        """Some of its bytes; see `ports.Reception`."""
        self._begun().write(piece)

    def end(self) -> None:
        """It is all there; see `ports.Reception`."""
        self._begun().end()

    def abandon(self) -> None:
        """It is not taken; see `ports.Reception`."""
        if self._chosen:
            self._chosen.abandon()

    def close(self) -> None:
        """The association ended; see `ports.Reception`."""
        if self._chosen:
            self._chosen.close()

    def _begun(self) -> Reception:
        if self._chosen is None:
            raise StoreError("no instance was begun")
        return self._chosen


@contextmanager
def _failing() -> Iterator[None]:
    """A store that is away keeps no prior; "out of resources" would say that exams find no room."""
    try:
        yield
    except StoreError as failure:
        raise RefusedInstance(PROCESSING_FAILURE, str(failure)) from failure


def _unasked() -> RefusedInstance:
    return RefusedInstance(
        NOT_AUTHORISED, "nobody asked for it, and this AE title is for priors that are asked for"
    )


def _check(encoded: bytes, offer: Offer, wanted: Wanted) -> None:
    """Whether an instance is what the request says, and of the series that was asked for."""
    try:
        told = names_of(encoded)
    except ValueError as error:
        raise RefusedInstance(CANNOT_UNDERSTAND, "what the archive sent is no DICOM object") from error
    if (told.sop_class_uid, told.sop_instance_uid) != (offer.sop_class_uid, offer.sop_instance_uid):
        raise RefusedInstance(DOES_NOT_MATCH, "the data set is not the instance that the request names")
    if (told.study_uid, told.series_uid) != wanted.series:
        raise RefusedInstance(DOES_NOT_MATCH, "the archive sent an instance of another series")
