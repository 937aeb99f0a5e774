from __future__ import annotations

import threading
import time

import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.dimse_primitives import N_EVENT_REPORT

from millet.codec.commitment import read_report, read_request
from millet.core.commitment import PUSH_INSTANCE, PUSH_MODEL, Reference, Request, Verdict
from millet.core.peer import Peer
from millet.edge.query import Caller, CommitmentPeers, Limits
from millet.errors import DeliveryError

LIMITS = Limits(connect_s=5.0, answer_s=2.0)
ASKED = Request(transaction_uid="2.25.7", references=(Reference("1.1", "1.2"),))
VERDICT = Verdict(
    transaction_uid="2.25.7", kept=ASKED.references, failed=((Reference("1.1", "1.3"), 0x0112),)
)


class Pacs:
    """A peer that takes requests and reports, and answers a request as a test says."""

    def __init__(self) -> None:
        self.got = []
        self.status = 0x0000
        self.at_once: Verdict | None = None
        self.heard, self.responses = threading.Event(), []
        entity = AE(ae_title="PACS")
        entity.add_supported_context(PUSH_MODEL, scu_role=True, scp_role=True)
        handlers = [(evt.EVT_N_ACTION, self._action), (evt.EVT_N_EVENT_REPORT, self._report)]
        self.server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
        peer = Peer(ae_title="PACS", host="127.0.0.1", port=self.server.server_address[1])
        self.caller = Caller(peer=peer, calling_ae="MILLET", limits=LIMITS)

    def _action(self, event):
        self.got.append((event.action_type, read_request(event.request.ActionInformation.getvalue())))
        if self.at_once:
            threading.Timer(1.0, self._answer, [event.assoc, self.at_once]).start()  # after the response
        return self.status, Dataset()

    def _answer(self, association, verdict):
        from millet.codec.commitment import report

        status, _ = association.send_n_event_report(
            report(verdict), verdict.event_type, PUSH_MODEL, PUSH_INSTANCE
        )
        self.responses.append(status.get("Status"))
        self.heard.set()

    def _report(self, event):
        self.got.append((event.event_type, read_report(event.request.EventInformation.getvalue())))
        return self.status, Dataset()


@pytest.fixture(scope="module")
def server():
    """A real peer."""
    made = Pacs()
    yield made
    made.server.shutdown()


@pytest.fixture
def pacs(server):
    """As it was at first."""
    server.got, server.status, server.at_once = [], 0x0000, None
    server.heard.clear()
    server.responses.clear()
    return server


def peers(pacs, stay_s=0.0):
    """Our side."""
    return CommitmentPeers({"PACS": pacs.caller}, {"archive": pacs.caller}, stay_s)


def test_a_report_reaches_its_requester(pacs):
    """On an association that we request as the provider, with its event type."""
    assert peers(pacs).knows("PACS")
    peers(pacs).report("PACS", VERDICT)
    assert pacs.got == [(2, VERDICT)]


def test_a_report_that_is_not_taken_is_tried_again(pacs):
    """So is one to a peer that has gone from the configuration."""
    pacs.status = 0x0110
    with pytest.raises(DeliveryError, match="0x0110") as failed:
        peers(pacs).report("PACS", VERDICT)
    assert failed.value.retryable
    with pytest.raises(DeliveryError, match="configured") as failed:
        peers(pacs).report("OTHER", VERDICT)
    assert failed.value.retryable
    assert not peers(pacs).knows("OTHER")


def test_a_question_reaches_its_destination(pacs):
    """As an N-ACTION; an answer may come later, elsewhere."""
    heard = []
    peers(pacs).request("archive", ASKED, lambda dataset: heard.append(dataset) or 0)
    assert pacs.got == [(1, ASKED)]
    assert heard == []


def test_an_answer_on_the_same_association_is_heard(pacs):
    """For as long as we stay."""
    pacs.at_once, heard = VERDICT, []
    peers(pacs, stay_s=10.0).request("archive", ASKED, lambda dataset: heard.append(dataset) or 0)
    assert [read_report(dataset) for dataset in heard] == [VERDICT]
    assert pacs.heard.wait(10)


def test_nobody_leaves_before_the_response_is_sent(pacs, monkeypatch):
    """However long the sending takes after the answer was heard."""
    send = DIMSEServiceProvider.send_msg

    def late(provider, primitive, context_id):
        if isinstance(primitive, N_EVENT_REPORT) and primitive.is_valid_response:
            time.sleep(0.5)
        send(provider, primitive, context_id)

    monkeypatch.setattr(DIMSEServiceProvider, "send_msg", late)
    pacs.at_once = VERDICT
    peers(pacs, stay_s=10.0).request("archive", ASKED, lambda dataset: 0)
    assert pacs.heard.wait(10)
    assert pacs.responses == [0x0000]


@pytest.mark.filterwarnings(
    "ignore:unclosed <socket:ResourceWarning"
)  # pynetdicom's, of a refused connection
def test_whoever_cannot_be_asked_is_told_apart(pacs):
    """Away: again later. Not for this: never."""
    away = Caller(peer=Peer(ae_title="X", host="127.0.0.1", port=1), calling_ae="MILLET", limits=LIMITS)
    with pytest.raises(DeliveryError, match="cannot be reached") as failed:
        CommitmentPeers({}, {"archive": away}).request("archive", ASKED, lambda _: 0)
    assert failed.value.retryable
    with pytest.raises(DeliveryError, match="cannot be asked") as failed:
        peers(pacs).request("folder", ASKED, lambda _: 0)
    assert not failed.value.retryable
    entity = AE(ae_title="X")
    entity.add_supported_context("1.2.840.10008.1.1")
    server = entity.start_server(("127.0.0.1", 0), block=False)
    other = Peer(ae_title="X", host="127.0.0.1", port=server.server_address[1])
    caller = Caller(peer=other, calling_ae="MILLET", limits=LIMITS)
    with pytest.raises(DeliveryError, match="offers no such service") as failed:
        CommitmentPeers({}, {"archive": caller}).request("archive", ASKED, lambda _: 0)
    assert not failed.value.retryable
    server.shutdown()
