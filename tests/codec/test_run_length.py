import numpy as np
import pytest
from pydicom.pixels.decoders.rle import _rle_decode_frame

from millet.codec import run_length


@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (64, 300)])
@pytest.mark.parametrize("levels", [1, 3, 256])
def test_pydicom_reads_what_was_written(shape, levels):
    """Noise, steps and one flat colour; an odd number of bytes is padded."""
    picture = np.random.default_rng(levels).integers(0, levels, (3, *shape)).astype(np.uint8)
    encoded = run_length.encode(picture)
    read = np.frombuffer(_rle_decode_frame(encoded, *shape, 3, 8, "<"), np.uint8)
    assert np.array_equal(read.reshape(3, *shape), picture)
    assert len(encoded) % 2 == 0
    starts = np.frombuffer(encoded[:64], "<u4")
    assert starts[0] == 3
    assert all(start % 2 == 0 for start in starts[1:])
