from __future__ import annotations

import logging
import shutil
import socket
import subprocess
import threading

import pytest
from instances import ct_dataset, ct_file
from pydicom.dataset import Dataset
from pydicom.uid import (
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    MRImageStorage,
    RLELossless,
)
from pynetdicom import AE, build_context

from millet.edge.scp import Listen, StorageScp
from millet.errors import RefusedInstance, StoreError

WITHIN_S = 20


class Sink:
    """Takes what arrives, or raises what a test wants."""

    def __init__(self):
        self.taken = []
        self.ended = []
        self.error = None
        self.over = threading.Event()

    def store(self, received, association):
        """As intake.admit."""
        if self.error:
            raise self.error
        self.taken.append((received, association))

    def end(self, association):
        """As intake.association_ended."""
        self.ended.append(association)
        self.over.set()


@pytest.fixture
def sink():
    """What is behind the SCP."""
    return Sink()


@pytest.fixture
def scp(sink):
    """A listening SCP on a free loopback port."""
    made = StorageScp(
        Listen(site="default", host="127.0.0.1", port=0, ae_title="MILLET"), sink.store, sink.end
    )
    made.start()
    yield made
    made.stop()


def associate(scp, *contexts, title="SCANNER"):
    """An association that proposes some contexts."""
    entity = AE(ae_title=title)
    entity.network_timeout = entity.dimse_timeout = WITHIN_S
    return entity.associate("127.0.0.1", scp.port, contexts=list(contexts), ae_title="MILLET")


CT = build_context(CTImageStorage, ExplicitVRLittleEndian)


def test_an_instance_arrives_byte_for_byte(scp, sink):
    """What was sent is handed on as a DICOM file around the same data set bytes, with who sent it."""
    association = associate(scp, CT)
    assert association.send_c_store(ct_dataset(1)).Status == 0x0000
    association.release()
    ((received, _),) = sink.taken
    sent = ct_file(1)
    body = sent[sent.index(b"\x08\x00\x05\x00CS") :]
    assert received.encoded[128:132] == b"DICM"
    assert received.encoded.endswith(body)
    assert received.source == ("default", "SCANNER", "MILLET")
    assert (received.sop_class_uid, received.sop_instance_uid) == (
        CTImageStorage,
        ct_dataset(1).SOPInstanceUID,
    )


def test_an_echo_is_answered(scp):
    """C-ECHO succeeds."""
    association = associate(scp, build_context("1.2.840.10008.1.1"))
    assert association.send_c_echo().Status == 0x0000
    association.release()


def test_the_end_of_an_association_is_told(scp, sink):
    """A release is told with the association's number, once."""
    association = associate(scp, CT)
    association.send_c_store(ct_dataset(1))
    association.release()
    assert sink.over.wait(WITHIN_S)
    assert sink.ended == [sink.taken[0][1]]


def test_a_lost_connection_is_an_end_too(scp, sink):
    """A sender that vanishes ends its association."""
    association = associate(scp, CT)
    association.send_c_store(ct_dataset(1))
    line = association.dul.socket.socket
    line.shutdown(socket.SHUT_RDWR)
    assert sink.over.wait(WITHIN_S)
    line.close()


def test_a_stop_ends_open_associations(scp, sink):
    """An association that idles at a stop is aborted: none of its threads keeps the process alive."""
    associate(scp, CT).network_timeout = None  # the sender itself would wait for ever
    serving = [t for t in threading.enumerate() if "AcceptorThread" in t.name]
    scp.stop()
    assert sink.over.wait(WITHIN_S)
    for thread in [one for association in serving for one in (association, association.dul)]:
        thread.join(WITHIN_S)
        assert not thread.is_alive()


