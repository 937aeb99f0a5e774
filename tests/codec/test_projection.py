import chests
import numpy as np
import pytest

from millet.codec.projection import project

GRID = chests.grid(shape=(40, 50, 60), spacing=(2.0, 1.5, 1.0), origin=(0.0, 0.0, 0.0))
AIR_HU, SKIN = -1024.0, (2, 2, 3)  # voxels of skin along each axis: 3 mm, rounded
MARGIN = (12.5, 25 / 1.5, 25.0)


def _scene(corner=(0, 0, 0)):
    """Noise with some HU below air and some metal; a box of lung with a bay in it."""
    hu = np.random.default_rng(3).integers(-1200, 3000, GRID.shape).astype(np.int16)
    lungs = np.zeros(GRID.shape, bool)
    z, y, x = corner
    lungs[z : z + 18, y : y + 20, x : x + 25] = True
    lungs[z + 4 : z + 9, y + 5 : y + 9, x + 3 : x + 6] = False
    return hu, lungs


def _core(lungs):
    """Lung whose neighbours at the depth of the skin are lung, too, or beyond the volume."""
    core = lungs.copy()
    for axis, steps in enumerate(SKIN):
        padded = np.pad(lungs, [(steps if a == axis else 0,) * 2 for a in range(3)], constant_values=True)
        core &= np.take(padded, range(lungs.shape[axis]), axis)
        core &= np.take(padded, range(2 * steps, lungs.shape[axis] + 2 * steps), axis)
    return core


def _grey(hu):
    return np.clip((hu + 950) / 1100, 0, 1)


def _expected(hu, core, axis):
    """The brightest of the core, over a dim mean of all."""
    inside = np.where(core, hu, AIR_HU).max(axis=axis)
    return np.maximum(_grey(inside), 0.35 * _grey(np.maximum(hu, AIR_HU).mean(axis=axis)))


@pytest.mark.parametrize("corner", [(0, 0, 0), (11, 14, 20), (22, 30, 35)])
def test_projections_are_of_the_lungs_core_within_its_box(corner):
    """Against all voxels at once: the front view, and each slab, wherever the lungs touch the volume."""
    hu, lungs = _scene(corner)
    core = _core(lungs)
    seen = project(hu, GRID, list(lungs))
    z, y, x = (
        slice(max(int(w.min() - m), 0), min(int(w.max() + m) + 1, n))
        for w, m, n in zip(np.nonzero(lungs), MARGIN, GRID.shape, strict=True)
    )
    front = _expected(hu[z, :, x].astype(float), core[z, :, x], 1)[::-1]
    assert seen.coronal.grey == pytest.approx(front, abs=1e-5)
    assert seen.coronal.start == (z.stop - 1, x.start)
    assert seen.axial[0].z[1] == z.stop
    assert sum(slab.z[1] - slab.z[0] for slab in seen.axial) == z.stop - z.start
    for slab in seen.axial:
        held = slice(*slab.z), y, x
        assert slab.grey == pytest.approx(_expected(hu[held].astype(float), core[held], 0), abs=1e-5)


def test_slabs_from_the_front_make_up_the_whole():
    """Against all voxels at once: brightest within the core over the slab's own mean; each row seen once."""
    hu, lungs = _scene((11, 14, 20))
    core = _core(lungs)
    seen = project(hu, GRID, list(lungs))
    z = slice(*seen.coronal.z)
    x = slice(seen.coronal.start[1], seen.coronal.start[1] + seen.coronal.grey.shape[1])
    assert [front.y for front in seen.fronts] == sorted(front.y for front in seen.fronts)
    rows = [row for front in seen.fronts for row in range(*front.y)]
    assert rows == list(range(*seen.coronal.y))
    for front in seen.fronts:
        held = z, slice(*front.y), x
        assert front.grey == pytest.approx(_expected(hu[held].astype(float), core[held], 1)[::-1], abs=1e-5)
        assert front.start == seen.coronal.start
        assert front.depth_mm == pytest.approx(1.5 * (front.y[1] - front.y[0]))


def test_what_turns_is_the_lungs_core():
    """Its brightest voxel is seen from everywhere, what lies outside of it from nowhere."""
    hu = np.full(GRID.shape, -1000, np.int16)
    lungs = np.zeros(GRID.shape, bool)
    lungs[10:30, 10:40, 10:50] = True
    hu[20, 25, 30] = 100
    hu[5] = hu[:, :, 55] = 3000
    turned = project(hu, GRID, list(lungs)).turned
    brightest = turned.grey.reshape(len(turned.grey), -1).max(axis=1)
    assert set(brightest.tolist()) == {int((100 + 950) / 1100 * 255)}


def test_equal_hu_give_equal_projections():
    """Rounded HU as int16, as float32 and as a view that runs backwards: bit for bit the same."""
    hu, lungs = _scene((11, 14, 20))
    backwards = np.ascontiguousarray(hu[::-1])[::-1]
    expected = project(hu, GRID, list(lungs))
    for other in (hu.astype(np.float32), backwards):
        seen = project(other, GRID, list(lungs))
        pairs = zip(
            (seen.coronal, *seen.axial, *seen.fronts, seen.turned),
            (expected.coronal, *expected.axial, *expected.fronts, expected.turned),
            strict=True,
        )
        assert all(np.array_equal(one.grey, two.grey) for one, two in pairs)


def test_without_lungs_all_is_seen():
    """Slabs are projected whole; from the front it is an average like a radiograph."""
    hu, _ = _scene()
    seen = project(hu, GRID, None)
    assert seen.coronal.grey == pytest.approx(_grey(np.maximum(hu, AIR_HU).mean(axis=1))[::-1], abs=1e-5)
    low, high = seen.axial[0].z
    assert seen.axial[0].grey.mean() == pytest.approx(
        _expected(hu[low:high].astype(float), np.ones_like(hu[low:high], bool), 0).mean(), abs=1e-5
    )


def test_a_mask_that_holds_nothing_shows_the_body_dimly():
    """Where no lung was found no voxel is sought, and the picture is still made."""
    hu, lungs = _scene()
    seen = project(hu, GRID, list(np.zeros_like(lungs)))
    assert 0 < seen.coronal.grey.max() <= 0.35
