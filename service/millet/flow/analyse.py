"""One series, from its bytes to an analysis and the objects made of it.

    read -> lungs -> candidates -> nodules -> second reader -> the exam judged -> Analysis
         -> SR, SEG, pictures, messages

A series that cannot be judged ends in an Analysis too, with its coded reason; only faults of our own
(DetectorError, StoreError) leave this module as errors, for the work to be tried again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

import numpy as np

from millet import __version__
from millet.codec import lung_outline
from millet.codec.source import Source
from millet.core import calibration, count_limit, digest, reliability, triage
from millet.core import pattern as patterns
from millet.core.analysis import Analysis, Outcome, Predecessor, Provenance, Triage, TriageLevel
from millet.core.character import Character
from millet.core.comparable import Conditions
from millet.core.describe import Seen, characters
from millet.core.detectability import Resolution
from millet.core.followup import Prior, tracked
from millet.core.generations import named
from millet.core.kernel import blur_mm
from millet.core.language import Language, phrase
from millet.core.lesion import Images
from millet.core.lungs import LungMask, lungs_of
from millet.core.measure import Measurement, label, measure
from millet.core.nodule import Candidate, Nodule
from millet.core.pattern import PROPOSAL
from millet.core.place import places
from millet.core.reasons import Reason, Remark, Weight
from millet.core.second_look import shows
from millet.core.stack import pixel
from millet.core.uids import object_uid
from millet.core.worded import worded
from millet.errors import UnfitSeries
from millet.flow import followup, second_reader
from millet.flow.ahead import Ahead, Haste
from millet.flow.answers import Progress as Share
from millet.flow.judging import judged
from millet.flow.model import Model
from millet.flow.objects import objects_of, reports_of
from millet.flow.read import ReadSeries, read
from millet.flow.slabs import GRID
from millet.flow.surroundings import Surroundings, shown, surroundings

UNREPORTED = frozenset({Reason.IDENTITY_CONFLICT, Reason.OWN_REPORT})
"""No object is made: it would be filed under one of several patients, or come back to us in its turn."""
NOT_ASSESSED = (
    phrase("not-assessed.lymph-nodes"),
    phrase("not-assessed.bones-abdomen"),
    phrase("not-assessed.airways"),
    phrase("not-assessed.parenchyma"),
)
"""What no part of this service looks at; said in every report."""
NOT_COMPARED = phrase("not-assessed.change")

Progress = Callable[[str, int, int], None]
"""The stage, and how many of its windows are done, of how many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be analysed, and the time that goes into its objects."""

    site: str
    study_uid: str
    series_uid: str
    generation: int
    created_utc: datetime
    predecessor: Predecessor | None = None
    prior: Callable[[], Prior] | None = None
    """Tells what it is compared with, or why with nothing, once that is asked; None where nobody looks."""
    before: tuple[Nodule, ...] = ()
    """Of an earlier generation of the series: what is found there again keeps its name."""
    language: Language = Language.ENGLISH
    """Of what is made of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What an analysis leaves behind: objects by kind ("sr", "seg", "mip-coronal.png", ...)."""

    analysis: Analysis
    objects: Mapping[str, bytes]
    candidates: tuple[Candidate, ...]
    """What was found, by score: all down to the model's floor where that was asked for (`Ahead`)."""


def finish(order: Order, ahead: Ahead, model: Model, progress: Progress, haste: Haste | None = None) -> Made:
    """Analyse one series that is complete; the same bytes, order and model make the same objects.

    Args:
        order: what is analysed.
        ahead: every instance of the series, taken in any order, and whatever was done for it already.
        model: the loaded model, whose readers look in `ahead`.
        progress: told at each stage and window.
        haste: how urgent it is.

    Raises:
        DetectorError: the model failed; try again.
    """
    base = _blank(order, model)
    instances = ahead.shelf.all()
    try:
        progress("read", 0, 0)
        series = read(instances)
        base = _told(base, series)
        ahead.complete(series, haste)
        return _examined(base, series, ahead, model, progress, order)
    except UnfitSeries as verdict:
        remark = Remark(reason=verdict.reason, weight=Weight.REFUSES, detail=verdict.detail)
        return refused(base, [taken.head for taken in instances], remark)


