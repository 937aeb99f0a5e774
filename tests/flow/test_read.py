from __future__ import annotations

import os
import random
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import ct
import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import BasicTextSRStorage

from millet.core.reasons import Reason, Weight
from millet.core.volume import canonical
from millet.errors import UnfitSeries
from millet.flow.read import ReadSeries, read

DATA = Path(os.environ.get("MILLET_TEST_DATA", Path(__file__).parents[2] / "../shared/data"))


def _read(datasets: list[Dataset]) -> ReadSeries:
    return read(ct.files(datasets))


def _reason(datasets: list[Dataset]) -> Reason:
    with pytest.raises(UnfitSeries) as refused:
        _read(datasets)
    return refused.value.reason


def _noted(series: ReadSeries) -> set[tuple[Reason, Weight]]:
    return {(remark.reason, remark.weight) for remark in series.remarks}


_POSES = {
    "supine": ((1, 0, 0), (0, 1, 0)),
    "prone": ((-1, 0, 0), (0, -1, 0)),
    "decubitus right": ((0, -1, 0), (1, 0, 0)),
    "decubitus left": ((0, 1, 0), (-1, 0, 0)),
}


@pytest.mark.parametrize(("pose", "head_first", "flipped"), [*product(_POSES, (True, False), (False, True))])
def test_every_pose_is_one_body(pose: str, head_first: bool, flipped: bool) -> None:
    """However patient and slices lay, the canonical voxels and their places are the same."""
    row, column = _POSES[pose]
    column = tuple(-v for v in column) if flipped else column
    datasets = ct.series((row, column, (0, 0, 1 if head_first else -1)))
    random.Random(pose).shuffle(datasets)
    found = canonical(_read(datasets).volume)
    assert np.array_equal(found.hu, ct.HU)
    assert found.grid.spacing_mm == pytest.approx(ct.SPACING_MM)
    assert found.grid.origin_mm == pytest.approx(ct.ORIGIN_MM)
    assert np.allclose(found.grid.axes, [(0, 0, 1), (0, 1, 0), (1, 0, 0)])


def _every(**values: Any) -> Callable[[list[Dataset]], list[Dataset]]:
    def change(datasets: list[Dataset]) -> list[Dataset]:
        for dataset in datasets:
            for name, value in values.items():
                setattr(dataset, name, value)
        return datasets

    return change


def _one(**values: Any) -> Callable[[list[Dataset]], list[Dataset]]:
    def change(datasets: list[Dataset]) -> list[Dataset]:
        _every(**values)(datasets[11:12])
        return datasets

    return change


def _without(name: str) -> Callable[[list[Dataset]], list[Dataset]]:
    def change(datasets: list[Dataset]) -> list[Dataset]:
        for dataset in datasets:
            delattr(dataset, name)
        return datasets

    return change


def _every_syntax(uid: str) -> Callable[[list[Dataset]], list[Dataset]]:
    return lambda datasets: [ct.compressed(dataset, uid, b"\0" * 100) for dataset in datasets]


def _truncated(datasets: list[Dataset]) -> list[Dataset]:
    datasets[7].PixelData = datasets[7].PixelData[:-20]
    return datasets


def _placed(place: Callable[[int], list[float]]) -> Callable[[list[Dataset]], list[Dataset]]:
    def change(datasets: list[Dataset]) -> list[Dataset]:
        for number, dataset in enumerate(datasets):
            dataset.ImagePositionPatient = place(number)
        return datasets

    return change


def _conflicting(datasets: list[Dataset]) -> list[Dataset]:
    other = ct.copied(datasets[5:6], "9", PixelData=datasets[6].PixelData)
    return datasets + other


def _thick(thickness_mm: float) -> list[Dataset]:
    return _every(SliceThickness=thickness_mm)(ct.series(spacing_mm=(thickness_mm, 0.8, 0.7)))


def _half_coronal(datasets: list[Dataset]) -> list[Dataset]:
    return datasets[:12] + ct.copied(ct.series(((1, 0, 0), (0, 0, -1), (0, 1, 0)))[:10], "8")


