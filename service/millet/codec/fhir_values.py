"""FHIR R4 values as JSON: codes, identifiers, references by identifier, observations and their components."""

from __future__ import annotations

import uuid
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
_IMAGING = {"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "imaging"}
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


def observation(uid: str, concept: Code, common: Resource) -> Resource:
    """What every observation has; `common` is what all resources of a bundle share."""
    language = Language(common["language"])
    return {
        "resourceType": "Observation",
        "identifier": [oid(uid)],
        **common,
        "category": [{"coding": [_IMAGING]}],
        "code": codeable(language, concept),
    }


def measured(language: Language, concept: Code, value: float, unit: Code) -> Resource:
    """A component with a number."""
    return {"code": codeable(language, concept), "valueQuantity": quantity(language, value, unit)}


def valued(language: Language, concept: Code, value: Code) -> Resource:
    """A component with a code."""
    return {"code": codeable(language, concept), "valueCodeableConcept": codeable(language, value)}


def worded(language: Language, concept: Code, words: str) -> Resource:
    """A component with words."""
    return {"code": codeable(language, concept), "valueString": words}


def quantity(language: Language, value: float, unit: Code) -> Resource:
    """A number with its unit."""
    return {"value": value, "unit": meaning(unit, language), "system": SYSTEMS["UCUM"], "code": unit.value}


def url(resource: Resource) -> str:
    """A name within the bundle, a function of the resource's own identifier."""
    return f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, resource['identifier'][0]['value'])}"


def reference(resource: Resource) -> Resource:
    """A reference within the bundle."""
    return {"reference": url(resource)}


def entry(resource: Resource) -> Resource:
    """A resource that is created where its first identifier is not known."""
    kind, identifier = resource["resourceType"], resource["identifier"][0]
    unless = f"identifier={identifier['system']}|{identifier['value']}"
    return {
        "fullUrl": url(resource),
        "resource": resource,
        "request": {"method": "POST", "url": kind, "ifNoneExist": unless},
    }
