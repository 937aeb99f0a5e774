"""What every structured report of ours shares: the document around its content, its observer, its links."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from millet.codec import codes
from millet.codec.codes import Code
from millet.codec.content import CONTEXT, MODIFIES, Pen, reference
from millet.codec.document import MANUFACTURER, head, pen_of
from millet.codec.elements import Encoded, Item, dataset
from millet.codec.part10 import part10
from millet.codec.source import Source
from millet.core.analysis import Analysis, Outcome, Predecessor
from millet.core.uids import derived_uid, object_uid


class Made(NamedTuple):
    """Another object of the same analysis, which a report refers to."""

    kind: str
    sop_class_uid: str


class Document(NamedTuple):
    """What sets one report of an analysis apart from another."""

    kind: str
    """As `core.uids.object_uid` takes it."""
    sop_class_uid: str
    refers_to: Sequence[Made] = ()
    predecessor: Predecessor | None = None


def encode(document: Document, content: Encoded, analysis: Analysis, source: Source) -> bytes:
    """A report around its root container (PS3.3 C.17.2 and C.17.3) as a DICOM file."""
    finished = analysis.outcome is not Outcome.NOT_ANALYSED
    pen = pen_of(analysis, source)
    why = pen.say("analysed" if finished else "not-analysed")
    about = general(source.evidence(_made(document, analysis)), pen, complete=finished, why=why)
    before = _predecessor(document.predecessor, document.sop_class_uid)
    common = head(analysis, source, kind=document.kind, sop_class_uid=document.sop_class_uid, modality="SR")
    return part10(
        {**common, **about, **before, **content},
        sop_class_uid=document.sop_class_uid,
        sop_instance_uid=object_uid(analysis, document.kind),
    )


def general(evidence: list[Encoded], pen: Pen, *, complete: bool, why: str) -> Encoded:
    """SR Document General (PS3.3 C.17.2) of a report that nobody verified."""
    return pen.dataset(
        CodingSchemeIdentificationSequence=[codes.PRIVATE_SCHEME],
        ReferencedPerformedProcedureStepSequence=[],
        PerformedProcedureCodeSequence=[],
        CurrentRequestedProcedureEvidenceSequence=evidence,
        CompletionFlag="COMPLETE" if complete else "PARTIAL",
        CompletionFlagDescription=why,
        VerificationFlag="UNVERIFIED",
        PreliminaryFlag="PRELIMINARY",
    )


def _made(document: Document, analysis: Analysis) -> Mapping[str, list[Encoded]]:
    """References to our own objects, series by series."""
    return {
        object_uid(analysis, f"{made.kind}-series"): [
            reference(made.sop_class_uid, object_uid(analysis, made.kind))
        ]
        for made in document.refers_to
    }


def _predecessor(before: Predecessor | None, sop_class_uid: str) -> Encoded:
    """Predecessor Documents Sequence (PS3.3 C.17.2): the report whose content this one replaces."""
    if before is None:
        return {}
    series = dataset(
        SeriesInstanceUID=before.series_uid,
        ReferencedSOPSequence=[reference(sop_class_uid, before.sop_instance_uid)],
    )
    study = dataset(StudyInstanceUID=before.study_uid, ReferencedSeriesSequence=[series])
    return dataset(PredecessorDocumentsSequence=[study])


def context(analysis: Analysis, source: Source, pen: Pen) -> Iterator[Item]:
    """As `observed`, of an analysis; what a report is of that was not analysed, nobody knows."""
    made_by = analysis.provenance
    procedure = codes.ANY_PROCEDURE if source.is_report else codes.CT_PROCEDURE
    return observed(made_by.software_version, made_by.model_digest, procedure, pen)


def observed(version: str, digest: str, procedure: Code, pen: Pen) -> Iterator[Item]:
    """Language (TID 1204), observing device (TID 1004) and procedure; the device is our version, by what."""
    yield pen.code(MODIFIES, codes.LANGUAGE, codes.LANGUAGES[pen.language])
    yield pen.code(CONTEXT, codes.OBSERVER_TYPE, codes.DEVICE)
    yield pen.uid(CONTEXT, codes.DEVICE_UID, derived_uid("device", version, digest))
    yield pen.text(CONTEXT, codes.DEVICE_NAME, "Millet")
    yield pen.text(CONTEXT, codes.DEVICE_MANUFACTURER, MANUFACTURER)
    yield pen.text(CONTEXT, codes.DEVICE_MODEL, f"Millet {version}")
    yield pen.code(MODIFIES, codes.PROCEDURE, procedure)
