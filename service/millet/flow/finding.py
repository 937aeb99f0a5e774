"""From the windows of one exam to its nodules: searched, measured, described, and counted a second time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace

import numpy as np

from millet.core import calibration, count_limit, reliability
from millet.core import pattern as patterns
from millet.core.analysis import Analysis, Outcome
from millet.core.boxes import Selected
from millet.core.character import Character
from millet.core.describe import Seen, characters
from millet.core.detectability import Resolution
from millet.core.generations import named
from millet.core.kernel import blur_mm
from millet.core.lungs import LungMask
from millet.core.measure import Measurement, measure
from millet.core.nodule import Candidate, Nodule
from millet.core.place import places
from millet.core.stack import pixel
from millet.core.uids import object_uid
from millet.flow import second_reader
from millet.flow.ahead import Ahead
from millet.flow.answers import Progress as Share
from millet.flow.model import Model
from millet.flow.read import ReadSeries
from millet.flow.surroundings import Surroundings

Progress = Callable[[str, int, int], None]
"""The stage, and how many of its windows are done, of how many."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Exam:
    """What is looked at, by what, and who is told how far it is."""

    series: ReadSeries
    mask: LungMask
    ahead: Ahead
    model: Model
    progress: Progress


def searched(exam: Exam) -> Selected:
    """All that the model finds in the lungs."""
    exam.ahead.look_in(exam.mask)
    reader, share = exam.model.reader, _share("detect", exam.progress)
    return exam.ahead.search(reader, exam.series.volume, exam.mask, share)


def counted(
    base: Analysis, exam: Exam, found: Selected, around: Future[Surroundings], before: Sequence[Nodule]
) -> Analysis:
    """With the nodules that are reported, and how far their number is to be relied on.

    Args:
        base: the analysis so far.
        exam: what is looked at.
        found: what was found in it.
        around: what else is needed of it, made beside the detector.
        before: the nodules of an earlier generation.
    """
    exam.progress("measure", 0, 0)
    manifest, mask, seen_at = exam.model.manifest, exam.mask, resolution(exam.series)
    kept = [candidate for candidate in found.candidates if manifest.reports(candidate)]
    measured = measure(exam.series.volume, mask, kept, seen_at)
    sure = calibration.told(manifest.calibration, _sample(kept, mask, seen_at))
    second = _second(exam)
    known = around.result()
    described = _characters(measured, mask, known, seen_at, sure.probabilities)
    nodules = named(_nodules(base, exam.series, measured, described), before)
    figures, doubts = reliability.judge(_evidence(exam, known.noise_hu, nodules, second))
    return replace(
        base,
        outcome=Outcome.FINDINGS if nodules or known.effusions else Outcome.NONE_FOUND,
        remarks=base.remarks + count_limit.reached(manifest, found) + known.coverage + doubts,
        reliability=figures,
        nodules=nodules,
        effusions=known.effusions,
        lungs=mask.litres,
        not_assessed=base.not_assessed + sure.not_assessed,
        provenance=replace(base.provenance, calibration=sure.by),
    )


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


def _second(exam: Exam) -> tuple[Candidate, ...] | None:
    """What the second reader would report."""
    if exam.model.second is None:
        return None
    reader = exam.model.second.reader
    share = _share("second-reader", exam.progress)
    found = exam.ahead.search(reader, exam.series.volume, exam.mask, share)
    return tuple(candidate for candidate in found.candidates if reader.manifest.reports(candidate))


def _evidence(
    exam: Exam, noise: float | None, nodules: Sequence[Nodule], second: Sequence[Candidate] | None
) -> reliability.Evidence:
    """What is known of the count of an exam."""
    return reliability.Evidence(
        diameters_mm=[nodule.diameter_mm for nodule in nodules],
        median_mm=patterns.judge(nodules).median_diameter_mm,
        lungs_l=exam.mask.litres.total_l,
        noise_hu=noise,
        seen_at=resolution(exam.series),
        second_reader=exam.model.second.name if exam.model.second else second_reader.NONE,
        second=second,
    )


def resolution(series: ReadSeries) -> Resolution:
    """Pixel, slice (as thick as stated, at least as the step) and kernel of the chosen volume."""
    step_mm, _, column_mm = series.volume.grid.spacing_mm
    stated_mm = max(header.slice_thickness_mm or 0.0 for header in series.headers)
    return Resolution(
        pixel_mm=column_mm, slice_mm=max(step_mm, stated_mm), fwhm_mm=blur_mm(series.headers[0].kernel)
    )
