"""A slice for a screen."""

from __future__ import annotations

import io

import ct
import numpy as np
import pytest
from PIL import Image

from millet.codec.ct import read_header
from millet.codec.slice_picture import WINDOWS, picture


@pytest.mark.parametrize("name", WINDOWS)
def test_a_picture_is_the_slice_in_its_window(name):
    """Row by row as it was sent; black below the window, white above it."""
    encoded = ct.encoded(ct.series()[3])
    window = WINDOWS[name]
    seen = np.asarray(Image.open(io.BytesIO(picture(encoded, read_header(encoded), window))))
    low_hu = window.centre_hu - window.width_hu / 2
    expected = np.clip((ct.HU[3] - low_hu) * 255 / window.width_hu, 0, 255)
    assert seen.shape == ct.HU[3].shape
    assert np.abs(seen - expected).max() <= 1
