from __future__ import annotations

import json
from email import message_from_bytes

import pytest

from millet.codec.stow_user import reasons, request

JSON = "application/dicom+json"
XML = "application/dicom+xml"


def test_a_request_is_one_part_with_the_file_as_it_is():
    """Any reader of multipart finds exactly one application/dicom part, byte for byte."""
    file = bytes(range(256)) * 3 + b"\r\n--"
    content_type, body = request(file, "b0undary")
    parsed = message_from_bytes(f"Content-Type: {content_type}\r\n\r\n".encode() + b"".join(body))
    (part,) = parsed.get_payload()
    assert parsed.get_content_type() == "multipart/related"
    assert parsed.get_param("type") == "application/dicom"
    assert part.get_content_type() == "application/dicom"
    assert part.get_payload(decode=True) == file


def failed(*codes):
    """The Failed SOP Sequence of a response, in DICOM JSON."""
    return {"00081198": {"vr": "SQ", "Value": [{"00081197": {"vr": "US", "Value": [c]}} for c in codes]}}


@pytest.mark.parametrize(
    ("document", "found"),
    [
        (failed(0x0111), (0x0111,)),
        (failed(0xA700, 0xC000), (0xA700, 0xC000)),
        ([failed(0x0122)], (0x0122,)),
        ({"00081199": {"vr": "SQ", "Value": [{}]}}, ()),
        ({"00081198": {"vr": "SQ"}}, ()),
        ({}, ()),
    ],
    ids=["one", "two", "list", "stored", "empty", "nothing"],
)
def test_reasons_are_read_from_json(document, found):
    """Those of the instances that failed, in order."""
    assert reasons(JSON, json.dumps(document).encode()) == found


def test_reasons_are_read_from_xml():
    """As the native DICOM model writes them, with its namespace or without."""
    item = (
        '<DicomAttribute tag="00081198" vr="SQ"><Item number="1"><DicomAttribute tag="00081197" vr="US">'
        '<Value number="1">273</Value></DicomAttribute></Item></DicomAttribute>'
    )
    for start in (
        "<NativeDicomModel>",
        '<NativeDicomModel xmlns="http://dicom.nema.org/PS3.19/models/NativeDICOM">',
    ):
        assert reasons(XML, f"{start}{item}</NativeDicomModel>".encode()) == (0x0111,)


@pytest.mark.parametrize(
    ("media_type", "body"),
    [
        (JSON, b""),
        (JSON, b"<html>"),
        (JSON, b'{"00081198": 5}'),
        (JSON, b'{"00081198": {"Value": [{}]}}'),
        (JSON, b"[" * 100_000),
        (JSON, b'"text"'),
        (XML, b"<open>"),
        (XML, b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'),
        ("text/html", b"<html>"),
        ("", b""),
    ],
)
def test_an_answer_that_cannot_be_read_gives_no_reason(media_type, body):
    """The status of the response is then all that is known."""
    assert reasons(media_type, body) == ()
