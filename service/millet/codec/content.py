"""Content items of a structured report (PS3.3 C.17.3), each encoded from its value."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from millet.codec.codes import Code, encoded
from millet.codec.elements import Encoded, dataset
from millet.core.geometry import PointMm

CONTAINS = "CONTAINS"
MODIFIES = "HAS CONCEPT MOD"
CONTEXT = "HAS OBS CONTEXT"


def container(
    concept: Code, children: Sequence[Encoded], *, template: str = "", relationship: str = CONTAINS
) -> Encoded:
    """A container; without a relationship it is the root of a document."""
    named = {} if not template else {"ContentTemplateSequence": [_template(template)]}
    return {
        **(dataset(RelationshipType=relationship) if relationship else {}),
        **dataset(
            ValueType="CONTAINER",
            ConceptNameCodeSequence=[encoded(concept)],
            ContinuityOfContent="CONTINUOUS",
            **named,
        ),
        **_children(children),
    }


def code(relationship: str, concept: Code, value: Code, children: Sequence[Encoded] = ()) -> Encoded:
    """A coded value."""
    return {
        **_head(relationship, "CODE", concept),
        **dataset(ConceptCodeSequence=[encoded(value)]),
        **_children(children),
    }


def text(relationship: str, concept: Code, value: str) -> Encoded:
    """Text; what is not ASCII becomes a question mark."""
    return {**_head(relationship, "TEXT", concept), **dataset(TextValue=value)}


def uid(relationship: str, concept: Code, value: str) -> Encoded:
    """A UID reference."""
    return {**_head(relationship, "UIDREF", concept), **dataset(UID=value)}


def number(concept: Code, value: float, unit: Code, children: Sequence[Encoded] = ()) -> Encoded:
    """A measurement (TID 300): decimal string, and the exact binary where it is no whole number."""
    exact = {} if isinstance(value, int) else dataset(FloatingPointValue=value)
    measured = {
        **dataset(MeasurementUnitsCodeSequence=[encoded(unit)], NumericValue=decimal(value)),
        **exact,
    }
    return {
        **_head(CONTAINS, "NUM", concept),
        **dataset(MeasuredValueSequence=[measured]),
        **_children(children),
    }


def sphere(concept: Code, centre_mm: PointMm, diameter_mm: float, frame_of_reference_uid: str) -> Encoded:
    """A sphere as an ELLIPSOID (C.18.9.1.2): the ends of three axes along x, y and z, LPS mm, float32.

    The mean of the six points is the centre.
    """
    radius = diameter_mm / 2
    ends = []
    for axis in range(3):
        for sign in (-1, 1):
            ends += [c + (sign * radius if axis == place else 0.0) for place, c in enumerate(centre_mm)]
    return {
        **_head(CONTAINS, "SCOORD3D", concept),
        **dataset(
            GraphicType="ELLIPSOID",
            GraphicData=ends,
            ReferencedFrameOfReferenceUID=frame_of_reference_uid,
        ),
    }


def image(concept: Code, sop_class_uid: str, sop_instance_uid: str) -> Encoded:
    """A reference to an image."""
    return {
        **_head(CONTAINS, "IMAGE", concept),
        **dataset(ReferencedSOPSequence=[reference(sop_class_uid, sop_instance_uid)]),
    }


def reference(sop_class_uid: str, sop_instance_uid: str) -> Encoded:
    """A SOP instance reference (PS3.3 10.8)."""
    return dataset(ReferencedSOPClassUID=sop_class_uid, ReferencedSOPInstanceUID=sop_instance_uid)


def decimal(value: float) -> str:
    """A DS: as many digits as sixteen characters surely hold."""
    return str(value) if isinstance(value, int) else f"{value:.9g}"


def _children(children: Sequence[Encoded]) -> Encoded:
    return dataset(ContentSequence=children) if children else {}


@cache
def _template(identifier: str) -> Encoded:
    return dataset(MappingResource="DCMR", TemplateIdentifier=identifier)


@cache
def _head(relationship: str, value_type: str, concept: Code) -> Encoded:
    return dataset(
        RelationshipType=relationship, ValueType=value_type, ConceptNameCodeSequence=[encoded(concept)]
    )
