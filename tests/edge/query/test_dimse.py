from __future__ import annotations

import socket
import threading
from dataclasses import replace

import pytest
from archives import CT, NAME, WireArchive, uid
from instances import ct_dataset
from pydicom.dataset import Dataset
from pynetdicom import AE, evt

from millet.core.peer import Peer
from millet.edge.query import Caller, DimseArchive, Limits
from millet.edge.query.dimse import FIND
from millet.errors import ArchiveError, RefusedInstance
from millet.ports import SeriesQuery

LIMITS = Limits(connect_s=5.0, answer_s=5.0, move_s=5.0, retrieve_s=20.0)


@pytest.fixture(scope="module")
def server():
    """A real archive."""
    made = WireArchive()
    yield made
    made.stop()


@pytest.fixture
def wire(server):
    """The archive as it was at first."""
    server.reset()
    return server


def over(wire, move_to=None, **limits):
    """Our side of it."""
    caller = Caller(peer=wire.peer, calling_ae="MILLET", limits=replace(LIMITS, **limits))
    return DimseArchive(caller, [CT], "here", move_to)


def test_series_are_found_with_what_the_archive_says(wire):
    """By study; the count is the archive's."""
    (found,) = over(wire).find_series(SeriesQuery(study_uid=NAME.study_uid))
    assert (found.name, found.modality, found.instances) == (NAME, "CT", 3)
    assert over(wire).find_series(SeriesQuery(study_uid="1.2.3")) == []


def test_series_of_a_patient_are_found_by_study(wire):
    """In the Study Root model a patient's studies come first, then the series of each."""
    (found,) = over(wire).find_series(SeriesQuery(patient_id="P1"))
    assert found.name == NAME
    assert [str(asked.QueryRetrieveLevel) for asked in wire.identifiers] == ["STUDY", "SERIES"]
    assert over(wire).find_series(SeriesQuery(patient_id="P2")) == []


def test_instances_are_listed_and_counted(wire):
    """Every one of a series."""
    archive = over(wire)
    assert archive.instances(NAME) == {uid(n) for n in (1, 2, 3)}
    assert archive.count(NAME) == 3
    assert archive.count(NAME._replace(series_uid="1.2.3")) is None


def test_answers_that_were_not_asked_for_do_not_count(wire):
    """An archive that answers with everything, or with nonsense."""
    wire.rows = []
    for study, series, instance in [
        (*NAME, uid(1)),
        (NAME.study_uid, "1.9", uid(2)),
        ("1.9", NAME.series_uid, uid(3)),
        (*NAME, "1.x"),
        (*NAME, ""),
    ]:
        row = Dataset()
        row.StudyInstanceUID, row.SeriesInstanceUID = study, series
        if instance != "1.x":
            row.SOPInstanceUID = instance
        wire.rows.append(row)
    wire.rows.append(Dataset())
    wire.rows[-1].PatientComments = "nothing that was asked for"
    archive = over(wire)
    assert archive.instances(NAME) == {uid(1)}
    assert [one.name for one in archive.find_series(SeriesQuery(study_uid=NAME.study_uid))] == sorted(
        [NAME, NAME._replace(series_uid="1.9")]
    )


def test_whoever_asks_whether_it_answers_hears_what_it_offers(wire):
    """It is asked for a study that nobody has; how series come is negotiated, and nothing is sent."""
    assert over(wire).answers() == "answers C-FIND and offers C-GET"
    assert over(wire, move_to="MILLET").answers() == "answers C-FIND and offers C-MOVE"
    assert {str(asked.StudyInstanceUID) for asked in wire.identifiers} == {"2.25.0"}
    wire.status, wire.rows = 0xA700, [Dataset()]
    with pytest.raises(ArchiveError, match="0xA700"):
        over(wire).answers()


