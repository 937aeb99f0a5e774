"""Slices that come late are analysed too."""

from __future__ import annotations

import shutil
from pathlib import Path

import pydicom
from peers import Millet, storescu

from millet.proto.millet.v1 import analysis_service_pb2 as pb


def parts(case: Path, folder: Path, early: int) -> tuple[Path, Path]:
    """A series in two folders: its first slices, and those that come late."""
    files = sorted(case.glob("*.dcm"), key=lambda path: pydicom.dcmread(path).InstanceNumber)
    for name, part in (("early", files[:early]), ("late", files[early:])):
        (folder / name).mkdir()
        for path in part:
            shutil.copy(path, folder / name)
    return folder / "early", folder / "late"


def series_of(folder: Path) -> str:
    """The series of a folder."""
    return str(pydicom.dcmread(next(folder.glob("*.dcm")), stop_before_pixels=True).SeriesInstanceUID)


def both(
    service: Millet, early: Path, late: Path, series_uid: str
) -> tuple[pb.SeriesStatus, pb.SeriesStatus]:
    """The worklist's line after the first generation, and after the second."""
    storescu(early, service.dicom_port)
    first = service.ended(series_uid)
    storescu(late, service.dicom_port)
    service.in_state("analysing")
    return first, service.ended(series_uid)


def test_late_slices_make_a_second_generation(millet, small_case, tmp_path):
    """A series that was analysed too early is analysed again with its late slices; its report refers back."""
    count = len(list(small_case.glob("*.dcm")))
    early, late = parts(small_case, tmp_path, count - 40)
    service = millet()
    storescu(early, service.dicom_port)
    first = service.ended(series_of(small_case))
    known = {nodule.nodule_id for nodule in service.analysis(first).nodules}
    storescu(late, service.dicom_port)
    service.in_state("analysing")
    second = service.ended(series_of(small_case))
    named = {nodule.nodule_id for nodule in service.analysis(second).nodules}
    assert len(known & named) > len(known) / 2 > 0
    assert len(named) == len(service.analysis(second).nodules)

    assert (first.generation, first.instances) == (1, count - 40)
    assert (second.generation, second.instances) == (2, count)
    paths = sorted((service.folder / "state" / "reports").rglob("sr-*.dcm"))
    assert [path.name for path in paths] == ["sr-1.dcm", "sr-2.dcm"]
    one, two = (pydicom.dcmread(path) for path in paths)
    assert "PredecessorDocumentsSequence" not in one
    (study,) = two.PredecessorDocumentsSequence
    (series,) = study.ReferencedSeriesSequence
    (report,) = series.ReferencedSOPSequence
    assert report.ReferencedSOPInstanceUID == one.SOPInstanceUID != two.SOPInstanceUID
    assert (study.StudyInstanceUID, series.SeriesInstanceUID) == (one.StudyInstanceUID, one.SeriesInstanceUID)
    assert service.analysis(second).predecessor.sop_instance_uid == one.SOPInstanceUID
    assert second.best_of_study


def test_a_level_that_late_slices_change_is_an_alert(millet, small_case, tmp_path):
    """A fragment cannot be judged; the whole series can: worklist and metric tell that the level changed."""
    early, late = parts(small_case, tmp_path, 10)
    service = millet(gap_wait_s=3.0)
    first, second = both(service, early, late, series_of(small_case))

    assert first.triage == pb.TRIAGE_LEVEL_NOT_ASSESSED
    assert (first.triage_before, first.best_of_study) == (pb.TRIAGE_LEVEL_UNSPECIFIED, False)
    assert second.triage > first.triage
    assert (second.triage_before, second.best_of_study) == (first.triage, True)
    told = [line for line in service.page("metrics").splitlines() if line.startswith("millet_triage_changes")]
    (raised,) = [line for line in told if not line.endswith(" 0.0")]
    assert 'before="not-assessed"' in raised
