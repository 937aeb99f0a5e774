"""No cap, no seam: ten thousand peaks of a heat map come out, each exactly once."""

import random
from dataclasses import dataclass

import chests
import numpy as np
import pytest
from looking import look
from networks import Voxels
from scipy import ndimage

from millet.core.analysis import Lungs
from millet.core.lungs import LungMask
from millet.core.manifest import Graph, Level, Manifest
from millet.core.nodule import NoduleClass
from millet.core.volume import Volume
from millet.edge.onnx_runtime import OnnxRuntimeDetector
from millet.edge.openvino import OpenVinoDetector
from millet.flow import detect
from millet.flow.planes import Planes
from millet.ports import Peaks
from millet.train.export import peaks_graph

COUNT = 10_000
CELLS, PITCH = (15, 26, 26), 4
SHAPE = tuple(n * PITCH + 2 for n in CELLS)
ORIGIN = (-17.0, -3.0, 5.0)
LUNG_HU, FLANK_HU, FLOOR_HU = -850.0, 400.0, 450.0
HU_RANGE = (-1300.0, 2700.0)
FLOOR_SCORE = 0.01
"""Heat of 500 to 900 HU then stays where scores can be told apart, and that of flanks below the floor."""
DIAMETER_MM = 1.2
OFFSETS = np.asarray([-0.5, 0.5, 0.0, 0.25], np.float32)
"""Where in its voxel a peak is said to lie: also on the very edge between two."""


@dataclass(frozen=True)
class Field:
    """A heat map, the lungs that fill it, its peaks' voxels and their heights, every one different."""

    volume: Volume
    lungs: LungMask
    voxels: np.ndarray
    height: np.ndarray


@pytest.fixture(scope="module")
def field():
    """One peak in each of 10,000 cells, off its middle, some only two voxels from the next."""
    rng = np.random.default_rng(7)
    cells = np.argwhere(np.ones(CELLS))[rng.permutation(np.prod(CELLS))[:COUNT]]
    voxels = cells * PITCH + PITCH // 2 + rng.integers(-1, 2, (COUNT, 3))
    height = (500 + 0.04 * rng.permutation(COUNT)).astype(np.float32)
    hu = np.full(SHAPE, LUNG_HU, np.float32)
    for step in np.vstack([np.eye(3, dtype=int), -np.eye(3, dtype=int)]):
        hu[tuple((voxels + step).T)] = FLANK_HU
    hu[tuple(voxels.T)] = height
    grid = chests.grid(shape=SHAPE, spacing=(1.0, 1.0, 1.0), origin=ORIGIN)
    return Field(Volume(hu=hu, grid=grid), filled(), voxels, height)


