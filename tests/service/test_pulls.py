"""The running service with real archives: pulled into, asked for commitment, sent to over HTTP."""

from __future__ import annotations

import json
import re
import subprocess
import urllib.request

import grpc
import pytest
from archives import CT, NAME, uid
from buf_curl import need_buf, only_call
from google.rpc import status_pb2
from google.rpc.error_details_pb2 import ErrorInfo
from instances import ct_file
from peers import Millet, Orthanc, storescu, until
from pydicom.dataset import Dataset
from typer.testing import CliRunner

from millet import app, cli
from millet.ports import SeriesQuery
from millet.proto.millet.v1 import submission_service_pb2 as pb
from millet.proto.millet.v1.submission_service_pb2_grpc import SubmissionServiceStub
from millet.settings import load
from millet_client import Client, Expected, PullSeriesRequest, Unmet

NUMBERS = range(1, 13)
SERIES = {way: f"{NAME.series_uid}.{n}" for n, way in enumerate(("get", "move", "wado"), start=1)}

ASKED = {way: f"{NAME.series_uid}.{n}" for n, way in enumerate(SERIES, start=4)}
"""Those that are asked for over gRPC."""
CALLED, CLIENTS = f"{NAME.series_uid}.7", f"{NAME.series_uid}.8"
"""Those that others than our stubs ask for: `buf curl`, and the client."""
HOLED = f"{NAME.series_uid}.9"
"""Of which not all is sent."""
ALL = (*SERIES.values(), *ASKED.values(), CALLED, CLIENTS, HOLED)


@pytest.fixture(scope="module")
def pacs(tmp_path_factory):
    """Orthanc with its DICOMweb plugin and series of twelve slices."""
    made = Orthanc(
        tmp_path_factory.mktemp("orthanc") / "pacs",
        Plugins=["/usr/share/orthanc/plugins"],
        DicomWeb={"Enable": True, "Root": "/dicom-web/"},
    )
    for series_uid in ALL:
        for number in NUMBERS:
            made.post("instances", ct_file(number, series_uid))
    yield made
    made.stop()


@pytest.fixture(scope="module")
def receiver(tmp_path_factory, pacs):
    """A service that only receives, with Orthanc as its archive in each way, and known to Orthanc."""
    dimse = {"kind": "dimse", "to": f"ORTHANC@127.0.0.1:{pacs.dicom_port}", "tls": False}
    web = {"kind": "dicomweb", "to": f"http://127.0.0.1:{pacs.http_port}/dicom-web", "tls": False}
    gone = {**dimse, "name": "gone", "to": "GONE@127.0.0.1:9", "timeout_s": 2.0}
    moving = {**dimse, "name": "move", "retrieve": "move"}
    archives = [{"name": "get", "completes": True, **dimse}, moving, gone]
    service = Millet(
        tmp_path_factory.mktemp("service") / "millet",
        {
            "roles": ["receive", "api"],
            "stow": True,
            "archive": [*archives, {"name": "wado", **web}],
            "quiet_s": 2.0,
            "gap_wait_s": 120.0,
        },
    )
    peer = {"AET": "MILLET", "Host": "127.0.0.1", "Port": service.dicom_port, "AllowStorageCommitment": True}
    pacs.put("modalities/us", json.dumps(peer).encode())
    yield service
    service.kill()


@pytest.mark.parametrize("way", SERIES)
def test_a_series_is_pulled_by_name(receiver, way):
    """The service has all of it; a second pull finds it there, and does nothing."""
    chosen = load({}, receiver.folder / "millet.toml")
    wanted, told = SeriesQuery(series_uid=SERIES[way], study_uid=NAME.study_uid), []
    for new in (12, 0):
        (pulled,) = app.pull(chosen, way, wanted, told.append)
        assert (pulled.wanted, pulled.here, pulled.new, pulled.refused, pulled.why) == (12, 12, new, 0, "")
    assert SERIES[way] in {status.series_uid for status in receiver.series()}


