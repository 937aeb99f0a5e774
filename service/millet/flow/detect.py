"""From a volume to candidates: levels, windows, detector, lungs, merging."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np
import torch

from millet.core.boxes import Proposal, Selected, select
from millet.core.candidates import merge
from millet.core.cover import cores
from millet.core.geometry import Grid, PointMm
from millet.core.lattice import Triple, Window
from millet.core.lungs import LungMask
from millet.core.manifest import Level, Manifest
from millet.core.nodule import Candidate
from millet.core.resample import Box, lattice_box, lattice_grid
from millet.core.volume import Volume, canonical
from millet.flow.planes import Planes
from millet.ports import Detector, Peaks

CORE_VOXELS: Triple = (192, 192, 192)
"""The most that a window owns where its level does not say: with a halo of 16 up to 10 million voxels.
On real lungs at 1 mm the windows hold 4.5 to 5.2 times the lung's own voxels, with cores of 96 5.9 to 6.5
times; cores in rows held 6 and 8 to 10. The lung and its halo alone, in no windows at all, are 2.4 to 2.6."""

GRAIN: Triple = (4, 16, 16)
"""Windows of a tenth to a fifth more voxels in fewer shapes: OpenVINO takes 10 to 30 ms for each new one."""

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
    planes = Planes.of(source)
    work = list(plan(source.grid, lungs, manifest, core_voxels))
    found: list[Proposal] = []
    progress(0, len(work))
    for number, (level, window) in enumerate(work):
        voxels = clipped(planes.window(level.spacing_mm, window.box), manifest)
        detector = detectors[level.graph]
        (peaks,) = detector.detect(voxels[None].to(detector.device))
        found.extend(proposals(peaks, source.grid, manifest, level, window))
        progress(number + 1, len(work))
    return selected(found, source, lungs, manifest)


def plan(
    grid: Grid,
    lungs: LungMask,
    manifest: Manifest,
    core_voxels: Triple | None = None,
    done: Callable[[Level], Iterable[Box]] = lambda _level: (),
) -> Iterator[Work]:
    """The windows of each level, whose cores and what is `done` hold all of the lungs.

    `grid` is canonical; what lies outside it is no window's core.
    """
    for level in manifest.levels:
        whole = lattice_box(grid, level.spacing_mm)
        for core in cores(lungs, level, most_voxels(level, core_voxels), done(level)):
            if (inside := core.within(whole)) is not None:
                yield level, window_of(inside, level)


def window_of(core: Box, level: Level) -> Window:
    """The window of a core."""
    return Window(core=core, halo=level.halo_voxels, multiple=level.multiple_voxels, grain=GRAIN)


def most_voxels(level: Level, core_voxels: Triple | None = None) -> Triple:
    """The most that a window of a level owns."""
    return core_voxels or level.core_voxels or CORE_VOXELS


def clipped(hu: torch.Tensor, manifest: Manifest) -> torch.Tensor:
    """HU as the model was promised them."""
    low, high = manifest.hu_range
    return hu.clamp(low, high)


def proposals(
    peaks: Peaks,
    axes_of: Grid,
    manifest: Manifest,
    level: Level,
    window: Window,
    *,
    reported_only: bool = False,
) -> list[Proposal]:
    """What a detector found in the core of one window, in the sizes that the level owns.

    Of what is not reported a scan may hold a hundred times as much. It takes nothing away from what is
    (`core.candidates.merge`), so whoever wants the report alone need not collect it.
    """
    grid = lattice_grid(axes_of, level.spacing_mm, window.box)
    diameters = peaks.diameter_voxels.astype(float) * level.spacing_mm[0]
    low, high = level.diameters_mm
    keep = window.owns(peaks.position_voxels.astype(float)) & (peaks.score >= manifest.candidate_floor)
    keep &= (low <= diameters) & (diameters < high)
    if reported_only:
        keep &= peaks.score >= manifest.thresholds(diameters)
    centres = grid.to_patient_array(peaks.position_voxels[keep].astype(float))
    pyramid = np.zeros(len(keep), int) if peaks.pyramid is None else peaks.pyramid
    kept = zip(centres.tolist(), diameters[keep], peaks.score[keep], pyramid[keep], strict=True)
    return [
        Proposal(
            Candidate(centre_mm=PointMm(*centre), diameter_mm=float(diameter), score=float(score)),
            int(of_pyramid),
        )
        for centre, diameter, score, of_pyramid in kept
    ]


def selected(found: list[Proposal], source: Volume, lungs: LungMask, manifest: Manifest) -> Selected:
    """Of all that was proposed what lies in a lung, each thing once; `source` is canonical."""
    labels = lungs.at(np.asarray([p.candidate.centre_mm for p in found], float).reshape(-1, 3))
    inside = [p for p, label in zip(found, labels, strict=True) if label]
    if manifest.post is not None:
        return select(inside, manifest.post)
    return Selected(merge([p.candidate for p in inside], manifest.merge_distance, source))
