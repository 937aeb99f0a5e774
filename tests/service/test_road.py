"""The whole road with real programs: DCMTK sends, Millet analyses, Orthanc keeps, validators read."""

from __future__ import annotations

import csv
import io
import subprocess
from pathlib import Path

import grpc
import highdicom
import numpy as np
import pydicom
import pytest
from peers import Millet, Orthanc, need, storescu, until

from millet.proto.millet.v1 import analysis_service_pb2 as pb
from millet.proto.millet.v1.analysis_service_pb2_grpc import AnalysisServiceStub

ANSWER_WITHIN_S = 400


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory):
    """A real PACS."""
    pacs = Orthanc(tmp_path_factory.mktemp("orthanc") / "pacs")
    yield pacs
    pacs.stop()


@pytest.fixture
def millet(tmp_path, orthanc):
    """The service, delivering to the PACS."""
    service = Millet(folder=tmp_path / "millet", destination=f"ORTHANC@127.0.0.1:{orthanc.dicom_port}")
    yield service
    if service.process.poll() is None:
        service.kill()


def series_uid_of(folder: Path) -> str:
    """The series of a folder."""
    first = next(iter(sorted(folder.glob("*.dcm"))))
    return str(pydicom.dcmread(first, stop_before_pixels=True).SeriesInstanceUID)


def status_of(service: Millet, series_uid: str) -> pb.SeriesStatus | None:
    """The series' line of the worklist, once its reports are delivered."""
    request = pb.ListAnalysesRequest(filter=pb.AnalysisFilter(series_uid=series_uid))
    with grpc.insecure_channel(f"127.0.0.1:{service.grpc_port}") as channel:
        found = AnalysisServiceStub(channel).ListAnalyses(request, timeout=20).series
    done = [s for s in found if s.state in {"analysed", "not-analysed", "parked"} and not s.deliveries_pending]
    return done[0] if done else None


def reports(orthanc: Orthanc, modality: str, series_uid: str) -> list[pydicom.Dataset]:
    """What the PACS holds that was made from a series."""
    found = [pydicom.dcmread(io.BytesIO(encoded)) for encoded in orthanc.instances(modality)]
    return [dataset for dataset in found if series_uid in str(dataset.to_json_dict())]


def analysed_here(folder: Path, out: Path) -> list[dict[str, str]]:
    """`millet analyse` on the same folder: the rows of nodules.csv."""
    command = ["millet", "analyse", str(folder), "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return list(csv.DictReader((out / "nodules.csv").open()))


def positions(sr: pydicom.Dataset) -> np.ndarray:
    """The nodule centres that highdicom reads out of a report, in order of z."""
    report = highdicom.sr.Comprehensive3DSR.from_dataset(sr)
    groups = report.content.get_volumetric_roi_measurement_groups()
    centres = [np.mean(group.roi[0].value, axis=0) for group in groups]
    return np.array(sorted(centres, key=lambda point: (point[2], point[1], point[0])))


def assert_valid(folder: Path, datasets: list[pydicom.Dataset]) -> None:
    """Dciodvfy finds no error, dsrdump prints the report."""
    need("dciodvfy", "dsrdump")
    for number, dataset in enumerate(datasets):
        path = folder / f"{dataset.Modality}-{number}.dcm"
        dataset.save_as(path)
        checked = subprocess.run(["dciodvfy", "-new", path], capture_output=True, text=True, check=False)
        assert "Error" not in checked.stderr, checked.stderr
        if dataset.Modality == "SR":
            assert subprocess.run(["dsrdump", path], capture_output=True, check=False).returncode == 0


@pytest.mark.real_data
@pytest.mark.parametrize("patient", ["LIDC-IDRI-0001", "LIDC-IDRI-0295"])
def test_a_real_series_comes_back_as_reports_in_the_pacs(patient, real_data, millet, orthanc, tmp_path):
    """A JPEG-LS series sent by storescu ends as a valid SR and SEG in Orthanc with every nodule in place."""
    folder = real_data / "lidc-idri" / patient
    storescu(folder, millet.dicom_port, "-xt")
    series_uid = series_uid_of(folder)
    status = until("reports", lambda: status_of(millet, series_uid), ANSWER_WITHIN_S, millet.process)
    assert status.state == "analysed"
    structured, masks = (reports(orthanc, modality, series_uid) for modality in ("SR", "SEG"))
    assert len(structured) == 1
    assert len(masks) == 1
    assert_valid(tmp_path, [*structured, *masks])
    rows = analysed_here(folder, tmp_path / "out")
    expected = np.array([[float(row[f"{axis}_mm"]) for axis in "xyz"] for row in rows])
    expected = np.array(sorted(expected, key=lambda point: (point[2], point[1], point[0])))
    assert status.nodules == len(rows)
    np.testing.assert_allclose(positions(structured[0]), expected, atol=0.01)
