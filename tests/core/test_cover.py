import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from masks import blobs, mask_of

from millet.core.cover import Price, cell_planes, cores, cut, slab_cores
from millet.core.manifest import Level
from millet.core.resample import Box

triples = st.tuples(*[st.integers(1, 5)] * 3)


def price(most, halo=(4, 4, 4), cell=(4, 4, 4)):
    """What a window of cells of 4 voxels costs."""
    return Price(cell_voxels=cell, most_cells=most, halo_voxels=halo)


def level(spacing_mm=(1.0, 1.0, 1.0), multiple=(4, 4, 4)):
    """A level with a halo of 16."""
    return Level(
        name="fine",
        graph="toy",
        spacing_mm=spacing_mm,
        halo_voxels=(16, 16, 16),
        multiple_voxels=multiple,
        diameters_mm=(1.0, 9.0),
        threshold=0.5,
    )


@given(seed=st.integers(0, 999), shape=st.tuples(*[st.integers(1, 12)] * 3), most=triples)
@settings(max_examples=50, deadline=None)
def test_every_occupied_cell_lies_in_exactly_one_box(seed, shape, most):
    """Boxes are disjoint, not too large, and tight."""
    occupied = np.random.default_rng(seed).random(shape) < 0.2
    times = np.zeros(shape, int)
    for box in cut(occupied, price(most)):
        assert (np.asarray(box.shape) <= most).all()
        part = tuple(slice(a, b) for a, b in zip(box.start, box.stop, strict=True))
        times[part] += 1
        for axis in range(3):
            ends = occupied[part].any(axis=tuple(a for a in range(3) if a != axis))
            assert ends[0]
            assert ends[-1]
    assert times.max() <= 1
    assert (times[occupied] == 1).all()


def test_two_lungs_are_cut_apart_and_one_is_not_cut_up():
    """A cut is made where it saves voxels and nowhere else."""
    occupied = np.zeros((20, 20, 40), bool)
    occupied[:, :, :12] = occupied[:, :, -12:] = True
    boxes = list(cut(occupied, price((40, 40, 40))))
    assert sorted(box.start for box in boxes) == [(0, 0, 0), (0, 0, 28)]
    assert len(list(cut(occupied[:, :, :12], price((40, 40, 40))))) == 1


def test_a_smaller_lung_costs_no_more_than_its_box():
    """Cutting never costs more than one window around everything would."""
    random = np.random.default_rng(3)
    for _ in range(20):
        occupied = random.random((10, 14, 18)) < 0.01
        one = price((18, 18, 18), halo=(8, 8, 8))
        cost = sum(one.voxels(*box.shape) for box in cut(occupied, one))
        assert cost <= one.voxels(10, 14, 18)


@given(seed=st.integers(0, 99), most=st.tuples(*[st.integers(8, 60)] * 3))
@settings(max_examples=15, deadline=None)
def test_every_point_of_lung_lies_in_one_core(seed, most):
    """On grids finer and coarser than the mask's, wherever the volume lies in the patient."""
    random = np.random.default_rng(seed)
    origin = random.uniform(-300, 300, 3)
    lungs = mask_of(blobs(seed), origin)
    for spacing, multiple in (((1.0, 1.0, 1.0), (4, 4, 4)), ((5.0, 3.0, 0.7), (1, 2, 3))):
        one = level(spacing, multiple)
        boxes = list(cores(lungs, one, most))
        points = lungs.grid.to_patient_array(
            random.uniform(-0.5, np.asarray(lungs.grid.shape) - 0.5, (500, 3))
        )
        points = points[lungs.at(points) > 0]
        voxels = np.rint(points[:, ::-1] / spacing)
        inside = [((voxels >= b.start) & (voxels < b.stop)).all(axis=1) for b in boxes]
        assert (np.sum(inside, axis=0) == 1).all()
        for box in boxes:
            assert not (np.asarray(box.start) % multiple).any()
            assert not (np.asarray(box.stop) % multiple).any()


def test_no_lung_no_core():
    """An empty mask needs no window."""
    assert list(cores(mask_of(np.zeros((9, 9, 9), bool)), level(), (64, 64, 64))) == []


@pytest.mark.parametrize("most", [(1, 1, 1), (500, 500, 500)])
def test_a_core_is_at_least_a_cell(most):
    """A wish smaller than a cell is a cell."""
    boxes = list(cores(mask_of(blobs(1)), level(), most))
    assert boxes
    assert min(min(box.shape) for box in boxes) >= 4


