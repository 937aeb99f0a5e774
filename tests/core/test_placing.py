from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stacks import AXES, grid, noise, turned

from millet.core.geometry import Grid, PointMm, Vector
from millet.core.placing import AGREES_MM, Frame, between, through
from millet.core.resample import lattice_box, lattice_grid

FRAME = Frame.of(grid())


def shifted(axis, by_mm):
    """The frame of slices that lie elsewhere in their plane; axis 0 is y."""
    x, y, z = grid().origin_mm
    place = PointMm(x + by_mm * (axis == 1), y + by_mm * (axis == 0), z)
    return Frame.of(replace(grid(), origin_mm=place))


def test_a_frame_forgets_how_its_slices_were_written():
    """Rows and columns may run either way, and either first."""
    for flips in ((1, 1, 1), (-1, 1, 1), (1, -1, 1), (-1, -1, -1)):
        for transposed in (False, True):
            again = Frame.of(turned(noise(grid()), flips, transposed=transposed).grid)
            assert again.agrees(FRAME)
            assert (again.shape, again.spacing_mm) == (FRAME.shape, FRAME.spacing_mm)


@pytest.mark.parametrize("first", [1, 2], ids=["coronal", "sagittal"])
def test_slices_that_do_not_lie_across_the_body_have_no_frame(first):
    """The first axis must be the body's."""
    axes = (AXES[first], *(axis for number, axis in enumerate(AXES) if number != first))
    with pytest.raises(ValueError, match="across the body"):
        Frame.of(Grid(shape=(3, 4, 5), spacing_mm=(1, 1, 1), origin_mm=PointMm(0, 0, 0), axes=axes))


@pytest.mark.parametrize("axis", [0, 1])
def test_frames_agree_up_to_what_a_header_rounds(axis):
    """A fraction of the tolerance agrees, twice as much does not, at either end of a row or column."""
    assert shifted(axis, 0.6 * AGREES_MM).agrees(FRAME)
    assert FRAME.agrees(shifted(axis, 0.6 * AGREES_MM))
    assert not shifted(axis, 2 * AGREES_MM).agrees(FRAME)
    dy, dx = FRAME.spacing_mm
    for times, agrees in ((0.6, True), (2.0, False)):
        wider = times * AGREES_MM / (FRAME.shape[axis] - 1)
        spacing = (dy + wider * (axis == 0), dx + wider * (axis == 1))
        assert replace(FRAME, spacing_mm=spacing).agrees(FRAME) is agrees


def test_frames_of_other_sizes_and_other_directions_do_not_agree():
    """One row more is another frame; so is a tenth of a degree."""
    assert not replace(FRAME, shape=(32, 37)).agrees(FRAME)
    turn = np.radians(0.1)
    axes = (AXES[0], Vector(-np.sin(turn), np.cos(turn), 0), Vector(np.cos(turn), np.sin(turn), 0))
    assert not replace(FRAME, axes=axes).agrees(FRAME)


@pytest.mark.parametrize("spacing_mm", [1.0, 2.0, 4.0, 60.0])
def test_the_lattice_of_a_frame_is_that_of_its_volume(spacing_mm):
    """The same positions in the same places; at least one, however coarse."""
    box = lattice_box(grid(), (spacing_mm,) * 3)
    assert FRAME.lattice(spacing_mm, 0) == (box.start[1], box.stop[1])
    assert FRAME.lattice(spacing_mm, 1) == (box.start[2], box.stop[2])
    found = FRAME.grid((spacing_mm,) * 3, (box.start[0], box.stop[0]))
    wanted = lattice_grid(grid(), (spacing_mm,) * 3, box)
    assert found.shape == wanted.shape
    assert np.allclose(found.origin_mm, wanted.origin_mm, rtol=0, atol=1e-9)


def test_a_point_that_decimals_moved_off_the_lattice_is_still_on_it():
    """Up to a millionth of a step."""
    assert between(3.0000005, 6.9999995, 1.0) == (3, 8)
    assert between(3.001, 6.999, 1.0) == (4, 7)
    assert between(3.1, 3.2, 1.0) == (4, 5)


def steps(seed, count=12):
    """Slices an unsteady step apart, rising."""
    return np.cumsum(np.random.default_rng(seed).uniform(0.5, 4.0, count)) - 20.0


@given(seed=st.integers(0, 99), spacing_mm=st.sampled_from((0.4, 1.0, 2.0, 6.0)))
@settings(max_examples=30, deadline=None)
def test_every_plane_is_shared_out_among_slices_near_it(seed, spacing_mm):
    """Shares add up to one, are never negative, and come from no farther than a gap or a lattice step."""
    at = steps(seed)
    planes = (int(-30 / spacing_mm), int(30 / spacing_mm))
    first, shares = through(at, planes, spacing_mm)
    assert np.allclose(shares.sum(axis=1), 1, atol=1e-6)
    assert shares.min() >= 0
    used = at[first : first + shares.shape[1]]
    assert shares.any(axis=0)[[0, -1]].all()
    places = np.clip(np.arange(*planes) * spacing_mm, at[0], at[-1])
    reach = max(spacing_mm, np.diff(at).max())
    assert (np.abs(used - places[:, None])[shares > 0] <= reach + 1e-9).all()


@given(seed=st.integers(0, 99), gap_mm=st.floats(0.4, 6.0))
@settings(max_examples=20, deadline=None)
def test_on_a_lattice_finer_than_the_slices_it_is_linear(seed, gap_mm):
    """Wherever the first slice lies; beyond the outermost ones theirs is repeated."""
    random = np.random.default_rng(seed)
    at = random.uniform(-20, -10) + gap_mm * np.arange(9)
    values = random.uniform(-1000, 400, len(at))
    first, shares = through(at, (-70, 140), 0.4)
    found = shares @ values[first : first + shares.shape[1]]
    wanted = np.interp(np.arange(-70, 140) * 0.4, at, values)
    assert np.allclose(found, wanted, rtol=0, atol=1e-2)


@given(seed=st.integers(0, 99), plane=st.integers(-20, 10))
@settings(max_examples=30, deadline=None)
def test_slices_far_away_change_nothing(seed, plane):
    """A plane's shares are to the bit those that its neighbours alone would give it."""
    at = steps(seed, 20)
    near = at[np.abs(at - plane) < 13]
    first, shares = through(at, (plane, plane + 1), 1.0)
    again, same = through(near, (plane, plane + 1), 1.0)
    assert at[first] == near[again]
    assert np.array_equal(shares, same)


def test_one_slice_is_every_plane():
    """A stack of one slice has no gaps."""
    first, shares = through(np.asarray([3.0]), (-2, 9), 1.0)
    assert first == 0
    assert np.array_equal(shares, np.ones((11, 1), np.float32))
