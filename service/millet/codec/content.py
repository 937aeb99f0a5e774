"""Content items of a structured report (PS3.3 C.17.3), each encoded from its value in a document's language.

An item is written as bytes at once, its elements in the order of their tags (PS3.5 7.1): what every item
begins with comes before all values but that of an image. What recurs in each group is encoded once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

from millet.codec import codes
from millet.codec.codes import Code
from millet.codec.elements import ASCII, Encoded, Item, Value, dataset, element, joined
from millet.core import language
from millet.core.geometry import PointMm
from millet.core.language import Language
from millet.core.rounding import written

CONTAINS = "CONTAINS"
MODIFIES = "HAS CONCEPT MOD"
CONTEXT = "HAS OBS CONTEXT"
SELECTED = "SELECTED FROM"
INFERRED = "INFERRED FROM"
PROPERTY = "HAS PROPERTIES"
_REMEMBERED = 8192  # measurements


@dataclass(frozen=True, slots=True, eq=False)
class Pen:
    """Writes what a document says, in its language and letters.

    There is one of each (`pen_for`), by which what recurs is remembered.
    """

    language: Language
    letters: str
    """As `elements.dataset` takes them."""

    # --- words, elements and codes -------------------------------------------------------------------

    def say(self, key: str, /, **parts: object) -> str:
        """A phrase (`core.language`)."""
        return language.say(self.language, key, **parts)

    def spelled(self, value: float) -> str:
        """A rounded number in prose."""
        return language.spelled(value, self.language)

    def dataset(self, **values: Value) -> dict[int, bytes]:
        """Elements by keyword."""
        return dataset(self.letters, **values)

    def element(self, keyword: str, value: Value) -> bytes:
        """One element."""
        return element(keyword, value, self.letters)

    def encoded(self, code: Code) -> Encoded:
        """The item of a code sequence."""
        return codes.encoded(code, self.language, self.letters)

    # --- content items -------------------------------------------------------------------------------

    def root(self, concept: Code, children: Sequence[Item], template: str) -> Encoded:
        """The container that is the document itself: elements to be merged with the document's own."""
        return dataset(
            ValueType="CONTAINER",
            ConceptNameCodeSequence=[self.encoded(concept)],
            ContinuityOfContent="CONTINUOUS",
            ContentTemplateSequence=[_template(template)],
            ContentSequence=children,
        )

    def container(
        self, concept: Code, children: Sequence[Item], *, template: str = "", relationship: str = CONTAINS
    ) -> Item:
        """A container within another."""
        return _container_head(self, relationship, concept, template) + _children(children)

    def code(self, relationship: str, concept: Code, value: Code, children: Sequence[Item] = ()) -> Item:
        """A coded value."""
        return _code(self, relationship, concept, value) + _children(children)

    def text(self, relationship: str, concept: Code, value: str) -> Item:
        """Text; what the document's letters lack is spelt out, or becomes a question mark."""
        return _head(self, relationship, "TEXT", concept) + self.element("TextValue", value)

    def uid(self, relationship: str, concept: Code, value: str) -> Item:
        """A UID reference."""
        return _head(self, relationship, "UIDREF", concept) + element("UID", value)

    def region(
        self,
        concept: Code,
        shape: str,
        points: Sequence[tuple[float, float]],
        source: Item,
        *,
        relationship: str = CONTAINS,
    ) -> Item:
        """A POINT or a closed POLYLINE (C.18.6) on the image that `source` is: (column, row), float32.

        The centre of the top left pixel is (0.5, 0.5).
        """
        return (
            _head(self, relationship, "SCOORD", concept)
            + _children([source])
            + element("GraphicData", [v for point in points for v in point])
            + element("GraphicType", shape)
        )

    def number(
        self,
        concept: Code,
        value: float,
        unit: Code,
        children: Sequence[Item] = (),
        *,
        relationship: str = CONTAINS,
    ) -> Item:
        """A measurement (TID 300), of a value that is rounded already (`core.rounding`)."""
        return _measured(self, relationship, concept, unit, written(value)) + _children(children)

    def sphere(
        self, concept: Code, centre_mm: PointMm, diameter_mm: float, frame_of_reference_uid: str
    ) -> Item:
        """A sphere as an ELLIPSOID (C.18.9.1.2): the ends of three axes along x, y and z, LPS mm, float32.

        The mean of the six points is the centre.
        """
        radius = diameter_mm / 2
        x, y, z = (c + 0.0 for c in centre_mm)  # never minus nought
        ends = (
            (x - radius, y, z),
            (x + radius, y, z),
            (x, y - radius, z),
            (x, y + radius, z),
            (x, y, z - radius),
            (x, y, z + radius),
        )
        return (
            _head(self, CONTAINS, "SCOORD3D", concept)
            + element("GraphicData", [v for end in ends for v in end])
            + element("GraphicType", "ELLIPSOID")
            + element("ReferencedFrameOfReferenceUID", frame_of_reference_uid)
        )

    def image(
        self,
        concept: Code | None,
        sop_class_uid: str,
        sop_instance_uid: str,
        relationship: str = CONTAINS,
        *,
        state: Encoded | None = None,
    ) -> Item:
        """A reference to an image, which comes before what every item begins with; some have no name.

        `state` refers to the presentation state that it is to be shown by (C.18.4).
        """
        by = dataset(ReferencedSOPSequence=[state]) if state else {}
        referenced = element("ReferencedSOPSequence", [{**reference(sop_class_uid, sop_instance_uid), **by}])
        return referenced + _head(self, relationship, "IMAGE", concept)


@cache
def pen_for(language: Language = Language.ENGLISH, letters: str = ASCII) -> Pen:
    """The pen of a language and letters."""
    return Pen(language, letters)


def reference(sop_class_uid: str, sop_instance_uid: str) -> Encoded:
    """A SOP instance reference (PS3.3 10.8)."""
    return dataset(ReferencedSOPClassUID=sop_class_uid, ReferencedSOPInstanceUID=sop_instance_uid)


def _children(children: Sequence[Item]) -> bytes:
    return element("ContentSequence", children) if children else b""


@cache
def _template(identifier: str) -> Encoded:
    return dataset(MappingResource="DCMR", TemplateIdentifier=identifier)


@cache
def _head(pen: Pen, relationship: str, value_type: str, concept: Code | None) -> bytes:
    """What every item begins with."""
    named = dataset(ConceptNameCodeSequence=[pen.encoded(concept)]) if concept else {}
    return joined({**dataset(RelationshipType=relationship, ValueType=value_type), **named})


@cache
def _container_head(pen: Pen, relationship: str, concept: Code, template: str) -> bytes:
    templates = element("ContentTemplateSequence", [_template(template)]) if template else b""
    head = _head(pen, relationship, "CONTAINER", concept)
    return head + element("ContinuityOfContent", "CONTINUOUS") + templates


@cache
def _code(pen: Pen, relationship: str, concept: Code, value: Code) -> bytes:
    return _head(pen, relationship, "CODE", concept) + element("ConceptCodeSequence", [pen.encoded(value)])


@lru_cache(_REMEMBERED)
def _measured(pen: Pen, relationship: str, concept: Code, unit: Code, decimal: str) -> bytes:
    """A NUM; numbers that are rounded recur."""
    measured = _unit(pen, unit) + element("NumericValue", decimal)
    return _head(pen, relationship, "NUM", concept) + element("MeasuredValueSequence", [measured])


@cache
def _unit(pen: Pen, unit: Code) -> bytes:
    return element("MeasurementUnitsCodeSequence", [pen.encoded(unit)])
