"""The DICOM JSON model (PS3.18 F): rows of an answer, and the answer to a store request."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from millet.codec.elements import tag_of
from millet.codec.identifiers import LONGEST_TEXT, Row

MEDIA_TYPE = "application/dicom+json"


def rows(body: bytes, wanted: Sequence[str]) -> list[Row]:
    """The data sets of a QIDO-RS answer, their `wanted` attributes as text; an empty body has none.

    Raises:
        ValueError: it is no list of data sets. The message quotes nothing of it.
    """
    if not body.strip():
        return []
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise ValueError("the answer is no DICOM JSON") from None
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise ValueError("the answer is no list of data sets")
    return [{keyword: text for keyword in wanted if (text := _text(one, keyword))} for one in found]


def _text(dataset: dict[str, Any], keyword: str) -> str:
    """The first value of an attribute, if that is a text or a number."""
    element = dataset.get(f"{tag_of(keyword):08X}")
    values = element.get("Value") if isinstance(element, dict) else None
    first = values[0] if isinstance(values, list) and values else None
    if isinstance(first, bool) or not isinstance(first, str | int | float):
        return ""
    return str(first)[:LONGEST_TEXT].strip(" \0")


class Outcome(NamedTuple):
    """What became of one part of a store request."""

    sop_class_uid: str
    sop_instance_uid: str
    """Empty, both of them, for a part that could not be read."""
    study_uid: str
    series_uid: str
    failure: int | None = None
    """Failure Reason (0008,1197): the status that C-STORE would have had; None for what is stored."""


def store_response(outcomes: Sequence[Outcome], root: str) -> bytes:
    """The Store Instances Response Module (PS3.18 I.2) as DICOM JSON.

    Args:
        outcomes: of every part.
        root: URL of the service below which studies would be retrieved; empty for one that offers no
            retrieval, whose Retrieve URLs are left out.
    """
    stored = [_reference(one, root) for one in outcomes if one.failure is None]
    failed = [_reference(one, "") for one in outcomes if one.failure is not None and one.sop_instance_uid]
    other = [_failure(one) for one in outcomes if one.failure is not None and not one.sop_instance_uid]
    dataset = {
        **_element("FailedSOPSequence", "SQ", failed),
        **_element("ReferencedSOPSequence", "SQ", stored),
        **_element("OtherFailuresSequence", "SQ", other),
    }
    return json.dumps(dict(sorted(dataset.items()))).encode("ascii")


def _reference(one: Outcome, root: str) -> dict[str, Any]:
    url = f"{root}/studies/{one.study_uid}/series/{one.series_uid}/instances/{one.sop_instance_uid}"
    return {
        **_element("ReferencedSOPClassUID", "UI", [one.sop_class_uid]),
        **_element("ReferencedSOPInstanceUID", "UI", [one.sop_instance_uid]),
        **_element("RetrieveURL", "UR", [url] if root else []),
        **_failure(one),
    }


def _failure(one: Outcome) -> dict[str, Any]:
    return _element("FailureReason", "US", [] if one.failure is None else [one.failure])


def _element(keyword: str, vr: str, values: Sequence[Any]) -> dict[str, Any]:
    """One attribute, or none where there are no values."""
    return {f"{tag_of(keyword):08X}": {"vr": vr, "Value": list(values)}} if values else {}
