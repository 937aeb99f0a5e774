"""Unique identifiers that are a function of what they name: doing a thing twice names it the same."""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from typing import NamedTuple

from millet.core.analysis import Analysis

LONGEST_UID = 64
_UID = re.compile(r"[0-9]+(\.[0-9]+)*")


class Making(NamedTuple):
    """What one analysis is told apart by, and what its objects are named after."""

    site: str
    series_uid: str
    generation: int
    model_digest: str
    configuration_digest: str


def derived_uid(kind: str, *parts: str) -> str:
    """A DICOM UID below 2.25 (PS3.5 B.2), at most 44 characters, equal for equal arguments.

    The 128 bits are a version 8 UUID (RFC 9562, 5.8) cut from a SHA-256 over `kind` and `parts`.
    """
    digest = hashlib.sha256(json.dumps(["millet", kind, *parts]).encode("ascii")).digest()
    bits = int.from_bytes(digest[:16], "big")
    bits = bits & ~(0xF << 76) | 8 << 76
    bits = bits & ~(0x3 << 62) | 0x2 << 62
    return f"2.25.{uuid.UUID(int=bits).int}"


def made_uid(making: Making, kind: str) -> str:
    """The UID of one object or series made from an analysis.

    It depends on site, series, generation, model digest and configuration digest, so the same analysis
    made twice, on any machine, is sent as the same object.
    """
    return derived_uid(kind, *(str(part) for part in making))


def object_uid(analysis: Analysis, kind: str) -> str:
    """As `made_uid`, of an analysis at hand."""
    made_by = analysis.provenance
    making = Making(
        site=analysis.site,
        series_uid=analysis.series_uid,
        generation=analysis.generation,
        model_digest=made_by.model_digest,
        configuration_digest=made_by.configuration_digest,
    )
    return made_uid(making, kind)


def is_uid(text: str) -> bool:
    """Whether a text is a UID (PS3.5 9.1); leading zeros, which old equipment writes, are let pass."""
    return len(text) <= LONGEST_UID and _UID.fullmatch(text) is not None