REFUSED = {
    "no CT": (_every(SOPClassUID=BasicTextSRStorage, Modality="SR"), Reason.NOT_CT),
    "localizers": (_every(ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]), Reason.LOCALIZER_ONLY),
    "another patient": (_one(PatientID="P2"), Reason.IDENTITY_CONFLICT),
    "another issuer": (_one(IssuerOfPatientID="H2"), Reason.IDENTITY_CONFLICT),
    "another birth date": (_one(PatientBirthDate="19600102"), Reason.IDENTITY_CONFLICT),
    "another sex": (_one(PatientSex="M"), Reason.IDENTITY_CONFLICT),
    "another study": (_one(StudyInstanceUID="1.2.3"), Reason.IDENTITY_CONFLICT),
    "another frame": (_one(FrameOfReferenceUID="1.2.3"), Reason.IDENTITY_CONFLICT),
    "truncated pixels": (_truncated, Reason.PIXELS_TRUNCATED),
    "no pixels": (_without("PixelData"), Reason.PIXELS_TRUNCATED),
    "no rescale": (_without("RescaleSlope"), Reason.RESCALE_MISSING),
    "mixed orientations": (_half_coronal, Reason.MIXED_ORIENTATION),
    "tilt by tag": (_every(GantryDetectorTilt=12), Reason.GANTRY_TILT),
    "tilt by shear": (_placed(lambda n: [-40, -150 + 0.1 * n, 300 + n]), Reason.GANTRY_TILT),
    "a missing slice": (lambda d: d[:10] + d[11:], Reason.MISSING_SLICES),
    "a duplicate slice that differs": (_conflicting, Reason.DUPLICATE_SLICES),
    "uneven steps": (_placed(lambda n: [-40, -150, 300 + n + 0.3 * (n % 3 == 0)]), Reason.UNEVEN_SPACING),
    "coronal": (lambda _: ct.series(((1, 0, 0), (0, 0, -1), (0, 1, 0))), Reason.NOT_AXIAL),
    "sagittal": (lambda _: ct.series(((0, 1, 0), (0, 0, -1), (1, 0, 0))), Reason.NOT_AXIAL),
    "12 mm slices": (lambda _: _thick(12), Reason.THICK_SLICES),
    "1 mm every 10 mm": (lambda _: ct.series(spacing_mm=(10.0, 0.8, 0.7)), Reason.MISSING_SLICES),
    "16 slices": (lambda d: d[:16], Reason.TOO_FEW_SLICES),
    "an unsupported syntax": (_every_syntax("1.2.840.10008.1.2.4.50"), Reason.UNSUPPORTED_TRANSFER_SYNTAX),
    "an MPEG": (_every_syntax("1.2.840.10008.1.2.4.102"), Reason.UNSUPPORTED_TRANSFER_SYNTAX),
    "rubbish in JPEG-LS": (_every_syntax("1.2.840.10008.1.2.4.80"), Reason.PIXELS_TRUNCATED),
    "colour": (_every(SamplesPerPixel=3), Reason.UNSUPPORTED_PIXELS),
    "no position": (_without("ImagePositionPatient"), Reason.GEOMETRY_MISSING),
    "another pixel size": (_one(PixelSpacing=[0.9, 0.9]), Reason.MIXED_GEOMETRY),
    "another matrix": (_one(Rows=12, Columns=10), Reason.MIXED_GEOMETRY),
    "a child": (_every(PatientAge="017Y"), Reason.UNDER_AGE),
    "a projection": (_every(ImageType=["DERIVED", "SECONDARY", "MIP"]), Reason.MAXIMUM_PROJECTION),
    "burnt-in text": (_every(BurnedInAnnotation="YES"), Reason.BURNED_IN_ANNOTATION),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_gets_its_own_reason(case: str) -> None:
    """Each thing that can be wrong with a series is refused with its own code."""
    change, reason = REFUSED[case]
    assert _reason(change(ct.series())) is reason


def test_bytes_that_are_no_dicom() -> None:
    """A series of other bytes is unreadable, a single such object beside CT is set aside."""
    with pytest.raises(UnfitSeries) as refused:
        read([b"hello", b"", bytes(2000)])
    assert refused.value.reason is Reason.UNREADABLE_OBJECT
    assert (Reason.UNREADABLE_OBJECT, Weight.NOTE) in _noted(read([b"hello", *ct.files(ct.series())]))


def _with_localizer(datasets: list[Dataset]) -> list[Dataset]:
    values = {
        "ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"],
        "ImageOrientationPatient": [1, 0, 0, 0, 0, -1],
    }
    return datasets + ct.copied(datasets[:2], "7", **values)