def _blank(order: Order, model: Model) -> Analysis:
    """An analysis of nothing yet: who, when and by what."""
    return Analysis(
        site=order.site,
        study_uid=order.study_uid,
        series_uid=order.series_uid,
        frame_of_reference_uid="",
        generation=order.generation,
        created_utc=order.created_utc,
        outcome=Outcome.NONE_FOUND,
        remarks=count_limit.stated(model.manifest),
        volumes=(),
        nodules=(),
        triage=Triage(level=TriageLevel.NOT_ASSESSED, reasons=()),
        pattern=None,
        lungs=None,
        effusions=(),
        not_assessed=NOT_ASSESSED,
        provenance=Provenance(
            software_version=__version__,
            model_name=model.manifest.name,
            model_version=model.manifest.version,
            model_digest=model.digest,
            configuration_digest=_configuration(model, order.language),
            provider=model.provider,
            precision=model.precision,
        ),
        predecessor=order.predecessor,
        language=order.language,
    )


def _configuration(model: Model, language: Language) -> str:
    second = model.second.looks_with if model.second else None
    return digest.configuration(model.manifest, PROPOSAL, __version__, second, model.criteria, language)


def _told(base: Analysis, series: ReadSeries) -> Analysis:
    """With what reading said of the series, which stays said whatever becomes of it."""
    return replace(
        base,
        frame_of_reference_uid=series.headers[0].frame_of_reference_uid,
        remarks=base.remarks + series.remarks,
        volumes=series.volumes,
    )


def given_up(order: Order, instances: Iterable[bytes], model: Model, fault: Reason) -> Made:
    """The end of a series that could not be analysed for a fault of ours."""
    remark = Remark(reason=fault, weight=Weight.REFUSES, detail=phrase("given-up"))
    return refused(_blank(order, model), instances, remark)


def refused(base: Analysis, instances: Iterable[bytes], remark: Remark) -> Made:
    """What becomes of instances that are not analysed."""
    ended = replace(base, outcome=Outcome.NOT_ANALYSED, remarks=(remark, *base.remarks))
    told = replace(
        ended, triage=triage.not_assessed(remark), not_assessed=(phrase("not-assessed.everything"),)
    )
    analysis = worded(told)
    source = None if remark.reason in UNREPORTED else Source.any_of(instances)
    objects = reports_of(analysis, source, masks=False) if source else {}
    return Made(analysis=analysis, objects=objects, candidates=())


def _examined(
    base: Analysis, series: ReadSeries, ahead: Ahead, model: Model, progress: Progress, order: Order
) -> Made:
    progress("lungs", 0, 0)
    whole = ahead.volume(GRID)
    mask = lungs_of(np.asarray(whole.hu, np.float32), whole.grid)
    if not mask.found:
        raise UnfitSeries(Reason.NO_LUNG, phrase("no-lung"))
    with ThreadPoolExecutor(1, "beside") as beside:
        around = beside.submit(surroundings, series, mask, ahead)
        pictured = beside.submit(shown, series, mask, ahead)
        ahead.look_in(mask)
        found = ahead.search(model.reader, series.volume, mask, _share("detect", progress))
        progress("measure", 0, 0)
        base = replace(base, remarks=base.remarks + count_limit.reached(model.manifest, found))
        kept = [candidate for candidate in found.candidates if model.manifest.reports(candidate)]
        seen_at = resolution(series)
        measured = measure(series.volume, mask, kept, seen_at)
        sure = calibration.told(model.manifest.calibration, _sample(kept, mask, seen_at))
        second = _second(series, mask, ahead, model, progress)
        known = around.result()
        described = _characters(measured, mask, known, seen_at, sure.probabilities)
        nodules = named(_nodules(base, series, measured, described), order.before)
        figures, doubts = reliability.judge(_evidence(series, mask, known.noise_hu, nodules, model, second))
        told = base.remarks + known.coverage + doubts
        base = replace(
            base,
            outcome=Outcome.FINDINGS if nodules or known.effusions else Outcome.NONE_FOUND,
            remarks=told,
            reliability=figures,
            nodules=nodules,
            effusions=known.effusions,
            lungs=mask.litres,
            not_assessed=base.not_assessed + sure.not_assessed,
            provenance=replace(base.provenance, calibration=sure.by),
        )
        how = followup.conditions(series, mask, model.manifest)
        base = _compared(base, series, mask, how, order.prior)
        images = Images.of(series.volume.grid, seen_at.slice_mm)
        analysis = worded(judged(base, series.headers, mask, known.lobes, images, model.criteria))
        progress("report", 0, 0)
        made = objects_of(analysis, label(series.volume, analysis.nodules), pictured.result())
        made = {**made, lung_outline.KIND: followup.kept(mask, how)}
    return Made(analysis=analysis, objects=made, candidates=found.candidates)