def asked_for(receiver, **fields):
    """Over gRPC: how far it was each time, and with what it ended."""
    told = []
    with grpc.insecure_channel(f"127.0.0.1:{receiver.grpc_port}") as channel:
        try:
            told.extend(SubmissionServiceStub(channel).PullSeries(pb.PullSeriesRequest(**fields), timeout=60))
        except grpc.RpcError as error:
            trailing = dict(error.trailing_metadata() or ())
            status, info = status_pb2.Status.FromString(trailing["grpc-status-details-bin"]), ErrorInfo()
            assert status.details[0].Unpack(info)
            return told, f"{error.code().name} {info.reason}"
    return told, ""


@pytest.mark.parametrize("way", ASKED)
def test_a_series_is_pulled_over_grpc(receiver, way):
    """Until all of it is here; the same request again is answered at once, another one not under its key."""
    whose = pb.ExpectedOrigin(patient_id="P1", study_uid=NAME.study_uid, accession="A1")
    asked = {"archive": way, "series_uid": ASKED[way], "study_uid": NAME.study_uid, "idempotency_key": way}
    for again in (False, True):
        told, why = asked_for(receiver, **asked, expected=whose)
        assert (why, told[-1].here, told[-1].wanted, told[-1].complete) == ("", 12, 12, True)
        assert told[-1].repeated_request is again
    assert ASKED[way] in {status.series_uid for status in receiver.series()}
    assert asked_for(receiver, **asked) == ([], "ALREADY_EXISTS KEY_OF_ANOTHER_REQUEST")


@pytest.mark.buf
def test_the_documented_command_has_a_series_pulled(receiver):
    """With the real `buf curl`, through reflection, from Orthanc: step by step until all of it is here."""
    need_buf()
    here = {
        "50051": str(receiver.grpc_port),
        '"pacs"': '"move"',
        '"1.2.826.0.1.1"': f'"{CALLED}"',
        '"1.2.826.0.1"': f'"{NAME.study_uid}"',
        '"PID-000001"': '"P1"',
    }
    command = only_call("PullSeries").typed(here)
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    *_, last = re.split(r"^(?=\{)", done.stdout, flags=re.MULTILINE)  # one where all came at once
    last = json.loads(last)
    assert (last["seriesUid"], last["here"], last["wanted"], last["complete"]) == (CALLED, 12, 12, True)
    assert CALLED in {status.series_uid for status in receiver.series()}


def test_a_client_has_a_series_pulled(receiver):
    """Once it is here the same pull again fetches nothing, and another patient's is refused."""
    wanted = PullSeriesRequest(archive="wado", study_uid=NAME.study_uid, series_uid=CLIENTS)
    with Client(f"127.0.0.1:{receiver.grpc_port}", tls=None, timeout_s=120.0) as millet:
        for _ in range(2):
            *_, last = millet.pull(wanted, expected=Expected(patient_id="P1"))
            assert (last.series_uid, last.here, last.complete) == (CLIENTS, 12, True)
        with pytest.raises(Unmet) as caught:
            list(millet.pull(wanted, expected=Expected(patient_id="P2")))
    assert caught.value.fields == ("patient_id",)
    assert CLIENTS in {status.series_uid for status in receiver.series()}


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"archive": "gone"}, "UNAVAILABLE ARCHIVE_UNAVAILABLE"),
        ({"archive": "other"}, "NOT_FOUND NO_SUCH_ARCHIVE"),
        ({"series_uid": "1.2.3"}, "NOT_FOUND NO_SUCH_SERIES"),
        ({"expected": pb.ExpectedOrigin(patient_id="P2")}, "FAILED_PRECONDITION NOT_AS_EXPECTED"),
        ({"expected": pb.ExpectedOrigin(accession="A2")}, "FAILED_PRECONDITION NOT_AS_EXPECTED"),
        ({"expected": pb.ExpectedOrigin(patient_id="P1", issuer="X")}, "FAILED_PRECONDITION NOT_AS_EXPECTED"),
    ],
    ids=["dead archive", "unknown archive", "unknown series", "patient", "accession", "issuer"],
)
def test_what_cannot_be_pulled_has_its_reason(receiver, request, fields, why):
    """Nothing is fetched, and nothing told but why."""
    asked = {"archive": "get", "series_uid": ASKED["get"], "study_uid": NAME.study_uid}
    key = {"idempotency_key": request.node.name}
    assert asked_for(receiver, **{**asked, **key, **fields}) == ([], why)


