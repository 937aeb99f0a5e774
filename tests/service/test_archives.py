"""Real archives: Orthanc over DIMSE and DICOMweb, DCMTK's over DIMSE, and Orthanc's storage commitment."""

from __future__ import annotations

import json
import threading
from dataclasses import replace

import pytest
from archives import CT, NAME, uid
from commitments import MemoryCommitments
from fakes import HandClock
from instances import START_UTC, ct_file, entry, header
from peers import Dcmqrscp, Orthanc, free_port, until
from pydicom.dataset import Dataset
from pynetdicom import AE, evt

from millet.core.commitment import PUSH_MODEL
from millet.core.peer import Peer
from millet.core.retry import Patience
from millet.core.uids import derived_uid
from millet.edge.query import Caller, CommitmentPeers, DimseArchive, Limits, WebArchive, WebCaller
from millet.errors import DeliveryError
from millet.flow.commitment import Promises, Questions
from millet.flow.pull import Door, Puller
from millet.ports import Delivery, Requester, SeriesQuery, Site

NUMBERS = range(1, 13)
UIDS = frozenset(uid(n) for n in NUMBERS)
LIMITS = Limits(connect_s=10.0, answer_s=20.0, move_s=20.0, retrieve_s=60.0)
PATIENCE = Patience(first_s=1.0, longest_s=10.0, give_up_s=100.0)


class FrontDoor:
    """Our front door: what comes by C-STORE, N-ACTION and N-EVENT-REPORT, and what is kept."""

    def __init__(self) -> None:
        self.port = free_port()
        self.promises: Promises | None = None
        self.questions: Questions | None = None
        self.came = threading.Event()
        self.reset()
        entity = AE(ae_title="MILLET")
        entity.add_supported_context(CT)
        entity.add_supported_context(PUSH_MODEL)
        handlers = [
            (evt.EVT_C_STORE, self._stored),
            (evt.EVT_N_ACTION, self._asked),
            (evt.EVT_N_EVENT_REPORT, self._told),
        ]
        self.server = entity.start_server(("127.0.0.1", self.port), block=False, evt_handlers=handlers)

    def reset(self) -> None:
        """Nothing is kept."""
        self.files: dict[str, bytes] = {}

    def admit(self, received, _number):
        """As the receiver's."""
        self.files[received.sop_instance_uid] = received.encoded

    def kept(self, site, uids):
        """As the journal's."""
        return frozenset(uids) & self.files.keys()

    def _stored(self, event):
        self.files[str(event.request.AffectedSOPInstanceUID)] = event.encoded_dataset()
        return 0x0000

    def _asked(self, event):
        asker = Requester("default", event.assoc.requestor.primitive.calling_ae_title.strip())
        dataset = event.request.ActionInformation.getvalue()
        return self.promises.asked(asker, event.action_type, dataset), Dataset()

    def _told(self, event):
        status = self.questions.heard(event.request.EventInformation.getvalue())
        self.came.set()
        return status, Dataset()


@pytest.fixture(scope="module")
def door():
    """A listening one."""
    made = FrontDoor()
    yield made
    made.server.shutdown()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The slices of one series, as files."""
    folder = tmp_path_factory.mktemp("series")
    for number in NUMBERS:
        (folder / f"{number:03d}.dcm").write_bytes(ct_file(number))
    return sorted(folder.iterdir())


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory, door, files):
    """Orthanc with its DICOMweb plugin, the series in it, and our AE title known to it."""
    pacs = Orthanc(
        tmp_path_factory.mktemp("orthanc") / "pacs",
        Plugins=["/usr/share/orthanc/plugins"],
        DicomWeb={"Enable": True, "Root": "/dicom-web/"},
        DicomModalities={"us": ["MILLET", "127.0.0.1", door.port]},
    )
    for path in files:
        pacs.post("instances", path.read_bytes())
    yield pacs
    pacs.stop()


@pytest.fixture(scope="module")
def dcmqrscp(tmp_path_factory, door, files):
    """DCMTK's archive with the series in it."""
    archive = Dcmqrscp(tmp_path_factory.mktemp("dcmqrscp"), files, ("MILLET", door.port))
    yield archive
    archive.stop()


def dimse(title, port, move_to=None):
    """An archive over DIMSE."""
    peer = Peer(ae_title=title, host="127.0.0.1", port=port)
    return DimseArchive(Caller(peer=peer, calling_ae="MILLET", limits=LIMITS), [CT], "here", move_to)


WAYS = {
    "orthanc-get": lambda request: dimse("ORTHANC", request.getfixturevalue("orthanc").dicom_port),
    "orthanc-move": lambda request: dimse("ORTHANC", request.getfixturevalue("orthanc").dicom_port, "MILLET"),
    "orthanc-wado": lambda request: WebArchive(
        WebCaller(
            url=f"http://127.0.0.1:{request.getfixturevalue('orthanc').http_port}/dicom-web", limits=LIMITS
        ),
        Site("here", "ORTHANC", "MILLET"),
    ),
    "dcmtk-get": lambda request: dimse("DCMQRSCP", request.getfixturevalue("dcmqrscp").dicom_port),
    "dcmtk-move": lambda request: dimse("DCMQRSCP", request.getfixturevalue("dcmqrscp").dicom_port, "MILLET"),
}


