"""The summary: a short TID 1500 report on top of the full one, in the form that viewers draw.

Count, pattern, level and dominant lesion in words, and up to ten representative nodules, each an outline on
its slice (TID 1410). It refers to the full report, which lists every nodule, and to the segmentation. A
Comprehensive SR in a series of its own: viewers show one report of a series, the newest; it needs no 3D
coordinates, which older ones do not know; and each group of it has an outline, since OHIF 3.13 draws nothing
of a report in which one group has none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from millet.codec import codes
from millet.codec.content import CONTAINS, Pen
from millet.codec.document import pen_of
from millet.codec.elements import Item
from millet.codec.outline import Planes, outline, planes
from millet.codec.seg import SEGMENTATION
from millet.codec.source import Source
from millet.codec.sr import COMPREHENSIVE_3D_SR
from millet.codec.sr_document import Document, Made, context
from millet.codec.sr_document import encode as document
from millet.codec.sr_evaluations import evaluations
from millet.codec.sr_nodule import Told, planar
from millet.core.analysis import Analysis
from millet.core.nodule import Nodule
from millet.core.pattern import dominant
from millet.core.representatives import MOST, representatives
from millet.core.rounding import length_mm
from millet.core.uids import object_uid

COMPREHENSIVE_SR = "1.2.840.10008.5.1.4.1.1.88.33"
KIND = "summary"


def encode(analysis: Analysis, source: Source, *, masks: bool) -> bytes:
    """Encode the summary as a DICOM file; `masks` says whether the analysis has a BINARY SEG ("seg")."""
    pen = pen_of(analysis, source)
    shown = list(_groups(analysis, source, pen))
    measured = [pen.container(codes.MEASUREMENTS, shown)] if shown else []
    said = evaluations(analysis, pen, list(_said(analysis, len(shown), pen, masks=masks)))
    content = pen.root(codes.REPORT, [*context(analysis, source, pen), *measured, said], template="1500")
    others = [Made("sr", COMPREHENSIVE_3D_SR), *([Made("seg", SEGMENTATION)] if masks else [])]
    return document(Document(KIND, COMPREHENSIVE_SR, refers_to=others), content, analysis, source)


def _groups(analysis: Analysis, source: Source, pen: Pen) -> Iterator[Item]:
    """The representatives that a slice of the series shows."""
    told = Told.of(analysis, source, pen)
    known = Planes(planes(source) if analysis.nodules else ())
    for nodule in representatives(analysis.nodules):
        drawn = outline(nodule, known)
        if drawn is not None:
            yield planar(nodule, drawn, told)


def _said(analysis: Analysis, shown: int, pen: Pen, *, masks: bool) -> Iterator[Item]:
    found = analysis.nodules
    if found:
        yield pen.text(CONTAINS, codes.LESIONS, str(len(found)))
        yield pen.text(CONTAINS, codes.DOMINANT, _dominant(found, pen))
        yield pen.text(CONTAINS, codes.CHOSEN_BY, _chosen_by(len(found), shown, pen))
    yield pen.text(CONTAINS, codes.FULL_REPORT, object_uid(analysis, "sr"))
    if masks:
        yield pen.text(CONTAINS, codes.MASKS, object_uid(analysis, "seg"))


def _dominant(found: Sequence[Nodule], pen: Pen) -> str:
    largest = dominant(found)
    if largest is None:
        return pen.say("dominant.none")
    lobe = largest.character.lobe if largest.character else None
    return pen.say(
        "dominant",
        name=pen.say(f"name.{largest.nodule_class}"),
        number=largest.number,
        mm=length_mm(largest.diameter_mm),
        place=pen.say(f"lobe.{lobe}" if lobe else f"lung.{largest.side}"),
    )


def _chosen_by(count: int, shown: int, pen: Pen) -> str:
    if shown == count:
        return pen.say("chosen.all", count=count)
    why = "" if shown == min(MOST, count) else pen.say("chosen.hidden")
    return pen.say("chosen", shown=shown, count=count, why=why)
