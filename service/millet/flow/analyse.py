"""One series, from its bytes to an analysis and the objects made of it.

    read -> lungs -> candidates -> nodules -> second reader -> pattern -> triage -> Analysis
         -> SR, SEG, pictures

A series that cannot be judged ends in an Analysis too, with its coded reason; only faults of our own
(DetectorError, StoreError) leave this module as errors, for the work to be tried again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

from millet import __version__
from millet.codec import presentation, seg, sr
from millet.codec.source import Source
from millet.core import count_limit, digest, reliability, triage
from millet.core import pattern as patterns
from millet.core.analysis import Analysis, Outcome, Provenance, Triage, TriageLevel
from millet.core.coverage import coverage
from millet.core.detectability import Resolution, blur_mm, noise_hu
from millet.core.effusion import effusions
from millet.core.lungs import LungMask, lungs
from millet.core.manifest import Manifest
from millet.core.measure import Measurement, label, measure
from millet.core.nodule import Candidate, Nodule
from millet.core.pattern import PROPOSAL
from millet.core.reasons import Reason, Remark, Weight
from millet.core.resample import lattice_box, lattice_grid, resample
from millet.core.uids import object_uid
from millet.core.volume import Volume, canonical
from millet.errors import UnfitSeries
from millet.flow import detect, second_reader
from millet.flow.read import ReadSeries, read
from millet.flow.second_reader import SecondReader
from millet.ports import Detector

PICTURE_MM = 1.0
UNREPORTED = frozenset({Reason.IDENTITY_CONFLICT})
"""No object is made: it would be filed under one of several patients. gRPC, page and metric tell it."""
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
    """A loaded model: its contract and, by graph, the detectors that run it in one precision."""

    manifest: Manifest
    detectors: Mapping[str, Detector]
    second: SecondReader | None = None
    """Who counts beside it; None where the model is the second reader itself."""

    @property
    def provider(self) -> str:
        """What runs the graphs, as the engines name it."""
        return ", ".join(sorted({detector.provider for detector in self.detectors.values()}))

    @property
    def precision(self) -> str:
        """What the graphs are written in."""
        return ", ".join(sorted({detector.precision for detector in self.detectors.values()}))

    @property
    def digest(self) -> str:
        """SHA-256 over the graphs in use. Raises ModelError."""
        return self.manifest.digest(self.precision)


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
        base = _told(base, series)
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
            configuration_digest=_configuration(model),
            provider=model.provider,
            precision=model.precision,
        ),
    )


def _configuration(model: Model) -> str:
    second = model.second.looks_with if model.second else None
    return digest.configuration(model.manifest, PROPOSAL, __version__, second)


def _told(base: Analysis, series: ReadSeries) -> Analysis:
    """With what reading said of the series, which stays said whatever becomes of it."""
    return replace(
        base,
        frame_of_reference_uid=series.headers[0].frame_of_reference_uid,
        remarks=base.remarks + series.remarks,
        volumes=series.volumes,
    )


def given_up(order: Order, instances: Sequence[bytes], model: Model, fault: Reason) -> Made:
    """The end of a series that could not be analysed for a fault of ours."""
    remark = Remark(reason=fault, weight=Weight.REFUSES, detail="tried and given up; the images are kept")
    return _refused(_blank(order, model), instances, remark)


def _refused(base: Analysis, instances: Sequence[bytes], remark: Remark) -> Made:
    analysis = replace(
        base,
        outcome=Outcome.NOT_ANALYSED,
        remarks=(remark, *base.remarks),
        triage=triage.not_assessed(remark),
        not_assessed=("everything: the series was not analysed",),
    )
    source = None if remark.reason in UNREPORTED else Source.any_of(instances)
    objects = {"sr": sr.encode(analysis, source)} if source else {}
    return Made(analysis=analysis, objects=objects, candidates=())


def _examined(base: Analysis, series: ReadSeries, model: Model, progress: Progress) -> Made:
    progress("lungs", 0.0)
    mask = lungs(series.volume)
    if not mask.found:
        raise UnfitSeries(Reason.NO_LUNG, "no air-filled lung in the volume")
    found = detect.search(
        series.volume,
        mask,
        model.detectors,
        model.manifest,
        lambda done, total: progress("detect", done / max(total, 1)),
    )
    progress("measure", 0.0)
    base = replace(base, remarks=base.remarks + count_limit.reached(model.manifest, found))
    nodules = _nodules(base, series, mask, model.manifest, found.candidates)
    second = _second(series, mask, model, progress)
    figures, doubts = reliability.judge(_evidence(series, mask, nodules, model, second))
    told = base.remarks + coverage(mask, series.volume) + doubts
    analysis = _judged(replace(base, remarks=told, reliability=figures), mask, nodules)
    progress("report", 0.0)
    return Made(analysis=analysis, objects=_objects(analysis, series, mask), candidates=found.candidates)


def _nodules(
    base: Analysis,
    series: ReadSeries,
    mask: LungMask,
    manifest: Manifest,
    candidates: Sequence[Candidate],
) -> tuple[Nodule, ...]:
    """The candidates at or above the operating threshold, measured and numbered."""
    kept = [c for c in candidates if manifest.reports(c)]
    measured = measure(series.volume, mask, kept)
    return tuple(_nodule(base, series, number, one) for number, one in enumerate(measured, start=1))


def _nodule(base: Analysis, series: ReadSeries, number: int, found: Measurement) -> Nodule:
    place = ",".join(f"{v:.3f}" for v in found.candidate.centre_mm)
    z = round(series.volume.grid.to_index(found.centre_mm).z)
    nearest = min(max(z, 0), len(series.headers) - 1)
    return Nodule(
        number=number,
        tracking_uid=object_uid(base, f"nodule at {place}"),
        centre_mm=found.centre_mm,
        diameter_mm=found.diameter_mm,
        volume_mm3=found.volume_mm3,
        mean_hu=found.mean_hu,
        score=found.candidate.score,
        side=found.side,
        source_sop_instance_uid=series.headers[nearest].sop_instance_uid,
    )


def _judged(base: Analysis, mask: LungMask, nodules: tuple[Nodule, ...]) -> Analysis:
    """The exam as a whole."""
    fluid = effusions(mask)
    seen = patterns.judge(nodules)
    return replace(
        base,
        outcome=Outcome.FINDINGS if nodules or fluid else Outcome.NONE_FOUND,
        nodules=nodules,
        pattern=seen,
        lungs=mask.litres,
        effusions=fluid,
        triage=triage.judge(
            triage.Exam(nodules=nodules, pattern=seen, effusions=fluid, remarks=base.remarks)
        ),
    )


def _second(
    series: ReadSeries, mask: LungMask, model: Model, progress: Progress
) -> tuple[Candidate, ...] | None:
    """What the second reader would report."""
    if model.second is None:
        return None
    return model.second.read(
        series.volume, mask, lambda done, total: progress("second-reader", done / max(total, 1))
    )


def _evidence(
    series: ReadSeries,
    mask: LungMask,
    nodules: Sequence[Nodule],
    model: Model,
    second: Sequence[Candidate] | None,
) -> reliability.Evidence:
    """What is known of the count of an exam."""
    return reliability.Evidence(
        diameters_mm=[nodule.diameter_mm for nodule in nodules],
        median_mm=patterns.judge(nodules).median_diameter_mm,
        lungs_l=mask.litres.total_l,
        noise_hu=noise_hu(series.volume, mask),
        seen_at=_resolution(series),
        second_reader=model.second.name if model.second else second_reader.NONE,
        second=second,
    )


def _resolution(series: ReadSeries) -> Resolution:
    """Pixel, slice (as thick as stated, at least as the step) and kernel of the chosen volume."""
    step_mm, _, column_mm = series.volume.grid.spacing_mm
    stated_mm = max(header.slice_thickness_mm or 0.0 for header in series.headers)
    return Resolution(
        pixel_mm=column_mm, slice_mm=max(step_mm, stated_mm), fwhm_mm=blur_mm(series.headers[0].kernel)
    )


def _objects(analysis: Analysis, series: ReadSeries, mask: LungMask) -> Mapping[str, bytes]:
    source = Source.read(series.instances)
    seen = _picture(series.volume)
    inside = mask.on(seen.grid) > 0
    pictures = presentation.mips(seen, analysis, inside)
    made = {
        "sr": sr.encode(analysis, source),
        "seg": seg.encode(analysis, label(series.volume, analysis.nodules), source),
        "mip-coronal.png": pictures["coronal"],
        "mip-axial.png": pictures["axial"],
    }
    return {kind: encoded for kind, encoded in made.items() if encoded}


def _picture(volume: Volume) -> Volume:
    """The volume on the 1 mm grid that pictures are drawn from."""
    source = canonical(volume)
    spacing = (PICTURE_MM, PICTURE_MM, PICTURE_MM)
    return resample(source, lattice_grid(source.grid, spacing, lattice_box(source.grid, spacing)))
