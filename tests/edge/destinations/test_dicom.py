from __future__ import annotations

import contextlib
import socket
import threading
from io import BytesIO

import numpy as np
import pytest
from deliveries import DELIVERY
from instances import ct_file
from listeners import Listener, deaf, hang
from pydicom import dcmread
from pydicom.uid import CTImageStorage, MRImageStorage
from pynetdicom import AE, evt
from reports import images

from millet.codec.native import native
from millet.core.peer import Peer
from millet.edge.destinations import StorageScu
from millet.errors import DeliveryError


@pytest.fixture
def pacs():
    """Make a peer that answers each C-STORE with a status, and keeps what it got."""
    servers = []

    def make(status=0x0000, sop_class=CTImageStorage, calling=(), context=None, tls=None, syntaxes=None):
        kept = []

        def take(event):
            kept.append(event.encoded_dataset())
            return status

        entity = AE(ae_title="PACS")
        entity.add_supported_context(sop_class, syntaxes)
        entity.add_supported_context("1.2.840.10008.1.1")
        entity.require_calling_aet = list(calling)
        servers.append(
            entity.start_server(
                ("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, take)], ssl_context=context
            )
        )
        peer = Peer(ae_title="PACS", host="127.0.0.1", port=servers[-1].server_address[1])
        return StorageScu(peer, "MILLET", timeout_s=5, tls=tls), kept

    yield make
    for server in servers:
        server.shutdown()


@pytest.mark.parametrize("status", [0x0000, 0x0111, 0xB000, 0xB007], ids=hex)
def test_an_object_is_delivered(pacs, status):
    """Success, a warning, and "I have it already" all mean that it is there, unchanged."""
    scu, kept = pacs(status)
    scu.deliver(DELIVERY, ct_file(1))
    assert dcmread(BytesIO(kept[0])) == dcmread(BytesIO(ct_file(1)))


@pytest.mark.parametrize("kind", ["labelmap", "sc-axial"])
@pytest.mark.parametrize("compressed", [True, False])
def test_what_is_compressed_is_sent_so_where_it_is_taken(pacs, kind, compressed):
    """Else uncompressed; the object is the same one, its pixels the same."""
    encoded = images()[kind]
    sent = dcmread(BytesIO(encoded))
    syntaxes = [sent.file_meta.TransferSyntaxUID] if compressed else None
    scu, kept = pacs(sop_class=sent.SOPClassUID, syntaxes=syntaxes)
    scu.deliver(DELIVERY, encoded)
    got, expected = (dcmread(BytesIO(one)) for one in (kept[0], encoded if compressed else native(encoded)))
    assert got.file_meta.TransferSyntaxUID.is_compressed is compressed
    assert np.array_equal(got.pixel_array, expected.pixel_array)
    del got.PixelData, expected.PixelData
    assert got == expected


@pytest.mark.parametrize(
    ("status", "retryable"),
    [(0xA700, True), (0x0110, True), (0xA900, False), (0xC000, False), (0x0122, False)],
    ids=["full", "failure", "mismatch", "not understood", "not supported"],
)
def test_a_refusal_says_whether_to_try_again(pacs, status, retryable):
    """What the destination may heal is tried again, what the object cannot change is not."""
    scu, _ = pacs(status)
    with pytest.raises(DeliveryError, match=f"0x{status:04X}") as refused:
        scu.deliver(DELIVERY, ct_file(1))
    assert refused.value.retryable is retryable


@pytest.mark.filterwarnings(  # pynetdicom drops the socket of a refused connection without closing it
    "ignore:unclosed <socket:ResourceWarning"
)
def test_an_unreachable_peer_is_tried_again():
    """Nobody listens: try again."""
    scu = StorageScu(Peer(ae_title="PACS", host="127.0.0.1", port=1), "MILLET", timeout_s=2)
    with pytest.raises(DeliveryError, match="cannot be reached") as failed:
        scu.deliver(DELIVERY, ct_file(1))
    assert failed.value.away


def test_a_peer_that_does_not_know_us_is_tried_again(pacs):
    """A rejected association is a matter of the destination's configuration: try again."""
    scu, _ = pacs(calling=("SOMEBODY",))
    with pytest.raises(DeliveryError, match="rejected") as failed:
        scu.echo()
    assert failed.value.away


def test_a_peer_that_takes_no_such_object_is_not_asked_again(pacs):
    """No accepted presentation context: it never will be taken."""
    scu, _ = pacs(sop_class=MRImageStorage)
    with pytest.raises(DeliveryError, match="takes no such object") as failed:
        scu.deliver(DELIVERY, ct_file(1))
    assert not failed.value.retryable


def test_the_echo_of_a_peer_that_answers(pacs):
    """C-ECHO to a living peer passes."""
    scu, _ = pacs()
    scu.echo()


def test_an_object_over_tls(pacs, trust):
    """Both sides show a certificate, and the object arrives."""
    scu, kept = pacs(context=trust.context(mutual=True), tls=trust.known)
    scu.deliver(DELIVERY, ct_file(1))
    assert len(kept) == 1


@pytest.mark.filterwarnings("ignore:unclosed <ssl:ResourceWarning")  # pynetdicom, as above
def test_a_peer_that_is_not_trusted_gets_nothing(pacs, trust):
    """A certificate of another authority, or none of ours where one is asked for."""
    for context, tls in (
        (trust.context(trust.stranger), trust.trusting),
        (trust.context(mutual=True), trust.trusting),
    ):
        scu, kept = pacs(context=context, tls=tls)
        with pytest.raises(DeliveryError) as failed:
            scu.deliver(DELIVERY, ct_file(1))
        assert failed.value.away
        assert kept == []


class Relay:
    """Passes bytes on to a peer until so many have gone, and then does something else with the sender."""

    def __init__(self, port, most_bytes, then) -> None:
        self._port, self._most_bytes, self._then = port, most_bytes, then

    def __call__(self, connection) -> None:
        """Serve one connection; see `listeners.Script`."""
        with socket.create_connection(("127.0.0.1", self._port)) as onward:
            back = threading.Thread(target=_pass_on, args=(onward, connection))
            back.start()
            passed = 0
            while passed < self._most_bytes and (data := connection.recv(4096)):
                onward.sendall(data)
                passed += len(data)
            self._then(connection)
            onward.shutdown(socket.SHUT_RDWR)
            back.join()


def _pass_on(source, sink) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            sink.sendall(data)


@pytest.mark.parametrize("then", [hang, deaf, lambda _: None], ids=["hangs", "deaf", "cuts"])
def test_a_peer_that_fails_in_the_middle_of_an_object_is_left(pacs, then):
    """It was reached, so this try counts; and the delivery ends, whatever the peer does."""
    scu, kept = pacs()
    with Listener(Relay(scu._line.peer.port, 60_000, then)) as listener:
        peer = Peer(ae_title="PACS", host="127.0.0.1", port=listener.port)
        dataset = dcmread(BytesIO(ct_file(1)))
        dataset.PixelData = bytes(20_000_000)
        dataset.save_as(large := BytesIO())
        hasty = StorageScu(peer, "MILLET", timeout_s=0.5, limit_s=1.0)
        with pytest.raises(DeliveryError) as failed:
            hasty.deliver(DELIVERY, large.getvalue())
    assert (failed.value.retryable, failed.value.away) == (True, False)
    assert kept == []


def test_a_peer_that_never_answers_an_association_is_away():
    """A port that takes connections and speaks no DICOM."""
    with Listener(hang) as listener:
        peer = Peer(ae_title="PACS", host="127.0.0.1", port=listener.port)
        with pytest.raises(DeliveryError) as failed:
            StorageScu(peer, "MILLET", timeout_s=0.5).deliver(DELIVERY, ct_file(1))
    assert failed.value.away
