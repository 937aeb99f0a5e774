"""The report: a Comprehensive 3D SR by TID 1500 "Measurement Report" (PS3.16).

Imaging Measurements holds one group by TID 1411 for every nodule (none is left out, whatever their
number) and groups by TID 1501 for the lungs, each effusion and each nodule that is gone since a prior.
Qualitative Evaluations holds what is said of the exam as a whole. Content is encoded directly, what recurs
in each group once: 2,000 nodules take a fraction of a second.
"""

from __future__ import annotations

from collections.abc import Iterator

from millet.codec import codes
from millet.codec.content import Pen
from millet.codec.document import pen_of
from millet.codec.elements import Item
from millet.codec.source import Source
from millet.codec.sr_document import Document, context
from millet.codec.sr_document import encode as document
from millet.codec.sr_evaluations import evaluations
from millet.codec.sr_exam import effusion, exam
from millet.codec.sr_nodule import Told, gone, volumetric
from millet.core.analysis import Analysis, Outcome

COMPREHENSIVE_3D_SR = "1.2.840.10008.5.1.4.1.1.88.34"


def encode(analysis: Analysis, source: Source) -> bytes:
    """Encode the report of an analysis as a DICOM file; equal arguments give equal bytes."""
    pen = pen_of(analysis, source)
    content = pen.root(
        codes.REPORT,
        [*context(analysis, source, pen), *_measurements(analysis, source, pen), evaluations(analysis, pen)],
        template="1500",
    )
    made = Document("sr", COMPREHENSIVE_3D_SR, predecessor=analysis.predecessor)
    return document(made, content, analysis, source)


def _measurements(analysis: Analysis, source: Source, pen: Pen) -> Iterator[Item]:
    """The container of all groups, if there is any."""
    told = Told.of(analysis, source, pen)
    groups = [volumetric(nodule, told) for nodule in analysis.nodules]
    groups += [effusion(found, analysis, pen) for found in analysis.effusions]
    changes = analysis.change.nodules if analysis.change else ()
    groups += [gone(change, told) for change in changes if change.number is None]
    if analysis.outcome is not Outcome.NOT_ANALYSED:
        groups.append(exam(analysis, pen))
    if groups:
        yield pen.container(codes.MEASUREMENTS, groups)
