import io

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.encaps import generate_frames, parse_basic_offsets
from reports import images

from millet.codec.elements import PIXEL_DATA
from millet.codec.part10 import encapsulated


def test_each_frame_is_a_fragment_that_the_table_finds():
    """Frames of any length, in their order, even; the table leads to each."""
    frames = [bytes(range(n)) for n in (3, 8, 1, 20)]
    element = encapsulated(frames)[PIXEL_DATA]
    assert element[:8] == b"\xe0\x7f\x10\x00OB\0\0"
    assert int.from_bytes(element[8:12], "little") == 0xFFFFFFFF
    value = element[12:]
    read = list(generate_frames(value, number_of_frames=4))
    assert [one[: len(frame)] for one, frame in zip(read, frames, strict=True)] == frames
    assert all(len(one) % 2 == 0 for one in read)
    starts = parse_basic_offsets(io.BytesIO(value))
    after = 8 + int.from_bytes(value[4:8], "little")
    for start, frame in zip(starts, read, strict=True):
        at = after + start
        assert value[at : at + 4] == b"\xfe\xff\x00\xe0"
        assert value[at + 8 : at + 8 + len(frame)] == frame


@pytest.mark.parametrize("kind", ["labelmap", "sc-axial"])
def test_a_file_says_how_its_pixels_are_compressed(kind):
    """Pydicom decodes it by its own file meta information."""
    ds = dcmread(io.BytesIO(images()[kind]))
    assert ds.file_meta.TransferSyntaxUID.is_encapsulated
    assert np.asarray(ds.pixel_array).shape[0] == ds.NumberOfFrames