@pytest.fixture(params=WAYS)
def archive(request):
    """Each archive, and each way out of it."""
    return WAYS[request.param](request)


def test_a_series_is_found_and_counted(archive):
    """By study, by patient, by instance; what is not there is not found."""
    for wanted in (SeriesQuery(study_uid=NAME.study_uid), SeriesQuery(patient_id="P1")):
        (found,) = archive.find_series(wanted)
        assert (found.name, found.modality, found.description) == (NAME, "CT", "")
    assert archive.find_series(SeriesQuery(study_uid=NAME.study_uid, modality="MR")) == []
    assert archive.find_series(SeriesQuery(patient_id="P2")) == []
    assert archive.instances(NAME) == UIDS
    assert archive.count(NAME) == len(UIDS)
    assert archive.count(NAME._replace(series_uid="1.2.3")) is None


def test_a_series_is_pulled_and_a_gap_repaired(archive, door):
    """All of it, then nothing, then only what is missing: the pixels are those that were stored."""
    door.reset()
    puller = Puller(
        {"pacs": archive},
        door,
        Door(site="here", admit=door.admit, ended=lambda _: None, number=lambda: -1),
        HandClock(),
        lambda _: None,
        settle_s=0.0,
    )
    told = puller.pull("pacs", NAME)
    assert (told.wanted, told.here, told.new, told.complete, told.why) == (12, 12, 12, True, "")
    pixels = ct_file(7)[-32:]
    assert door.files[uid(7)].endswith(pixels)
    assert puller.pull("pacs", NAME).new == 0
    del door.files[uid(3)], door.files[uid(7)]
    told = puller.pull("pacs", NAME)
    assert (told.here, told.new, told.refused, told.failed) == (12, 2, 0, 0)
    assert door.files[uid(7)].endswith(pixels)


@pytest.fixture
def commitment(orthanc):
    """Our side of storage commitment with Orthanc."""
    peer = Peer(ae_title="ORTHANC", host="127.0.0.1", port=orthanc.dicom_port)
    caller = Caller(peer=peer, calling_ae="MILLET", limits=LIMITS)
    return CommitmentPeers({"ORTHANC": caller}, {"pacs": caller}, stay_s=0.0)


@pytest.mark.parametrize("missing", [False, True], ids=["all kept", "one missing"])
def test_orthanc_is_promised_what_we_keep(orthanc, door, commitment, missing):
    """Orthanc asks, we answer on an association of our own, Orthanc understands."""
    log, clock = MemoryCommitments(), HandClock()
    for number in (1, 2) if missing else (1, 2, 3):
        log.record(entry(number))
    door.promises = Promises(log, commitment, PATIENCE, clock, lambda *_: None, grace_s=30.0)
    wanted = [{"SOPClassUID": CT, "SOPInstanceUID": uid(n)} for n in (1, 2, 3)]
    ask = json.dumps({"DicomInstances": wanted, "Timeout": 10}).encode()
    transaction = orthanc.post("modalities/us/storage-commitment", ask)["ID"]
    clock.now_s += 30.0
    assert door.promises.step(lambda: 0.5) == 1

    def ended():
        told = orthanc.get(f"storage-commitment/{transaction}")
        return None if told["Status"] == "Pending" else told

    told = until("Orthanc has the answer", ended, 20, orthanc.process)
    assert told["Status"] == ("Failure" if missing else "Success")
    assert {one["SOPInstanceUID"] for one in told["Success"]} == {
        uid(1),
        uid(2),
        *([] if missing else [uid(3)]),
    }
    assert [one["SOPInstanceUID"] for one in told["Failures"]] == ([uid(3)] if missing else [])


DELIVERY = Delivery(
    delivery_id=1,
    destination="pacs",
    kind="sr",
    path="",
    sop_instance_uid=header(1).sop_instance_uid,
    site="default",
    study_uid=NAME.study_uid,
    series_uid=NAME.series_uid,
    generation=1,
    created_utc=START_UTC,
    attempts=0,
)


@pytest.mark.parametrize(("number", "kept"), [(1, True), (99, False)], ids=["it has it", "it has it not"])
def test_orthanc_promises_what_it_keeps(door, commitment, number, kept):
    """We ask, Orthanc answers on an association of its own to our front door."""
    door.came.clear()
    uids = iter([derived_uid("test", "transaction", str(number))])
    door.questions = Questions(MemoryCommitments(), commitment, HandClock(), lambda: next(uids))
    door.questions.ask(DELIVERY, ct_file(number))
    assert door.came.wait(20)
    assert door.questions.answered(DELIVERY) is kept


def test_an_archive_that_promises_nothing_is_told_so(dcmqrscp):
    """DCMTK's archive does not offer it: not to be asked again."""
    peer = Peer(ae_title="DCMQRSCP", host="127.0.0.1", port=dcmqrscp.dicom_port)
    caller = Caller(peer=peer, calling_ae="MILLET", limits=LIMITS)
    questions = Questions(
        MemoryCommitments(), CommitmentPeers({}, {"other": caller}), HandClock(), lambda: "2.25.1"
    )
    with pytest.raises(DeliveryError, match="offers no such service") as failed:
        questions.ask(replace(DELIVERY, destination="other"), ct_file(1))
    assert not failed.value.retryable