def _compared(
    base: Analysis,
    series: ReadSeries,
    mask: LungMask,
    how: Conditions,
    prior: Callable[[], Prior] | None,
) -> Analysis:
    """With what changed since a prior, and its names for the nodules that are still there."""
    change = None
    if prior is not None:
        change = followup.changed(base, series, mask, how, prior(), partial(shows, series.volume))
        base = replace(base, change=change, nodules=tracked(base.nodules, change))
    compared = change is not None and not change.not_used
    return base if compared else replace(base, not_assessed=(*base.not_assessed, NOT_COMPARED))


def _share(stage: str, progress: Progress) -> Share:
    return lambda done, total: progress(stage, done, total)


def _characters(
    measured: Sequence[Measurement],
    mask: LungMask,
    known: Surroundings,
    seen_at: Resolution,
    probabilities: Sequence[float | None],
) -> tuple[Character, ...]:
    """What the nodules are like, and where in their lungs they lie."""
    centres = np.asarray([one.centre_mm for one in measured], float).reshape(-1, 3)
    where = places(centres, [one.diameter_mm for one in measured], mask, known.lobes)
    return characters(measured, where, Seen(at=seen_at, noise_hu=known.noise_hu), probabilities)


def _sample(kept: Sequence[Candidate], mask: LungMask, seen_at: Resolution) -> calibration.Sample:
    """The findings as the model's calibration asks about them."""
    return calibration.Sample(
        scores=[one.score for one in kept],
        diameters_mm=[one.diameter_mm for one in kept],
        lungs_l=mask.litres.total_l,
        slice_mm=seen_at.slice_mm,
    )


def _nodules(
    base: Analysis,
    series: ReadSeries,
    measured: Sequence[Measurement],
    described: Sequence[Character],
) -> tuple[Nodule, ...]:
    """The measured candidates, numbered in their order."""
    each = enumerate(zip(measured, described, strict=True), start=1)
    return tuple(_nodule(base, series, number, *one) for number, one in each)


def _nodule(
    base: Analysis, series: ReadSeries, number: int, found: Measurement, character: Character
) -> Nodule:
    place = ",".join(f"{v:.3f}" for v in found.candidate.centre_mm)
    z = round(series.volume.grid.to_index(found.centre_mm).z)
    nearest = series.headers[min(max(z, 0), len(series.headers) - 1)]
    return Nodule(
        number=number,
        tracking_uid=object_uid(base, f"nodule at {place}"),
        centre_mm=found.centre_mm,
        diameter_mm=found.diameter_mm,
        volume_mm3=found.volume_mm3,
        mean_hu=found.mean_hu,
        score=found.candidate.score,
        side=found.side,
        source_sop_instance_uid=nearest.sop_instance_uid,
        character=character,
        source_pixel=pixel(nearest, found.centre_mm),
    )


def _second(
    series: ReadSeries, mask: LungMask, ahead: Ahead, model: Model, progress: Progress
) -> tuple[Candidate, ...] | None:
    """What the second reader would report."""
    if model.second is None:
        return None
    reader = model.second.reader
    found = ahead.search(reader, series.volume, mask, _share("second-reader", progress))
    return tuple(candidate for candidate in found.candidates if reader.manifest.reports(candidate))


def _evidence(
    series: ReadSeries,
    mask: LungMask,
    noise: float | None,
    nodules: Sequence[Nodule],
    model: Model,
    second: Sequence[Candidate] | None,
) -> reliability.Evidence:
    """What is known of the count of an exam."""
    return reliability.Evidence(
        diameters_mm=[nodule.diameter_mm for nodule in nodules],
        median_mm=patterns.judge(nodules).median_diameter_mm,
        lungs_l=mask.litres.total_l,
        noise_hu=noise,
        seen_at=resolution(series),
        second_reader=model.second.name if model.second else second_reader.NONE,
        second=second,
    )


def resolution(series: ReadSeries) -> Resolution:
    """Pixel, slice (as thick as stated, at least as the step) and kernel of the chosen volume."""
    step_mm, _, column_mm = series.volume.grid.spacing_mm
    stated_mm = max(header.slice_thickness_mm or 0.0 for header in series.headers)
    return Resolution(
        pixel_mm=column_mm, slice_mm=max(step_mm, stated_mm), fwhm_mm=blur_mm(series.headers[0].kernel)
    )
