"""Rows of the image objects: what 2,000 nodules cost as masks, key images and pictures."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import NamedTuple, TypeVar

import highdicom
import numpy as np
import pydicom
from inferring import series
from table import Row

from millet.codec import gsps, key_images, labelmap, secondary, seg, tables
from millet.codec.projection import Views, project
from millet.codec.source import Source
from millet.codec.tables import Mark
from millet.core.analysis import Analysis, Outcome, Provenance, Triage, TriageLevel
from millet.core.labels import Labels
from millet.core.lungs import lungs
from millet.core.measure import label
from millet.core.nodule import Nodule, Side
from millet.core.resample import lattice_box, lattice_grid, resample
from millet.core.uids import derived_uid
from millet.core.volume import canonical
from millet.flow.offline import read_series

MANY = 2000
SLICES = 400
ROUNDS = 7
MB = 1e6
T = TypeVar("T")


class Exam(NamedTuple):
    """A phantom of many nodules, as it is when its objects are made."""

    analysis: Analysis
    labels: Labels
    source: Source
    views: Views
    look: Callable[[], Views]
    """Makes the views again."""


def rows() -> list[Row]:
    """All of them. Seconds are of the process's CPU time, on one core; medians."""
    return [*_masks(), *_keys(), *_pictures()]


def _masks() -> list[Row]:
    exam = _exam()
    made = []
    for name, codec in (("LABELMAP", labelmap), ("BINARY", seg)):
        what = f"{name} SEG for {MANY} nodules"
        encoded, seconds = _timed(lambda codec=codec: codec.encode(exam.analysis, exam.labels, exam.source))
        frames = int(pydicom.dcmread(io.BytesIO(encoded), stop_before_pixels=True).NumberOfFrames)
        note = "one bit a voxel; only deflation would make less of it, which few archives take"
        size = Row(
            name=f"{what}, size", unit="MB", value=len(encoded) / MB, target=10, note=note * (codec is seg)
        )
        made += [_seconds(f"{what}, time", seconds, 1.0), size, _frames(f"{what}, frames", frames)]
    return [*made, _read_back(exam)]


def _frames(name: str, frames: int) -> Row:
    return Row(name=name, unit="", value=frames, target=SLICES, note=f"of {SLICES} slices")


def _read_back(exam: Exam) -> Row:
    """Nodules whose voxels highdicom reads exactly."""
    encoded = labelmap.encode(exam.analysis, exam.labels, exam.source)
    read = highdicom.seg.segread(io.BytesIO(encoded))
    got = np.bincount(read.get_volume(combine_segments=True).array.reshape(-1), minlength=MANY + 1)[1:]
    expected = np.bincount(exam.labels.numbers, minlength=MANY + 1)[1:]
    same = int(np.count_nonzero((got == expected) & (expected > 0)))
    return Row(
        name=f"nodules of {MANY} that highdicom reads from the LABELMAP SEG, all voxels",
        unit="",
        value=same,
        target=MANY,
        higher_is_better=True,
    )


def _keys() -> list[Row]:
    exam = _exam()
    state, seconds = _timed(lambda: gsps.encode(exam.analysis, exam.source))
    selection, more = _timed(lambda: key_images.encode(exam.analysis, exam.source))
    both = [one + other for one, other in zip(seconds, more, strict=True)]
    size = (len(state) + len(selection)) / MB
    return [
        _seconds(f"key images and presentation state for {MANY} nodules, time", both),
        Row(name=f"key images and presentation state for {MANY} nodules, size", unit="MB", value=size),
    ]


def _pictures() -> list[Row]:
    exam = _exam()
    _, looking = _timed(exam.look)
    made = []
    for count in (0, 220, MANY):
        few = _with(exam.analysis, exam.analysis.nodules[:count])
        objects, drawing = _timed(lambda few=few: secondary.encode(exam.views, few, exam.source))
        total = [one + other for one, other in zip(looking, drawing, strict=True)]
        made.append(_seconds(f"axial, coronal and rotating pictures of {count} nodules, time", total, 0.5))
    for kind, encoded in objects.items():
        frames = pydicom.dcmread(io.BytesIO(encoded), stop_before_pixels=True).NumberOfFrames
        note = f"{frames} frames, RLE Lossless"
        made.append(
            Row(name=f"{kind} of {MANY} nodules, size", unit="MB", value=len(encoded) / MB, note=note)
        )
    return made


def _seconds(name: str, seconds: list[float], target: float | None = None) -> Row:
    return Row(
        name=name,
        unit="s",
        value=float(np.median(seconds)),
        low=min(seconds),
        high=max(seconds),
        n=len(seconds),
        target=target,
        note="CPU time",
    )


def _timed(run: Callable[[], T]) -> tuple[T, list[float]]:
    """What it makes, and the CPU seconds of some rounds after one that does not count."""
    seconds = []
    made = run()
    for _ in range(ROUNDS):
        started = time.process_time()
        made = run()
        seconds.append(time.process_time() - started)
    return made, seconds


@cache
def _exam() -> Exam:
    """The truth of the phantom stands for what a detector finds in it."""
    folder = series.phantom("miliary", SLICES, seed=1, nodules=MANY)
    scan = read_series([path.read_bytes() for path in sorted(folder.glob("*.dcm"))])
    marks = tables.read((folder / "truth.csv").read_text("utf-8"))
    analysis = _with(_blank(), [_nodule(number, mark) for number, mark in enumerate(marks, start=1)])
    volume = canonical(scan.volume)
    spacing = (1.0, 1.0, 1.0)
    grid = lattice_grid(volume.grid, spacing, lattice_box(volume.grid, spacing))
    planes = list(np.rint(resample(volume, grid).hu).astype(np.int16))
    inside = lungs(scan.volume).inside(grid)
    return Exam(
        analysis=analysis,
        labels=label(scan.volume, analysis.nodules),
        source=Source.of([(taken.image, taken.head) for taken in scan.taken if taken.image]),
        views=project(planes, grid, inside),
        look=lambda: project(planes, grid, inside),
    )


def _nodule(number: int, mark: Mark) -> Nodule:
    return Nodule(
        number=number,
        tracking_uid=derived_uid("bench", str(number)),
        centre_mm=mark.centre_mm,
        diameter_mm=mark.diameter_mm,
        volume_mm3=float(np.pi / 6 * mark.diameter_mm**3),
        mean_hu=0.0,
        score=1.0,
        side=Side.LEFT if mark.centre_mm.x > 0 else Side.RIGHT,
        source_sop_instance_uid="",
    )


def _with(analysis: Analysis, nodules: Sequence[Nodule]) -> Analysis:
    outcome = Outcome.FINDINGS if nodules else Outcome.NONE_FOUND
    return replace(analysis, nodules=tuple(nodules), outcome=outcome)


def _blank() -> Analysis:
    return Analysis(
        site="bench",
        study_uid="2.25.1",
        series_uid="2.25.2",
        frame_of_reference_uid="",
        generation=1,
        created_utc=datetime(2026, 1, 1, tzinfo=UTC),
        outcome=Outcome.NONE_FOUND,
        remarks=(),
        volumes=(),
        nodules=(),
        triage=Triage(level=TriageLevel.CRITICAL, reasons=()),
        pattern=None,
        lungs=None,
        effusions=(),
        not_assessed=("lymph nodes", "bones and upper abdomen", "airways"),
        provenance=Provenance(
            software_version="0",
            model_name="truth",
            model_version="1",
            model_digest="",
            configuration_digest="",
            provider="",
            precision="",
        ),
    )
