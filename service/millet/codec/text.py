"""Text in the character sets of DICOM (PS3.3 C.12.1.1.2, PS3.5 6.1), never failing, never warning.

pydicom's own conversion quotes the value in its warnings, and a value may be a patient's name; so the
few rules are written out here. What cannot be decoded comes back with U+FFFD in its place and a flag.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_SINGLE = {
    "": "ascii",
    "ISO_IR 6": "ascii",
    "ISO_IR 13": "shift_jis",
    "ISO_IR 100": "latin_1",
    "ISO_IR 101": "iso8859_2",
    "ISO_IR 109": "iso8859_3",
    "ISO_IR 110": "iso8859_4",
    "ISO_IR 126": "iso8859_7",
    "ISO_IR 127": "iso8859_6",
    "ISO_IR 138": "iso8859_8",
    "ISO_IR 144": "iso8859_5",
    "ISO_IR 148": "iso8859_9",
    "ISO_IR 166": "iso8859_11",
    "ISO_IR 192": "utf_8",
    "ISO_IR 203": "iso8859_15",
    "GB18030": "gb18030",
    "GBK": "gbk",
}
"""Defined terms without code extensions, and the codec of each."""

_ESCAPES = {
    b"\x1b(B": "ascii",
    b"\x1b-A": "latin_1",
    b"\x1b-B": "iso8859_2",
    b"\x1b-C": "iso8859_3",
    b"\x1b-D": "iso8859_4",
    b"\x1b-F": "iso8859_7",
    b"\x1b-G": "iso8859_6",
    b"\x1b-H": "iso8859_8",
    b"\x1b-L": "iso8859_5",
    b"\x1b-M": "iso8859_9",
    b"\x1b-T": "iso8859_11",
    b"\x1b-b": "iso8859_15",
    b"\x1b)I": "shift_jis",
    b"\x1b(J": "shift_jis",
    b"\x1b$B": "iso2022_jp",
    b"\x1b$(D": "iso2022_jp_2",
    b"\x1b$)C": "euc_kr",
    b"\x1b$)A": "gb2312",
}
"""Escape sequences of PS3.3 tables C.12-3 and C.12-4."""
_TWO_BYTE = frozenset(("iso2022_jp", "iso2022_jp_2"))
"""Codecs of seven-bit pairs, which want their escape sequence back in front."""
_ESCAPE = re.compile(rb"\x1b(?:\$?[()\-][A-Za-z]|\$[A-Z])")
_RESETS = re.compile(rb"([\^=\\\r\n])")
"""Delimiters at which the code elements return to the first character set (PS3.5 6.1.2.5.3)."""


class Text(NamedTuple):
    """Decoded text, and whether all of it was."""

    value: str
    undecodable: bool


def decode(value: bytes, character_set: str) -> Text:
    """Decode a value in the character sets of (0008,0005), a backslash between them.

    Without a declared set, or with an unknown one, UTF-8 is tried, which never passes by accident; then
    the bytes above 127 are undecodable.
    """
    if value.isascii() and b"\x1b" not in value:  # the same in every one of them
        return Text(value.decode("ascii").strip(" \0"), undecodable=False)
    terms = [_term(term) for term in character_set.split("\\")]
    first = _SINGLE.get(terms[0], "ascii")
    for codec in dict.fromkeys((first, "utf_8")):
        try:
            return Text(_pieces(value, codec).strip(" \0"), undecodable=False)
        except (UnicodeError, LookupError):
            continue
    return Text(value.decode("ascii", "replace").strip(" \0"), undecodable=True)


def codec_of(character_set: str) -> str:
    """What text begins to be decoded by: a codec of ASCII and letters in one byte, UTF-8, or none."""
    codec = _SINGLE.get(_term(character_set.partition("\\")[0]), "")
    return codec if codec.startswith(("latin", "iso8859", "utf")) else ""


def _term(term: str) -> str:
    """The term without code extensions; `ISO-IR 100` and `ISO_IR_100` are common mistakes."""
    plain = re.sub(r"[\s_-]+", " ", term.strip().upper()).replace("ISO 2022 IR", "ISO IR")
    return plain.replace("ISO IR", "ISO_IR")


def _pieces(value: bytes, first: str) -> str:
    """Decode run after run: an escape sequence sets the codec, a delimiter resets it."""
    decoded, at, escape = [], 0, b""
    for found in _ESCAPE.finditer(value):
        decoded.append(_run(value[at : found.start()], escape, first))
        escape, at = found.group(), found.end()
    return "".join((*decoded, _run(value[at:], escape, first)))


def _run(run: bytes, escape: bytes, first: str) -> str:
    """One run behind its escape sequence. A two-byte set may hold delimiters as halves of characters."""
    codec = _ESCAPES[escape] if escape else first
    if codec in _TWO_BYTE:
        return (escape + run).decode(codec)
    head, *rest = _RESETS.split(run, maxsplit=1)
    return head.decode(codec) + "".join(part.decode(first) for part in rest)
