from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millet.codec.multipart import MOST_HEADER_BYTES, Multipart, MultipartError, content_type

BOUNDARY = "a--b"


def body(
    *parts: bytes, boundary: str = BOUNDARY, headers: bytes = b"Content-Type: application/dicom\r\n"
) -> bytes:
    """A body as senders write it."""
    line = b"--" + boundary.encode()
    return b"".join(b"%s\r\n%s\r\n%s\r\n" % (line, headers, part) for part in parts) + line + b"--\r\n"


def read(whole: bytes, step: int = 1 << 20, part_bytes: int = 1 << 20) -> tuple[list, bool]:
    """The parts of a body that comes in pieces, and whether it ended."""
    reader = Multipart(BOUNDARY, part_bytes)
    parts = [p for at in range(0, len(whole), step) for p in reader.feed(whole[at : at + step])]
    return parts, reader.ended


@given(
    parts=st.lists(
        st.lists(st.sampled_from([b"\r\n", b"--", b"a--b", b"-", b"\r", b"xyz", b"\0"])).map(b"".join)
    ),
    step=st.integers(1, 40),
)
def test_parts_come_out_as_they_went_in(parts, step):
    """Whatever the pieces and however much data looks like a delimiter, unless it is one."""
    delimiter = b"\r\n--" + BOUNDARY.encode()
    parts = [part for part in parts if delimiter not in b"\r\n" + part + b"\r\n"]
    found, ended = read(body(*parts), step)
    assert [part.encoded for part in found] == parts
    assert ended


@pytest.mark.parametrize("step", [1, 7, 1000])
@pytest.mark.parametrize(
    "tail", [b"c", b"-x", b" \tc"], ids=["a longer word", "one hyphen", "padding, then data"]
)
def test_a_line_that_only_begins_like_a_delimiter_is_data(tail, step):
    """Such a line does not end its part."""
    part = b"1\r\n--" + BOUNDARY.encode() + tail + b"\r\n2"
    assert [p.encoded for p in read(body(part, b"3"), step)[0]] == [part, b"3"]


def test_preamble_padding_and_epilogue_are_nothing():
    """What stands before the first and after the last delimiter is no part; nor is white space at one."""
    whole = (
        b"hello\r\n"
        + body(b"1").replace(b"a--b\r\n", b"a--b \t\r\n", 1)
        + b"bye\r\n--a--b\r\n\r\n2\r\n--a--b--"
    )
    assert [p.encoded for p in read(whole, 3)[0]] == [b"1"]


def test_a_part_says_its_media_type():
    """In lower case, without parameters; none is DICOM."""
    for headers, media_type in [
        (b"content-TYPE: Application/DICOM; transfer-syntax=1.2\r\nX: y\r\n", "application/dicom"),
        (b"Content-Type: text/plain\r\n", "text/plain"),
        (b"", "application/dicom"),
    ]:
        assert read(body(b"1", headers=headers), 1)[0][0].media_type == media_type


def test_too_long_a_part_is_read_past():
    """It comes without its bytes, and its neighbours come with theirs."""
    found, ended = read(body(b"1" * 10, b"2" * 11, b"3"), 4, part_bytes=10)
    assert [(p.encoded, p.size_bytes) for p in found] == [(b"1" * 10, 10), (None, 11), (b"3", 1)]
    assert ended


def test_no_more_than_one_part_is_held():
    """Of a long part nothing but the last piece is in memory."""
    reader = Multipart(BOUNDARY, 1000)
    assert list(reader.feed(body(b"")[:-9] + b"x")) == []
    for _ in range(100):
        assert list(reader.feed(b"\r\n--a" * 2000)) == []
        assert len(reader._ahead) + len(reader._kept) < 20_000


def test_a_body_that_breaks_off_has_not_ended():
    """Whole parts were handed out, the broken one was not."""
    whole = body(b"1", b"2")
    found, ended = read(whole[:-12])
    assert [p.encoded for p in found] == [b"1"]
    assert not ended


def test_headers_without_end_are_refused():
    """A part's headers are bounded, ended or not."""
    for end in (b"", b"\r\n\r\n"):
        with pytest.raises(MultipartError, match="too long"):
            read(b"--a--b\r\n" + b"x" * (MOST_HEADER_BYTES + 1) + end, 1000)


@pytest.mark.parametrize("boundary", ["", "x" * 71, "ü"])
def test_a_boundary_is_checked(boundary):
    """RFC 2046: 1 to 70 characters."""
    with pytest.raises(MultipartError):
        Multipart(boundary, 1)


def test_a_content_type_is_read():
    """Quoted or not; what is missing is empty, and no line break gets in."""
    assert content_type('Multipart/Related; type="application/DICOM"; boundary=x-1') == (
        "multipart/related",
        "x-1",
        "application/dicom",
    )
    assert content_type("") == ("text/plain", "", "")
    assert content_type("a/b;\r\n boundary=c").boundary == "c"
