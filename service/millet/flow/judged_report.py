"""A report that was sent to be judged, from its bytes to an analysis and what is made of it.

    report -> lesions, and the images it names as far as they are here -> criteria -> Analysis
           -> SR, messages

A report that cannot be judged is not analysed, with its coded reason, as any series. One of our own that
comes back is not judged and told of nowhere, else it would go round in circles.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from millet import __version__
from millet.codec.ct import read_header
from millet.codec.document import MANUFACTURER
from millet.codec.elements import read_elements, tag_of
from millet.codec.judged_sr import Judged
from millet.codec.reported import Asked
from millet.codec.source import Source
from millet.codec.sr_tree import evidence, succession
from millet.core import digest, triage
from millet.core.analysis import Analysis, Outcome, Provenance, Triage, TriageLevel
from millet.core.assembler import REPORTS
from millet.core.identity import contradict
from millet.core.language import phrase
from millet.core.reasons import Reason, Remark, Weight
from millet.core.series import SliceHeader
from millet.core.succession import replaced
from millet.core.worded import worded
from millet.errors import UnfitSeries
from millet.flow.analyse import Made, Order, refused
from millet.flow.foreign import Bench, judge, series_of
from millet.flow.objects import judged_of
from millet.flow.shelf import Taken

MADE_BY = "criteria"
"""In place of a model's name: nothing was looked for."""
NOTHING_LOOKED_FOR = phrase("not-assessed.images")

Images = Callable[[str], Iterable[bytes]]
"""The instances of a series that is here; none of one that is not, or not whole yet."""


def holds_reports(instances: Sequence[Taken]) -> bool:
    """Whether a series is of reports that are judged, and of nothing else."""
    return bool(instances) and all(one.image and one.image.sop_class_uid in REPORTS for one in instances)


class _Judged(NamedTuple):
    """One report of the series."""

    judged: Judged
    source: Source
    triage: Triage


class _Beside(NamedTuple):
    """What a report is judged beside."""

    series: Source | None = None
    told: tuple[str, ...] = ()


def finish(order: Order, reports: Sequence[bytes], images: Images, bench: Bench) -> Made:
    """Judge the reports of a series, and tell the one that is most urgent; of several such, the last.

    So a level falls where a report names the one it came from as its predecessor, and not because a further
    one came. Lesions are held against the images where a report names one series of them that is here.
    """
    blank = _blank(order, bench)
    tried = [_tried(report, order, images, bench) for report in standing(reports)]
    found = [one for one in tried if isinstance(one, _Judged)]
    if not found:
        return _refused(blank, reports, [one for one in tried if isinstance(one, UnfitSeries)][-1])
    soonest = max(reversed(found), key=lambda one: list(TriageLevel).index(one.triage.level))
    judged = soonest.judged
    beside = {
        "judged.others": len(found) - 1,
        "judged.unfit": len(tried) - len(found),
        "judged.replaced": len(reports) - len(tried),
    }
    told = (phrase(key, count=count) for key, count in beside.items() if count)
    analysis = worded(
        replace(
            blank,
            outcome=Outcome.JUDGED,
            judgements=judged.judgements,
            triage=soonest.triage,
            not_assessed=(NOTHING_LOOKED_FOR, *judged.reported.told, *told),
            provenance=_provenance(judged.configuration_digest),
        )
    )
    return Made(analysis=analysis, objects=judged_of(analysis, judged, soonest.source), candidates=())


def standing(reports: Sequence[bytes]) -> Sequence[bytes]:
    """Those that no other replaces: one that names a predecessor which names it, too, replaces nothing."""
    named = [_succession(report) for report in reports]
    gone = replaced(dict(named))
    return [report for report, (uid, _) in zip(reports, named, strict=True) if uid not in gone]


def _succession(report: bytes) -> tuple[str, frozenset[str]]:
    try:
        return succession(report)
    except ValueError:
        return "", frozenset()


def _tried(report: bytes, order: Order, images: Images, bench: Bench) -> _Judged | UnfitSeries:
    """A report judged, or why it cannot be."""
    try:
        _must_be_foreign(report)
        beside = _beside(report, images)
        judged, source = judge(report, beside.series, Asked(), order.created_utc, bench)
    except UnfitSeries as verdict:
        return verdict
    except ValueError as why:
        return UnfitSeries(Reason.REPORT_UNFIT, str(why))
    reported = judged.reported._replace(told=(*beside.told, *judged.reported.told))
    level = triage.judged(judged.judgements, reported.brought.told)
    return _Judged(replace(judged, reported=reported), source, level)


def _blank(order: Order, bench: Bench) -> Analysis:
    """An analysis of nothing yet."""
    return Analysis(
        site=order.site,
        study_uid=order.study_uid,
        series_uid=order.series_uid,
        frame_of_reference_uid="",
        generation=order.generation,
        created_utc=order.created_utc,
        outcome=Outcome.NONE_FOUND,
        remarks=(),
        volumes=(),
        nodules=(),
        triage=Triage(level=TriageLevel.NOT_ASSESSED, reasons=()),
        pattern=None,
        lungs=None,
        effusions=(),
        not_assessed=(NOTHING_LOOKED_FOR,),
        provenance=_provenance(digest.judging(bench.further, __version__, bench.language)),
        predecessor=order.predecessor,
        language=order.language,
    )


def _provenance(configuration_digest: str) -> Provenance:
    return Provenance(
        software_version=__version__,
        model_name=MADE_BY,
        model_version=__version__,
        model_digest="",
        configuration_digest=configuration_digest,
        provider="",
        precision="",
    )


def _refused(blank: Analysis, reports: Sequence[bytes], verdict: UnfitSeries) -> Made:
    remark = Remark(reason=verdict.reason, weight=Weight.REFUSES, detail=verdict.detail)
    return refused(blank, reports, remark)


def _must_be_foreign(report: bytes) -> None:
    found = read_elements(report, {tag_of("Manufacturer")}).get(tag_of("Manufacturer"))
    if found is not None and found.ascii == MANUFACTURER:
        raise UnfitSeries(Reason.OWN_REPORT, phrase("judged.own"))


def _beside(report: bytes, images: Images) -> _Beside:
    """The images of the one series that a report names and that is here, or why they are not used."""
    named = evidence(report)
    here = [(uid, instances) for uid in named if (instances := list(images(uid)))]
    if len(here) != 1:
        return _Beside()
    ((uid, instances),) = here
    seen = [*_seen(instances)]
    whose = read_header(report).patient
    if any(contradict(header.patient, whose) for _, header in seen):
        return _Beside(told=(phrase("judged.other-patient"),))
    if not named[uid].issuperset(header.study_uid for _, header in seen):
        return _Beside(told=(phrase("judged.other-study"),))
    try:
        series = series_of(encoded for encoded, _ in seen)
    except ValueError:
        series = None
    return _Beside(series) if series else _Beside(told=(phrase("judged.images-unread"),))


def _seen(instances: Sequence[bytes]) -> Iterator[tuple[bytes, SliceHeader]]:
    """Those that can be read, with what they say of themselves."""
    for encoded in instances:
        try:
            yield encoded, read_header(encoded)
        except UnfitSeries:
            continue
