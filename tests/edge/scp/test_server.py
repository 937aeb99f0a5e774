from __future__ import annotations

import logging
import shutil
import socket
import struct
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
    RLELossless,
)
from pynetdicom import AE, build_context

from millet.codec.elements import data_set_start
from millet.edge.scp import Answer, Behind, Listen, Refusal, StorageScp
from millet.errors import RefusedInstance, StoreError

WITHIN_S = 20


class Sink:
    """Takes what arrives, or raises what a test wants."""

    def __init__(self):
        self.taken = []
        self.came = []
        self.began = []
        self.ended = []
        self.closed = 0
        self.error = None
        self.over = threading.Event()

    def behind(self, **more):
        """As the service is behind its port."""
        return Behind(
            site=lambda _caller: "default",
            reception=lambda: Taking(self),
            came=self.came.append,
            began=self.began.append,
            ended=self.end,
            **{"judge": lambda _: None, **more},
        )

    def end(self, association):
        """As intake.association_ended."""
        self.ended.append(association)
        self.over.set()


class Taking:
    """A reception that keeps what it gets in memory."""

    def __init__(self, sink):
        self.sink, self.offer, self.body = sink, None, b""

    def begin(self, offer):
        """As Reception.begin."""
        self.offer, self.body = offer, b""

    def write(self, piece):
        """As Reception.write."""
        self.body += piece

    def end(self):
        """As Reception.end."""
        if self.sink.error:
            raise self.sink.error
        self.sink.taken.append((self.offer, self.body))

    def abandon(self):
        """As Reception.abandon."""
        self.offer = None

    def close(self):
        """As Reception.close."""
        self.sink.closed += 1


@pytest.fixture
def sink():
    """What is behind the SCP."""
    return Sink()


@pytest.fixture
def scp(sink):
    """A listening SCP on a free loopback port."""
    made = StorageScp(Listen(host="127.0.0.1", port=0), sink.behind())
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
    """The bytes of the data set that was sent are handed on, with who sent it and how they are written."""
    association = associate(scp, CT)
    assert association.send_c_store(ct_dataset(1)).Status == 0x0000
    association.release()
    ((offer, body),) = sink.taken
    sent = ct_file(1)
    assert body == sent[data_set_start(sent) :]
    assert offer.source == ("default", "SCANNER", "MILLET")
    assert (offer.sop_class_uid, offer.sop_instance_uid) == (CTImageStorage, ct_dataset(1).SOPInstanceUID)
    assert offer.transfer_syntax_uid == ExplicitVRLittleEndian


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
    assert sink.began == sink.ended == [sink.taken[0][0].association]
    assert sink.closed == 1


def test_a_lost_connection_is_an_end_too(scp, sink):
    """A sender that vanishes ends its association."""
    association = associate(scp, CT)
    association.send_c_store(ct_dataset(1))
    line = association.dul.socket.socket
    line.shutdown(socket.SHUT_RDWR)
    assert sink.over.wait(WITHIN_S)
    line.close()


def test_a_stop_ends_open_associations(scp, sink):
    """An association that idles at a stop is ended: none of our threads keeps the process alive."""
    associate(scp, CT).network_timeout = None  # the sender itself would wait for ever
    scp.stop()
    assert sink.over.is_set()
    assert not [one for one in threading.enumerate() if one.name.startswith("association-")]


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


def test_strangers_are_rejected(sink):
    """Who is not let in gets the reason in the protocol's numbers, and is told of."""
    asked = []
    behind = sink.behind(
        judge=lambda caller: None if caller.calling_ae == "SCANNER" else Refusal("unknown", reason=3),
        asked=lambda *both: asked.append(both),
    )
    scp = StorageScp(Listen(host="127.0.0.1", port=0), behind)
    scp.start()
    try:
        stranger = associate(scp, CT, title="STRANGER")
        assert stranger.is_rejected
        assert stranger.acceptor.primitive.diagnostic == 3
        known = associate(scp, CT, title="SCANNER")
        assert known.is_established
        known.release()
    finally:
        scp.stop()
    assert [(caller.calling_ae, caller.address, bool(why)) for caller, why in asked] == [
        ("STRANGER", "127.0.0.1", True),
        ("SCANNER", "127.0.0.1", False),
    ]


def test_a_taken_port_is_an_error_at_start(scp, sink):
    """Nobody serves half: a port that is taken stops the start."""
    with pytest.raises(OSError, match="in use"):
        StorageScp(Listen(host="127.0.0.1", port=scp.port), sink.behind()).start()


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
    assert {offer.source.calling_ae for offer, _ in sink.taken} == {"DCMTK"}
    assert len(sink.taken) == 3


def test_a_refusal_says_why(scp, sink):
    """The response to what is refused carries the reason in words (Error Comment), as does the log's line."""
    association = associate(scp, CT)
    sink.error = RefusedInstance(0xC000, "no Series Instance UID")
    status = association.send_c_store(ct_dataset(1))
    association.release()
    assert (status.Status, status.ErrorComment) == (0xC000, "no Series Instance UID")
    assert [(came.status, came.why) for came in sink.came] == [(0xC000, "no Series Instance UID")]


