import io

import pytest
from characters import whole
from pydicom import Dataset, Sequence, dcmread, dcmwrite
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)
from reports import as_file, ct_series

from millet.codec import sr, sr_reading, sr_tree
from millet.codec.bounds import MOST_NESTED
from millet.codec.source import Source

ENCODED = sr.encode(whole(12), Source.read(ct_series(30)))


def _again(syntax):
    """The report in another transfer syntax, by pydicom."""
    ds = dcmread(io.BytesIO(ENCODED))
    list(ds.iterall())  # decoded, so that nothing is copied as it was
    ds.file_meta.TransferSyntaxUID = syntax
    out = io.BytesIO()
    dcmwrite(
        out, ds, implicit_vr=syntax == ImplicitVRLittleEndian, little_endian=syntax != ExplicitVRBigEndian
    )
    return out.getvalue()


@pytest.mark.parametrize(
    "syntax",
    [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian],
    ids=lambda uid: uid.name,
)
def test_every_uncompressed_transfer_syntax_reads_the_same(syntax):
    """Implicit, explicit, big-endian, deflated."""
    assert sr_reading.read(_again(syntax)) == sr_reading.read(ENCODED)


def _open_ended(ds):
    for element in ds:
        if element.VR == "SQ":
            element.is_undefined_length = True
            for item in element.value:
                item.is_undefined_length_sequence_item = True
                _open_ended(item)


def test_sequences_without_a_length_read_the_same():
    """Items and sequences that end with a delimiter, as most toolkits write them."""
    ds = dcmread(io.BytesIO(ENCODED))
    _open_ended(ds)
    out = io.BytesIO()
    dcmwrite(out, ds)
    assert len(out.getvalue()) > len(ENCODED)
    assert sr_reading.read(out.getvalue()) == sr_reading.read(ENCODED)


def _text(value, charset=""):
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = sr.COMPREHENSIVE_3D_SR, "1.2.3"
    if charset:
        ds.SpecificCharacterSet = charset
    ds.ValueType, ds.TextValue = "TEXT", value
    return sr_tree.read(as_file(ds)).root.text


def test_text_is_read_in_its_character_set():
    """Tracking identifiers of a foreign report are shown to people."""
    assert _text("Rundherd 1: gro\u00df", "ISO_IR 100") == "Rundherd 1: gro\u00df"
    assert _text("\u7d50\u7bc0", "ISO_IR 192") == "\u7d50\u7bc0"


def test_nesting_has_an_end():
    """A report nested deeper than any is read to the limit, and says so."""
    deepest = Dataset()
    deepest.ValueType = "CONTAINER"
    for _ in range(2 * MOST_NESTED):
        outer = Dataset()
        outer.ValueType = "CONTAINER"
        outer.ContentSequence = Sequence([deepest])
        deepest = outer
    deepest.SOPClassUID, deepest.SOPInstanceUID = sr.COMPREHENSIVE_3D_SR, "1.2.3"
    tree = sr_tree.read(as_file(deepest))
    assert not tree.whole
    assert sum(1 for _ in sr_tree.nodes(tree.root)) <= MOST_NESTED + 1


@pytest.mark.parametrize("number", ["", "abc", "1e999", "nan", "1\\2"])
def test_a_measurement_without_a_finite_number_is_none(number):
    """It is told as not measured, never as nought."""
    node = sr_tree.Node({"MeasuredValueSequence": [{"NumericValue": number.encode()}]}, "")
    assert node.measured is None
