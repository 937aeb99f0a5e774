"""From a volume to candidates: levels, windows, detector, lungs, merging."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from millet.core.boxes import Proposal, Selected, select
from millet.core.candidates import merge
from millet.core.geometry import PointMm
from millet.core.lattice import Triple, Window, windows
from millet.core.lungs import LungMask
from millet.core.manifest import Level, Manifest
from millet.core.nodule import Candidate
from millet.core.resample import Box, lattice_box, lattice_grid, resample
from millet.core.volume import Volume, canonical
from millet.ports import Detector

CORE_VOXELS: Triple = (112, 160, 160)
"""What a window owns on a CPU: with its halo about 4 million voxels, 300 MB in the engine."""

Work = tuple[Level, Window]


def find(
    volume: Volume,
    lungs: LungMask,
    detectors: Mapping[str, Detector],
    manifest: Manifest,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
    core_voxels: Triple | None = None,
) -> tuple[Candidate, ...]:
    """All candidates down to the manifest's floor, highest score first.

    The result does not depend on the order or orientation of the source's slices, nor on `core_voxels`,
    which by default is each level's own choice. `detectors` are by the graph that they run.
    `progress(done, total)` is called after each window. Raises DetectorError.
    """
    return search(volume, lungs, detectors, manifest, progress, core_voxels).candidates


def search(
    volume: Volume,
    lungs: LungMask,
    detectors: Mapping[str, Detector],
    manifest: Manifest,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
    core_voxels: Triple | None = None,
) -> Selected:
    """What `find` finds, and what the model's own counting rules cut off, if it has such rules."""
    source = canonical(volume)
    work = list(plan(source, lungs, manifest, core_voxels))
    found: list[Proposal] = []
    progress(0, len(work))
    for number, (level, window) in enumerate(work):
        found.extend(_gated(_look(source, detectors[level.graph], manifest, level, window), lungs))
        progress(number + 1, len(work))
    if manifest.post is not None:
        return select(found, manifest.post)
    return Selected(merge([p.candidate for p in found], manifest.merge_distance, source))


def plan(
    source: Volume, lungs: LungMask, manifest: Manifest, core_voxels: Triple | None = None
) -> Iterator[Work]:
    """The windows of each level whose core holds lung; `source` is canonical."""
    for level in manifest.levels:
        core = core_voxels or level.core_voxels or CORE_VOXELS
        box = _lung_box(source, lungs, level)
        if box is None:
            continue
        for window in windows(box, core, level.halo_voxels):
            if _holds_lung(source, lungs, level, window.core):
                yield level, window


def _look(
    source: Volume, detector: Detector, manifest: Manifest, level: Level, window: Window
) -> Iterator[Proposal]:
    """What the detector finds in the core of one window, in the sizes that the level owns."""
    grid = lattice_grid(source.grid, level.spacing_mm, window.box)
    hu = np.clip(resample(source, grid).hu, *manifest.hu_range)
    peaks = detector.detect(np.asarray(hu, np.float32))
    diameters = peaks.diameter_voxels.astype(float) * level.spacing_mm[0]
    low, high = level.diameters_mm
    keep = window.owns(peaks.position_voxels.astype(float)) & (peaks.score >= manifest.candidate_floor)
    keep &= (low <= diameters) & (diameters < high)
    centres = grid.to_patient_array(peaks.position_voxels[keep].astype(float))
    pyramid = np.zeros(len(keep), int) if peaks.pyramid is None else peaks.pyramid
    kept = zip(centres, diameters[keep], peaks.score[keep], pyramid[keep], strict=True)
    for centre, diameter, score, of_pyramid in kept:
        candidate = Candidate(
            centre_mm=PointMm(*centre.tolist()), diameter_mm=float(diameter), score=float(score)
        )
        yield Proposal(candidate, int(of_pyramid))


def _gated(proposals: Iterator[Proposal], lungs: LungMask) -> list[Proposal]:
    """Those whose centre lies in a lung."""
    found = list(proposals)
    labels = lungs.at(np.asarray([p.candidate.centre_mm for p in found], float).reshape(-1, 3))
    return [p for p, label in zip(found, labels, strict=True) if label]


def _lung_box(source: Volume, lungs: LungMask, level: Level) -> Box | None:
    """The lattice positions of a level that cover the lungs, within the volume."""
    voxels = np.argwhere(lungs.label)
    if not len(voxels):
        return None
    return _box_of(source, lungs, level, voxels.min(axis=0), voxels.max(axis=0))


def _box_of(source: Volume, lungs: LungMask, level: Level, low: object, high: object) -> Box:
    """Lattice positions of a level around a block of the lung mask's voxels."""
    spacing = np.asarray(level.spacing_mm)
    axes, origin = np.asarray(lungs.grid.axes, float), np.asarray(lungs.grid.origin_mm, float)
    step = np.asarray(lungs.grid.spacing_mm)
    ends = [(axes @ origin + np.asarray(v, float) * step) / spacing for v in (low, high)]
    whole = lattice_box(source.grid, level.spacing_mm)
    start = np.maximum(np.floor(ends[0] - step / spacing / 2).astype(int), whole.start)
    stop = np.minimum(np.ceil(ends[1] + step / spacing / 2).astype(int) + 1, whole.stop)
    return Box(start=tuple(start.tolist()), stop=tuple(stop.tolist()))


def _holds_lung(source: Volume, lungs: LungMask, level: Level, core: Box) -> bool:
    """Whether any voxel of the lung mask lies in a core."""
    grid = lattice_grid(source.grid, level.spacing_mm, core)
    ends = np.asarray([(0, 0, 0), np.asarray(core.shape) - 1], float)
    voxels = lungs.grid.to_index_array(grid.to_patient_array(ends))
    low = np.maximum(np.floor(voxels[0]).astype(int), 0)
    high = np.maximum(np.ceil(voxels[1]).astype(int) + 1, 0)
    return bool(lungs.label[low[0] : high[0], low[1] : high[1], low[2] : high[2]].any())