def test_other_services_are_answered_by_who_knows_them(sink):
    """A request of another service is handed on with its data set; what it answers is sent."""
    asked = []

    def service(command, data_set, caller):
        asked.append((command.kind, command.sop_instance_uid, data_set, caller.calling_ae))
        return Answer(0x0000)

    commitment = "1.2.840.10008.1.20.1"
    scp = StorageScp(Listen(host="127.0.0.1", port=0), sink.behind(services={commitment: service}))
    scp.start()
    try:
        association = associate(scp, build_context(commitment))
        told = Dataset()
        told.TransactionUID = "1.2.3"
        status, _ = association.send_n_action(told, 1, commitment, "1.2.840.10008.1.20.1.1")
        association.release()
    finally:
        scp.stop()
    assert status.Status == 0x0000
    ((kind, instance, data_set, caller),) = asked
    assert (kind, instance, caller) == (1, "1.2.840.10008.1.20.1.1", "SCANNER")
    assert b"1.2.3" in data_set


def rest_of(line):
    """What the peer says until it hangs up."""
    line.settimeout(WITHIN_S)
    said = b""
    try:
        while more := line.recv(4096):
            said += more
    except ConnectionResetError:
        pass
    return said


@pytest.mark.parametrize(
    "said",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x01\x00\xff\xff\xff\xff",
        b"\x01\x00\x00\x00\x00\x46" + bytes(70),
        b"\x04\x00\x00\x00\x00\x06\x00\x00\x00\x02\x01\x03",
    ],
    ids=["http", "endless", "nothing asked", "data first"],
)
def test_what_is_no_request_ends_the_connection_alone(scp, said):
    """Another protocol, or nonsense: that connection ends, the next one is served."""
    with socket.create_connection(("127.0.0.1", scp.port)) as line:
        line.sendall(said)
        assert rest_of(line)[:1] in {b"", b"\x03", b"\x07"}
    association = associate(scp, CT)
    assert association.send_c_store(ct_dataset(1)).Status == 0x0000
    association.release()


@pytest.mark.parametrize(
    "said",
    [
        b"\x09\x00\x00\x00\x00\x00",
        b"\x04\x00\x00\x00\x00\x03\x00\x00\x00",
        b"\x04\x00\x00\x00\x00\x06\x00\x00\x10\x00\x01\x03",
        b"\x04\x00\x00\x00\x00\x08\x00\x00\x00\x04\x01\x02ab",
        b"\x04\x00\x00\x00\x00\x08\x00\x00\x00\x04\x01\x03ab",
        b"\x04\x00\x00\x00\x00\x12\x00\x00\x00\x0e\x01\x03\0\0\0\0\xff\xff\xff\xffabcd",
    ],
    ids=["unknown PDU", "cut header", "long fragment", "data set first", "no command", "long element"],
)
def test_a_broken_protocol_is_aborted(scp, sink, said):
    """The association is aborted (A-ABORT), its end is told once, and the next one is served."""
    association = associate(scp, CT)
    association.dul.socket.socket.sendall(said)
    assert sink.over.wait(WITHIN_S)
    assert len(sink.ended) == 1
    later = associate(scp, CT)
    assert later.send_c_store(ct_dataset(1)).Status == 0x0000
    later.release()


def test_a_message_that_trickles_has_an_end(scp, sink, monkeypatch):
    """However many PDUs it comes in, the time is that of the whole message."""
    monkeypatch.setattr("millet.edge.scp.messages.MESSAGE_S", 0.5)
    association = associate(scp, CT)
    line = association.dul.socket.socket
    line.sendall(commands_of(ct_dataset(1)))
    piece = b"\x04\x00\x00\x00\x00\x08\x00\x00\x00\x04\x01\x00ab"
    for _ in range(WITHIN_S * 3):
        if sink.over.wait(0.1):
            break
        line.sendall(piece)
    assert sink.over.is_set()
    line.close()
    assert sink.taken == []


def test_an_instance_that_is_cut_off_is_abandoned(scp, sink):
    """A connection that is lost in the middle of an instance leaves nothing of it."""
    association = associate(scp, CT)
    line = association.dul.socket.socket
    command = commands_of(ct_dataset(1))
    line.sendall(command + b"\x04\x00\x00\x01\x00\x00\x00\x00\x00\x20\x01\x00" + bytes(20))
    line.shutdown(socket.SHUT_RDWR)
    assert sink.over.wait(WITHIN_S)
    line.close()
    assert sink.taken == []
    assert sink.closed == 1


def commands_of(dataset):
    """A C-STORE request in a PDU of its own."""

    def element(number, value):
        value += b"\0" * (len(value) % 2)
        return struct.pack("<HHI", 0, number, len(value)) + value

    body = b"".join(
        (
            element(0x0002, str(dataset.SOPClassUID).encode()),
            element(0x0100, b"\1\0"),
            element(0x0110, b"\1\0"),
            element(0x0700, b"\0\0"),
            element(0x0800, b"\0\0"),
            element(0x1000, str(dataset.SOPInstanceUID).encode()),
        )
    )
    return struct.pack(">BBIIBB", 4, 0, len(body) + 6, len(body) + 2, 1, 3) + body


def test_those_that_say_nothing_make_room(sink):
    """Beyond the limit the oldest connection that asks for nothing goes, and honest senders are served."""
    scp = StorageScp(Listen(host="127.0.0.1", port=0, most=5), sink.behind())
    scp.start()
    try:
        honest = associate(scp, CT)
        silent = [socket.create_connection(("127.0.0.1", scp.port)) for _ in range(12)]
        assert honest.send_c_store(ct_dataset(1)).Status == 0x0000
        another = associate(scp, CT)
        assert another.send_c_store(ct_dataset(2)).Status == 0x0000
        assert scp.associations == 2
        another.release()
        honest.release()
        for line in silent:
            line.close()
    finally:
        scp.stop()
