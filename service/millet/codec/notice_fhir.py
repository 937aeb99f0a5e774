"""A notification as FHIR R4: a Communication of category "alert", one for each study and recipient.

A Communication records what was conveyed. It needs no patient, which a Flag does, and claims no result, which
an Observation would. A Bundle of type "transaction" with a conditional update keeps it: what is raised or
lowered changes it, and the server's history has what it said before. A level that is withdrawn leaves it
entered-in-error.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator

from millet.codec import codes, notice
from millet.codec.fhir_values import Resource, codeable, patient, study
from millet.codec.notice import Told
from millet.core.analysis import TriageLevel
from millet.core.language import Language
from millet.core.notification import Change, Ground

_CATEGORY = {"system": "http://terminology.hl7.org/CodeSystem/communication-category", "code": "alert"}
_ACCESSION = {"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "ACSN"}
_STUDY = "urn:millet:notified-study"
_MESSAGE = "urn:millet:notification"
_REASONS = "urn:millet:reasons"
_PRIORITIES = {TriageLevel.CRITICAL: "stat", TriageLevel.URGENT: "urgent"}
_ROUTINE = "routine"


def encode(encoded: bytes, language: Language) -> bytes:
    """The bundle for what `codec.notice` wrote of one study. Raises ValueError."""
    told = notice.read_one(encoded)
    name = f"{told.reference}-{uuid.uuid5(uuid.NAMESPACE_OID, told.recipient).hex[:12]}"
    entry = {
        "fullUrl": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, name)}",
        "resource": _communication(told, name, language),
        "request": {"method": "PUT", "url": f"Communication?identifier={_STUDY}|{name}"},
    }
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
    return json.dumps(bundle, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def _communication(told: Told, name: str, language: Language) -> Resource:
    withdrawn = told.change is Change.WITHDRAWN
    words = [
        notice.headline(told, language),
        *(reason.words for reason in told.reasons),
        notice.disclaimer(language),
    ]
    return {
        "resourceType": "Communication",
        "language": language.value,
        "identifier": [
            {"system": _STUDY, "value": name},
            {"system": _MESSAGE, "value": f"{name}-{told.sequence}"},
        ],
        "status": "entered-in-error" if withdrawn else "completed",
        "category": [{"coding": [_CATEGORY]}],
        "priority": _ROUTINE if withdrawn else _PRIORITIES.get(told.level, _ROUTINE),
        **_named(told),
        "topic": codeable(language, codes.TRIAGE_LEVELS[told.level]),
        "sent": told.at_utc.isoformat(timespec="milliseconds"),
        **({"reasonCode": reasons} if (reasons := list(map(_reason, told.reasons))) else {}),
        "payload": [{"contentString": "\n".join(words)}],
    }


def _named(told: Told) -> Resource:
    about = list(_about(told))
    subject = {"subject": patient(told.patient_id, told.issuer)} if told.patient_id else {}
    return {**subject, **({"about": about} if about else {})}


def _about(told: Told) -> Iterator[Resource]:
    if told.study_uid:
        yield study(told.study_uid)
    if told.accession:
        identifier = {"type": {"coding": [_ACCESSION]}, "value": told.accession}
        yield {"type": "ServiceRequest", "identifier": identifier}


def _reason(ground: Ground) -> Resource:
    coding = {"coding": [{"system": _REASONS, "code": ground.code}]} if ground.code else {}
    return {**coding, "text": ground.words}
