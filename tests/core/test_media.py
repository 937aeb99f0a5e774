from __future__ import annotations

import pytest

from millet.core.media import DICOM, HL7, carries, file_ending, media_type


@pytest.mark.parametrize(
    ("kind", "media", "ending"),
    [
        ("sr", DICOM, ".dcm"),
        ("seg", DICOM, ".dcm"),
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
    ],
)
def test_a_transport_carries_what_it_is_made_for(transport, carried):
    """DICOM takes DICOM, MLLP takes HL7, the others take anything."""
    assert {kind for kind in ("sr", "mip.png", "hl7-oru") if carries(transport, kind)} == carried
