"""STOW-RS as its user writes and reads it: one instance in, failure reasons out (PS3.18 10.5)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree as ET

FAILED_SOP_SEQUENCE = "00081198"
FAILURE_REASON = "00081197"
ACCEPTED = "application/dicom+json"


def request(encoded: bytes, boundary: str) -> tuple[str, tuple[bytes, ...]]:
    """Content-Type and body of a request that stores one instance, given as a Part 10 file.

    Args:
        encoded: the file.
        boundary: a text that occurs nowhere in the file (RFC 2046 5.1.1).
    """
    head = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n"
    body = (head.encode("ascii"), encoded, f"\r\n--{boundary}--\r\n".encode("ascii"))
    return f'multipart/related; type="application/dicom"; boundary="{boundary}"', body


def reasons(media_type: str, body: bytes) -> tuple[int, ...]:
    """The Failure Reasons of a Store Instances Response; none where it has none or cannot be read."""
    try:
        if media_type.endswith("json"):
            return tuple(_in_json(json.loads(body)))
        if media_type.endswith("xml"):
            return tuple(_in_xml(body))
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
        return ()
    return ()


def _in_json(response: Any) -> Iterator[int]:
    """PS3.18 F.2; some servers put the dataset into a list."""
    datasets = response if isinstance(response, list) else [response]
    for dataset in datasets:
        for item in dataset.get(FAILED_SOP_SEQUENCE, {}).get("Value", ()):
            yield int(item[FAILURE_REASON]["Value"][0])


def _in_xml(body: bytes) -> Iterator[int]:
    """PS3.19 A.1, which has no use for entities."""
    if b"<!" in body:
        raise ValueError("a document type is not read")
    try:
        root = ET.fromstring(body)  # noqa: S314 - nothing is declared, so nothing can expand
    except ET.ParseError as error:
        raise ValueError("no XML") from error
    for failed in root.iterfind(f".//{{*}}DicomAttribute[@tag='{FAILED_SOP_SEQUENCE}']"):
        for reason in failed.iterfind(f".//{{*}}DicomAttribute[@tag='{FAILURE_REASON}']/{{*}}Value"):
            yield int(reason.text or "")
