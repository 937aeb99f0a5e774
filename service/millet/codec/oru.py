"""The report as an HL7 v2.5.1 message, ORU^R01: what a worklist or an information system can sort by.

It holds the exam as a whole and its largest lesion; all nodules are in the DICOM SR that it names. The
result is preliminary (OBX-11 and OBR-25 P), since nobody has read it. Text is UTF-8 (MSH-18), in the language
that MSH-19 names.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from millet.codec import codes
from millet.codec.codes import Code, meaning
from millet.codec.document import MANUFACTURER, local
from millet.codec.er7 import ABNORMAL, apart, coded, header, identified, message, moment, segment, text
from millet.codec.judged_sr import Judged
from millet.codec.patient_study import PatientStudy, patient_study
from millet.codec.source import Source
from millet.codec.sr_observer import Observer
from millet.core import advice_wording, comparison_wording, judgement_wording, rounding
from millet.core.analysis import Analysis
from millet.core.language import Language, say
from millet.core.uids import object_uid

KIND = "hl7-oru"
_JUDGED_UID = Code("judged-report", codes.SCHEME, "SOP Instance UID of the report that was judged")
_REPORT_UID = Code("report", codes.SCHEME, "SOP Instance UID of the DICOM report")


def encode(analysis: Analysis, source: Source, judged: Judged | None = None) -> bytes:
    """Encode the message; equal arguments give equal bytes. Segments end with CR.

    `judged` is the report of somebody else, of an analysis that judged one.
    """
    about = patient_study(source)
    at = local(analysis.created_utc, source)
    observed = apart(_observations(analysis, judged))
    control = object_uid(analysis, KIND).rpartition(".")[2][-20:]
    segments = [
        header(analysis.site, at, control, analysis.language),
        _patient(about),
        _request(judged.procedure if judged else about.procedure, about, at, analysis.language),
        *(segment("OBX", str(number), *each) for number, each in enumerate(observed, start=1)),
    ]
    return message(segments)


def _patient(about: PatientStudy) -> str:
    family, given, middle, prefix, suffix = (text(part) for part in about.name)
    name = f"{family}^{given}^{middle}^{suffix}^{prefix}".rstrip("^")
    identifier = identified(about.patient_id, about.issuer)
    return segment("PID", "1", "", identifier, "", name, "", about.birth_date, text(about.sex))


def _request(procedure: Code, about: PatientStudy, at: datetime, language: Language) -> str:
    taken = about.study_date + (about.study_time if about.study_date else "")
    fields = ["OBR", "1", "", text(about.accession), coded(language, procedure), *[""] * 2, taken]
    fields += [""] * (22 - len(fields)) + [moment(at), "", "", "P"]
    return segment(*fields)


def _observations(analysis: Analysis, judged: Judged | None) -> Iterator[Sequence[str]]:
    """Everything after OBX-1."""
    triage, language = analysis.triage, analysis.language
    yield _code(language, codes.SUMMARY, codes.OUTCOMES[analysis.outcome])
    yield _code(language, codes.TRIAGE, codes.TRIAGE_LEVELS[triage.level], ABNORMAL.get(triage.level, ""))
    for reason in triage.reasons:
        yield _words(language, codes.TRIAGE_REASON, reason)
    yield from _found(analysis)
    if judged:
        yield from _theirs(judged)
    yield from _said(analysis)
    for remark in analysis.remarks:
        yield _code(language, codes.WEIGHTS[remark.weight], codes.REASONS[remark.reason])
    for words in analysis.not_assessed:
        yield _words(language, codes.NOT_ASSESSED, words)
    made_by = analysis.provenance
    yield _words(
        language,
        codes.ALGORITHM,
        f"{MANUFACTURER} {made_by.software_version}, {made_by.model_name}/{made_by.model_version}",
    )
    yield _words(language, _REPORT_UID, object_uid(analysis, "sr"))
    yield _words(language, codes.COMMENT, say(language, "statement"))


def _found(analysis: Analysis) -> Iterator[Sequence[str]]:
    """What was looked for and found."""
    if not analysis.looked:
        return
    language = analysis.language
    reliable = codes.COUNT_RELIABLE if analysis.count_reliable else codes.COUNT_NOT_RELIABLE
    yield _number(language, codes.LESIONS, len(analysis.nodules), codes.NO_UNITS)
    yield _code(language, codes.COUNT, reliable)
    if analysis.pattern:
        yield _code(language, codes.PATTERN, codes.PATTERN_LEVELS[analysis.pattern.level])
    if analysis.nodules:
        largest = max(analysis.nodules, key=lambda nodule: nodule.diameter_mm)
        yield _number(language, codes.LARGEST, rounding.length_mm(largest.diameter_mm), codes.MM)
    if analysis.spread:
        yield _code(language, codes.DISTRIBUTION, codes.DISTRIBUTIONS[analysis.spread.distribution])
    for effusion in analysis.effusions:
        yield _number(language, codes.EFFUSION, effusion.volume_ml, codes.ML, codes.SIDES[effusion.side])


def _theirs(judged: Judged) -> Iterator[Sequence[str]]:
    """The lesions of somebody else's report, by the equipment that found them (OBX-18)."""
    language, found_by = judged.language, judged.reported.observer
    by = (*[""] * 6, _equipment(found_by)) if found_by.device else ()
    yield (*_number(language, codes.LESIONS, judged.reported.brought.told, codes.NO_UNITS), *by)
    if (largest_mm := judged.largest_mm) is not None:
        yield (*_number(language, codes.LARGEST, rounding.length_mm(largest_mm), codes.MM), *by)
    yield _words(language, _JUDGED_UID, judged.report_uid)
    for sentence in judged.sentences:
        yield _words(language, codes.COMPLETENESS, sentence)


def _equipment(found_by: Observer) -> str:
    """What the report calls it (EI)."""
    uid = ("", found_by.uid, "ISO") if found_by.uid else ()
    return "^".join((text(found_by.device), *uid))


def _said(analysis: Analysis) -> Iterator[Sequence[str]]:
    """What criteria, guidelines and a comparison say."""
    language = analysis.language
    for advice in analysis.advice:
        if advice.applies:
            yield _words(language, codes.GUIDELINES[advice.guideline], advice_wording.said(advice, language))
    for found in analysis.judgements:
        yield _words(language, codes.CRITERIA, judgement_wording.verdict(found, language))
    if analysis.change:
        yield _words(language, codes.COMPARISON, comparison_wording.said(analysis.change, language))


def _number(
    language: Language, concept: Code, value: float, unit: Code, at: Code | None = None
) -> Sequence[str]:
    told = rounding.written(value)
    return (
        "NM",
        coded(language, concept),
        text(meaning(at, language)) if at else "",
        told,
        coded(language, unit),
        "",
        "",
        "",
        "",
        "P",
    )


def _code(language: Language, concept: Code, value: Code, abnormal: str = "") -> Sequence[str]:
    return ("CWE", coded(language, concept), "", coded(language, value), "", "", abnormal, "", "", "P")


def _words(language: Language, concept: Code, words: str) -> Sequence[str]:
    return ("TX", coded(language, concept), "", text(words), "", "", "", "", "", "P")
