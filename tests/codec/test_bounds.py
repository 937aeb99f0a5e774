from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

import ct
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import JPEGLSLossless, RLELossless

from millet.codec import bounds
from millet.codec.bounds import Excessive
from millet.codec.ct import read_header, read_slice
from millet.codec.elements import DEFLATED, joined, pixel_element, read_elements, tag_of
from millet.codec.elements import dataset as encode
from millet.codec.part10 import part10
from millet.codec.source import Source
from millet.core.reasons import Reason
from millet.errors import UnfitSeries

NAMED = {"sop_class_uid": "1.2.840.10008.5.1.4.1.1.2", "sop_instance_uid": "1.2.3"}
WANTED = tag_of("ProcedureCodeSequence")
UNWANTED = tag_of("ContentSequence")
UNDEFINED = 0xFFFF_FFFF


def _slice() -> Dataset:
    return ct.series()[3]


def _sequence(tag: int, content: bytes, *, defined: bool, claimed: int | None = None) -> bytes:
    """A sequence of one item; its lengths as they are, as delimiters, or as somebody claims."""
    group, element = tag >> 16, tag & 0xFFFF
    lengths = (len(content) + 8, len(content)) if defined else (UNDEFINED, UNDEFINED)
    outer, inner = lengths if claimed is None else (claimed, claimed)
    head = struct.pack("<HH2s2xI", group, element, b"SQ", outer) + struct.pack("<HHI", 0xFFFE, 0xE000, inner)
    ends = struct.pack("<HHIHHI", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0)
    return head + content + (b"" if defined or claimed is not None else ends)


def _nested(tag: int, depth: int, *, defined: bool) -> bytes:
    content = b""
    for _ in range(depth):
        content = _sequence(tag, content, defined=defined)
    return content


def _file(*elements: bytes) -> bytes:
    return part10({0x0008_0005: b"".join(elements)}, **NAMED)


@pytest.mark.parametrize("defined", [True, False], ids=["defined", "undefined"])
@pytest.mark.parametrize("tag", [WANTED, UNWANTED], ids=["wanted", "unwanted"])
def test_sequences_nest_so_deep_and_no_deeper(tag: int, defined: bool) -> None:
    """64 levels are read or passed over; 65 and 2,000 are refused in words that quote nothing."""
    after = encode(InstanceNumber=7)
    at_most = _file(_nested(tag, bounds.MOST_NESTED, defined=defined), joined(after))
    found = read_elements(at_most, {WANTED, tag_of("InstanceNumber")})
    assert found[tag_of("InstanceNumber")].ascii == "7"
    assert (WANTED in found) == (tag == WANTED)
    if tag == UNWANTED and defined:
        return  # passed over by its length, however deep it is
    for depth in (bounds.MOST_NESTED + 1, 2000):
        with pytest.raises(Excessive, match="nested more than 64 deep"):
            read_elements(_file(_nested(tag, depth, defined=defined)), {WANTED})


def test_an_instance_that_costs_too_much_is_refused_or_ends_as_something() -> None:
    """Where its identity cannot be read it is no object; else its series ends for a coded reason."""
    deep = _nested(WANTED, 2000, defined=False)
    uids = _uids(_slice())
    with pytest.raises(UnfitSeries) as refused:
        read_header(_file(deep, joined(encode(**uids))))
    assert refused.value.reason is Reason.UNREADABLE_OBJECT
    encoded = _file(joined(encode(**uids)), _nested(UNWANTED, 2000, defined=False))
    header = read_header(encoded)
    assert (header.series_uid, header.position_mm) == (uids["SeriesInstanceUID"], None)
    with pytest.raises(UnfitSeries):
        read_slice(encoded, header)


def test_lengths_that_outgrow_their_item_are_not_read_twice() -> None:
    """Sequences that each claim all that follows would double the work with every level; they do not."""
    liars = b""
    for _ in range(40):
        liars = _sequence(WANTED, liars, defined=True, claimed=0x7FFF_FFFF)
        short = struct.pack("<I", 12)
        liars = liars[:16] + short + liars[20:]  # the item ends behind the next sequence's header
    read_elements(_file(liars, bytes(8) * 50), {WANTED})