def inside(boxes, voxels):
    """(N,) how many boxes hold each of (N, 3) voxels."""
    return sum((((voxels >= b.start) & (voxels < b.stop)).all(axis=1) for b in boxes), np.zeros(len(voxels)))


def lung_voxels(lungs, spacing_mm):
    """The voxels of a lattice at the middle of each voxel of lung."""
    points = lungs.grid.to_patient_array(np.argwhere(lungs.label).astype(float))
    return np.floor(points[:, ::-1] / spacing_mm + 0.5)


@given(seed=st.integers(0, 999), shape=st.tuples(*[st.integers(1, 12)] * 3), most=triples)
@settings(max_examples=30, deadline=None)
def test_cells_that_are_taken_are_in_no_box(seed, shape, most):
    """Also where a box around them would be cheaper; all others are held once."""
    kinds = np.random.default_rng(seed).random(shape)
    occupied, taken = kinds < 0.2, kinds > 0.8
    times = np.zeros(shape, int)
    for box in cut(occupied, price(most, halo=(9, 9, 9)), taken):
        times[tuple(slice(a, b) for a, b in zip(box.start, box.stop, strict=True))] += 1
    assert not times[taken].any()
    assert (times[occupied] == 1).all()
    assert times.max() <= 1


@given(seed=st.integers(0, 99), most=st.tuples(*[st.integers(8, 60)] * 3))
@settings(max_examples=10, deadline=None)
def test_what_is_done_is_not_held_again(seed, most):
    """Whichever cores are there already, and whatever the windows: each voxel of lung has one."""
    random = np.random.default_rng(seed)
    lungs = mask_of(blobs(seed), random.uniform(-300, 300, 3))
    one = level()
    before = list(cores(lungs, one, (12, 12, 12)))
    done = [box for box in before if random.random() < 0.6]
    rest = list(cores(lungs, one, most, done))
    assert not [(a, b) for a in done for b in rest if a.within(b)]
    assert (inside([*done, *rest], lung_voxels(lungs, one.spacing_mm)) == 1).all()
    assert list(cores(lungs, one, most, before)) == []


def test_a_core_that_the_lattices_end_cut_is_whole():
    """Its last cell counts as held: there is no more of it."""
    lungs = mask_of(blobs(1))
    whole = list(cores(lungs, level(), (999, 999, 999)))
    shorter = [Box(start=tuple(n + 1 for n in b.start), stop=tuple(n - 1 for n in b.stop)) for b in whole]
    assert list(cores(lungs, level(), (999, 999, 999), shorter)) == []


@pytest.mark.parametrize(
    ("spacing_mm", "multiple", "planes"),
    [((1, 1, 1), (4, 4, 4), 4), ((0.8, 0.8, 0.8), (1, 1, 1), 5), ((5, 3, 0.7), (1, 2, 3), 1)],
)
def test_a_cell_is_about_4_mm_of_whole_multiples(spacing_mm, multiple, planes):
    """At least one multiple, however coarse the lattice."""
    assert cell_planes(level(spacing_mm, multiple)) == planes


@given(seed=st.integers(0, 99), most=st.integers(8, 60), first=st.integers(-9, 9), deep=st.integers(1, 9))
@settings(max_examples=15, deadline=None)
def test_the_cores_of_a_slab_hold_all_of_it_that_may_be_lung(seed, most, first, deep):
    """They are as deep as the slab, no wider than they may be, disjoint, and begin at whole cells."""
    random = np.random.default_rng(seed)
    mask = mask_of(blobs(seed)[10:11], random.uniform(-300, 300, 3))
    for spacing, multiple in (((1.0, 1.0, 1.0), (4, 4, 4)), ((5.0, 3.0, 0.7), (1, 2, 3))):
        one = level(spacing, multiple)
        slab = (first * cell_planes(one), (first + deep) * cell_planes(one))
        boxes = list(slab_cores(mask.label > 0, mask.grid, one, slab, (most, most, most)))
        for box in boxes:
            assert (box.start[0], box.stop[0]) == slab
            assert not (np.asarray(box.start) % multiple).any()
            assert not (np.asarray(box.stop) % multiple).any()
            assert max(box.shape[1:]) <= max(most, 6)
        voxels = lung_voxels(mask, spacing)
        for plane in (slab[0], slab[1] - 1):
            voxels[:, 0] = plane
            assert (inside(boxes, voxels) == 1).all()


def test_no_air_no_slab():
    """A slab without air needs no window."""
    mask = mask_of(np.zeros((1, 9, 9), bool))
    assert list(slab_cores(mask.label > 0, mask.grid, level(), (0, 16), (64, 64, 64))) == []
