"""The running service with real archives: pulled into, asked for commitment, sent to over HTTP."""

from __future__ import annotations

import json
import time
import urllib.request

import pytest
from archives import CT, NAME, uid
from instances import ct_file
from peers import Orthanc, storescu, until
from pydicom.dataset import Dataset

NUMBERS = range(1, 13)


@pytest.fixture(scope="module")
def pacs(tmp_path_factory):
    """Orthanc with its DICOMweb plugin and a series of twelve slices."""
    made = Orthanc(
        tmp_path_factory.mktemp("orthanc") / "pacs",
        Plugins=["/usr/share/orthanc/plugins"],
        DicomWeb={"Enable": True, "Root": "/dicom-web/"},
    )
    for number in NUMBERS:
        made.post("instances", ct_file(number))
    yield made
    made.stop()


@pytest.fixture
def receiver(millet, pacs):
    """A service that only receives, with Orthanc as its archive in each way, and known to Orthanc."""
    dimse = {"kind": "dimse", "to": f"ORTHANC@127.0.0.1:{pacs.dicom_port}", "tls": False}
    web = {"kind": "dicomweb", "to": f"http://127.0.0.1:{pacs.http_port}/dicom-web", "tls": False}
    service = millet(
        roles=["receive", "api"],
        stow=True,
        archive=[
            {"name": "get", **dimse},
            {"name": "move", "retrieve": "move", **dimse},
            {"name": "wado", **web},
        ],
    )
    peer = {"AET": "MILLET", "Host": "127.0.0.1", "Port": service.dicom_port, "AllowStorageCommitment": True}
    pacs.put("modalities/us", json.dumps(peer).encode())
    return service


def conflicts(service) -> int:
    """Instances that were logged as kept twice with other bytes."""
    return service.log.read_text().count('"conflict"')


@pytest.mark.parametrize("way", ["get", "move", "wado"])
def test_a_series_is_pulled_by_name(receiver, way):
    """The service has all of it; a second pull finds it there; the same bytes by C-STORE are no conflict."""
    found = receiver.command("find", way, "--study", NAME.study_uid)
    assert found.returncode == 0, found.stderr
    assert found.stdout.split("\t")[:2] == list(NAME)
    first = receiver.command("pull", way, "--study", NAME.study_uid, "--series", NAME.series_uid)
    assert first.stdout == f"{NAME.series_uid}: 12 of 12 instances here, 12 of them new\n", first.stderr
    again = receiver.command("pull", way, "--study", NAME.study_uid)
    assert again.stdout == f"{NAME.series_uid}: 12 of 12 instances here, 0 of them new\n", again.stderr
    (status,) = receiver.series()
    assert status.series_uid == NAME.series_uid
    nothing = receiver.command("pull", way, "--study", "1.2.3")
    assert nothing.returncode == 1
    assert "no such series" in nothing.stderr


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
    """By C-STORE, over HTTP and out of an archive: nothing new, and no conflict."""
    for number in NUMBERS:
        (tmp_path / f"{number}.dcm").write_bytes(ct_file(number))
    told = posted(receiver, *(ct_file(n) for n in NUMBERS))
    assert len(told.ReferencedSOPSequence) == 12
    storescu(tmp_path, receiver.dicom_port, "-xe")
    until("it is journalled", lambda: len(receiver.series()) or None, 20, receiver.process)
    time.sleep(1.0)
    assert receiver.log.read_text().count('"repeated"') == 12
    assert conflicts(receiver) == 0


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
