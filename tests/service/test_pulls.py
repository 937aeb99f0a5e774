"""The running service with real archives: pulled into, asked for commitment, sent to over HTTP."""

from __future__ import annotations

import json
import urllib.request

import pytest
from archives import CT, NAME, uid
from instances import ct_file
from peers import Millet, Orthanc, storescu, until
from pydicom.dataset import Dataset
from typer.testing import CliRunner

from millet import app, cli
from millet.ports import SeriesQuery
from millet.settings import load

NUMBERS = range(1, 13)
SERIES = {way: f"{NAME.series_uid}.{n}" for n, way in enumerate(("get", "move", "wado"), start=1)}

HOLED = f"{NAME.series_uid}.9"
"""Of which not all is sent."""


@pytest.fixture(scope="module")
def pacs(tmp_path_factory):
    """Orthanc with its DICOMweb plugin and three series of twelve slices."""
    made = Orthanc(
        tmp_path_factory.mktemp("orthanc") / "pacs",
        Plugins=["/usr/share/orthanc/plugins"],
        DicomWeb={"Enable": True, "Root": "/dicom-web/"},
    )
    for series_uid in (*SERIES.values(), HOLED):
        for number in NUMBERS:
            made.post("instances", ct_file(number, series_uid))
    yield made
    made.stop()


@pytest.fixture(scope="module")
def receiver(tmp_path_factory, pacs):
    """A service that only receives, with Orthanc as its archive in each way, and known to Orthanc."""
    dimse = {"kind": "dimse", "to": f"ORTHANC@127.0.0.1:{pacs.dicom_port}", "tls": False}
    web = {"kind": "dicomweb", "to": f"http://127.0.0.1:{pacs.http_port}/dicom-web", "tls": False}
    archives = [{"name": "get", "completes": True, **dimse}, {"name": "move", "retrieve": "move", **dimse}]
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


def test_what_a_sender_left_out_is_pulled(receiver, tmp_path):
    """A series with a hole is asked for at the archive, and closed with what was missing, not by waiting."""
    for number in (n for n in NUMBERS if n not in {5, 6}):
        (tmp_path / f"{number}.dcm").write_bytes(ct_file(number, HOLED))
    storescu(tmp_path, receiver.dicom_port, "-xe")

    def closed():
        found = [status for status in receiver.series() if status.series_uid == HOLED]
        return found[0] if found and found[0].state != "receiving" else None

    assert until("it is closed", closed, 60, receiver.process).state == "queued"
    assert '"message": "missing instances pulled"' in receiver.log.read_text()
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
    assert rows == [[NAME.study_uid, series_uid] for series_uid in (*SERIES.values(), HOLED)]
    pulled = millet("pull", "get", "--study", NAME.study_uid)
    assert pulled.exit_code == 0
    assert len(pulled.stdout.splitlines()) == 4
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
