"""From a volume to candidates: levels, windows, detector, lungs, merging."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import torch

from millet.core.boxes import Proposal, Selected, select
from millet.core.candidates import merge
from millet.core.cover import cores
from millet.core.geometry import PointMm
from millet.core.lattice import Triple, Window
from millet.core.lungs import LungMask
from millet.core.manifest import Level, Manifest
from millet.core.nodule import Candidate
from millet.core.resample import lattice_box, lattice_grid, resample
from millet.core.volume import Volume, canonical
from millet.ports import Detector

CORE_VOXELS: Triple = (192, 192, 192)
"""The most that a window owns where its level does not say: with a halo of 16 up to 10 million voxels.
On real lungs at 1 mm the windows hold 4.5 to 5.2 times the lung's own voxels, with cores of 96 5.9 to 6.5
times; cores in rows held 6 and 8 to 10. The lung and its halo alone, in no windows at all, are 2.4 to 2.6."""

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
    """The windows of each level, whose cores hold all of the lungs; `source` is canonical."""
    for level in manifest.levels:
        whole = lattice_box(source.grid, level.spacing_mm)
        for core in cores(lungs, level, core_voxels or level.core_voxels or CORE_VOXELS):
            if (inside := core.within(whole)) is not None:
                yield level, Window(core=inside, halo=level.halo_voxels, multiple=level.multiple_voxels)


def _look(
    source: Volume, detector: Detector, manifest: Manifest, level: Level, window: Window
) -> Iterator[Proposal]:
    """What the detector finds in the core of one window, in the sizes that the level owns."""
    grid = lattice_grid(source.grid, level.spacing_mm, window.box)
    hu = np.clip(resample(source, grid).hu, *manifest.hu_range)
    (peaks,) = detector.detect(torch.from_numpy(np.asarray(hu, np.float32))[None].to(detector.device))
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
