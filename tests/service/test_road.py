"""The whole road with real programs: DCMTK sends, Millet analyses, Orthanc keeps, validators read."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest
from peers import Orthanc, storescu
from validators import assert_dciodvfy, assert_dsrdump, assert_pixelmed

from millet.codec.sr import COMPREHENSIVE_3D_SR


def series_uid_of(folder: Path) -> str:
    """The series of a folder."""
    first = next(iter(sorted(folder.glob("*.dcm"))))
    return str(pydicom.dcmread(first, stop_before_pixels=True).SeriesInstanceUID)


def reports(orthanc: Orthanc, modality: str, series_uid: str) -> list[pydicom.Dataset]:
    """What the PACS holds that was made from a series."""
    found = [pydicom.dcmread(io.BytesIO(encoded)) for encoded in orthanc.instances(modality)]
    return [dataset for dataset in found if series_uid in str(dataset.to_json_dict())]


def analysed_here(folder: Path, out: Path) -> list[dict[str, str]]:
    """`millet analyse` on the same folder: the rows of nodules.csv."""
    command = [sys.executable, "-m", "millet", "analyse", str(folder), "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return list(csv.DictReader(io.StringIO((out / "nodules.csv").read_text())))


def positions(sr: pydicom.Dataset) -> np.ndarray:
    """The nodule centres that highdicom reads out of a report, in order of z."""
    report = highdicom.sr.Comprehensive3DSR.from_dataset(sr)
    groups = report.content.get_volumetric_roi_measurement_groups()
    centres = [group.roi.graphic_data.mean(axis=0) for group in groups]
    return np.array(sorted(centres, key=lambda point: (point[2], point[1], point[0])))


def assert_valid(folder: Path, structured: pydicom.Dataset, mask: pydicom.Dataset) -> None:
    """Dciodvfy and PixelMed find no error, dsrdump prints the report."""
    for name, dataset in (("sr.dcm", structured), ("seg.dcm", mask)):
        dataset.save_as(folder / name)
        assert_dciodvfy(folder / name)
    assert_dsrdump(folder / "sr.dcm")
    assert_pixelmed(folder / "sr.dcm")


@pytest.mark.real_data
@pytest.mark.parametrize("patient", ["LIDC-IDRI-0001", "LIDC-IDRI-0295"])
def test_a_real_series_comes_back_as_reports_in_the_pacs(patient, real_data, millet, orthanc, tmp_path):
    """A JPEG-LS series sent by storescu ends as a valid SR and SEG in Orthanc with every nodule in place."""
    folder = real_data / "lidc-idri" / patient
    service = millet(destination=f"ORTHANC@127.0.0.1:{orthanc.dicom_port}")
    storescu(folder, service.dicom_port, "-xt")
    series_uid = series_uid_of(folder)
    status = service.ended(series_uid)
    assert status.state == "analysed"
    reported, masks = (reports(orthanc, modality, series_uid) for modality in ("SR", "SEG"))
    structured = [one for one in reported if one.SOPClassUID == COMPREHENSIVE_3D_SR]
    assert (len(structured), len(reported), len(masks)) == (1, 2, 1)
    assert_valid(tmp_path, structured[0], masks[0])
    rows = analysed_here(folder, tmp_path / "out")
    expected = np.array([[float(row[f"{axis}_mm"]) for axis in "xyz"] for row in rows])
    expected = np.array(sorted(expected, key=lambda point: (point[2], point[1], point[0])))
    assert status.nodules == len(rows)
    np.testing.assert_allclose(positions(structured[0]), expected, atol=0.01)