def _with_report(datasets: list[Dataset]) -> list[Dataset]:
    report = ct.copied(datasets[:1], "7", SOPClassUID=BasicTextSRStorage, Modality="SR")
    del report[0].FrameOfReferenceUID, report[0].PixelData, report[0].Rows, report[0].Columns
    return datasets + report


HANDLED = {
    "a localizer in the series": (_with_localizer, Reason.LOCALIZER_ONLY, Weight.NOTE),
    "a report in the series": (_with_report, Reason.FOREIGN_OBJECT, Weight.NOTE),
    "a slice sent twice": (lambda d: d + ct.copied(d[3:4], "9"), Reason.DUPLICATE_SLICES, Weight.NOTE),
    "5 mm slices": (
        lambda _: _thick(5),
        Reason.THICK_SLICES,
        Weight.OUTSIDE_USE,
    ),
    "no age": (
        _every(PatientAge="", PatientBirthDate=""),
        Reason.AGE_UNKNOWN,
        Weight.OUTSIDE_USE,
    ),
    "lossy": (_every(LossyImageCompression="01"), Reason.LOSSY_COMPRESSION, Weight.OUTSIDE_USE),
}


@pytest.mark.parametrize("case", HANDLED)
def test_what_is_handled_is_said(case: str) -> None:
    """What can be handled is analysed, all slices of the body once, and a remark says so."""
    change, reason, weight = HANDLED[case]
    found = _read(change(ct.series()))
    assert np.array_equal(canonical(found.volume).hu, ct.HU)
    assert (reason, weight) in _noted(found)


def test_order_of_evidence() -> None:
    """Headers and bytes follow the volume's z index, whatever order they came in."""
    datasets = ct.series((*ct.AXIAL[:2], (0, 0, -1)))
    found = _read(datasets[::2] + datasets[1::2])
    places = [header.position_mm for header in found.headers]
    assert [place[2] for place in places if place] == sorted(place[2] for place in places if place)
    assert len(set(found.instances)) == len(found.instances) == ct.SHAPE[0]
    assert found.headers[0].sop_instance_uid.encode() in found.instances[0]


def test_an_instance_that_came_twice_is_one() -> None:
    """The very same bytes again are no second slice and no remark."""
    encoded = ct.files(ct.series())
    assert read(encoded + encoded[:5]).remarks == ()


REAL = [
    ("lidc-idri/LIDC-IDRI-0001", 133),
    ("lidc-idri/LIDC-IDRI-0003", 140),
    ("lidc-idri/LIDC-IDRI-0028", 141),
    ("lidc-idri/LIDC-IDRI-0295", 284),
    ("lidc-idri/LIDC-IDRI-0306", 123),
    ("lungfcp-01-0001", 98),
]


@pytest.mark.real_data
@pytest.mark.parametrize(("folder", "slices"), REAL)
def test_real_series_agree_with_simpleitk(folder: str, slices: int) -> None:
    """Every slice of a real series is used; HU and geometry are SimpleITK's."""
    sitk = pytest.importorskip("SimpleITK")
    files = sorted((DATA / folder).glob("*.dcm"))
    found = read([file.read_bytes() for file in files])
    assert found.volume.grid.shape[0] == slices == len(files)
    assert {remark.reason for remark in found.remarks} <= {Reason.AGE_UNKNOWN}
    for at in (0, slices // 2, slices - 1):
        uid = found.headers[at].sop_instance_uid.encode()
        theirs = sitk.ReadImage(next(file for file in files if uid in file.read_bytes()[:2000]))
        hu = np.maximum(sitk.GetArrayFromImage(theirs)[0], -1024)
        assert np.array_equal(found.volume.hu[at], hu)
        place = np.asarray(theirs.TransformIndexToPhysicalPoint((17, 23, 0)))
        ours = found.volume.grid.to_patient_array(np.asarray([(at, 23, 17)], float))[0]
        assert np.allclose(ours, place, atol=1e-3)


@pytest.mark.real_data
def test_a_tilted_head_is_refused() -> None:
    """A head CT with 18.5 degrees of gantry tilt and uneven steps is refused for its tilt."""
    files = sorted((DATA / "robustness/ge-head-tilted").glob("*.dcm"))
    with pytest.raises(UnfitSeries, match=r"18\.5 degrees") as refused:
        read([file.read_bytes() for file in files])
    assert refused.value.reason is Reason.GANTRY_TILT