def test_an_archive_that_only_answers_questions_says_so():
    """Series would come in no way that is configured."""
    entity = AE(ae_title="X")
    entity.add_supported_context(FIND)
    finds_nothing = (evt.EVT_C_FIND, lambda _event: iter([(0x0000, None)]))
    server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=[finds_nothing])
    peer = Peer(ae_title="X", host="127.0.0.1", port=server.server_address[1])
    archive = DimseArchive(Caller(peer=peer, calling_ae="MILLET", limits=LIMITS), [CT], "here", None)
    with pytest.raises(ArchiveError, match="answers C-FIND, but offers no C-GET"):
        archive.answers()
    server.shutdown()


def test_an_archive_that_leaves_at_once_cannot_be_asked(wire):
    """Whether that is noticed before or after the question is sent."""
    handler = (evt.EVT_ACCEPTED, lambda event: event.assoc.abort())
    wire.server.bind(*handler)
    try:
        with pytest.raises(ArchiveError):
            over(wire).instances(NAME)
    finally:
        wire.server.unbind(*handler)


def test_a_failed_query_is_no_empty_answer(wire):
    """An archive that cannot answer must not look like one without the series."""
    wire.status = 0xA700
    with pytest.raises(ArchiveError, match="0xA700"):
        over(wire).instances(NAME)


def test_answers_are_bounded(wire):
    """More than anybody has of one series."""
    with pytest.raises(ArchiveError, match="more answers"):
        over(wire, answers=2).instances(NAME)


def test_a_series_comes_by_c_get_over_our_own_association(wire):
    """As it was sent, with who sent it; nothing more than what was asked for is asked for."""
    took = []
    told = over(wire).retrieve(NAME, (), took.append)
    assert told == ({uid(n) for n in (1, 2, 3)}, 0, 0, "")
    assert {one.source for one in took} == {("here", "ARCHIVE", "MILLET")}
    assert {one.sop_instance_uid for one in took} == told.came
    assert all(one.encoded[128:132] == b"DICM" for one in took)
    took.clear()
    assert over(wire).retrieve(NAME, {uid(2)}, took.append).came == {uid(2)}
    assert wire.identifiers[-1].QueryRetrieveLevel == "IMAGE"


def test_what_is_refused_does_not_end_a_retrieval(wire):
    """The archive is told of each, and the others come."""

    def take(one):
        if one.sop_instance_uid == uid(2):
            raise RefusedInstance(0xA900, "no")

    told = over(wire).retrieve(NAME, (), take)
    assert (told.came, told.refused, told.failed) == ({uid(1), uid(3)}, 1, 1)


def test_many_instances_are_asked_for_in_portions(wire):
    """No list of UIDs grows beyond what an identifier holds."""
    only = {*(f"1.2.{n}" for n in range(1200)), uid(1), uid(2)}
    told = over(wire).retrieve(NAME, only, lambda _: None)
    assert told.came == {uid(1), uid(2)}
    assert [len(asked.SOPInstanceUID) for asked in wire.identifiers] == [500, 500, 202]


def test_an_instance_that_is_too_long_ends_the_retrieval(wire):
    """It is not gathered in memory; what came before counts."""
    big = ct_dataset(2)
    big.PixelData = bytes(3_000_000)
    wire.datasets = [ct_dataset(1), big, ct_dataset(3)]
    told = over(wire, object_bytes=1_000_000).retrieve(NAME, (), lambda _: None)
    assert told.came == {uid(1)}
    assert "stopped answering" in told.why


def test_c_move_sends_to_our_own_scp(wire):
    """Nothing comes here; the archive's count of failures does."""
    arrived = []
    scp = AE(ae_title="MILLET")
    scp.add_supported_context(CT)

    def stored(event):
        arrived.append(str(event.request.AffectedSOPInstanceUID))
        return 0x0000 if len(arrived) < 3 else 0xA700

    server = scp.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, stored)])
    wire.move_to = ("127.0.0.1", server.server_address[1])
    told = over(wire, move_to="MILLET").retrieve(NAME, (), lambda _: None)
    server.shutdown()
    assert sorted(arrived) == [uid(n) for n in (1, 2, 3)]
    assert (told.came, told.failed, told.why) == (None, 1, "")


