"""multipart/related, read as it comes (RFC 2046 5.1, RFC 2387, PS3.18 8.6).

Theory of operation. The bytes of a body are fed in pieces of any size, and each part is handed out once its
closing delimiter was seen. Of a part no more than `part_bytes` are kept: what is longer is read past and
handed out without its bytes, so that its neighbours are none the worse for it. What is held at any time is
one part, one piece and one delimiter. A line that begins like the delimiter and goes on otherwise is data.
"""

from __future__ import annotations

from collections.abc import Iterator
from email.message import Message
from enum import Enum, auto
from typing import NamedTuple

MOST_HEADER_BYTES = 16_384
MOST_PADDING = 256
"""White space after a delimiter (RFC 2046: transport padding)."""
LONGEST_BOUNDARY = 70


class MultipartError(ValueError):
    """The body is no multipart of this boundary."""


class Part(NamedTuple):
    """One part of a body."""

    media_type: str
    """In lower case, without parameters; `application/dicom` where the part says none."""
    encoded: bytes | None
    """None for a part that is longer than what is taken."""
    size_bytes: int


class ContentType(NamedTuple):
    """A media type with the parameters that a multipart has."""

    media_type: str
    boundary: str
    type: str
    """Of the parts, as the whole declares it."""


def content_type(text: str) -> ContentType:
    """Read a Content-Type header; what is missing is empty."""
    message = Message()
    message["content-type"] = text.replace("\r", " ").replace("\n", " ")
    values = {name: message.get_param(name, "") for name in ("boundary", "type")}
    told = {name: value if isinstance(value, str) else "" for name, value in values.items()}
    return ContentType(message.get_content_type(), told["boundary"], told["type"].lower())


class _At(Enum):
    PREAMBLE = auto()
    HEADERS = auto()
    BODY = auto()
    END = auto()


class _Follows(Enum):
    """What stands behind the bytes of a delimiter."""

    PART = auto()
    END = auto()
    DATA = auto()
    UNKNOWN = auto()
    """More bytes are needed to tell."""


class Multipart:
    """Reads one body. Not thread-safe."""

    def __init__(self, boundary: str, part_bytes: int) -> None:
        if not 0 < len(boundary) <= LONGEST_BOUNDARY or not boundary.isascii():
            raise MultipartError("a boundary is 1 to 70 ASCII characters")
        self._delimiter = b"\r\n--" + boundary.encode("ascii")
        self._part_bytes = part_bytes
        self._at = _At.PREAMBLE
        self._ahead = bytearray(b"\r\n")  # a body may begin with its delimiter
        self._media_type = ""
        self._before = 0
        """Bytes still to be read past before the part's own begin."""
        self._kept = bytearray()
        self._size_bytes = 0

    @property
    def ended(self) -> bool:
        """Whether the closing delimiter was seen."""
        return self._at is _At.END

    def feed(self, piece: bytes) -> Iterator[Part]:
        """Take the next bytes; the parts that they complete. To be iterated to its end.

        Raises:
            MultipartError: headers of a part are too long or lack their end.
        """
        self._ahead += piece
        while self._at is not _At.END:
            if self._at is _At.HEADERS:
                if not self._headers():
                    return
                continue
            was_body = self._at is _At.BODY
            follows = self._to_delimiter()
            if follows is _Follows.UNKNOWN:
                return
            if was_body:
                yield self._part()
            self._at = _At.END if follows is _Follows.END else _At.HEADERS
        self._ahead.clear()  # an epilogue is nothing

    def _to_delimiter(self) -> _Follows:
        """Take what stands before the next delimiter; UNKNOWN while that one is not whole."""
        start = 0
        while (at := self._ahead.find(self._delimiter, start)) >= 0:
            behind = at + len(self._delimiter)
            follows, end = _after(self._ahead, behind)
            if follows is _Follows.DATA:
                start = at + 1
                continue
            self._take(at)
            if follows is not _Follows.UNKNOWN:
                del self._ahead[: end - at]
            return follows
        self._take(max(start, len(self._ahead) - len(self._delimiter) + 1))
        return _Follows.UNKNOWN

    def _take(self, count: int) -> None:
        """Move bytes from what lies ahead into the part, if they belong to one and there is room."""
        if self._at is _At.BODY and count:
            skipped = min(self._before, count)
            self._before -= skipped
            self._size_bytes += count - skipped
            if self._size_bytes > self._part_bytes:
                self._kept.clear()
            else:
                self._kept += self._ahead[skipped:count]
        del self._ahead[:count]

    def _headers(self) -> bool:
        """Read a part's headers, if they are all there."""
        if self._ahead.startswith(b"\r\n"):
            end, length = 0, 2
        else:
            end, length = self._ahead.find(b"\r\n\r\n"), 4
        if end > MOST_HEADER_BYTES or (end < 0 and len(self._ahead) > MOST_HEADER_BYTES):
            raise MultipartError("the headers of a part are too long")
        if end < 0:
            return False
        self._media_type = _media_type(bytes(self._ahead[:end]))
        del self._ahead[: end + length - 2]  # a delimiter may follow at once: its line break is the last one
        self._before, self._size_bytes, self._at = 2, 0, _At.BODY
        return True

    def _part(self) -> Part:
        encoded = None if self._size_bytes > self._part_bytes else bytes(self._kept)
        self._kept = bytearray()
        return Part(self._media_type, encoded, self._size_bytes)


def _after(ahead: bytearray, behind: int) -> tuple[_Follows, int]:
    """What follows a delimiter's bytes, and where the line break after it begins or the body ends."""
    found = bytes(ahead[behind : behind + MOST_PADDING + 2])
    if found.startswith(b"--"):
        return _Follows.END, behind + 2
    padded = found.lstrip(b" \t")
    if padded.startswith(b"\r\n"):
        return _Follows.PART, behind + len(found) - len(padded) + 2
    is_short = len(found) < MOST_PADDING and padded in {b"", b"\r", b"-"}
    return (_Follows.UNKNOWN if is_short else _Follows.DATA), behind


def _media_type(headers: bytes) -> str:
    """The media type that the headers of a part declare (PS3.18 8.6.1.2)."""
    for line in headers.decode("latin-1").split("\r\n"):
        name, _, value = line.partition(":")
        if name.strip().lower() == "content-type":
            return content_type(value.strip()).media_type
    return "application/dicom"