def filled():
    """A mask that calls the whole volume lung."""
    grid = chests.grid(
        shape=tuple(n // 2 + 2 for n in SHAPE), spacing=(2.0, 2.0, 2.0), origin=tuple(v - 1 for v in ORIGIN)
    )
    return LungMask(
        label=np.ones(grid.shape, np.uint8),
        hu=np.full(grid.shape, LUNG_HU, np.float32),
        grid=grid,
        litres=Lungs(right_l=4.5, left_l=0.0),
        cut_at_top=False,
        cut_at_base=False,
    )


def manifest(multiple=1, halo=2):
    """One level at 1 mm that owns all sizes."""
    level = Level(
        name="only",
        graph="peaks",
        spacing_mm=(1.0, 1.0, 1.0),
        halo_voxels=(halo,) * 3,
        multiple_voxels=(multiple,) * 3,
        diameters_mm=(0.5, 50.0),
        threshold=0.5,
    )
    return Manifest(
        name="peaks",
        version="1",
        licence="Apache-2.0",
        description="reads the peaks of a heat map",
        hu_range=HU_RANGE,
        levels=(level,),
        graphs=(Graph(name="peaks", precision="fp32", file="peaks.onnx", digest="0" * 64),),
        candidate_floor=FLOOR_SCORE,
        merge_distance=1.0,
        count_limit=None,
        classes=(NoduleClass.NODULE,),
        training=(),
    )


class PeakReader:
    """Every local maximum above the floor; a peak's height says where in its voxel it lies."""

    provider, precision, device = "none", "fp32", "cpu"

    def detect(self, windows):
        """See the port."""
        return [self._read(window) for window in windows.numpy()]

    def _read(self, window):
        top = (window == ndimage.maximum_filter(window, 3)) & (window > FLOOR_HU)
        where, height = np.argwhere(top), window[top]
        size = np.full(len(where), DIAMETER_MM, np.float32)
        return Peaks(where.astype(np.float32) + offsets(height), size, height / np.float32(1000))


def offsets(height):
    """(N, 3) sub-voxel offsets, a function of (N,) heights."""
    number = np.rint((height.astype(float) - 500) / 0.04).astype(int)
    return OFFSETS[np.stack([number % 4, number // 4 % 4, number // 16 % 4], axis=1)]


def peak_graph():
    """The exported graph of a network whose heat is the voxel itself."""
    return peaks_graph(Voxels(), name="peaks", floor=FLOOR_SCORE, hu_range=HU_RANGE)


def heat_scores(height):
    """What that graph scores a peak of so many HU."""
    low, high = HU_RANGE
    return 1 / (1 + np.exp(-40 * ((height.astype(float) - low) * 2 / (high - low) - 1)))


def assert_each_once(found, field, scores, offset):
    """As many as there are, each of its own score and in its place."""
    told = np.asarray([c.score for c in found])
    order, expected = np.argsort(told), np.argsort(field.height)
    assert len(found) == COUNT
    assert told[order] == pytest.approx(scores[expected], abs=5e-6)
    places = field.volume.grid.to_patient_array(field.voxels + offset)[expected]
    centres = np.asarray([c.centre_mm for c in found])[order]
    assert np.abs(centres - places).max() < 1e-3


@pytest.mark.parametrize(
    ("core", "halo", "multiple"),
    [(None, 2, 1), ((27, 41, 33), 1, 1), ((16, 16, 16), 3, 4), ((50, 23, 104), 5, 8)],
    ids=["one window", "odd", "small and strided", "long"],
)
def test_every_peak_is_out_exactly_once_whatever_the_windows(core, halo, multiple, field):
    """10,000 of 10,000, through plan, windows, lungs and merging."""
    told = []
    found = detect.find(
        field.volume,
        field.lungs,
        {"peaks": PeakReader()},
        manifest(multiple, halo),
        lambda _done, total: told.append(total),
        core,
    )
    assert_each_once(found, field, field.height / 1000, offsets(field.height))
    assert (told[-1] > 1) == (core is not None)


def test_the_order_of_windows_changes_nothing(field):
    """Windows may finish in any order, on any machine: the same candidates, bit by bit."""
    contract = manifest()
    work = list(detect.plan(field.volume.grid, field.lungs, contract, (27, 41, 33)))
    random.Random(3).shuffle(work)
    planes, found = Planes.of(field.volume), []
    for level, window in work:
        peaks = look(PeakReader(), planes.window(level.spacing_mm, window.box).numpy())
        found += detect.proposals(peaks, field.volume.grid, contract, level, window)
    in_order = detect.find(
        field.volume, field.lungs, {"peaks": PeakReader()}, contract, core_voxels=(27, 41, 33)
    )
    shuffled = detect.selected(found, field.volume, field.lungs, contract)
    assert shuffled.candidates == in_order


@pytest.mark.parametrize("engine", [OnnxRuntimeDetector, OpenVinoDetector])
def test_the_exported_peak_graph_loses_none_on_either_engine(engine, field):
    """10,000 from one window, and from many, through the nodes that every trained network ends in."""
    detector = engine(peak_graph(), threads=1)
    for core in (None, (27, 41, 33)):
        found = detect.find(
            field.volume, field.lungs, {"peaks": detector}, manifest(multiple=4), core_voxels=core
        )
        assert_each_once(found, field, heat_scores(field.height), 0)
