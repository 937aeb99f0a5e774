"""One series, from its bytes to an analysis and the objects made of it.

    read -> lungs -> candidates -> nodules -> second reader -> the exam judged -> Analysis
         -> SR, SEG, pictures, messages

A series that cannot be judged ends in an Analysis too, with its coded reason; only faults of our own
(DetectorError, StoreError) leave this module as errors, for the work to be tried again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

import numpy as np

from millet import __version__
from millet.codec import lung_outline
from millet.codec.source import Source
from millet.core import count_limit, digest, triage
from millet.core.analysis import Analysis, Outcome, Predecessor, Provenance, Triage, TriageLevel
from millet.core.comparable import Conditions
from millet.core.followup import Prior, tracked
from millet.core.language import Language, phrase
from millet.core.lesion import Images
from millet.core.lungs import LungMask, lungs_of
from millet.core.measure import label
from millet.core.nodule import Candidate, Nodule
from millet.core.pattern import PROPOSAL
from millet.core.reasons import Reason, Remark, Weight
from millet.core.second_look import shows
from millet.core.worded import worded
from millet.errors import UnfitSeries
from millet.flow import followup
from millet.flow.ahead import Ahead, Haste
from millet.flow.finding import Exam, Progress, counted, resolution, searched
from millet.flow.judging import judged
from millet.flow.model import Model
from millet.flow.objects import objects_of, reports_of
from millet.flow.read import ReadSeries, read
from millet.flow.slabs import GRID
from millet.flow.surroundings import shown, surroundings

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
            configuration_digest=configuration(model, order.language),
            provider=model.provider,
            precision=model.precision,
        ),
        predecessor=order.predecessor,
        language=order.language,
    )


def configuration(model: Model, language: Language) -> str:
    """The digest of all but the model that changes a result, as every report tells it."""
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
    exam = Exam(series=series, mask=_lungs(ahead), ahead=ahead, model=model, progress=progress)
    with ThreadPoolExecutor(1, "beside") as beside:
        around = beside.submit(surroundings, series, exam.mask, ahead)
        pictured = beside.submit(shown, series, exam.mask, ahead)
        found = searched(exam)
        base = counted(base, exam, found, around, order.before)
        how = followup.conditions(series, exam.mask, model.manifest)
        base = _compared(base, series, exam.mask, how, order.prior)
        images = Images.of(series.volume.grid, resolution(series).slice_mm)
        lobes = around.result().lobes
        analysis = worded(judged(base, series.headers, exam.mask, lobes, images, model.criteria))
        progress("report", 0, 0)
        made = objects_of(analysis, label(series.volume, analysis.nodules), pictured.result())
        made = {**made, lung_outline.KIND: followup.kept(exam.mask, how)}
    return Made(analysis=analysis, objects=made, candidates=found.candidates)


def _lungs(ahead: Ahead) -> LungMask:
    """The lungs; raises UnfitSeries where there are none."""
    whole = ahead.volume(GRID)
    mask = lungs_of(np.asarray(whole.hu, np.float32), whole.grid)
    if not mask.found:
        raise UnfitSeries(Reason.NO_LUNG, phrase("no-lung"))
    return mask


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
