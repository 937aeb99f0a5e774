"""Balls, crosses and holes on packed bits are those of scipy, voxel by voxel."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from millet.core.bits import Bits
from millet.core.components import Components, extent

SHAPES = [(1, 1, 1), (3, 5, 7), (9, 8, 64), (6, 11, 65), (7, 4, 130), (1, 20, 20), (12, 1, 58)]
DENSITIES = [0.0, 0.01, 0.2, 0.6, 0.97, 1.0]
CASES = [(shape, density) for shape in SHAPES for density in DENSITIES]


def random_mask(shape, density):
    """Voxels at random; an empty and a full mask at the ends."""
    return np.random.default_rng([*shape, int(100 * density)]).random(shape) < density


def far(mask, sampling=(1, 1, 1)):
    """The squared distance to a mask, whole numbers; beyond everything where it is empty."""
    if not mask.any():
        return np.full(mask.shape, 10**9)
    return np.rint(ndimage.distance_transform_edt(~mask, sampling=sampling) ** 2).astype(int)


@pytest.mark.parametrize(("shape", "density"), CASES)
def test_packing_loses_nothing(shape, density):
    """What is packed comes out again, whatever lies on the border or across two words."""
    mask = random_mask(shape, density)
    assert np.array_equal(Bits.of(mask, 1).mask(), mask)
    assert np.array_equal(Bits.of(mask, 9).mask(), mask)


@pytest.mark.parametrize("square", [0, 1, 2, 5, 36, 50])
@pytest.mark.parametrize(("shape", "density"), CASES)
def test_growing_is_a_threshold_of_the_distance(shape, density, square):
    """Exactly the voxels within the root of the square are reached, and none wraps around an edge."""
    mask = random_mask(shape, density)
    assert np.array_equal(Bits.of(mask, 8).grown(square).mask(), far(mask) <= square)


@pytest.mark.parametrize("square", [1, 3, 36])
@pytest.mark.parametrize(("shape", "density"), CASES)
def test_shrinking_takes_the_border_for_ground(shape, density, square):
    """What is as near to the ground as that goes; what lies beyond the border is ground."""
    mask = random_mask(shape, density)
    ground_far = far(~np.pad(mask, 1))[1:-1, 1:-1, 1:-1]
    assert np.array_equal(Bits.of(mask, 6).shrunk(square).mask(), ground_far > square)


@pytest.mark.parametrize("plane", [1, 2, 4])
def test_planes_may_lie_farther_apart(plane):
    """A step across planes counts for several within one."""
    mask = random_mask((9, 20, 30), 0.005)
    near = far(mask, (plane, 1, 1)) <= 40
    assert np.array_equal(Bits.of(mask, 7).grown(40, plane).mask(), near)


def test_a_ball_wider_than_the_margin_is_refused():
    """It would wrap around."""
    bits = Bits.of(np.ones((3, 3, 3), bool), 2)
    with pytest.raises(ValueError, match="margin of 2"):
        bits.grown(9)
    with pytest.raises(ValueError, match="margin of 2"):
        bits.shrunk(9)


@pytest.mark.parametrize("times", [1, 2, 3])
def test_six_neighbours_again_and_again_are_scipys_iterations(times):
    """Erosion and opening by the cross."""
    mask = ndimage.binary_dilation(random_mask((20, 30, 70), 0.05), iterations=2)
    bits = Bits.of(mask, 1)
    for _ in range(times):
        bits = bits.shrunk(1)
    assert np.array_equal(bits.mask(), ndimage.binary_erosion(mask, iterations=times))
    for _ in range(times):
        bits = bits.grown(1)
    assert np.array_equal(bits.mask(), ndimage.binary_opening(mask, iterations=times))


def closed_and_filled(mask, reach):
    """By distance transforms in a wide margin, holes in space, then in each plane: slow and plain."""
    wide = np.pad(mask, reach + 1)
    closed = far(~(far(wide) <= reach**2)) > reach**2
    closed = ndimage.binary_fill_holes(closed)
    planes = np.stack([ndimage.binary_fill_holes(plane) for plane in closed])
    return planes[(slice(reach + 1, -reach - 1),) * 3]


@pytest.mark.parametrize("seed", range(6))
def test_closing_and_filling_are_those_of_distance_transforms(seed):
    """A lung's closing by 12 mm at 2 mm, on bodies that touch the border of their box."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal((24, 40, 90)), 2.0)
    mask = noise > np.quantile(noise, [0.5, 0.7, 0.85, 0.95, 0.99, 0.3][seed])
    ours = Bits.of(mask, 6).grown(36).shrunk(36).filled().mask()
    assert np.array_equal(ours, closed_and_filled(mask, 6))


@pytest.mark.parametrize(("shape", "density"), [*CASES, ((5, 40, 100), 0.45), ((4, 60, 140), 0.55)])
def test_holes_are_those_of_each_plane(shape, density):
    """What rows and columns lead out of is no hole, however long the way."""
    mask = random_mask(shape, density)
    wide = np.pad(mask, 1)
    expected = np.stack([ndimage.binary_fill_holes(plane) for plane in wide])[1:-1, 1:-1, 1:-1]
    assert np.array_equal(Bits.of(mask, 1).filled().mask(), expected)


def test_a_spiral_is_open_until_it_is_shut():
    """The way out of a spiral is followed around all its turns."""
    plane = np.zeros((1, 41, 131), bool)
    for turn in range(0, 16, 4):
        plane[0, turn, turn : 131 - turn] = plane[0, 40 - turn, turn : 131 - turn] = True
        plane[0, turn : 41 - turn, turn] = plane[0, turn : 41 - turn, 130 - turn] = True
        plane[0, turn + 2, turn] = False
    assert np.array_equal(Bits.of(plane, 1).filled().mask(), plane)
    plane[0, 2, 0] = True
    assert Bits.of(plane, 1).filled().mask().all()


@pytest.mark.parametrize(("shape", "density"), CASES)
def test_components_are_counted_by_their_runs(shape, density):
    """Sizes, columns and masks of labels are those of the labels themselves."""
    mask = random_mask(shape, density)
    parts = Components.of(mask, 6)
    number = int(parts.labels.max())
    assert number == ndimage.label(mask)[1]
    assert parts.sizes().tolist() == [0] + [int((parts.labels == k).sum()) for k in range(1, number + 1)]
    for label in range(1, min(number, 5) + 1):
        assert parts.columns(label).tolist() == (parts.labels == label).sum(axis=(0, 1)).tolist()
    odd = np.arange(number + 1) % 2 == 1
    assert np.array_equal(parts.those(odd), parts.labels % 2 == 1)


def test_the_extent_holds_the_mask_and_no_more():
    """The smallest box; none for an empty mask."""
    mask = np.zeros((5, 6, 7), bool)
    assert extent(mask) is None
    mask[1, 4, 2] = mask[3, 2, 6] = True
    assert extent(mask) == (slice(1, 4), slice(2, 5), slice(2, 7))
