"""An `Archive` over DIMSE: C-FIND, and C-MOVE or C-GET, in the Study Root model (PS3.4 C)."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import Any

from pydicom import uid
from pydicom.dataset import Dataset
from pynetdicom import build_role, evt
from pynetdicom.presentation import build_context

from millet.codec.identifiers import Row, identifier, retrieval, row
from millet.edge.query.asking import NOBODYS, Asking, Level
from millet.edge.query.association import Caller, NotOffered, association
from millet.edge.query.gathering import Gathering
from millet.errors import ArchiveError
from millet.ports import Received, Retrieved, SeriesName, Site, Take

FIND = "1.2.840.10008.5.1.4.1.2.2.1"
MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
GET = "1.2.840.10008.5.1.4.1.2.2.3"
SYNTAXES = (
    uid.ExplicitVRLittleEndian,
    uid.ImplicitVRLittleEndian,
    uid.ExplicitVRBigEndian,
    uid.DeflatedExplicitVRLittleEndian,
    uid.RLELossless,
    uid.JPEGBaseline8Bit,
    uid.JPEGExtended12Bit,
    uid.JPEGLossless,
    uid.JPEGLosslessSV1,
    uid.JPEGLSLossless,
    uid.JPEGLSNearLossless,
    uid.JPEG2000Lossless,
    uid.JPEG2000,
    uid.HTJ2KLossless,
    uid.HTJ2KLosslessRPCL,
    uid.HTJ2K,
)
"""In which an instance may come by C-GET: a context each, so that none need be recoded on its way."""
UIDS_AT_ONCE = 500
"""In one identifier: a list of UIDs in explicit VR holds 65,534 bytes."""
PENDING = 0xFF
"""High byte of a status: more to come."""
SUCCESS = 0x0000
WORDS = {
    0xA702: "the archive could not send (0xA702)",
    0xA801: "the archive does not know the AE title that it shall send to (0xA801)",
}
"""What went wrong with a C-MOVE, by status (PS3.4 C.4.2.1.5)."""


class DimseArchive(Asking):
    """An `Archive` over associations, one for each question. Thread-safe.

    Args:
        caller: the archive, and who we are to it.
        classes: SOP classes that may come by C-GET.
        site: the hospital whose archive it is.
        move_to: our AE title as the archive knows it, for C-MOVE; None for C-GET.
    """

    def __init__(self, caller: Caller, classes: Sequence[str], site: str, move_to: str | None) -> None:
        self._caller = caller
        self._classes = classes
        self._source = Site(site, caller.peer.ae_title, caller.calling_ae)
        self._move_to = move_to

    def retrieve(self, name: SeriesName, only: Collection[str], into: Take) -> Retrieved:
        """Have a series sent; see `ports.Archive`."""
        gathering = Gathering(into)
        ends_s = time.monotonic() + self._caller.limits.retrieve_s
        for some in _portions(only):
            asked = retrieval(*name.checked(), some)
            try:
                if self._move_to is None:
                    self._get(asked, gathering, ends_s)
                else:
                    self._move(asked, self._move_to, gathering, ends_s)
            except (ArchiveError, RuntimeError, ValueError) as failure:
                gathering.ended(str(failure) if isinstance(failure, ArchiveError) else type(failure).__name__)
                break
        return gathering.retrieved(elsewhere=self._move_to is not None)

    def answers(self) -> str:
        """What it does when it is asked for a study that nobody has. Raises ArchiveError."""
        self._ask(Level.STUDY, NOBODYS)
        way, model = ("C-GET", GET) if self._move_to is None else ("C-MOVE", MOVE)
        try:
            with association(self._caller, [build_context(model)]):
                return f"answers C-FIND and offers {way}"
        except NotOffered:
            raise ArchiveError(f"it answers C-FIND, but offers no {way}") from None

    def _ask(self, level: Level, keys: Row) -> Sequence[Row]:
        limits = self._caller.limits
        asked, answers = identifier(level.name, level.value, keys), []
        ends_s = time.monotonic() + limits.retrieve_s
        try:
            with association(self._caller, [build_context(FIND)]) as opened:
                for status, answer in opened.send_c_find(asked, FIND):
                    if _still(status, ends_s) and answer is not None:
                        answers.append(row(answer, level.value))
                    if len(answers) > limits.answers:
                        raise ArchiveError("the archive gives more answers than are taken")
        except (RuntimeError, ValueError) as failure:  # pynetdicom's, of an association that is over
            raise ArchiveError(f"the archive cannot be asked: {type(failure).__name__}") from None
        return answers

    def _move(self, asked: Dataset, move_to: str, gathering: Gathering, ends_s: float) -> None:
        limits = self._caller.limits
        patient = replace(self._caller, limits=replace(limits, answer_s=limits.move_s))
        with association(patient, [build_context(MOVE)]) as opened:
            _follow(opened.send_c_move(asked, move_to, MOVE), gathering, ends_s)

    def _get(self, asked: Dataset, gathering: Gathering, ends_s: float) -> None:
        contexts = [build_context(one, syntax) for one in self._classes for syntax in SYNTAXES]
        roles = [build_role(one, scp_role=True) for one in self._classes]

        def stored(event: Any) -> int:
            if time.monotonic() > ends_s:
                event.assoc.abort(block=False)
            return gathering.take(lambda: _received(event, self._source))

        handlers = [(evt.EVT_C_STORE, stored)]
        with association(self._caller, [build_context(GET), *contexts], handlers, roles) as opened:
            _follow(opened.send_c_get(asked, GET), gathering, ends_s)


def _portions(only: Collection[str]) -> Iterator[Sequence[str]]:
    """Instances by the hundred, or one empty portion for the series as a whole."""
    names = sorted(only)
    yield from (names[at : at + UIDS_AT_ONCE] for at in range(0, max(len(names), 1), UIDS_AT_ONCE))


def _still(status: Dataset, ends_s: float) -> bool:
    """Whether more is to come. Raises ArchiveError for a failure, or when time is up."""
    if "Status" not in status:
        raise ArchiveError("the archive stopped answering")
    code = int(status.Status)
    if code >> 8 == PENDING:
        if time.monotonic() > ends_s:
            raise ArchiveError("the archive takes too long")
        return True
    if code != SUCCESS and code >> 12 != 0xB:
        raise ArchiveError(WORDS.get(code, f"the archive answered 0x{code:04X}"))
    return False


def _follow(answers: Iterator[tuple[Dataset, Any]], gathering: Gathering, ends_s: float) -> None:
    """Read the responses of a retrieval; the last tells how many of its sub-operations failed."""
    failed = 0
    try:
        for status, _ in answers:
            failed = int(status.get("NumberOfFailedSuboperations") or failed)
            _still(status, ends_s)
    finally:
        gathering.failed(failed)


def _received(event: Any, source: Site) -> Received:
    request = event.request
    return Received(
        source=source,
        sop_class_uid=str(request.AffectedSOPClassUID),
        sop_instance_uid=str(request.AffectedSOPInstanceUID),
        transfer_syntax_uid=str(event.context.transfer_syntax),
        encoded=event.encoded_dataset(),
    )
