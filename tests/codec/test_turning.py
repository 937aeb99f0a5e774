import chests
import numpy as np
import pytest

from millet.codec.turning import VIEWS, Pool

GRID = chests.grid(shape=(40, 50, 60), spacing=(1.0, 1.0, 1.0), origin=(0.0, 0.0, 0.0))
WHOLE = (slice(0, 40), slice(0, 50), slice(0, 60))


def _grey(hu):
    return np.clip(hu, 0, 1)


def _turned(hu, grid=GRID, box=WHOLE):
    pool = Pool(grid, box)
    for z in range(box[0].start, box[0].stop):
        pool.add(z, hu[z][box[1:]].astype(np.float32))
    return pool.turned(_grey)


@pytest.mark.parametrize("box", [WHOLE, (slice(3, 33), slice(7, 45), slice(11, 52))])
@pytest.mark.parametrize("view", [0, 4, 9, 13, 18, 25, 30])
def test_a_point_is_seen_where_it_is_said_to_be(view, box):
    """Each of some bright points, alone, lies within a block of its stated place in each view."""
    rng = np.random.default_rng(view)
    for _ in range(5):
        place = [int(rng.integers(side.start + 2, side.stop - 2)) for side in box]
        hu = np.zeros(GRID.shape)
        hu[tuple(place)] = 1
        turned = _turned(hu, box=box)
        seen = np.argwhere(turned.grey[view] == 255)
        told = turned.places(view, np.asarray([place], float))[0]
        assert len(seen)
        assert np.abs(seen - told).max() <= 2.5


def test_the_first_view_is_from_the_front_and_the_next_from_further_left():
    """Front: the left on the right, the head up. From the patient's left: the back on the right."""
    front, left = VIEWS * 0, VIEWS // 4
    hu = np.zeros(GRID.shape)
    hu[35, 5, 50] = 1  # towards the head, the front and the left
    turned = _turned(hu)
    rows, columns = turned.grey.shape[1:]
    (row, column), *_ = np.argwhere(turned.grey[front] == 255)
    assert row < rows / 2 < rows
    assert column > columns / 2
    (_, column), *_ = np.argwhere(turned.grey[left] == 255)
    assert column < columns / 2


def test_the_brightest_is_kept_however_coarse_the_blocks_are():
    """One voxel of a finding is as bright in every view as it was."""
    hu = np.random.default_rng(2).uniform(0, 0.5, GRID.shape)
    hu[21, 25, 31] = 1
    assert (_turned(hu).grey.reshape(VIEWS, -1).max(axis=1) == 255).all()


def test_a_view_along_an_axis_is_the_brightest_along_it():
    """From the front and from the side, whatever the numbers of blocks are: no gaps, no column twice."""
    for shape in ((8, 20, 24), (8, 22, 24), (8, 20, 26), (8, 22, 26)):
        grid = chests.grid(shape=shape, spacing=(2.0, 2.0, 2.0), origin=(0.0, 0.0, 0.0))
        hu = np.random.default_rng(1).integers(1, 255, shape) / 255
        turned = _turned(hu, grid, tuple(slice(0, n) for n in shape))
        for view, axis in ((0, 1), (VIEWS // 4, 2)):
            expected = (hu.astype(np.float32) * 255).astype(np.uint8).max(axis=axis)[::-1]
            along = np.zeros((expected.shape[1], 3))
            along[:, 3 - axis] = np.arange(expected.shape[1])
            columns = np.rint(turned.places(view, along)[:, 1]).astype(int)
            assert np.array_equal(turned.grey[view][:, columns], expected)


@pytest.mark.parametrize(("shape", "spacing"), [((1, 6, 7), (1.0, 1.0, 1.0)), ((9, 8, 7), (0.6, 0.7, 5.0))])
def test_any_voxels_will_do(shape, spacing):
    """A single slice, and voxels of other proportions, have their views, in true proportions."""
    grid = chests.grid(shape=shape, spacing=spacing, origin=(0.0, 0.0, 0.0))
    turned = _turned(np.ones(shape), grid, tuple(slice(0, n) for n in shape))
    width_mm = (turned.grey[0].any(axis=0)).sum() * turned.step_mm[1]
    assert turned.grey.shape[0] == VIEWS
    assert width_mm == pytest.approx(shape[2] * spacing[2], abs=2 * max(turned.step_mm[1], spacing[2]))
