import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from millet.core.block import dilated, lower_quartile, median

HU = st.lists(st.one_of(st.integers(-1100, 3000), st.floats(-1100, 3000, width=32)), min_size=1, max_size=60)


@given(HU)
def test_quantiles_are_numpys(values):
    """To the last bit, for one value and for many, whole and fractional."""
    hu = np.asarray(values, np.float32)
    assert lower_quartile(hu) == float(np.percentile(hu, 25))
    assert median(hu) == float(np.median(hu))


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 4, 3), (6, 7, 8)])
def test_a_mask_grows_over_its_faces(shape):
    """As scipy's dilation, also at the borders."""
    mask = np.random.default_rng(2).random(shape) < 0.2
    assert np.array_equal(dilated(mask), ndimage.binary_dilation(mask))