def test_what_a_sender_left_out_is_pulled(receiver, tmp_path):
    """A series with a hole is asked for at the archive, and closed with what was missing, not by waiting."""
    for number in (n for n in NUMBERS if n not in {5, 6}):
        (tmp_path / f"{number}.dcm").write_bytes(ct_file(number, HOLED))
    storescu(tmp_path, receiver.dicom_port, "-xe")

    def closed():
        found = [status for status in receiver.series() if status.series_uid == HOLED]
        return found[0] if found and found[0].state != "receiving" else None

    assert until("it is closed", closed, 60, receiver.process).state == "queued"
    told = '"message": "missing instances pulled"'
    until("it is told", lambda: told in receiver.log.read_text() or None, 60, receiver.process)
    chosen = load({}, receiver.folder / "millet.toml")
    wanted = SeriesQuery(study_uid=NAME.study_uid, series_uid=HOLED)
    (pulled,) = app.pull(chosen, "get", wanted, lambda _: None)
    assert (pulled.here, pulled.new) == (12, 0)


def test_the_command_line_says_what_came(receiver):
    """What an archive has, how many of how many came, and a failure where nothing matches."""
    config = ["--config", str(receiver.folder / "millet.toml")]

    def millet(*words):
        return CliRunner().invoke(cli.app(), [*words, *config])

    found = millet("find", "get", "--study", NAME.study_uid)
    rows = sorted(line.split("\t")[:2] for line in found.stdout.splitlines())
    assert rows == [[NAME.study_uid, series_uid] for series_uid in ALL]
    pulled = millet("pull", "get", "--study", NAME.study_uid)
    assert pulled.exit_code == 0
    assert len(pulled.stdout.splitlines()) == len(ALL)
    assert all("12 of 12 instances here" in line for line in pulled.stdout.splitlines())
    nothing = millet("pull", "get", "--study", "1.2.3")
    assert (nothing.exit_code, str(nothing.exception)) == (1, "the archive has no such series")


def posted(service, *files: bytes) -> Dataset:
    """Instances over HTTP, and the answer."""
    parts = [b"--x\r\nContent-Type: application/dicom\r\n\r\n" + one + b"\r\n" for one in files]
    request = urllib.request.Request(
        f"http://127.0.0.1:{service.web_port}/studies",
        b"".join(parts) + b"--x--",
        {"Content-Type": 'multipart/related; type="application/dicom"; boundary=x'},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return Dataset.from_json(answer.read().decode())


def test_the_same_instance_is_the_same_whichever_way_it_comes(receiver, tmp_path):
    """Over HTTP and by C-STORE: nothing new, and no conflict."""
    for number in NUMBERS:
        (tmp_path / f"{number}.dcm").write_bytes(ct_file(number))
    told = posted(receiver, *(ct_file(n) for n in NUMBERS))
    assert len(told.ReferencedSOPSequence) == 12
    storescu(tmp_path, receiver.dicom_port, "-xe")

    def journalled():
        return receiver.log.read_text().count('"repeated"') == 12 or None

    until("all came twice", journalled, 20, receiver.process)
    assert '"conflict"' not in receiver.log.read_text()


def test_orthanc_is_promised_what_the_service_keeps(receiver, pacs):
    """Orthanc asks the running service, which answers on an association of its own."""
    posted(receiver, ct_file(1), ct_file(2))
    wanted = [{"SOPClassUID": CT, "SOPInstanceUID": uid(n)} for n in (1, 2)]
    ask = json.dumps({"DicomInstances": wanted, "Timeout": 10}).encode()
    transaction = pacs.post("modalities/us/storage-commitment", ask)["ID"]

    def ended():
        told = pacs.get(f"storage-commitment/{transaction}")
        return None if told["Status"] == "Pending" else told

    told = until("Orthanc has the answer", ended, 30, pacs.process)
    assert (told["Status"], len(told["Success"])) == ("Success", 2)


def test_an_accession_is_pulled_series_by_series(receiver):
    """All that the archive has under it."""
    told, why = asked_for(receiver, archive="get", accession="A1", idempotency_key="accession")
    assert why == ""
    assert {one.series_uid for one in told if one.complete} == set(ALL)
    assert {one.series for one in told} == {len(ALL)}
