"""A report of somebody else, sent by C-STORE to a called title that judges reports."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pydicom
import pytest
from foreign_reports import group, report
from peers import need, storescu
from pydicom.sr.coding import Code

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


def test_a_report_is_judged_beside_its_images(millet, chest, other):
    """Worklist, gRPC and SR tell the level; its images are those that lie here; other titles take none."""
    service = millet(called=CALLED)
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
    told = service.analysis(line)
    assert told.triage.reasons[0].startswith(f"{MANY} lesions of somebody else's report: lung-miliary")
    assert [one.criteria for one in told.judgements] == ["lung-miliary"]
    assert not any("modality" in words for words in told.not_assessed)
    reports = [pydicom.dcmread(path) for path in service.folder.rglob("reports/**/sr-*.dcm")]
    (ours,) = [one for one in reports if "SR of criteria" in one.SeriesDescription]
    assert str(ours.PatientID) == str(pydicom.dcmread(other / "report.dcm").PatientID)
