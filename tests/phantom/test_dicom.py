from __future__ import annotations

import shutil
import subprocess
from io import BytesIO

import numpy as np
import pydicom
import pytest

from millet.codec import tables
from millet.core.geometry import Grid, PointMm, Vector
from millet.core.volume import Volume, canonical
from millet.phantom import dicom
from millet.phantom.dicom import POSITIONS, Pose

POSES = [
    *(Pose(position=p) for p in POSITIONS),
    Pose(flip_rows=True),
    Pose(reversed_slices=True),
    Pose(position="FFDL", flip_rows=True, shuffled=True),
]


def volume_from(files):
    """Put a series together from its tags alone."""
    slices = [pydicom.dcmread(BytesIO(f)) for f in files]
    first = slices[0]
    row, column = np.reshape(np.asarray(first.ImageOrientationPatient, float), (2, 3))
    normal = np.cross(row, column)
    slices.sort(key=lambda s: normal @ np.asarray(s.ImagePositionPatient, float))
    hu = np.stack(
        [s.pixel_array.astype(np.int16) * int(s.RescaleSlope) + int(s.RescaleIntercept) for s in slices]
    )
    dz = normal @ np.subtract(slices[1].ImagePositionPatient, slices[0].ImagePositionPatient)
    spacing = (float(dz), *(float(v) for v in first.PixelSpacing))
    origin = PointMm(*(float(v) for v in slices[0].ImagePositionPatient))
    grid = Grid(
        shape=hu.shape,
        spacing_mm=spacing,
        origin_mm=origin,
        axes=(Vector(*normal), Vector(*column), Vector(*row)),
    )
    return canonical(Volume(hu=hu, grid=grid))


@pytest.mark.parametrize("pose", POSES, ids=str)
def test_every_pose_puts_every_voxel_at_the_same_place(small_case, pose):
    """Read by its tags, each pose gives the same voxels on the same grid."""
    read = volume_from(dicom.encoded(small_case, pose=pose))
    assert np.array_equal(read.hu, small_case.volume.hu)
    assert np.asarray(read.grid.origin_mm) == pytest.approx(
        np.asarray(small_case.volume.grid.origin_mm), abs=1e-3
    )
    assert read.grid.spacing_mm == pytest.approx(small_case.volume.grid.spacing_mm)


def test_shuffled_instances_are_in_no_order_of_place(small_case):
    """Instance numbers of a shuffled series do not follow the slices."""
    heights = [float(d.SliceLocation) for d in dicom.datasets(small_case, pose=Pose(shuffled=True))]
    steps = np.sign(np.diff(heights))
    assert 0.2 < (steps > 0).mean() < 0.8


def test_identifiers_are_a_function_of_the_phantom(small_case):
    """The same phantom twice has the same UIDs; another pose is another series of the same study."""
    first, again = (next(dicom.datasets(small_case)) for _ in range(2))
    other = next(dicom.datasets(small_case, pose=Pose(position="HFP")))
    assert first.SOPInstanceUID == again.SOPInstanceUID
    assert first.SeriesInstanceUID != other.SeriesInstanceUID
    assert first.StudyInstanceUID == other.StudyInstanceUID
    assert first.SOPInstanceUID.startswith("2.25.")


def test_written_files_and_truth(small_case, tmp_path):
    """A folder holds one file a slice and a truth table that reads back."""
    dicom.write(small_case, tmp_path)
    assert len(list(tmp_path.glob("*.dcm"))) == small_case.volume.grid.shape[0]
    truth = tables.read((tmp_path / "truth.csv").read_text())
    assert len(truth) == len(small_case.truth)
    assert np.asarray(truth[0].centre_mm) == pytest.approx(
        np.asarray(small_case.truth[0].centre_mm), abs=1e-3
    )


@pytest.mark.parametrize("pose", [Pose(), Pose(position="FFDR", shuffled=True)], ids=str)
def test_headers_pass_the_validator(small_case, pose, tmp_path):
    """Dciodvfy finds neither an error nor a warning."""
    program = shutil.which("dciodvfy")
    if program is None:
        pytest.skip("dciodvfy (dicom3tools) is not installed")
    (tmp_path / "one.dcm").write_bytes(dicom.encoded(small_case, pose=pose)[7])
    done = subprocess.run(
        [program, "-new", tmp_path / "one.dcm"], capture_output=True, text=True, check=False
    )
    assert "Error" not in done.stderr + done.stdout
    assert "Warning" not in done.stderr + done.stdout


def test_an_unknown_position_is_refused():
    """A pose that no scanner knows is refused."""
    with pytest.raises(ValueError, match="SITTING"):
        Pose(position="SITTING")
