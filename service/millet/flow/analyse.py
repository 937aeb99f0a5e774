"""One series, from its bytes to an analysis and the objects made of it.

    read -> lungs -> candidates -> nodules -> pattern -> triage -> Analysis -> SR, SEG, pictures

A series that cannot be judged ends in an Analysis too, with its coded reason; only faults of our own
(DetectorError, StoreError) leave this module as errors, for the work to be tried again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from millet import __version__
from millet.codec import presentation, seg, sr
from millet.codec.source import Source
from millet.core import digest, effusion, lungs, measure, pattern, triage
from millet.core.analysis import Analysis, Lungs, Outcome, Pattern, Provenance, Triage, VolumeSummary
from millet.core.analysis import Effusion as EffusionFound
from millet.core.manifest import Manifest
from millet.core.nodule import Candidate, Nodule
from millet.core.pattern import PROPOSAL
from millet.core.reasons import Remark, Weight
from millet.core.volume import canonical
from millet.errors import UnfitSeries
from millet.flow import detect
from millet.flow.read import ReadSeries, read
from millet.ports import Detector

NOT_ASSESSED = (
    "lymph nodes",
    "bones and upper abdomen",
    "airways",
    "parenchyma other than nodules",
    "change since a prior study",
)
"""What no part of this service looks at; said in every report."""

Progress = Callable[[str, float], None]
"""The stage, and the share of it that is done, 0..1."""


class Model(NamedTuple):
    """A loaded model: its contract and the detector that runs it."""

    manifest: Manifest
    detector: Detector


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be analysed, and the time that goes into its objects."""

    site: str
    study_uid: str
    series_uid: str
    generation: int
    created_utc: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What an analysis leaves behind: objects by kind ("sr", "seg", "mip-coronal.png", ...)."""

    analysis: Analysis
    objects: Mapping[str, bytes]
    candidates: tuple[Candidate, ...]


def analyse(order: Order, instances: Sequence[bytes], model: Model, progress: Progress) -> Made:
    """Analyse one series; the same bytes, order and model make the same objects.

    Args:
        order: what is analysed.
        instances: every instance of the series, encoded as received, in any order.
        model: the loaded model.
        progress: told at each stage and window.

    Raises:
        DetectorError: the model failed; try again.
    """
    base = _blank(order, model)
    try:
        progress("read", 0.0)
        series = read(instances)
        return _examined(base, series, model, progress)
    except UnfitSeries as verdict:
        remark = Remark(reason=verdict.reason, weight=Weight.REFUSES, detail=verdict.detail)
        return _refused(base, instances, remark)


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
        remarks=(),
        volumes=(),
        nodules=(),
        triage=Triage(level=triage.TriageLevel.NOT_ASSESSED, reasons=()),
        pattern=None,
        lungs=None,
        effusions=(),
        not_assessed=NOT_ASSESSED,
        provenance=Provenance(
            software_version=__version__,
            model_name=model.manifest.name,
            model_version=model.manifest.version,
            model_digest=model.manifest.digest,
            configuration_digest=digest.configuration(model.manifest, PROPOSAL),
            provider=model.detector.provider,
            precision=model.detector.precision,
        ),
    )


def given_up(order: Order, instances: Sequence[bytes], model: Model, fault: Reason) -> Made:
    """The end of a series that could not be analysed for a fault of ours."""
    remark = Remark(reason=fault, weight=Weight.REFUSES, detail="tried and given up; the images are kept")
    return _refused(_blank(order, model), instances, remark)


def _refused(base: Analysis, instances: Sequence[bytes], remark: Remark) -> Made:
    analysis = replace(
        base,
        outcome=Outcome.NOT_ANALYSED,
        remarks=(remark,),
        triage=triage.not_assessed(remark),
        not_assessed=("everything: the series was not analysed",),
    )
    source = Source.any_of(instances)
    objects = {"sr": sr.encode(analysis, source)} if source else {}
    return Made(analysis=analysis, objects=objects, candidates=())


def _examined(base: Analysis, series: ReadSeries, model: Model, progress: Progress) -> Made:
    progress("lungs", 0.0)
    mask = lungs(series.volume)
    if not mask.found:
        raise UnfitSeries(Reason.NO_LUNG, "no air-filled lung in the volume")
    candidates = _candidates(series.volume, mask, model, progress)
    progress("measure", 0.0)
    nodules = _nodules(base, series, mask, model.manifest, candidates)
    analysis = _judged(base, series, mask, nodules)
    progress("report", 0.0)
    return Made(analysis=analysis, objects=_objects(analysis, series, mask), candidates=candidates)
