"""FHIR R4 values as JSON: codes, identifiers, references by identifier."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from millet.codec.codes import Code, meaning
from millet.core.language import Language

SYSTEMS = {
    "DCM": "http://dicom.nema.org/resources/ontology/DCM",
    "SCT": "http://snomed.info/sct",
    "LN": "http://loinc.org",
    "UCUM": "http://unitsofmeasure.org",
}
_OURS = "urn:millet:codes"
_UIDS = "urn:dicom:uid"

Resource = dict[str, Any]


def codeable(language: Language, code: Code) -> Resource:
    """A CodeableConcept of one code."""
    return {"coding": [coding(language, code)]}


def coding(language: Language, code: Code) -> Resource:
    """A code with its meaning."""
    return {
        "system": SYSTEMS.get(code.scheme, _OURS),
        "code": code.value,
        "display": meaning(code, language),
    }


def oid(value: str) -> Mapping[str, str]:
    """A DICOM UID as an identifier."""
    return {"system": _UIDS, "value": f"urn:oid:{value}"}


def patient(patient_id: str, issuer: str) -> Resource:
    """A patient by identifier, whatever the server's own name for them."""
    subject = {"value": patient_id or "unknown"}
    if issuer:
        subject["system"] = f"urn:millet:issuer:{issuer}"
    return {"type": "Patient", "identifier": subject}


def study(study_uid: str) -> Resource:
    """A study by its UID."""
    return {"type": "ImagingStudy", "identifier": oid(study_uid)}
