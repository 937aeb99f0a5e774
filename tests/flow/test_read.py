from __future__ import annotations

import os
import random
from itertools import product
from pathlib import Path

import ct
import numpy as np
import pytest
from bad_series import HANDLED, REFUSED
from pydicom.dataset import Dataset

from millet.core.reasons import Reason, Weight
from millet.core.volume import canonical
from millet.errors import UnfitSeries
from millet.flow.offline import read_series as read
from millet.flow.read import ReadSeries

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


@pytest.mark.parametrize("case", HANDLED)
def test_what_is_handled_is_said(case: str) -> None:
    """What can be handled is analysed, all slices of the body once, and a remark says so."""
    change, reason, weight = HANDLED[case]
    found = _read(change(ct.series()))
    assert np.array_equal(canonical(found.volume).hu, ct.HU)
    assert (reason, weight) in _noted(found)


def test_order_of_evidence() -> None:
    """Headers and instances follow the volume's z index, whatever order they came in."""
    datasets = ct.series((*ct.AXIAL[:2], (0, 0, -1)))
    found = _read(datasets[::2] + datasets[1::2])
    places = [header.position_mm for header in found.headers]
    assert [place[2] for place in places if place] == sorted(place[2] for place in places if place)
    assert [one.header for one in found.taken] == list(found.headers)
    assert len({one.name for one in found.taken}) == len(found.taken) == ct.SHAPE[0]
    assert found.headers[0].sop_instance_uid.encode() in found.taken[0].head


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
