"""One instance after the other, from the pieces in which a caller sends it into a reception.

Nothing is gathered but what names the instance: its pieces go to the disk as they come. The first failure is
what becomes of it; it is told at once, and what comes after is dropped.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import NamedTuple

from millet.codec.ct import read_header
from millet.codec.elements import data_set_start, transfer_syntax
from millet.codec.identifiers import Names, names_of
from millet.core.origin import Origin
from millet.core.uids import is_uid
from millet.errors import RefusedInstance, StoreError, TooLarge, UnfitSeries
from millet.ports import Offer, Reception, Site

log = logging.getLogger(__name__)

SUCCESS, PROCESSING_FAILURE, OUT_OF_RESOURCES = 0x0000, 0x0110, 0xA700
"""DIMSE status codes (PS3.4 B.2.3)."""
DOES_NOT_MATCH, CANNOT_UNDERSTAND, SOP_CLASS_NOT_SUPPORTED = 0xA900, 0xC000, 0x0122
HEAD_BYTES = 8192
"""Of an instance that is looked at for its names; eight times as much where they are not in it."""
LONGEST_HEAD_BYTES = 1 << 24
UNNAMED = Names("", "", "", "")
REASONS = {
    OUT_OF_RESOURCES: "NO_ROOM",
    DOES_NOT_MATCH: "NOT_AS_NAMED",
    CANNOT_UNDERSTAND: "NOT_DICOM",
    SOP_CLASS_NOT_SUPPORTED: "CLASS_NOT_TAKEN",
}
RETRYABLE = frozenset({"NO_ROOM", "STORE_UNAVAILABLE", "FAILED", "INCOMPLETE"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Submissions:
    """Where instances go. The callables may block; they are called in threads."""

    source: Site
    """Whose instances these are."""
    reception: Callable[[], Reception]
    """As for an association."""
    number: Callable[[], int]
    """A number for one more call; no association has it."""
    ended: Callable[[int], None]
    """A call ended, as an association does."""
    came: Callable[[str, int, str, int, float], None]
    """Told of each instance: calling title, status, why, bytes, seconds."""
    most: int = 4
    """Calls at once."""
    silence_s: float = 60.0
    """For which a call may not go on."""


class Fate(NamedTuple):
    """What became of an instance."""

    names: Names
    status: int = SUCCESS
    reason: str = ""
    why: str = ""
    differing: tuple[str, ...] = ()


class Arriving:
    """One instance of a call after the other; of one thread. Does not raise."""

    def __init__(self, to: Submissions, number: int) -> None:
        self._to = to
        self._number = number
        self._reception: Reception | None = None
        self._fresh()

    def _fresh(self) -> None:
        self._names = UNNAMED
        self._head = b""
        self._look_at = HEAD_BYTES
        self._fate: Fate | None = None
        self._size_bytes = 0
        self._took_s = 0.0

    def take(self, piece: bytes, expected: Origin, *, last: bool) -> Fate | None:
        """The next bytes of an instance; what becomes of it, once, as soon as that is known."""
        before, began_s = self._fate, perf_counter()
        self._size_bytes += len(piece)
        if before is None:
            self._fate = self._attempted(piece, expected, last=last)
        fate = self._fate
        self._took_s += perf_counter() - began_s
        if fate and not before:
            source = self._to.source.calling_ae
            self._to.came(source, fate.status, fate.why, self._size_bytes, self._took_s)
        if last:
            self._fresh()
        return None if before else fate

    def broken_off(self) -> Fate | None:
        """What becomes of an instance whose end did not come."""
        if not self._size_bytes or self._fate:
            return None
        return self._refused(CANNOT_UNDERSTAND, "INCOMPLETE", "its last bytes did not come")

    def close(self) -> None:
        """No more instances come; one that is not whole is dropped."""
        if self._reception is not None:
            self._reception.close()

    def _attempted(self, piece: bytes, expected: Origin, *, last: bool) -> Fate | None:
        try:
            self._take(piece, expected, last=last)
        except _NotExpected as refusal:
            why = f"the instance is not the expected one: {', '.join(refusal.fields)} differ"
            return self._refused(DOES_NOT_MATCH, "NOT_AS_EXPECTED", why, refusal.fields)
        except TooLarge as refusal:
            return self._refused(refusal.status, "TOO_LARGE", str(refusal))
        except RefusedInstance as refusal:
            return self._refused(refusal.status, REASONS.get(refusal.status, "REFUSED"), str(refusal))
        except StoreError as failure:
            log.exception("an instance could not be made durable")
            return self._refused(OUT_OF_RESOURCES, "STORE_UNAVAILABLE", str(failure))
        except Exception as error:  # noqa: BLE001 - one bad instance must not end the call
            kind = type(error).__name__  # without its words, which may quote the data set
            log.error("an instance failed: %s", kind)  # noqa: TRY400 - likewise
            return self._refused(PROCESSING_FAILURE, "FAILED", "it failed here; the log says how")
        return Fate(self._names) if last else None

    def _refused(self, status: int, reason: str, why: str, differing: tuple[str, ...] = ()) -> Fate:
        self._head = b""
        if self._reception is not None:
            self._reception.abandon()
        return Fate(self._names, status, reason, why, differing)

    def _take(self, piece: bytes, expected: Origin, *, last: bool) -> None:
        if self._names is UNNAMED:
            self._head = piece if not self._head else self._head + piece
            if not last and len(self._head) < self._look_at:
                return
            self._begin(expected, last=last)
        elif self._reception is not None:
            self._reception.write(piece)
        if last and self._reception is not None:
            self._reception.end()

    def _begin(self, expected: Origin, *, last: bool) -> None:
        """Begin the instance that the head names; where it names none yet, wait for more of it."""
        head = self._head
        names = _names(head)
        if not names.series_uid and not last and len(head) < LONGEST_HEAD_BYTES:
            self._look_at = 8 * len(head)
            return
        if not all(is_uid(uid) for uid in names):
            raise RefusedInstance(CANNOT_UNDERSTAND, "it does not say which instance of which series it is")
        self._names, self._head = names, b""
        if not expected.is_any:
            _check(head, expected)
        self._reception = self._reception or self._to.reception()
        self._reception.begin(
            Offer(
                source=self._to.source,
                sop_class_uid=names.sop_class_uid,
                sop_instance_uid=names.sop_instance_uid,
                transfer_syntax_uid=transfer_syntax(head),
                association=self._number,
            )
        )
        self._reception.write(memoryview(head)[data_set_start(head) :])


class _NotExpected(Exception):  # noqa: N818 - an answer to the caller
    """An instance is another patient's or study's."""

    def __init__(self, fields: tuple[str, ...]) -> None:
        self.fields = fields
        super().__init__()


def _names(head: bytes) -> Names:
    if head[128:132] != b"DICM":
        raise RefusedInstance(CANNOT_UNDERSTAND, "it is no DICOM file")
    try:
        return names_of(head)
    except ValueError as error:
        raise RefusedInstance(CANNOT_UNDERSTAND, "it is no DICOM object") from error


def _check(head: bytes, expected: Origin) -> None:
    try:
        header = read_header(head)
    except UnfitSeries as verdict:
        raise RefusedInstance(CANNOT_UNDERSTAND, str(verdict)) from verdict
    if wrong := expected.differing(header):
        raise _NotExpected(wrong)
