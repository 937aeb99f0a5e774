import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from millet.core.block import lower_quartile, median

HU = st.lists(st.one_of(st.integers(-1100, 3000), st.floats(-1100, 3000, width=32)), min_size=1, max_size=60)


@given(HU)
def test_quantiles_are_numpys(values):
    """To the last bit, for one value and for many, whole and fractional."""
    hu = np.asarray(values, np.float32)
    assert lower_quartile(hu) == float(np.percentile(hu, 25))
    assert median(hu) == float(np.median(hu))
