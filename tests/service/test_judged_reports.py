"""A report of somebody else, sent by C-STORE to a called title that judges reports."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pydicom
import pytest
from foreign_reports import group, report
from hl7_listener import Ris
from peers import need, storescu, until
from pydicom.sr.coding import Code
from ups import Manager

from millet.core.geometry import PointMm
from millet.core.lesion import Lesion
from millet.core.nodule import Side
from millet.phantom import dicom, presets
from millet.proto.millet.v1 import analysis_service_pb2 as pb

CALLED = [{"ae_title": "MILLET"}, {"ae_title": "JUDGE", "judges": True}]
LUNG = Code("39607008", "SCT", "Lung")
MANY = 60


@pytest.fixture(scope="module")
def chest(tmp_path_factory):
    """A small chest, as files."""
    folder = tmp_path_factory.mktemp("chest")
    scan = presets.Scan(pixel_mm=1.4, slice_mm=2.0)
    dicom.write(presets.make("case", nodules=6, seed=11, scale=0.3, scan=scan), folder)
    return folder


@pytest.fixture(scope="module")
def other(chest, tmp_path_factory):
    """What another program says of that chest: sixty small nodules in both lungs."""
    slices = [pydicom.dcmread(path) for path in sorted(chest.glob("*.dcm"))]
    levels_mm = sorted(float(one.ImagePositionPatient[2]) for one in slices)
    lesions = [
        Lesion(
            centre_mm=PointMm(30.0 if number % 2 else -30.0, 0.0, levels_mm[number % len(levels_mm)]),
            diameter_mm=3.0,
            side=Side.LEFT if number % 2 else Side.RIGHT,
        )
        for number in range(MANY)
    ]
    frame = slices[0].FrameOfReferenceUID
    groups = [group(number, one, site=LUNG, frame=frame) for number, one in enumerate(lesions)]
    folder = tmp_path_factory.mktemp("other")
    (folder / "report.dcm").write_bytes(report(groups, evidence=slices))
    return folder


def uid_of(folder: Path) -> str:
    """The series of a folder."""
    return str(pydicom.dcmread(next(folder.glob("*.dcm")), stop_before_pixels=True).SeriesInstanceUID)


@pytest.fixture
def his():
    """An information system that takes the reports as HL7 v2."""
    with Ris() as made:
        yield made


@pytest.fixture
def ward():
    """One that hears of levels."""
    with Ris() as made:
        yield made


@pytest.fixture
def lists():
    """A worklist manager that heard nothing wrong until its end."""
    made = Manager()
    yield made
    made.end()
    assert not made.wrong


def told(his, ward, lists):
    """Sections of the settings: who takes messages, and who hears of urgent studies."""
    notices = {"tls": False, "notify_from": "urgent"}
    return [
        {"name": "his", "kind": "mllp", "to": f"127.0.0.1:{his.port}", "tls": False},
        {"name": "ward", "kind": "oru", "to": f"127.0.0.1:{ward.port}", **notices},
        {
            "name": "lists",
            "kind": "ups",
            "to": f"LISTS@127.0.0.1:{lists.peer.port}",
            "identify": "study",
            "archive_ae": "PACS",
            **notices,
        },
    ]


def test_a_report_is_judged_beside_its_images(millet, chest, other, his, ward, lists):
    """Worklist, gRPC, SR, FHIR, HL7 v2 and notices tell the level; other titles take no report.

    Its images are those that lie here.
    """
    service = millet(called=CALLED, destinations=told(his, ward, lists))
    storescu(chest, service.dicom_port)
    service.ended(uid_of(chest))
    need("storescu")
    to = ["-aec", "MILLET", "127.0.0.1", str(service.dicom_port)]
    asked = ["storescu", "-v", "-R", *to, f"{other}/report.dcm"]
    refused = subprocess.run(asked, capture_output=True, text=True, timeout=100, check=False)
    assert "NotSupported" in refused.stdout + refused.stderr

    storescu(other, service.dicom_port, "-R", "-aec", "JUDGE")
    line = service.ended(uid_of(other))
    assert (line.state, line.outcome) == ("analysed", pb.OUTCOME_JUDGED)
    assert line.triage in {pb.TRIAGE_LEVEL_URGENT, pb.TRIAGE_LEVEL_CRITICAL}
    found = service.analysis(line)
    assert found.triage.reasons[0].startswith(f"{MANY} lesions of somebody else's report: lung-miliary")
    assert [one.criteria for one in found.judgements] == ["lung-miliary"]
    assert not any("modality" in words for words in found.not_assessed)
    reports = [pydicom.dcmread(path) for path in service.folder.rglob("reports/**/sr-*.dcm")]
    (ours,) = [one for one in reports if "SR of criteria" in one.SeriesDescription]
    assert str(ours.PatientID) == str(pydicom.dcmread(other / "report.dcm").PatientID)

    (message,) = [one.decode() for one in his.taken if b"|judged^" in one]
    assert f"|{MANY}|1^no units^UCUM" in message
    assert "They were found by other" in message
    bundles = [json.loads(path.read_text("utf-8")) for path in service.folder.rglob("reports/**/fhir-*.json")]
    (bundle,) = [one for one in bundles if "found by other" in json.dumps(one)]
    assert len(bundle["entry"]) == 5

    until("who hears of levels is told", lambda: (ward.taken and lists.tasks) or None, 100, service.process)
    (notice,) = ward.taken
    reason = f"{MANY} lesions of somebody else's report: lung-miliary"
    assert reason in notice.decode()
    (task,) = lists.tasks.values()
    assert reason in task.CommentsOnTheScheduledProcedureStep
    (named,) = task.InputInformationSequence
    assert named.SeriesInstanceUID == uid_of(other)

    def counted():
        return 'millet_series_outcomes_total{outcome="judged"} 1.0' in service.page("metrics") or None

    until("it is counted", counted, 60, service.process)
    assert "millet_nodules_per_series_count 1.0" in service.page("metrics")