def test_elements_are_counted() -> None:
    """A data set of nothing but empty elements or items is refused and not walked to its end."""
    tag = 0x0009_0010
    empty = struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, b"LO", 0)
    items = struct.pack("<HHI", 0xFFFE, 0xE000, 0)
    for many in (
        empty * (bounds.MOST_ELEMENTS + 1),
        _sequence(UNWANTED, b"", defined=False)[:12] + items * (bounds.MOST_ELEMENTS + 1),
    ):
        with pytest.raises(Excessive, match="more than 150000 elements"):
            read_elements(_file(many), ())


def test_a_value_that_is_too_long_is_left_out_alone() -> None:
    """A megabyte of name, or of it within a sequence, is no value; what follows is read."""
    name, wanted = tag_of("PatientName"), {tag_of("PatientName"), WANTED, tag_of("InstanceNumber")}
    long = struct.pack("<HH2s2xI", name >> 16, name & 0xFFFF, b"UT", 1 << 20) + b"x" * (1 << 20)
    code = joined(encode(CodeValue="1"))
    found = read_elements(
        _file(joined(encode(InstanceNumber=7)), long, _sequence(WANTED, code + long, defined=True)), wanted
    )
    assert set(found) == {tag_of("InstanceNumber"), WANTED}
    assert found[WANTED].value.endswith(code)
    text = joined(encode(TextValue="x" * bounds.LONGEST_VALUE_BYTES))
    many = b"".join(struct.pack("<HHI", 0xFFFE, 0xE000, len(text)) + text for _ in range(17))
    items = struct.pack("<HH2s2xI", WANTED >> 16, WANTED & 0xFFFF, b"SQ", len(many)) + many
    assert set(read_elements(_file(items, joined(encode(InstanceNumber=7))), wanted)) == {
        tag_of("InstanceNumber")
    }


def _deflated(*parts: bytes) -> bytes:
    whole = _file(b"")
    start = whole.index(b"1.2.840.10008.1.2.1\0")
    meta = encode(TransferSyntaxUID=DEFLATED)[0x0002_0010]
    head = whole[: start - 8] + meta + whole[start + 20 :]
    squeezer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return head + b"".join(squeezer.compress(part) for part in parts) + squeezer.flush()


def test_a_deflated_bomb_stays_small() -> None:
    """What inflates to more than any slice is refused for its pixels; its header is read all the same."""
    number = joined(encode(InstanceNumber=7))
    pixels = struct.pack("<HH2s2xI", 0x7FE0, 0x10, b"OW", 1 << 30)
    bomb = _deflated(number, pixels, *[bytes(1 << 20)] * ((bounds.MOST_INFLATED_BYTES >> 20) + 1))
    assert len(bomb) < 1 << 18
    assert read_elements(bomb, {tag_of("InstanceNumber")})[tag_of("InstanceNumber")].ascii == "7"
    with pytest.raises(Excessive, match="holds more than"):
        pixel_element(bomb)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda d: setattr(d, "ImagePositionPatient", [0, 0, 1e9]), "position_mm"),
        (lambda d: setattr(d, "PixelSpacing", [300, 300]), "pixel_spacing_mm"),
        (lambda d: setattr(d, "PixelSpacing", [1e-9, 1e-9]), "pixel_spacing_mm"),
        (lambda d: setattr(d, "InstanceNumber", "99999999999"), "instance_number"),
    ],
)
def test_a_place_where_no_scanner_is_is_none(change: Callable[[Dataset], None], field: str) -> None:
    """Work grows with the millimetres between slices and across them: impossible ones are not believed."""
    dataset = _slice()
    assert getattr(read_header(ct.encoded(dataset)), field) is not None
    change(dataset)
    encoded = ct.encoded(dataset)
    assert getattr(read_header(encoded), field) is None


def test_uids_are_bounded_and_texts_hold_no_nul() -> None:
    """A UID of a thousand characters is none; a NUL in a text, which some databases refuse, is left out."""
    dataset = _slice()
    dataset.PatientID = "P?1"
    assert read_header(ct.encoded(dataset).replace(b"P?1", b"P\x001")).patient.patient_id == "P1"
    long = "1." * 500 + "1"
    uids = _uids(dataset)
    assert read_header(part10(encode(**uids, StudyInstanceUID=long), **NAMED)).study_uid == ""
    with pytest.raises(UnfitSeries, match="more than 128 characters"):
        read_header(part10(encode(**uids | {"SeriesInstanceUID": long}), **NAMED))


