import chests
import numpy as np
import pytest

from millet.core.geometry import Grid, PointMm, Vector
from millet.core.lungs import lungs
from millet.core.volume import Volume
from millet.edge import models
from millet.edge.openvino import OpenVinoDetector
from millet.evaluate.match import match
from millet.flow.detect import find

MANIFEST, GRAPHS = models.load(models.bundled() / "log/1")
GRID = chests.grid(shape=(120, 130, 170), spacing=(1.5, 1.5, 1.5), origin=(-127.5, -97.5, -90.0))
MASS_MM = (62.0, 8.0, -20.0)


def scene():
    """A smaller chest with nine 5 mm nodules a side and a 36 mm mass in the left lung."""
    big = chests.grid(shape=GRID.shape, spacing=(1.8, 1.8, 1.8), origin=(-153.0, -117.0, -108.0))
    hu = chests.hu(big)
    places = [(s * 56.0, y, z) for s in (-1, 1) for y in (-35.0, 0.0, 35.0) for z in (-30.0, 10.0, 35.0)]
    places = [p for p in places if np.linalg.norm(np.subtract(p, MASS_MM)) > 30]
    for place in places:
        hu[chests.ball(GRID, place, 5.0)] = 40
    hu[chests.ball(GRID, MASS_MM, 36.0)] = 40
    return chests.volume(GRID, hu, noise_hu=20), np.asarray(places)


@pytest.fixture(scope="module")
def detectors():
    """The bundled model on OpenVINO."""
    return {name: OpenVinoDetector(graph) for name, graph in GRAPHS.items()}


@pytest.fixture(scope="module")
def seen(detectors):
    """The scene, its lungs, and what was found in it."""
    volume, places = scene()
    mask = lungs(volume)
    steps = []
    found = find(volume, mask, detectors, MANIFEST, lambda done, total: steps.append((done, total)))
    return volume, places, mask, found, steps


def reported(found):
    """Candidates at or above the operating threshold."""
    return [c for c in found if MANIFEST.reports(c)]


def test_all_nodules_and_the_mass_are_found_once(seen):
    """Each has one report in its place; nothing else is reported."""
    _, places, _, found, _ = seen
    truth = np.vstack([places, MASS_MM])
    centres = np.asarray([c.centre_mm for c in reported(found)])
    result = match(centres, truth, np.asarray([5.0] * len(places) + [36.0]))
    assert (result.missed, result.false) == ((), ())


def test_the_mass_is_one_candidate_of_its_size(seen):
    """36 mm, give or take four."""
    *_, found, _ = seen
    (mass,) = [c for c in reported(found) if np.linalg.norm(np.subtract(c.centre_mm, MASS_MM)) < 18]
    assert mass.diameter_mm == pytest.approx(36, abs=4)


def test_progress_counts_to_the_end(seen):
    """Progress starts at nought and ends at the number of windows."""
    *_, steps = seen
    assert steps == [(n, len(steps) - 1) for n in range(len(steps))]


def test_the_windows_size_changes_nothing(seen, detectors):
    """Small windows give the candidates of large ones, each once."""
    volume, _, mask, found, _ = seen
    small = find(volume, mask, detectors, MANIFEST, core_voxels=(61, 47, 53))
    assert len(reported(small)) == len(reported(found))
    for one, two in zip(sorted(reported(small), key=place), sorted(reported(found), key=place), strict=True):
        assert np.allclose(one.centre_mm, two.centre_mm, atol=0.01)
        assert one.score == pytest.approx(two.score, abs=1e-3)


def place(candidate):
    """A key by place, for comparing."""
    return tuple(round(v) for v in candidate.centre_mm)


def test_orientation_changes_nothing(seen, detectors):
    """Feet first, prone and rows flipped: the same points in the patient."""
    volume, _, _, found, _ = seen
    last = GRID.to_patient_array(np.asarray([np.asarray(GRID.shape) - 1], float))[0]
    turned = Volume(
        hu=volume.hu[::-1, ::-1, ::-1],
        grid=Grid(
            shape=GRID.shape,
            spacing_mm=GRID.spacing_mm,
            origin_mm=PointMm(*last),
            axes=(Vector(0, 0, -1), Vector(0, -1, 0), Vector(-1, 0, 0)),
        ),
    )
    again = find(turned, lungs(turned), detectors, MANIFEST)
    assert [c.centre_mm for c in reported(again)] == [c.centre_mm for c in reported(found)]


def test_no_lung_no_window(detectors):
    """A volume without lung is not looked at."""
    volume = chests.volume(GRID, np.full(GRID.shape, 40.0))
    assert find(volume, lungs(volume), detectors, MANIFEST) == ()
