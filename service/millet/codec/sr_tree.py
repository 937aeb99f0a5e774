"""The content tree of any structured report (PS3.3 C.17.3), read from its bytes at a bounded cost.

Reports of thousands of groups are read in a second, since elements are walked once, those that nobody asks
for are skipped by their length, and codes, which recur, are decoded once. A report that breaks off, or says a
length that cannot be, is read as far as it goes; `Tree.whole` tells.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from math import isfinite

import numpy as np

from millet.codec import text
from millet.codec.bounds import MOST_INFLATED_BYTES, Budget, Excessive, inflated
from millet.codec.codes import Code
from millet.codec.elements import (
    DEFLATED,
    EXPLICIT_BIG,
    data_set_start,
    tag_of,
    transfer_syntax,
)
from millet.codec.raw import ITEM, ITEM_END, UNDEFINED, VR_NAMES, Syntax, dictionary_vr, header_at, little

MOST_ELEMENTS = 2_000_000
"""Of one report: 2,000 nodules in full detail have some 700,000."""
MOST_BYTES = MOST_INFLATED_BYTES
MOST_POINTS = 100_000
"""Of one graphic."""
LONGEST_CODE = 256
"""Bytes of a code that are looked at; those that are known here have eleven."""
SEQUENCE_END = 0xFFFE_E0DD

_WANTED = """
SpecificCharacterSet SOPClassUID SOPInstanceUID StudyInstanceUID SeriesInstanceUID
Manufacturer ManufacturerModelName SoftwareVersions
RelationshipType ValueType ConceptNameCodeSequence ConceptCodeSequence ContentSequence TextValue UID
MeasuredValueSequence MeasurementUnitsCodeSequence NumericValue GraphicData GraphicType
ReferencedFrameOfReferenceUID ReferencedSOPSequence ReferencedSOPClassUID ReferencedSOPInstanceUID
ReferencedSegmentNumber CodeValue LongCodeValue URNCodeValue CodingSchemeDesignator CodeMeaning
ContentTemplateSequence TemplateIdentifier
"""
_EVIDENCE = ("CurrentRequestedProcedureEvidenceSequence", "PertinentOtherEvidenceSequence")
_TAGS = {tag_of(keyword): keyword for keyword in _WANTED.split()}
_TAGS_OF_EVIDENCE = {
    tag_of(keyword): keyword
    for keyword in (*_EVIDENCE, "StudyInstanceUID", "ReferencedSeriesSequence", "SeriesInstanceUID")
}
_PREDECESSORS = ("PredecessorDocumentsSequence", "ReferencedSeriesSequence", "ReferencedSOPSequence")
_TAGS_OF_PREDECESSORS = {
    tag_of(keyword): keyword for keyword in (*_PREDECESSORS, "ReferencedSOPInstanceUID", "SOPInstanceUID")
}

Value = bytes | list["Found"]
Found = dict[str, Value]
"""An item by keyword: values as they stand in little endian, sequences as their items."""


@dataclass(slots=True)
class Node:
    """One content item; what it lacks is empty."""

    found: Found = field(repr=False)
    charset: str = field(repr=False)

    def word(self, keyword: str) -> str:
        """A value as ASCII, for codes, UIDs and numbers."""
        return self.binary(keyword).decode("ascii", "replace").strip(" \0")

    def binary(self, keyword: str) -> bytes:
        """A value as it stands; nothing of a sequence."""
        value = self.found.get(keyword)
        return value if isinstance(value, bytes) else b""

    @property
    def text(self) -> str:
        """Text Value, in the character set of the report."""
        return self.words("TextValue")

    def words(self, keyword: str) -> str:
        """A value in the character set of the report."""
        return text.decode(self.binary(keyword), self.charset).value

    @property
    def concept(self) -> Code | None:
        """Concept Name."""
        return _code(self.first("ConceptNameCodeSequence"))

    @property
    def value(self) -> Code | None:
        """Concept Code, of a CODE."""
        return _code(self.first("ConceptCodeSequence"))

    @property
    def children(self) -> Sequence[Node]:
        """The items of its content."""
        return self.below("ContentSequence")

    @property
    def measured(self) -> tuple[float, Code | None] | None:
        """Number and unit of a NUM; None where there is no finite number."""
        measured = self.first("MeasuredValueSequence")
        written = measured.get("NumericValue")
        try:
            number = (
                float(written.decode("ascii").strip(" \0")) if isinstance(written, bytes) else float("nan")
            )
        except ValueError:
            return None
        units = measured.get("MeasurementUnitsCodeSequence")
        unit = _code(units[0]) if isinstance(units, list) and units else None
        return (number, unit) if isfinite(number) else None

    @property
    def points(self) -> list[float]:
        """Graphic Data; nothing where it is not finite or too long."""
        value = self.found.get("GraphicData")
        if not isinstance(value, bytes) or len(value) > 4 * 3 * MOST_POINTS:
            return []
        numbers = np.frombuffer(value[: len(value) // 4 * 4], "<f4")
        return [float(number) for number in numbers] if np.isfinite(numbers).all() else []

    @property
    def reference(self) -> Node:
        """The first referenced instance, by `word`."""
        return Node(self.first("ReferencedSOPSequence"), self.charset)

    @property
    def template(self) -> str:
        """Template Identifier of a container."""
        return Node(self.first("ContentTemplateSequence"), self.charset).word("TemplateIdentifier")

    def below(self, keyword: str) -> Sequence[Node]:
        """The items of a sequence."""
        return [Node(found, self.charset) for found in self._items(keyword)]

    def _items(self, keyword: str) -> list[Found]:
        value = self.found.get(keyword)
        return value if isinstance(value, list) else []

    def first(self, keyword: str) -> Found:
        """The first item of a sequence."""
        items = self._items(keyword)
        return items[0] if items else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """A report: its root, which has the elements of the instance beside it."""

    root: Node
    whole: bool
    """Whether all of it could be read."""


def read(encoded: bytes) -> Tree:
    """Read a DICOM file or a bare data set.

    Raises:
        ValueError: It is no data set, or larger than any report.
    """
    root, whole = _read(encoded, _TAGS)
    return Tree(root=Node(root.found, root.word("SpecificCharacterSet")), whole=whole)


def evidence(encoded: bytes) -> Mapping[str, set[str]]:
    """The series that a report names as its evidence (PS3.3 C.17.2.3), each with the studies it names it in.

    Its content is passed over.

    Raises:
        ValueError: As `read` does.
    """
    root, _ = _read(encoded, _TAGS_OF_EVIDENCE)
    found: dict[str, set[str]] = {}
    for study in (study for keyword in _EVIDENCE for study in root.below(keyword)):
        for series in study.below("ReferencedSeriesSequence"):
            if uid := series.word("SeriesInstanceUID"):
                found.setdefault(uid, set()).add(study.word("StudyInstanceUID"))
    return found


def succession(encoded: bytes) -> tuple[str, frozenset[str]]:
    """The SOP Instance UID of a report, and those of its predecessors, whose content it has (PS3.3 C.17.2).

    Raises:
        ValueError: As `read` does.
    """
    root, _ = _read(encoded, _TAGS_OF_PREDECESSORS)
    found: Sequence[Node] = [root]
    for keyword in _PREDECESSORS:
        found = [below for one in found for below in one.below(keyword)]
    uid = root.word("SOPInstanceUID")
    return uid, frozenset(one.word("ReferencedSOPInstanceUID") for one in found) - {uid, ""}


def _read(encoded: bytes, tags: Mapping[int, str]) -> tuple[Node, bool]:
    """The elements of an instance, and whether all of it could be read."""
    syntax_uid, start = transfer_syntax(encoded), data_set_start(encoded)
    data = encoded
    if syntax_uid == DEFLATED:
        data, start = inflated(encoded[start:], MOST_BYTES, whole=True), 0
    if len(data) > MOST_BYTES:
        raise Excessive(f"a report has no more than {MOST_BYTES} bytes")
    explicit = data[start + 4 : start + 6] in VR_NAMES
    walk = _Walk(data, Syntax(explicit, ">" if syntax_uid == EXPLICIT_BIG else "<"), tags)
    found, _ = walk.item(start, len(data))
    if not found:
        raise ValueError("the bytes are no data set")
    return Node(found, ""), walk.whole


def nodes(node: Node) -> Iterator[Node]:
    """A content item and all below it, as deep as reading let it be."""
    yield node
    for child in node.children:
        yield from nodes(child)


class _Walk:
    """One data set being read, each element and nesting paid for."""

    def __init__(self, data: bytes, syntax: Syntax, tags: Mapping[int, str]) -> None:
        self._tags = tags
        self._data = data
        self._syntax = syntax
        self._budget = Budget()
        self._budget.left = MOST_ELEMENTS
        self.whole = True

    def item(self, at: int, end: int) -> tuple[Found, int]:
        """The elements of one item, and where it ends."""
        found: Found = {}
        while at + 8 <= end and self.whole:
            try:
                self._budget.pay()
                tag, vr, length, start = header_at(self._data, at, self._syntax)
            except (ValueError, struct.error):
                self.whole = False
                break
            if tag == ITEM_END:
                return found, start
            at = self._element(found, tag, vr, start, length, end)
        self.whole &= at == end
        return found, end if self.whole else at

    def _element(self, found: Found, tag: int, vr: str, start: int, length: int, end: int) -> int:
        """Keep one element if it is asked for; where the next begins."""
        keyword = self._tags.get(tag)
        after = start + length
        if length != UNDEFINED and after > end:
            self.whole = False
            return end
        if vr == "UN" and keyword:
            vr = dictionary_vr(tag)
        if length == UNDEFINED or (vr == "SQ" and keyword):
            items, after = self._sequence(start, end if length == UNDEFINED else after)
            if keyword:
                found[keyword] = items
        elif keyword:
            value = self._data[start:after]
            found[keyword] = _little(vr, value) if self._syntax.order == ">" else value
        return after

    def _sequence(self, at: int, end: int) -> tuple[list[Found], int]:
        items: list[Found] = []
        try:
            with self._budget.nested():
                while at + 8 <= end and self.whole:
                    tag, _, length, start = header_at(self._data, at, self._syntax)
                    if tag != ITEM:
                        return items, start if tag == SEQUENCE_END else at
                    inner, at = self.item(start, end if length == UNDEFINED else min(start + length, end))
                    items.append(inner)
        except (ValueError, struct.error):
            self.whole = False
        return items, at


def _little(vr: str, value: bytes) -> bytes:
    """A value in little endian; a short one that cannot be cut into numbers as it stands."""
    width = {"FL": 4, "US": 2}.get(vr, 1)
    return little(vr, value, ">") if len(value) % width == 0 else b""


def _code(found: Found) -> Code | None:
    value = found.get("CodeValue") or found.get("LongCodeValue") or found.get("URNCodeValue")
    scheme, meaning = found.get("CodingSchemeDesignator", b""), found.get("CodeMeaning", b"")
    if not isinstance(value, bytes) or isinstance(scheme, list) or isinstance(meaning, list):
        return None
    return _decoded(value[:LONGEST_CODE], scheme[:LONGEST_CODE], meaning[:LONGEST_CODE])


@lru_cache(4096)
def _decoded(value: bytes, scheme: bytes, meaning: bytes) -> Code:
    """A code; its meaning is for people, and what is not ASCII in it is not needed."""
    return Code(*(part.decode("ascii", "replace").strip(" \0") for part in (value, scheme, meaning)))
