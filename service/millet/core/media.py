"""What kind of bytes an object is, by its kind: its media type, and who can take it."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

DICOM = "application/dicom"
"""RFC 3240."""
HL7 = "x-application/hl7-v2+er7"
"""As HL7 over HTTP names the encoding with bars and hats."""
_BY_ENDING = {".png": "image/png", ".json": "application/json", ".pb": "application/protobuf"}
NOTICE = "application/json"
"""A notification."""
_BY_PREFIX = {
    "hl7": HL7,
    "fhir": "application/fhir+json",
    **dict.fromkeys(["notice", "urgent", "digest"], NOTICE),
}
_ENDINGS = {DICOM: ".dcm", HL7: ".hl7", "application/fhir+json": ".json"}
CALLING = ("webhook", "mail")
"""Transports of notifications that call somebody."""
LISTING = ("oru", "fhir", "ups")
"""Transports of notifications to systems that keep one entry for each study."""
NOTIFYING = (*CALLING, *LISTING)
"""They are sent nothing else."""
TELLING = ("http", "mllp", *NOTIFYING)
"""Transports to those for whom a newer message replaces an older one about the same; archives keep all."""
TRANSPORTS = ("folder", "dicom", "stow", *TELLING)
_ONLY = {"dicom": DICOM, "stow": DICOM, "mllp": HL7, **dict.fromkeys(NOTIFYING, NOTICE)}
"""What a transport is made for; the others carry anything."""
ON_REQUEST = frozenset(["labelmap", "cad"])
"""Kinds of DICOM objects that many archives do not know: they get them where they ask for them by name."""


def is_sent(kind: str) -> bool:
    """Whether a kind of object goes to destinations; what has the ending of a file is for ourselves."""
    return "." not in kind


def is_instance(kind: str) -> bool:
    """Whether a kind of object is a DICOM instance, which has a UID."""
    return media_type(kind) == DICOM


def is_replaced(kind: str) -> bool:
    """Whether a report of a later generation takes the place of one of that kind, where it comes to.

    HL7 results have the same name in each generation; instances and FHIR resources have identifiers of
    their own, and stand beside each other.
    """
    return media_type(kind) == HL7


def media_type(kind: str) -> str:
    """The media type of a kind of object: "sr" and "sc-axial" are DICOM, "hl7-oru" is a message."""
    for ending, found in _BY_ENDING.items():
        if kind.endswith(ending):
            return found
    return _BY_PREFIX.get(kind.partition("-")[0], DICOM)


def file_ending(kind: str) -> str:
    """What the name of a file of that kind ends with; a kind that has an ending keeps it."""
    return _ENDINGS.get(media_type(kind), "") if "." not in kind else ""


def carries(transport: str, kind: str) -> bool:
    """Whether a transport is made for a kind of object."""
    return _ONLY.get(transport, media_type(kind)) == media_type(kind)


def wanted(transport: str, kind: str, kinds: Sequence[str]) -> bool:
    """Whether a destination that asked for some kinds, or for none in particular, is sent one.

    `kinds` may hold patterns, such as `sc-*`.
    """
    if not carries(transport, kind):
        return False
    if kinds:
        return any(fnmatchcase(kind, one) for one in kinds)
    return kind not in ON_REQUEST or _ONLY.get(transport) != DICOM