def test_c_move_to_an_unknown_destination_says_so(wire):
    """In words, with the status that an operator can look up."""
    told = over(wire, move_to="MILLET").retrieve(NAME, (), lambda _: None)
    why = "the archive does not know the AE title that it shall send to (0xA801)"
    assert (told.came, told.why) == (None, why)


@pytest.mark.filterwarnings(
    "ignore:unclosed <socket:ResourceWarning"
)  # pynetdicom's, of a refused connection
def test_an_archive_that_is_not_there_cannot_be_asked():
    """Refused connection, rejected association, service that is not offered: three sentences."""
    nobody = Caller(peer=Peer(ae_title="X", host="127.0.0.1", port=1), calling_ae="MILLET", limits=LIMITS)
    with pytest.raises(ArchiveError, match="cannot be reached"):
        DimseArchive(nobody, [CT], "here", None).instances(NAME)
    entity = AE(ae_title="X")
    entity.add_supported_context("1.2.840.10008.1.1")
    server = entity.start_server(("127.0.0.1", 0), block=False)
    other = replace(nobody, peer=Peer(ae_title="X", host="127.0.0.1", port=server.server_address[1]))
    with pytest.raises(ArchiveError, match="offers no such service"):
        DimseArchive(other, [CT], "here", None).instances(NAME)
    entity.require_calling_aet = ["SOMEBODY"]
    with pytest.raises(ArchiveError, match="rejected"):
        DimseArchive(other, [CT], "here", None).instances(NAME)
    server.shutdown()


@pytest.mark.parametrize(
    "sent",
    [b"", b"\x02\x00\xff\xff\xff\xff", b"\x02\x00\x00\x00\x10\x00abc"],
    ids=["silence", "4 GB announced", "half a PDU"],
)
def test_no_archive_holds_us_for_ever(sent):
    """Silence, a PDU of 4 GB, half a PDU: each ends within our own time."""
    listener = socket.create_server(("127.0.0.1", 0))
    lines = []

    def answer():
        line, _ = listener.accept()
        lines.append(line)
        line.recv(10_000)
        line.sendall(sent)

    thread = threading.Thread(target=answer)
    thread.start()
    peer = Peer(ae_title="X", host="127.0.0.1", port=listener.getsockname()[1])
    caller = Caller(peer=peer, calling_ae="MILLET", limits=Limits(connect_s=1.0, answer_s=1.0))
    with pytest.raises(ArchiveError):
        DimseArchive(caller, [CT], "here", None).instances(NAME)
    thread.join(10)
    assert not thread.is_alive()
    for one in (*lines, listener):
        one.close()


@pytest.mark.parametrize(
    "sent",
    [b"", b"\x04\x00\x00\x00\x10\x00abc", b"\x04\x00\xff\xff\xff\xff" + bytes(100)],
    ids=["silence", "half a PDU", "4 GB announced"],
)
def test_an_archive_that_stalls_in_a_retrieval_ends_it(wire, sent):
    """What came until then counts, and the reason is told."""
    over_now = threading.Event()

    def stall(event):
        event.assoc.dul.socket.socket.sendall(sent)
        over_now.wait(20)

    wire.after_first = stall
    told = over(wire, answer_s=1.0).retrieve(NAME, (), lambda _: None)
    over_now.set()
    assert (told.came, told.why) == ({uid(1)}, "the archive stopped answering")


def test_the_studies_of_a_patient_are_told_with_whose_they_are(wire):
    """For identity and order to be judged; nobody's are asked for by wildcard."""
    found = over(wire).find_studies("P1")
    told = {(one.study_uid, one.patient_id, one.birth_date, one.sex) for one in found}
    whose = {
        (d.StudyInstanceUID, d.PatientID, d.get("PatientBirthDate", ""), d.get("PatientSex", ""))
        for d in wire.datasets
    }
    assert told == whose
    assert list(over(wire).find_studies("P2")) == []
    for nobody in ("*", "", "P1\\P2"):
        with pytest.raises(ValueError, match="query"):
            over(wire).find_studies(nobody)
