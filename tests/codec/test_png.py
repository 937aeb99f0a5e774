import io

import numpy as np
import pytest
from PIL import Image

from millet.codec import png


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (9, 1), (61, 47)])
def test_others_read_the_picture_back(size):
    """Every pixel, whatever the size; Pillow checks the chunks' sums as it reads."""
    picture = np.random.default_rng(1).integers(0, 256, (*size, 3)).astype(np.uint8)
    read = Image.open(io.BytesIO(png.encode(picture)))
    assert read.mode == "RGB"
    assert np.array_equal(np.asarray(read), picture)


def test_what_is_alike_is_packed():
    """A picture of smooth tissue takes a fraction of its pixels' bytes."""
    rows = np.linspace(0, 255, 400).astype(np.uint8)
    picture = np.broadcast_to(rows[:, None, None], (400, 300, 3))
    assert len(png.encode(np.ascontiguousarray(picture))) < picture.size / 50