def test_what_is_no_ct_gets_a_status_and_the_rest_goes_on(scp, sink):
    """In a mixed association an MR instance is refused with 0x0122, and the CT after it is taken."""
    association = associate(scp, CT, build_context(MRImageStorage))
    other = ct_dataset(1, sop_class=MRImageStorage)
    assert association.send_c_store(other).Status == 0x0122
    assert association.send_c_store(ct_dataset(2)).Status == 0x0000
    association.release()
    assert len(sink.taken) == 1


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (RefusedInstance(0xA900, "another instance"), 0xA900),
        (StoreError("the disk failed"), 0xA700),
        (ValueError("Doe^Jane"), 0x0110),
    ],
    ids=["refused", "disk", "anything"],
)
def test_a_failure_is_a_status_and_never_the_end(scp, sink, error, status, caplog):
    """Whatever goes wrong with one instance, the next one is taken, and no log line quotes it."""
    association = associate(scp, CT)
    sink.error = error
    assert association.send_c_store(ct_dataset(1)).Status == status
    sink.error = None
    assert association.send_c_store(ct_dataset(2)).Status == 0x0000
    association.release()
    assert "Doe" not in caplog.text


def test_a_broken_data_set_is_handed_on_as_it_is(scp, sink):
    """Bytes that are no data set are not decoded here, and do not end the association."""
    association = associate(scp, CT)
    odd = Dataset()
    odd.SOPClassUID, odd.SOPInstanceUID = CTImageStorage, "1.2.3"
    odd.file_meta = ct_dataset(1).file_meta
    odd.add_new(0x7FE00010, "OW", b"\x00" * 7)
    assert association.send_c_store(odd).Status == 0x0000
    association.release()


@pytest.mark.parametrize(
    "syntax",
    [
        ImplicitVRLittleEndian,
        ExplicitVRBigEndian,
        DeflatedExplicitVRLittleEndian,
        JPEGLosslessSV1,
        JPEGLSLossless,
        JPEG2000Lossless,
        HTJ2KLossless,
        RLELossless,
    ],
    ids=lambda syntax: syntax.keyword,
)
def test_every_transfer_syntax_is_taken(scp, syntax):
    """Uncompressed, deflated and compressed syntaxes are all accepted for CT."""
    association = associate(scp, build_context(CTImageStorage, syntax))
    assert [c.transfer_syntax for c in association.accepted_contexts] == [[syntax]]
    association.release()


def test_strangers_are_rejected_when_peers_are_listed(sink):
    """With known peers, another calling AE title gets no association."""
    listen = Listen(site="s", host="127.0.0.1", port=0, ae_title="MILLET", known_peers=("SCANNER",))
    scp = StorageScp(listen, sink.store, sink.end)
    scp.start()
    try:
        assert associate(scp, CT, title="STRANGER").is_rejected
        known = associate(scp, CT, title="SCANNER")
        assert known.is_established
        known.release()
    finally:
        scp.stop()


def test_a_taken_port_is_an_error_at_start(scp, sink):
    """Nobody serves half: a port that is taken stops the start."""
    listen = Listen(site="s", host="127.0.0.1", port=scp.port, ae_title="MILLET")
    with pytest.raises(OSError, match="in use"):
        StorageScp(listen, sink.store, sink.end).start()


def test_the_library_logs_no_patient(scp, caplog):
    """At the most talkative level of ours, nothing of the data set gets into the log."""
    caplog.set_level(logging.DEBUG)
    association = associate(scp, CT)
    association.send_c_store(ct_dataset(1))
    association.release()
    assert "Müller" not in caplog.text
    assert "19600101" not in caplog.text


def test_dcmtk_sends_to_us(scp, sink, tmp_path):
    """DCMTK's storescu, proposing compressed syntaxes first, gets its instances taken."""
    if shutil.which("storescu") is None:
        pytest.skip("storescu (dcmtk) is not installed")
    for number in range(1, 4):
        (tmp_path / f"{number}.dcm").write_bytes(ct_file(number))
    command = ["storescu", "-aet", "DCMTK", "-aec", "MILLET", "-xt", "127.0.0.1", str(scp.port)]
    subprocess.run([*command, *map(str, sorted(tmp_path.iterdir()))], check=True, timeout=60)
    assert sink.over.wait(WITHIN_S)
    assert {received.source.calling_ae for received, _ in sink.taken} == {"DCMTK"}
    assert len(sink.taken) == 3


def test_small_packets_do_not_wait(scp):
    """Nagle's algorithm is off on the sockets of our associations."""
    association = associate(scp, CT)
    (served,) = scp._server.active_associations
    assert served.dul.socket.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
    association.release()
