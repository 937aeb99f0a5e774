from __future__ import annotations

from dataclasses import replace

import numpy as np
import pydicom
import pytest

from millet.codec import tables
from millet.core.geometry import PointMm
from millet.core.volume import Volume
from millet.phantom import dicom, implant, implant_files
from millet.phantom.dicom import Pose
from millet.phantom.nodules import Psf, Sphere

PSF = Psf.of(fwhm_mm=1.0, slice_mm=1.0)


@pytest.fixture(scope="module")
def lung(small_quiet):
    """Whatever is as dark as lung."""
    hu = small_quiet.volume.hu
    mask = (hu > -960) & (hu < -650)
    mask[:, : hu.shape[1] // 5] = False
    return mask


@pytest.fixture(scope="module")
def spheres(small_quiet, lung):
    """Eight nodules in that lung."""
    return implant.random_spheres(small_quiet.volume, lung, count=8, seed=1)


def test_nodules_show_at_their_places_and_nowhere_else(small_quiet, spheres):
    """Each centre becomes bright; what is far from all of them does not change."""
    done = implant.implant(small_quiet.volume, spheres, PSF)
    change = done.volume.hu - small_quiet.volume.hu
    for mark in done.truth:
        z, y, x = (round(v) for v in small_quiet.volume.grid.to_index(mark.centre_mm))
        assert change[z, y, x] > 400
    assert (change > 1).mean() < 0.01
    assert change.min() >= 0


def test_a_nodule_in_tissue_adds_next_to_nothing(small_quiet):
    """Where the scan is as dense as the nodule already, nothing is added."""
    hu = np.full(small_quiet.volume.hu.shape, 40, np.int16)
    flat = replace(small_quiet.volume, hu=hu)
    sphere = Sphere(centre_mm=PointMm(0, 0, 0), diameter_mm=4.0, hu=40)
    assert np.abs(implant.implant(flat, [sphere], PSF).volume.hu - hu).max() < 1


@pytest.mark.parametrize("pose", [Pose(), Pose(position="FFDL", flip_rows=True)], ids=str)
def test_it_is_written_back_into_copies_of_the_source(small_quiet, spheres, pose, tmp_path):
    """Copies have the nodules at their LPS places, new instance UIDs and all other tags of the source."""
    source, out = tmp_path / "source", tmp_path / "out"
    dicom.write(small_quiet, source, pose=pose)
    paths = sorted(source.glob("*.dcm"))
    volume = implant_files.volume_of(paths)
    done = implant.implant(volume, spheres, PSF)
    implant_files.write(paths, done, out)
    again = implant_files.volume_of(sorted(out.glob("*.dcm")))
    assert again.grid == volume.grid
    assert np.abs(again.hu - done.volume.hu).max() <= 0.5
    straight = implant.implant(Volume(hu=small_quiet.volume.hu, grid=small_quiet.volume.grid), spheres, PSF)
    assert again.hu.sum() == pytest.approx(straight.volume.hu.sum(), rel=1e-4)
    before, after = pydicom.dcmread(paths[0]), pydicom.dcmread(out / "0001.dcm")
    differ = {e.keyword for e in after if e.keyword not in before or before[e.keyword].value != e.value}
    assert differ <= {"SOPInstanceUID", "SeriesInstanceUID", "PixelData"}
    assert after.SOPInstanceUID != before.SOPInstanceUID
    assert len(tables.read((out / "truth.csv").read_text())) == len(spheres)
