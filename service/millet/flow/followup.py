"""The prior of an exam, from the journal; and what of the exam is kept for the next one.

    claimed -> exams of the patient -> the one to compare with -> its analysis and its lungs
    analysed, by the same model or another -> compared, as far as the two can be

The prior is looked for when the work is claimed, so that an analysis stays a function of what was claimed.
A prior that is missing, damaged or another's is a coded reason in the report, never the end of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import date

from millet.codec import lung_outline as outlines
from millet.codec.seg_reading import ReadSegmentation
from millet.codec.sr_lesion import IN_LUNGS, key
from millet.codec.sr_reading import ReadLesion, ReadReport
from millet.codec.sr_region import Flaw
from millet.core import prior as priors
from millet.core.analysis import Analysis
from millet.core.change import Change, LeftOut
from millet.core.comparable import Compared, Conditions, reading
from millet.core.followup import Followed, Prior, Shown, Study, compare, foreign, not_used
from millet.core.lung_outline import DENSE, Outline, outline
from millet.core.lungs import LungMask
from millet.core.manifest import Manifest
from millet.core.prior import Chosen, Facts, Origin
from millet.core.uids import derived_uid
from millet.flow.read import ReadSeries
from millet.ports import Priors, SeriesKey


def find(journal: Priors, key: SeriesKey, model_digest: str) -> Prior:
    """The prior of a series, whole. Blocks; raises StoreError."""
    exams = journal.exams(key)
    if exams is None:
        return Prior(why_not=priors.NO_PRIOR)
    own = exams.own.read_by(model_digest, analysed=True)
    chosen: Chosen = priors.choose(own, exams.others)
    if chosen.why_not:
        return Prior(why_not=chosen.why_not)
    facts = next(one for one in exams.others if one.series_uid == chosen.series_uid)
    return loaded(journal, SeriesKey(site=key.site, series_uid=chosen.series_uid), facts)


def loaded(journal: Priors, key: SeriesKey, facts: Facts) -> Prior:
    """One of our own exams as a prior, whole. Blocks; raises StoreError."""
    try:
        analysis = journal.analysis(key)
        stored = journal.object_bytes(key, outlines.KIND)
        lungs, how = (Outline.nothing(), None) if stored is None else outlines.decode(stored)
    except ValueError:
        return Prior(why_not=priors.UNREADABLE)
    if analysis is None:
        return Prior(why_not=priors.NO_PRIOR)
    return Prior(study=study(analysis, facts, how, lungs), source=Origin.OURS)


def reported(report: ReadReport, series_uid: str, taken: date | None) -> Prior:
    """A prior that somebody else read, by the report of it; numbered in its order.

    Lesions of which the report says no place or no size, that are not of the lungs or in another frame of
    reference than most, are left out. A cut report is no prior: what it does not show would count as new. Nor
    is one with lesions that names the lungs nowhere: it may be of any other part of the patient.
    """
    if not report.whole:
        return Prior(why_not=priors.UNREADABLE)
    if report.lesions and not any(key(site) in IN_LUNGS for one in report.lesions for site in one.sites):
        return Prior(why_not=Flaw.UNKNOWN_SITE)
    frames = Counter(one.frame_of_reference_uid for one in report.lesions if one.centre_mm is not None)
    frame_uid = frames.most_common(1)[0][0] if frames else ""
    why = [_left_out(one, frame_uid) for one in report.lesions]
    lesions = [
        Followed(
            number=number,
            tracking_uid=one.tracking_uid or _name(report.sop_instance_uid, number),
            centre_mm=one.centre_mm,
            diameter_mm=one.diameter_mm,
            volume_mm3=one.volume_mm3,
        )
        for number, (one, reason) in enumerate(zip(report.lesions, why, strict=True), start=1)
        if not reason and one.centre_mm is not None and one.diameter_mm is not None
    ]
    return _by_others(foreign(series_uid, taken, lesions), Origin.REPORT, filter(None, why))


def segmented(read: ReadSegmentation, series_uid: str, taken: date | None) -> Prior:
    """A prior that somebody else drew; numbered in the order of its segments. It must name the lungs."""
    if read.lesions and not read.names_lungs:
        return Prior(why_not=Flaw.UNKNOWN_SITE)
    lesions = [
        Followed(
            number=number,
            tracking_uid=one.tracking_uid or _name(read.sop_instance_uid, number),
            centre_mm=one.centre_mm,
            diameter_mm=one.diameter_mm,
            volume_mm3=one.volume_mm3,
        )
        for number, one in enumerate(read.lesions, start=1)
    ]
    found = foreign(series_uid, taken, lesions)
    return _by_others(found, Origin.SEGMENTATION, [Flaw.UNKNOWN_SITE] * read.elsewhere)


def _left_out(one: ReadLesion, frame_uid: str) -> str:
    """Why nothing can be said of a lesion, as a code; empty where it can."""
    if one.centre_mm is None:
        return next((flaw for flaw in one.flaws if flaw in _NO_PLACE), Flaw.NO_PLACE)
    if one.diameter_mm is None:
        return Flaw.NO_SIZE
    if one.frame_of_reference_uid != frame_uid:
        return priors.OTHER_FRAME
    return Flaw.UNKNOWN_SITE if Flaw.UNKNOWN_SITE in one.flaws else ""


_NO_PLACE = (Flaw.UNKNOWN_IMAGE, Flaw.SEGMENT_ONLY)


def _name(sop_instance_uid: str, number: int) -> str:
    return derived_uid("followed", sop_instance_uid, str(number))


def _by_others(found: Study, source: Origin, left_out: Iterable[str]) -> Prior:
    """What others read; where all of it is left out, or there is nothing, it is no prior."""
    counted = Counter(map(str, left_out))
    told = tuple(LeftOut(reason=reason, count=count) for reason, count in sorted(counted.items()))
    if found.nodules:
        return Prior(study=found, source=source, left_out=told)
    most = max(told, key=lambda one: one.count).reason if told else priors.NO_LESIONS
    return Prior(why_not=most, left_out=told)


def conditions(series: ReadSeries, mask: LungMask, manifest: Manifest) -> Conditions:
    """How an exam was taken and read."""
    stated_mm = max(header.slice_thickness_mm or 0.0 for header in series.headers)
    return Conditions(
        slice_mm=max(series.volume.grid.spacing_mm[0], stated_mm),
        kernel=series.headers[0].kernel,
        cut_at_top=mask.cut_at_top,
        cut_at_base=mask.cut_at_base,
        reading=reading(manifest),
    )


def kept(mask: LungMask, how: Conditions) -> bytes:
    """The object of kind `codec.lung_outline.KIND`: what a later exam needs of this one."""
    return outlines.encode(outline(mask), how)


def changed(
    analysis: Analysis,
    series: ReadSeries,
    mask: LungMask,
    how: Conditions,
    prior: Prior,
    shown: Shown | None = None,
) -> Change:
    """What changed since the prior.

    Args:
        analysis: the current one, with its nodules, lungs and remarks.
        series: what it was made of.
        mask: its lungs.
        how: its `conditions`.
        prior: what to compare with.
        shown: see `core.followup.compare`.
    """
    if prior.study is None:
        change = not_used(prior.why_not)
    else:
        now = study(analysis, Facts.of(series.headers[0]), how, outline(mask, DENSE))
        change = compare(now, prior.study, shown)
    return replace(change, source=prior.source, left_out=prior.left_out, archive=prior.archive)


def study(analysis: Analysis, facts: Facts, how: Conditions | None, lungs: Outline) -> Study:
    """One of our own exams, or one that we analysed again, as following up sees it."""
    return Study(
        series_uid=analysis.series_uid,
        taken=priors.day(facts.date),
        nodules=tuple(Followed.of(nodule) for nodule in analysis.nodules),
        how=Compared(
            model_digest=analysis.provenance.model_digest,
            count_reliable=analysis.count_reliable,
            lungs=analysis.lungs,
            conditions=how,
        ),
        outline=lungs,
    )
