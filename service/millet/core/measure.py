"""What is kept is measured on the source's own voxels: centre, size, HU, side and its voxels.

The cost is linear in the voxels of the nodules: each is measured in a block around it and nowhere
else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from millet.core.geometry import Floats, Grid, PointMm
from millet.core.lungs import LUNG_HU, LungMask
from millet.core.nodule import Candidate, Side
from millet.core.volume import Volume

Labels = NDArray[np.uint16] | NDArray[np.uint32]

SOLID_FROM_MM = 5.0
SOLID_FROM_SLICES = 2.0
"""Below either the scanner's blur reaches the middle: no voxel shows the tissue's own HU."""
TISSUE_HU = 40.0
"""Taken for the tissue of nodules too small to show it; one that is not solid reads too small."""
LUNG_BELOW_HU = -500.0
BLUR_MM, BLUR_SLICES = 1.15, 0.6
"""How far beyond a small nodule its blur is summed; in mm, and in slices where these are thick."""
SHELL_MM = 1.5
"""The lung just beyond that gives the background."""
DENSE_SHARE = 0.35
"""Of tissue in a voxel, from which on it may belong to something."""
LEAST_SHARE = 0.2
"""Of the detector's volume: no nodule is measured smaller, whatever noise takes away."""
BLOCK_RADII = 1.5
BLOCK_MARGIN_MM = 3.0


class Ball(Protocol):
    """Anything with a number, a centre and a diameter; a `Nodule` is one."""

    @property
    def number(self) -> int:
        """Its label."""

    @property
    def centre_mm(self) -> PointMm:
        """LPS."""

    @property
    def diameter_mm(self) -> float:
        """Mean diameter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One candidate, measured."""

    candidate: Candidate
    centre_mm: PointMm
    diameter_mm: float
    """Of the ball of the same volume."""
    volume_mm3: float
    mean_hu: float
    side: Side


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Block:
    """The voxels around a ball: HU, distance of each from the centre, first index, grid."""

    hu: NDArray[np.float32]
    distance_mm: Floats
    first: tuple[int, int, int]
    grid: Grid


def measure(volume: Volume, lungs: LungMask, candidates: Sequence[Candidate]) -> tuple[Measurement, ...]:
    """Measure candidates, in their order."""
    return tuple(_measured(volume, lungs, candidate) for candidate in candidates)


def label(volume: Volume, nodules: Sequence[Ball]) -> Labels:
    """Voxels of each nodule by its number (from 1), on the source's grid; 0 elsewhere.

    Every nodule has at least the voxel at its centre; where two touch the nearer centre has the voxel.
    There is no limit on numbers: voxels widen to 32 bits where they must.
    """
    most = max((nodule.number for nodule in nodules), default=0)
    shape = volume.grid.shape
    labels: Labels = np.zeros(shape, np.uint16) if most < 2**16 else np.zeros(shape, np.uint32)
    nearest: dict[tuple[int, ...], float] = {}
    for nodule in sorted(nodules, key=lambda n: n.number):
        block = _block(volume, nodule.centre_mm, nodule.diameter_mm)
        if not block.hu.size:
            continue
        for index in np.argwhere(_inside(block, nodule.diameter_mm)):
            at = tuple((index + block.first).tolist())
            distance = float(block.distance_mm[tuple(index)])
            if distance < nearest.get(at, np.inf):
                nearest[at] = distance
                labels[at] = nodule.number
    return labels


def _measured(volume: Volume, lungs: LungMask, candidate: Candidate) -> Measurement:
    centre, diameter = candidate.centre_mm, candidate.diameter_mm
    block = _block(volume, centre, diameter)
    inside = _inside(block, diameter)
    volume_mm3 = float(np.pi / 6 * diameter**3)
    if _shows_tissue(block, diameter) and (share := _tissue_share(block, diameter)).any():
        volume_mm3 = float(share.sum()) * block.grid.voxel_mm3
        centre = _centroid(block, share)
    else:
        share = _added_share(block, diameter)
        volume_mm3 = max(float(share.sum()) * block.grid.voxel_mm3, LEAST_SHARE * volume_mm3)
        centre = _centroid(block, share) if _thick_slices(block) and (share > 0).any() else centre
    return Measurement(
        candidate=candidate,
        centre_mm=centre,
        diameter_mm=float((6 * volume_mm3 / np.pi) ** (1 / 3)),
        volume_mm3=volume_mm3,
        mean_hu=float(block.hu[inside].mean()),
        side=lungs.side(np.asarray(candidate.centre_mm)),
    )


def _shows_tissue(block: _Block, diameter_mm: float) -> bool:
    """Whether a nodule is large enough for blur to leave its middle alone."""
    return diameter_mm >= max(SOLID_FROM_MM, SOLID_FROM_SLICES * max(block.grid.spacing_mm))


