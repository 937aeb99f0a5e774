import io
import random

import pytest
from ct import compressed
from pydicom import dcmread
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)
from reports import analysis, as_file, ct_slice, labels, nodules

from millet.codec import seg, sr
from millet.codec.ct import read_header, read_slice
from millet.codec.pixels import TRANSFER_SYNTAXES
from millet.codec.shortened import without_pixels
from millet.codec.source import Source
from millet.core.reasons import Reason
from millet.errors import UnfitSeries

NATIVE = (
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
)
ENCAPSULATED = sorted(set(TRANSFER_SYNTAXES) - set(NATIVE))


def _series(syntax):
    if syntax in NATIVE:
        return [as_file(ct_slice(number), syntax) for number in range(30)]
    slices = [_compressed_slice(number, syntax) for number in range(30)]
    return [as_file(one, syntax) for one in slices]


def _compressed_slice(number, syntax):
    """A slice whose pixels are some bytes in a fragment: nothing here decodes them."""
    one = ct_slice(number)
    one.file_meta = type(one)()
    return compressed(one, syntax, random.Random(number).randbytes(500))


@pytest.mark.parametrize("syntax", [*NATIVE, *ENCAPSULATED])
def test_reports_are_the_same_without_pixels(syntax):
    """Header, SR and SEG of shortened instances are, byte for byte, those of whole ones."""
    whole = _series(syntax)
    short = [without_pixels(one) for one in whole]
    assert [read_header(one) for one in short] == [read_header(one) for one in whole]
    found = nodules(5, mass=True)
    made, drawn = analysis(found), labels(found)
    before, after = Source.read(whole), Source.read(short)
    assert after == before
    assert sr.encode(made, after) == sr.encode(made, before)
    assert seg.encode(made, drawn, after) == seg.encode(made, drawn, before)
    assert Source.any_of(short[::-1]) == Source.any_of(whole)


@pytest.mark.parametrize("syntax", sorted(set(NATIVE) - {DeflatedExplicitVRLittleEndian}) + ENCAPSULATED)
def test_nothing_of_the_pixels_is_left(syntax):
    """What is kept ends before Pixel Data, is a file that others read, and is cut no further."""
    (whole, *_), (short, *_) = _series(syntax), map(without_pixels, _series(syntax))
    assert whole.startswith(short)
    assert len(short) < len(whole) - 500
    kept, all_of = dcmread(io.BytesIO(short)), dcmread(io.BytesIO(whole))
    assert "PixelData" not in kept
    del all_of.PixelData
    assert kept == all_of
    assert without_pixels(short) == short


def test_what_cannot_be_cut_is_returned_whole():
    """A deflated data set, bytes that are no data set, and a header that ends early."""
    deflated = as_file(ct_slice(0), DeflatedExplicitVRLittleEndian)
    broken = deflated[:-200] + bytes(200)
    for encoded in (deflated, broken, b"", b"rubbish", as_file(ct_slice(0))[:400]):
        assert without_pixels(encoded) == encoded


def test_pixels_of_a_shortened_instance_are_missed():
    """Whoever asks for pixels after all is told, and gets no empty slice."""
    short = without_pixels(as_file(ct_slice(0)))
    with pytest.raises(UnfitSeries) as refused:
        read_slice(short, read_header(short))
    assert refused.value.reason is Reason.PIXELS_TRUNCATED
