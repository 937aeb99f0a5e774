from __future__ import annotations

import pytest

from millet.core.media import (
    DICOM,
    HL7,
    carries,
    file_ending,
    is_instance,
    is_replaced,
    is_sent,
    media_type,
    wanted,
)


@pytest.mark.parametrize(
    ("kind", "media", "ending"),
    [
        ("sr", DICOM, ".dcm"),
        ("seg", DICOM, ".dcm"),
        ("sc-axial", DICOM, ".dcm"),
        ("mip-axial.png", "image/png", ""),
        ("hl7-oru", HL7, ".hl7"),
        ("fhir-report", "application/fhir+json", ".json"),
    ],
)
def test_a_kind_says_what_its_bytes_are(kind, media, ending):
    """The media type, and how a file of it ends."""
    assert (media_type(kind), file_ending(kind)) == (media, ending)


@pytest.mark.parametrize(
    ("transport", "carried"),
    [
        ("folder", {"sr", "mip.png", "hl7-oru"}),
        ("http", {"sr", "mip.png", "hl7-oru"}),
        ("dicom", {"sr"}),
        ("stow", {"sr"}),
        ("mllp", {"hl7-oru"}),
        ("webhook", set()),
        ("mail", set()),
    ],
)
def test_a_transport_carries_what_it_is_made_for(transport, carried):
    """DICOM takes DICOM, MLLP takes HL7, the others take anything."""
    assert {kind for kind in ("sr", "mip.png", "hl7-oru") if carries(transport, kind)} == carried


KINDS = ("sr", "seg", "labelmap", "cad", "gsps", "kos", "sc-axial", "mip-axial.png", "hl7-oru")


def test_pictures_of_the_page_stay_here():
    """All others are sent, and those that are DICOM have a UID."""
    assert {kind for kind in KINDS if not is_sent(kind)} == {"mip-axial.png"}
    assert {kind for kind in KINDS if not is_instance(kind)} == {"mip-axial.png", "hl7-oru"}


@pytest.mark.parametrize(
    ("transport", "kinds", "left_out"),
    [
        ("dicom", (), {"labelmap", "cad", "mip-axial.png", "hl7-oru"}),
        ("stow", (), {"labelmap", "cad", "mip-axial.png", "hl7-oru"}),
        ("folder", (), set()),
        ("http", ("*",), set()),
        ("dicom", ("*",), {"mip-axial.png", "hl7-oru"}),
        ("dicom", ("seg", "sc-*", "labelmap"), {"sr", "cad", "gsps", "kos", "mip-axial.png", "hl7-oru"}),
    ],
)
def test_a_destination_gets_what_it_asks_for(transport, kinds, left_out):
    """By name or pattern; an archive gets what it may not know only so."""
    assert {kind for kind in KINDS if not wanted(transport, kind, kinds)} == left_out


def test_a_later_hl7_result_takes_the_place_of_an_earlier_one():
    """Nothing else does: what has an identifier of its own stands beside the others."""
    assert {kind for kind in (*KINDS, "fhir") if is_replaced(kind)} == {"hl7-oru"}
