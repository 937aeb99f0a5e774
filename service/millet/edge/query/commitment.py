"""Storage Commitment over associations that we request: reports to requesters, requests to destinations."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from pydicom.dataset import Dataset
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import build_role, evt
from pynetdicom.events import EventHandlerType
from pynetdicom.pdu import P_DATA_TF
from pynetdicom.presentation import build_context

from millet.codec import commitment
from millet.core.commitment import PUSH_INSTANCE, PUSH_MODEL, REQUEST, Request, Verdict
from millet.edge.query.association import Caller, NotOffered, association
from millet.errors import ArchiveError, DeliveryError

SYNTAXES: list[str | UID] = [ImplicitVRLittleEndian, ExplicitVRLittleEndian]
SUCCESS = 0x0000
PROCESSING_FAILURE = 0x0110


class CommitmentPeers:
    """A `Commitment`. Thread-safe.

    Args:
        requesters: where those listen who may ask us, by AE title.
        destinations: whom we ask, by the name under which deliveries are journalled.
        stay_s: how long an answer may take to come on the association of its question; one that is later
            comes on an association of its own, to our SCP.
    """

    def __init__(
        self, requesters: Mapping[str, Caller], destinations: Mapping[str, Caller], stay_s: float = 2.0
    ) -> None:
        self._requesters = requesters
        self._destinations = destinations
        self._stay_s = stay_s

    def knows(self, ae_title: str) -> bool:
        """Whether it is known where this peer listens."""
        return ae_title in self._requesters

    def report(self, ae_title: str, verdict: Verdict) -> None:
        """Answer a transaction of a peer's; see `ports.Commitment`."""
        if ae_title not in self._requesters:
            raise DeliveryError("it is no longer configured where the peer listens", retryable=True)
        role = build_role(PUSH_MODEL, scp_role=True)
        try:
            with association(
                self._requesters[ae_title], [build_context(PUSH_MODEL, SYNTAXES)], roles=[role]
            ) as opened:
                told = commitment.report(verdict)
                status, _ = opened.send_n_event_report(told, verdict.event_type, PUSH_MODEL, PUSH_INSTANCE)
                _judge(status)
        except (ArchiveError, RuntimeError, ValueError) as error:
            raise _failed(error) from None

    def request(self, destination: str, asked: Request, hear: Callable[[bytes], int]) -> None:
        """Ask a destination whether it keeps something; see `ports.Commitment`."""
        if destination not in self._destinations:
            raise DeliveryError("the destination cannot be asked for commitment", retryable=False)
        is_heard, has_answered = threading.Event(), threading.Event()

        def reported(event: Any) -> tuple[int, None]:
            try:
                information = event.request.EventInformation
                return hear(b"" if information is None else information.getvalue()), None
            finally:
                is_heard.set()

        def sent(event: Any) -> None:
            if is_heard.is_set() and isinstance(event.pdu, P_DATA_TF):
                has_answered.set()  # not before: who releases first can no longer send the response

        handlers: list[EventHandlerType] = [(evt.EVT_N_EVENT_REPORT, reported), (evt.EVT_PDU_SENT, sent)]
        try:
            with association(
                self._destinations[destination], [build_context(PUSH_MODEL, SYNTAXES)], handlers
            ) as opened:
                action = commitment.request(asked)
                status, _ = opened.send_n_action(action, REQUEST, PUSH_MODEL, PUSH_INSTANCE)
                _judge(status)
                has_answered.wait(self._stay_s)
        except (ArchiveError, RuntimeError, ValueError) as error:
            raise _failed(error) from None


def _judge(status: Dataset) -> None:
    if "Status" not in status:
        raise DeliveryError("the peer did not answer", retryable=True)
    if (code := int(status.Status)) != SUCCESS:
        raise DeliveryError(f"the peer answered 0x{code:04X}", retryable=True)


def _failed(error: Exception) -> DeliveryError:
    why = str(error) if isinstance(error, ArchiveError) else f"the association failed: {type(error).__name__}"
    return DeliveryError(why, retryable=not isinstance(error, NotOffered))
