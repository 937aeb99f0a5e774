"""The report in the form of classic CAD: a Chest CAD SR by TID 4100 (PS3.16), for workstations that know it.

Each nodule is a Single Image Finding (TID 4104) with its centre and outline on the slice that shows it best.
That detection was tried, and whether it succeeded, is said as the template has it. TID 4100 cannot be
extended and has no place for most of what is known: the TID 1500 report is the one that tells it all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from millet.codec import codes
from millet.codec.content import CONTAINS, CONTEXT, INFERRED, MODIFIES, PROPERTY, SELECTED, Pen
from millet.codec.disclosure import disclosure
from millet.codec.document import pen_of
from millet.codec.elements import Item
from millet.codec.outline import Outline, Planes, outline, planes
from millet.codec.source import Source
from millet.codec.sr_document import Document
from millet.codec.sr_document import encode as document
from millet.core.analysis import Analysis, Outcome, Provenance
from millet.core.nodule import Nodule
from millet.core.rounding import length_mm, percent, volume_mm3

CHEST_CAD_SR = "1.2.840.10008.5.1.4.1.1.88.65"
KIND = "cad"


def encode(analysis: Analysis, source: Source) -> bytes:
    """Encode the CAD report of an analysis as a DICOM file; equal arguments give equal bytes."""
    pen = pen_of(analysis, source)
    content = pen.root(
        codes.CAD_REPORT,
        [
            pen.code(MODIFIES, codes.LANGUAGE, codes.LANGUAGES[pen.language]),
            _summary(analysis, source, pen),
            _detections(analysis, pen),
            pen.code(CONTAINS, codes.ANALYSES, codes.NOT_ATTEMPTED),
        ],
        template="4100",
    )
    return document(Document(KIND, CHEST_CAD_SR), content, analysis, source)


def _summary(analysis: Analysis, source: Source, pen: Pen) -> Item:
    """CAD Processing and Findings Summary (TID 4101)."""
    known = Planes(planes(source) if analysis.nodules else ())
    made_by = _algorithm(analysis.provenance, pen)
    findings = [_finding(nodule, outline(nodule, known), made_by, pen) for nodule in analysis.nodules]
    sentences = " ".join((*disclosure(analysis), analysis.provenance.calibration)).strip()
    said = [pen.text(PROPERTY, codes.IMPRESSION, sentences)]
    return pen.code(CONTAINS, codes.SUMMARY, codes.OUTCOMES[analysis.outcome], [*said, *findings])


def _finding(nodule: Nodule, drawn: Outline | None, made_by: Sequence[Item], pen: Pen) -> Item:
    """One nodule or mass (TID 4104)."""
    name = f"{pen.say(f'name.{nodule.nodule_class}')} {nodule.number}"
    return pen.code(
        INFERRED,
        codes.IMAGE_FINDING,
        codes.CLASSES[nodule.nodule_class],
        [
            pen.code(MODIFIES, codes.RENDERING, codes.TO_PRESENT),
            pen.text(CONTEXT, codes.TRACKING_ID, name),
            pen.uid(CONTEXT, codes.TRACKING_UID, nodule.tracking_uid),
            *made_by,
            *_certainty(nodule, pen),
            *(_drawn(drawn, pen) if drawn else ()),
            pen.number(codes.DIAMETER, length_mm(nodule.diameter_mm), codes.MM, relationship=PROPERTY),
            pen.number(codes.VOLUME, volume_mm3(nodule.volume_mm3), codes.MM3, relationship=PROPERTY),
        ],
    )


def _certainty(nodule: Nodule, pen: Pen) -> Iterator[Item]:
    """The calibrated probability, where there is one: nobody is told a score as certainty."""
    sure = nodule.character.probability if nodule.character else None
    if sure is not None:
        yield pen.number(codes.CERTAINTY, percent(sure), codes.PERCENT, relationship=PROPERTY)


def _drawn(drawn: Outline, pen: Pen) -> Iterator[Item]:
    """Centre and outline (TID 4107)."""
    shown = pen.image(None, drawn.image.sop_class_uid, drawn.image.sop_instance_uid, SELECTED)
    yield pen.region(codes.CENTRE, "POINT", [drawn.centre], shown, relationship=PROPERTY)
    yield pen.region(codes.OUTLINE, "POLYLINE", drawn.points, shown, relationship=PROPERTY)


def _detections(analysis: Analysis, pen: Pen) -> Item:
    """What was tried, and whether it succeeded (TID 4015, 4017)."""
    failed = analysis.outcome is Outcome.NOT_ANALYSED
    tried = pen.code(
        CONTAINS,
        codes.DETECTION,
        codes.NODULE,
        [*_algorithm(analysis.provenance, pen), pen.uid(PROPERTY, codes.SERIES_UID, analysis.series_uid)],
    )
    listed = codes.FAILED_DETECTIONS if failed else codes.SUCCESSFUL_DETECTIONS
    verdict = codes.FAILED if failed else codes.SUCCEEDED
    return pen.code(
        CONTAINS, codes.DETECTIONS, verdict, [pen.container(listed, [tried], relationship=INFERRED)]
    )


def _algorithm(made_by: Provenance, pen: Pen) -> list[Item]:
    """TID 4019 where it is observation context."""
    return [
        pen.text(CONTEXT, codes.ALGORITHM, made_by.model_name),
        pen.text(CONTEXT, codes.ALGORITHM_VERSION, made_by.model_version),
    ]
