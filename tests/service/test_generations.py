"""Slices that come late are analysed too."""

from __future__ import annotations

import shutil

import pydicom
from peers import storescu


def test_late_slices_make_a_second_generation(millet, small_case, tmp_path):
    """A series that was analysed too early is analysed again with its late slices, under new UIDs."""
    files = sorted(small_case.glob("*.dcm"), key=lambda path: pydicom.dcmread(path).InstanceNumber)
    parts = {"early": files[:-40], "late": files[-40:]}
    for name, part in parts.items():
        (tmp_path / name).mkdir()
        for path in part:
            shutil.copy(path, tmp_path / name)
    series_uid = str(pydicom.dcmread(files[0], stop_before_pixels=True).SeriesInstanceUID)
    service = millet()

    storescu(tmp_path / "early", service.dicom_port)
    first = service.ended(series_uid)
    storescu(tmp_path / "late", service.dicom_port)
    service.in_state("analysing")
    second = service.ended(series_uid)

    assert (first.generation, first.instances) == (1, len(files) - 40)
    assert (second.generation, second.instances) == (2, len(files))
    reports = sorted((service.folder / "state" / "reports").rglob("sr-*.dcm"))
    assert [path.name for path in reports] == ["sr-1.dcm", "sr-2.dcm"]
    assert len({str(pydicom.dcmread(path).SOPInstanceUID) for path in reports}) == 2
