"""The prior of an exam, from the journal; and what of the exam is kept for the next one.

    claimed -> exams of the patient -> the one to compare with -> its analysis and its lungs
    analysed, by the same model or another -> compared, as far as the two can be

The prior is looked for when the work is claimed, so that an analysis stays a function of what was claimed.
A prior that is missing, damaged or another's is a coded reason in the report, never the end of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from millet.codec import lung_outline as outlines
from millet.codec.sr_reading import ReadReport
from millet.core import prior as priors
from millet.core.analysis import Analysis
from millet.core.change import Change
from millet.core.comparable import Compared, Conditions, reading
from millet.core.followup import Followed, Shown, Study, compare, foreign, not_used
from millet.core.lung_outline import DENSE, Outline, outline
from millet.core.lungs import LungMask
from millet.core.manifest import Manifest
from millet.core.prior import Chosen, Facts
from millet.core.uids import derived_uid
from millet.flow.read import ReadSeries
from millet.ports import Priors, SeriesKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Prior:
    """What an exam is to be compared with, or why with nothing."""

    study: Study | None = None
    why_not: str = ""
    """A code of `core.prior`; empty where there is one."""


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
    return _loaded(journal, SeriesKey(site=key.site, series_uid=chosen.series_uid), facts)


def _loaded(journal: Priors, key: SeriesKey, facts: Facts) -> Prior:
    try:
        analysis = journal.analysis(key)
        stored = journal.object_bytes(key, outlines.KIND)
        lungs, how = (Outline.nothing(), None) if stored is None else outlines.decode(stored)
    except ValueError:
        return Prior(why_not=priors.UNREADABLE)
    if analysis is None:
        return Prior(why_not=priors.NO_PRIOR)
    return Prior(study=_study(analysis, facts, how, lungs))


def reported(report: ReadReport, series_uid: str, taken: date | None) -> Prior:
    """A prior that somebody else read, by the report of it; numbered in its order.

    Lesions of which the report says no place or no size are passed over. A cut report is no prior: what it
    does not show would count as new.
    """
    if not report.whole:
        return Prior(why_not=priors.UNREADABLE)
    lesions = [
        Followed(
            number=number,
            tracking_uid=one.tracking_uid or derived_uid("followed", report.sop_instance_uid, str(number)),
            centre_mm=one.centre_mm,
            diameter_mm=one.diameter_mm,
            volume_mm3=one.volume_mm3,
        )
        for number, one in enumerate(report.lesions, start=1)
        if one.centre_mm is not None and one.diameter_mm is not None
    ]
    return Prior(study=foreign(series_uid, taken, lesions))


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
        return not_used(prior.why_not)
    facts = Facts.of(series.headers[0])
    return compare(_study(analysis, facts, how, outline(mask, DENSE)), prior.study, shown)


def _study(analysis: Analysis, facts: Facts, how: Conditions | None, lungs: Outline) -> Study:
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
