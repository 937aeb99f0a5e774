import chests
import numpy as np
import pytest
from scipy import ndimage

from millet.core.geometry import PointMm
from millet.core.voi import grown, means, ranked, softened, vois
from millet.core.volume import Volume

RNG = np.random.default_rng(4)
GRID = chests.grid(shape=(20, 30, 30), spacing=(1.0, 0.7, 0.7), origin=(0.0, 0.0, 0.0))
HU = RNG.integers(-1000, 200, GRID.shape).astype(np.int16)
VOLUME = Volume(hu=HU, grid=GRID)


def test_blocks_hold_the_voxels_around_their_centres():
    """Each in its place in the order given, with the distances of its voxels."""
    centres = [PointMm(10.0, 9.3, 8.2), PointMm(9.1, 10.2, 10.9)]
    found = {n: (some, k) for some in vois(VOLUME, centres, [3.0, 9.0]) for k, n in enumerate(some.members)}
    for n, centre in enumerate(centres):
        some, k = found[n]
        z, y, x = some.first[k] + some.middle[k]
        assert np.array_equal((z, y, x), np.rint(GRID.to_index(centre)))
        assert some.hu[(k, *some.middle[k])] == HU[z, y, x]
        far = np.linalg.norm(np.subtract(GRID.to_patient_array(np.asarray([(z, y, x)], float))[0], centre))
        assert some.far2[(k, *some.middle[k])] == pytest.approx(far**2, abs=1e-5)


def test_a_block_goes_on_beyond_the_volume():
    """At a corner the last voxels are repeated; nothing fails and nothing is cut."""
    (some,) = vois(VOLUME, [PointMm(0.0, 0.0, 0.0)], [4.0])
    before = -some.first[0]
    assert (before > 0).all()
    padded = np.pad(HU, [(k, 0) for k in before], mode="edge")
    size = some.hu.shape[1:]
    assert np.array_equal(some.hu[0], padded[: size[0], : size[1], : size[2]])


def test_many_of_one_size_come_in_batches():
    """No batch is too large for a cache, and every nodule is in exactly one."""
    centres = [PointMm(*point) for point in RNG.uniform(0, 20, (900, 3))]
    members = [some.members for some in vois(VOLUME, centres, [3.0] * 900)]
    assert len(members) > 1
    assert sorted(np.concatenate(members)) == list(range(900))


def test_what_is_done_to_a_batch_is_done_to_each_block():
    """Growing, softening and joining as scipy does them one by one."""
    (some,) = vois(VOLUME, [PointMm(10.0, 9.3, 8.2), PointMm(9.1, 10.2, 10.9)], [4.0, 4.0])
    masks = some.hu > -300
    weights = np.asarray([0.25, 0.5, 0.25])
    soft = softened(some.hu)
    for k, mask in enumerate(masks):
        assert np.array_equal(grown(masks)[k], ndimage.binary_dilation(mask))
        expected = some.hu[k].astype(float)
        for axis in range(3):
            expected = ndimage.correlate1d(expected, weights, axis=axis, mode="nearest")
        assert np.allclose(soft[k], expected, atol=1e-2)
        own = mask.copy()
        own[tuple(some.middle[k])] = True
        parts, _ = ndimage.label(own)
        assert np.array_equal(some.joined(masks)[k], parts == parts[tuple(some.middle[k])])


def test_ranks_and_means_are_of_the_masked_voxels():
    """An empty mask has the value that is given for it."""
    values = RNG.normal(size=(2, 3, 4, 5)).astype(np.float32)
    masks = np.zeros(values.shape, bool)
    masks[0] = values[0] > 0
    middle, most = ranked(values, masks, (0.5, 1.0), -7.0)
    inside = np.sort(values[0][masks[0]])
    assert most.tolist() == [pytest.approx(inside[-1]), -7.0]
    assert middle[0] == pytest.approx(inside[round(0.5 * (len(inside) - 1))])
    assert means(values, masks, -7.0).tolist() == [pytest.approx(inside.mean(), abs=1e-5), -7.0]
