"""The report as FHIR R4: a DiagnosticReport with an Observation for the exam and one for each nodule.

A Bundle of type "transaction": posted to a server's base it creates what is not there yet, so that sending
it twice is sending it once. Measurement groups become Observations as the "DICOM SR to FHIR Resource
Mapping" guide has it. Everything is preliminary, since nobody has read it. Patient and study are named by
their identifiers; nothing else of the patient is told.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime

from millet.codec import codes
from millet.codec.document import local
from millet.codec.fhir_others import others
from millet.codec.fhir_values import (
    Resource,
    codeable,
    coding,
    entry,
    measured,
    observation,
    oid,
    patient,
    quantity,
    reference,
    study,
    valued,
    worded,
)
from millet.codec.judged_sr import Judged
from millet.codec.patient_study import PatientStudy, patient_study
from millet.codec.source import Source
from millet.core import advice_wording, comparison_wording, judgement_wording, rounding
from millet.core.analysis import Analysis, Effusion
from millet.core.change import NoduleChange
from millet.core.character import Character
from millet.core.language import Language, say
from millet.core.nodule import Nodule
from millet.core.uids import object_uid

KIND = "fhir"
_RADIOLOGY = {"system": "http://terminology.hl7.org/CodeSystem/v2-0074", "code": "RAD"}


def encode(analysis: Analysis, source: Source, judged: Judged | None = None) -> bytes:
    """Encode the bundle as JSON; equal arguments give equal bytes.

    `judged` is the report of somebody else, of an analysis that judged one.
    """
    about, at = patient_study(source), local(analysis.created_utc, source)
    common, devices = _common(about, at, analysis.language), [_device(analysis)]
    found = [{**one, "device": reference(devices[0])} for one in _found(analysis, common)]
    if judged:
        theirs = others(judged, analysis, common)
        devices += theirs.devices
        found = [theirs.judged_by(found[0], judged), theirs.lesions]
    report = {
        "resourceType": "DiagnosticReport",
        "identifier": [oid(object_uid(analysis, "sr"))],
        **common,
        "category": [{"coding": [_RADIOLOGY]}],
        "code": codeable(analysis.language, judged.procedure if judged else about.procedure),
        "issued": at.isoformat(timespec="milliseconds"),
        "result": [reference(one) for one in found],
        "imagingStudy": [study(analysis.study_uid)],
        "conclusion": _conclusion(analysis, judged),
        "conclusionCode": [codeable(analysis.language, codes.TRIAGE_LEVELS[analysis.triage.level])],
    }
    entries = [entry(resource) for resource in (report, *devices, *found)]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    return json.dumps(bundle, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def _found(analysis: Analysis, common: Resource) -> Iterator[Resource]:
    """The observation of the exam, and those of what was found."""
    yield _exam(analysis, common)
    for effusion in analysis.effusions:
        yield _effusion(effusion, analysis, common)
    changes = {one.number: one for one in analysis.change.nodules} if analysis.change else {}
    for nodule in analysis.nodules:
        yield _nodule(nodule, changes.get(nodule.number), analysis, common)


def _conclusion(analysis: Analysis, judged: Judged | None) -> str:
    said = [f"{'; '.join(analysis.triage.reasons)}.", say(analysis.language, "statement")]
    if judged:
        said.insert(1, judged.words)
    return " ".join(said)


def _common(about: PatientStudy, at: datetime, language: Language) -> Resource:
    """What report and observations share."""
    day = about.study_date
    taken = f"{day[:4]}-{day[4:6]}-{day[6:]}" if day else at.date().isoformat()
    return {
        "language": language.value,
        "status": "preliminary",
        "subject": patient(about.patient_id, about.issuer),
        "effectiveDateTime": taken,
    }


def _device(analysis: Analysis) -> Resource:
    made_by, language = analysis.provenance, analysis.language
    versions = (
        ("software", made_by.software_version),
        ("model", f"{made_by.model_name}/{made_by.model_version}"),
        ("model-digest", made_by.model_digest),
        ("configuration-digest", made_by.configuration_digest),
    )
    return {
        "resourceType": "Device",
        "language": language.value,
        "identifier": [oid(object_uid(analysis, "device"))],
        "manufacturer": "Millet, research software",
        "deviceName": [{"name": "Millet", "type": "model-name"}],
        "version": [
            {"type": {"text": say(language, f"version.{kind}")}, "value": value or say(language, "none")}
            for kind, value in versions
        ],
    }


def _exam(analysis: Analysis, common: Resource) -> Resource:
    """The exam as a whole."""
    language = analysis.language
    components = [
        valued(language, codes.TRIAGE, codes.TRIAGE_LEVELS[analysis.triage.level]),
        *(worded(language, codes.TRIAGE_REASON, reason) for reason in analysis.triage.reasons),
        *_figures(analysis),
        *_judged(analysis),
        *(valued(language, codes.WEIGHTS[r.weight], codes.REASONS[r.reason]) for r in analysis.remarks),
        *(worded(language, codes.NOT_ASSESSED, words) for words in analysis.not_assessed),
    ]
    return {
        **observation(object_uid(analysis, "exam"), codes.SUMMARY, common),
        "valueCodeableConcept": codeable(language, codes.OUTCOMES[analysis.outcome]),
        "note": [{"text": say(language, "statement")}],
        "component": components,
    }


def _figures(analysis: Analysis) -> Iterator[Resource]:
    if not analysis.looked:
        return
    language = analysis.language
    yield {"code": codeable(language, codes.LESIONS), "valueInteger": len(analysis.nodules)}
    reliable = codes.COUNT_RELIABLE if analysis.count_reliable else codes.COUNT_NOT_RELIABLE
    yield valued(language, codes.COUNT, reliable)
    if analysis.pattern:
        yield valued(language, codes.PATTERN, codes.PATTERN_LEVELS[analysis.pattern.level])
    if analysis.spread:
        yield valued(language, codes.DISTRIBUTION, codes.DISTRIBUTIONS[analysis.spread.distribution])
    for advice in analysis.advice:
        if advice.applies:
            yield worded(language, codes.GUIDELINES[advice.guideline], advice_wording.said(advice, language))
    if analysis.provenance.calibration:
        yield worded(language, codes.CALIBRATION, analysis.provenance.calibration)
    if analysis.lungs:
        yield measured(language, codes.LUNG_VOLUME, rounding.volume_l(analysis.lungs.total_l), codes.LITRE)


def _judged(analysis: Analysis) -> Iterator[Resource]:
    """What criteria say, condition by condition, and what changed since a prior."""
    language = analysis.language
    for found in analysis.judgements:
        yield worded(language, codes.CRITERIA, judgement_wording.verdict(found, language))
        for words in judgement_wording.conditions(found, language):
            yield worded(language, codes.CONDITION, words)
    if analysis.change:
        yield worded(language, codes.COMPARISON, comparison_wording.said(analysis.change, language))


def _effusion(effusion: Effusion, analysis: Analysis, common: Resource) -> Resource:
    uid, language = object_uid(analysis, f"effusion-{effusion.side.value}"), analysis.language
    return {
        **observation(uid, codes.EFFUSION, common),
        "bodySite": {
            "coding": [coding(language, codes.PLEURA), coding(language, codes.SIDES[effusion.side])]
        },
        "valueQuantity": quantity(language, effusion.volume_ml, codes.ML),
    }


def _nodule(nodule: Nodule, change: NoduleChange | None, analysis: Analysis, common: Resource) -> Resource:
    """One nodule: what it is, where, its measurements, and what became of it since the prior.

    Its tracking UID is the second identifier: exams of the same nodule share it, and a server that knows
    the one before must keep this one, too.
    """
    language = analysis.language
    observed = observation(object_uid(analysis, f"observed-{nodule.number}"), codes.FINDING, common)
    observed["identifier"].append(oid(nodule.tracking_uid))
    components = [
        measured(language, codes.DIAMETER, rounding.length_mm(nodule.diameter_mm), codes.MM),
        measured(language, codes.VOLUME, rounding.volume_mm3(nodule.volume_mm3), codes.MM3),
        measured(language, codes.ATTENUATION, rounding.attenuation_hu(nodule.mean_hu), codes.HU),
        measured(language, codes.SCORE, rounding.score(nodule.score), codes.NO_UNITS),
    ]
    found = nodule.character
    lobe = codes.LOBES[found.lobe] if found and found.lobe else codes.LUNG
    if found is not None:
        components += _character(found, language)
    if change is not None:
        components += _since(change, language)
    return {
        **observed,
        "bodySite": {"coding": [coding(language, lobe), coding(language, codes.SIDES[nodule.side])]},
        "valueCodeableConcept": codeable(language, codes.CLASSES[nodule.nodule_class]),
        "component": components,
    }


def _character(found: Character, language: Language) -> Iterator[Resource]:
    axes = found.axes
    yield measured(language, codes.LONG_AXIS, rounding.length_mm(axes.long_axis_mm), codes.MM)
    yield measured(language, codes.SHORT_AXIS, rounding.length_mm(axes.short_axis_mm), codes.MM)
    yield valued(language, codes.TYPE, codes.TYPES[found.type])
    if found.probability is not None:
        yield measured(language, codes.PROBABILITY, rounding.percent(found.probability), codes.PERCENT)
    if found.core_mm is not None:
        yield measured(language, codes.CORE, rounding.length_mm(found.core_mm), codes.MM)
    if found.at_resolution_limit:
        yield valued(language, codes.DETECTABILITY, codes.RESOLUTION_LIMIT)


def _since(change: NoduleChange, language: Language) -> Iterator[Resource]:
    yield valued(language, codes.FATE, codes.FATES[change.fate])
    if change.volume_change is not None:
        grown = rounding.percent(change.volume_change)
        yield measured(language, codes.VOLUME_CHANGE, grown, codes.PERCENT)
    if change.doubling_days is not None:
        yield measured(language, codes.DOUBLING, rounding.days(change.doubling_days), codes.DAY)