def _uids(dataset: Dataset) -> dict[str, str]:
    words = ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID")
    return {word: str(getattr(dataset, word)) for word in words}


def test_a_source_inherits_from_the_first_image_that_can_be_read() -> None:
    """One image whose patient module would cost too much does not take the report with it."""
    good = ct.encoded(_slice())
    uids = _uids(_slice()) | {"StudyInstanceUID": "1.2"}
    deep = part10(
        encode(**uids) | {WANTED: _nested(WANTED, bounds.MOST_NESTED + 1, defined=True)},
        **NAMED,
    )
    assert Source.read([deep, good]).inherited == Source.read([good]).inherited
    with pytest.raises(UnfitSeries):
        Source.read([deep])


# --- pixels ------------------------------------------------------------------------------------------


def _refused(dataset: Dataset) -> UnfitSeries:
    encoded = ct.encoded(dataset)
    with pytest.raises(UnfitSeries) as refused:
        read_slice(encoded, read_header(encoded))
    return refused.value


def test_run_lengths_that_unpack_to_more_than_the_slice() -> None:
    """Two bytes of code make 128: what is more than the matrix is never made."""
    head = struct.pack("<16I", 2, 64, 64 + 2_000_000, *[0] * 13)
    bomb = ct.compressed(_slice(), RLELossless, head + b"\x81\x00" * 2_000_000)
    assert _refused(bomb).reason is Reason.PIXELS_UNREADABLE


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (b"\xff\xd8" + b"\xff\xe0\x00\x00" * 50_000, Reason.PIXELS_UNREADABLE),
        (b"\xff\xd8" + b"\xff\xe0\x00\x02" * 50_000, Reason.PIXELS_UNREADABLE),
        (b"\xff\xd8\x00\x00" * 50_000, Reason.PIXELS_UNREADABLE),
        (b"\xff\xd8\xff\xf7\x00\x0b\x10\x00\x0a\x00\x0c\xff", Reason.UNSUPPORTED_PIXELS),
        (b"\xff\xd8\xff\xf7\x00\x0b\x10\xff\xff\xff\xff\x01", Reason.PIXELS_UNREADABLE),
    ],
    ids=["no length", "endless segments", "no marker", "255 colours", "another size"],
)
def test_what_a_codestream_claims_is_read_first(code: bytes, reason: Reason) -> None:
    """Markers without end, colours and sizes that do not fit never reach a decoder."""
    assert _refused(ct.compressed(_slice(), JPEGLSLossless, code + b"\xff\xd9")).reason is reason


def test_fragments_are_counted() -> None:
    """A frame in a hundred thousand empty fragments is none."""
    dataset = ct.compressed(_slice(), JPEGLSLossless, b"\xff\xd8\xff\xd9")
    item, end = struct.pack("<HHI", 0xFFFE, 0xE000, 0), struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    encoded = ct.encoded(dataset)
    start = encoded.index(b"\xe0\x7f\x10\x00OB\0\0") + 12
    encoded = encoded[:start] + item * 100_000 + end
    with pytest.raises(UnfitSeries) as refused:
        read_slice(encoded, read_header(encoded))
    assert (refused.value.reason, refused.value.detail) == (Reason.PIXELS_UNREADABLE, "Excessive")


def test_hu_beyond_all_numbers_are_none() -> None:
    """A slope of 1e300 makes no volume of infinities."""
    dataset = _slice()
    dataset.RescaleSlope = "1E+300"
    assert _refused(dataset).reason is Reason.RESCALE_MISSING


@pytest.mark.parametrize("rows", [0, 65_535])
def test_a_matrix_is_judged_before_memory_is_taken(rows: int) -> None:
    """A claim of 65,535 squared pixels is refused, and so is one of none."""
    dataset = _slice()
    dataset.Rows = dataset.Columns = rows
    assert _refused(dataset).reason is Reason.UNSUPPORTED_PIXELS