def _thick_slices(block: _Block) -> bool:
    """Whether a small nodule shows on so few slices that its mass tells its place better than its peak."""
    return BLUR_SLICES * max(block.grid.spacing_mm) > BLUR_MM


def _added_share(block: _Block, diameter_mm: float) -> Floats:
    """The share of tissue in each voxel that would add as much HU to the lung as was added there.

    Blur moves HU about and keeps their sum, so the sum holds where no edge can be drawn. Vessels and
    neighbours that do not hang together with the middle are left out.
    """
    reach = diameter_mm / 2 + max(BLUR_MM, BLUR_SLICES * max(block.grid.spacing_mm))
    shell = block.hu[(block.distance_mm > reach) & (block.distance_mm <= reach + SHELL_MM)]
    lung = shell[shell < LUNG_BELOW_HU]
    background = float(np.median(lung)) if lung.size else LUNG_HU
    share = np.minimum((block.hu.astype(float) - background) / (TISSUE_HU - background), 1.2)
    near = block.distance_mm <= reach
    dense = share > DENSE_SHARE
    body = _joined(block, dense & near)
    other = ndimage.binary_dilation(dense & ~body) & ~ndimage.binary_dilation(body)
    return np.where(near & ~other, share, 0.0)


def _block(volume: Volume, centre_mm: PointMm, diameter_mm: float) -> _Block:
    """The part of a volume that a ball of this size, and a margin, can reach."""
    grid = volume.grid
    centre = grid.to_index_array(np.asarray([centre_mm], float))[0]
    reach = (diameter_mm / 2 * BLOCK_RADII + BLOCK_MARGIN_MM) / np.asarray(grid.spacing_mm)
    last = np.asarray(grid.shape) - 1
    low = np.clip(np.floor(centre - reach), 0, last).astype(int)
    high = np.clip(np.ceil(centre + reach), 0, last).astype(int) + 1
    axes = [(np.arange(a, b) - c) * s for a, b, c, s in zip(low, high, centre, grid.spacing_mm, strict=True)]
    distance = np.sqrt(axes[0][:, None, None] ** 2 + axes[1][:, None] ** 2 + axes[2] ** 2)
    hu = volume.hu[tuple(slice(a, b) for a, b in zip(low, high, strict=True))].astype(np.float32)
    return _Block(hu=hu, distance_mm=distance, first=(int(low[0]), int(low[1]), int(low[2])), grid=grid)


def _levels(block: _Block, diameter_mm: float) -> tuple[float, float]:
    """HU of what lies around a ball, and of its tissue."""
    around = block.hu[(diameter_mm / 2 + 1.0 < block.distance_mm)]
    background = float(np.percentile(around, 25)) if around.size else LUNG_HU
    core = block.hu[block.distance_mm <= max(diameter_mm / 4, 1.0)]
    tissue = float(np.median(core)) if core.size else TISSUE_HU
    return background, max(tissue, background + 100.0)


def _tissue_share(block: _Block, diameter_mm: float) -> Floats:
    """The share of tissue (0..1) in each voxel that belongs to the nodule."""
    background, tissue = _levels(block, diameter_mm)
    share = np.clip((block.hu.astype(float) - background) / (tissue - background), 0, 1)
    body = _joined(block, (share > 0.5) & (block.distance_mm <= diameter_mm / 2 * 1.35))
    rim = ndimage.binary_dilation(body) & (share > 0.1)
    return np.where(rim & ~body, np.where(share > 0.5, 0.5, share), np.where(body, share, 0.0))


def _inside(block: _Block, diameter_mm: float) -> NDArray[np.bool_]:
    """Voxels of the nodule: those above half contrast, joined to the middle; the middle always."""
    background, tissue = _levels(block, diameter_mm)
    near = block.distance_mm <= diameter_mm / 2 * 1.35
    if diameter_mm < SOLID_FROM_MM:
        near = block.distance_mm <= diameter_mm / 2
    return _joined(block, near & (block.hu > (background + tissue) / 2))


def _joined(block: _Block, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The part of a mask that hangs together with the voxel nearest to the centre, which is added."""
    middle = np.unravel_index(int(np.argmin(block.distance_mm)), mask.shape)
    mask = mask.copy()
    mask[middle] = True
    parts, _ = ndimage.label(mask)
    joined: NDArray[np.bool_] = parts == parts[middle]
    return joined


def _centroid(block: _Block, share: Floats) -> PointMm:
    """The centre of mass of the tissue."""
    indices = np.argwhere(share > 0)
    weights = share[tuple(indices.T)]
    centre = (indices * weights[:, None]).sum(axis=0) / weights.sum() + np.asarray(block.first)
    return PointMm(*block.grid.to_patient_array(centre[None])[0].tolist())
