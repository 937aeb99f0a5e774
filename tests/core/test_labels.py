import numpy as np
import pytest

from millet.core.labels import Labels, nearest


def test_the_nearest_centre_has_the_voxel():
    """Of equal distances the earlier claim holds; the order of claims changes nothing else."""
    voxels, numbers = np.asarray([7, 3, 7, 5, 5]), np.asarray([1, 1, 2, 2, 3])
    found = nearest((2, 2, 2), voxels, numbers, np.asarray([2.0, 0.0, 1.0, 0.5, 0.5]))
    assert found.voxels.tolist() == [3, 5, 7]
    assert found.numbers.tolist() == [1, 2, 2]


def test_voxels_rise_and_have_a_number_each():
    """What reads them plane by plane relies on it."""
    for voxels, numbers in (([2, 1], [1, 1]), ([1, 1], [1, 2]), ([1, 2], [1])):
        with pytest.raises(ValueError, match="voxels"):
            Labels(shape=(2, 2, 2), voxels=np.asarray(voxels), numbers=np.asarray(numbers))
