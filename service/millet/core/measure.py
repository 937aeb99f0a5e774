"""What is kept is measured on the source's own voxels: centre, size, HU, side and its voxels.

The cost is linear in the voxels of the nodules: each is measured in a block around it and nowhere
else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from millet.core.block import Block, Mask, blocks, dilated, lower_quartile, median
from millet.core.geometry import Floats, PointMm
from millet.core.labels import Labels, Places, nearest
from millet.core.lungs import LUNG_HU, LungMask
from millet.core.nodule import Candidate, Side
from millet.core.volume import Volume

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
LOOSE = 1.35
"""A nodule's own voxels lie within so many radii, unless it is too small for its edge to be seen."""
LEVEL_MM = 1.0
"""Tissue is looked for at least so far from the centre, the background so far beyond the ball."""


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
class _Ball:
    """A block, its part near the ball, and HU of what lies around and of the tissue."""

    block: Block
    near: Block
    diameter_mm: float
    background_hu: float
    tissue_hu: float


def measure(volume: Volume, lungs: LungMask, candidates: Sequence[Candidate]) -> tuple[Measurement, ...]:
    """Measure candidates, in their order."""
    centres = [candidate.centre_mm for candidate in candidates]
    balls = _balls(volume, centres, [candidate.diameter_mm for candidate in candidates])
    sides = _sides(lungs, centres)
    return tuple(_measured(*each) for each in zip(candidates, balls, sides, strict=True))


def label(volume: Volume, nodules: Sequence[Ball]) -> Labels:
    """Voxels of each nodule by its number (from 1), on the source's grid.

    Every nodule has at least the voxel at its centre; where two touch the nearer centre has the voxel.
    There is no limit on numbers.
    """
    ordered = sorted(nodules, key=lambda n: n.number)
    balls = _balls(volume, [n.centre_mm for n in ordered], [n.diameter_mm for n in ordered])
    claims = [_claim(ball) for ball in balls]
    numbers = np.repeat([n.number for n in ordered], [len(voxels) for voxels, _ in claims])
    return nearest(
        volume.grid.shape,
        np.concatenate([np.zeros(0, np.int64), *(voxels for voxels, _ in claims)]),
        numbers.astype(np.int64),
        np.concatenate([np.zeros(0), *(distances for _, distances in claims)]),
    )


def _balls(volume: Volume, centres_mm: Sequence[PointMm], diameters_mm: Sequence[float]) -> Iterator[_Ball]:
    """What each ball is measured by, one at a time."""
    for block, diameter in zip(blocks(volume, centres_mm, diameters_mm), diameters_mm, strict=True):
        near = block.near(max(diameter / 2 * LOOSE, LEVEL_MM))
        background, tissue = _levels(block, near, diameter)
        yield _Ball(block=block, near=near, diameter_mm=diameter, background_hu=background, tissue_hu=tissue)


def _sides(lungs: LungMask, centres_mm: Sequence[PointMm]) -> list[Side]:
    """The nearer lung of each point; outside both the nearest voxel of a lung has to be looked for."""
    points = np.asarray(centres_mm, float).reshape(-1, 3)
    within = {1: Side.RIGHT, 2: Side.LEFT}
    marks = lungs.at(points).tolist()
    return [within.get(mark) or lungs.side(point) for mark, point in zip(marks, points, strict=True)]


def _claim(ball: _Ball) -> tuple[Places, Floats]:
    """The voxels of a nodule as places in the flattened grid, and their distances from its centre."""
    inside = _inside(ball)
    z, y, x = (index + first for index, first in zip(np.nonzero(inside), ball.near.first, strict=True))
    _, rows, columns = ball.block.grid.shape
    return (z * rows + y) * columns + x, ball.near.distance_mm[inside]


def _measured(candidate: Candidate, ball: _Ball, side: Side) -> Measurement:
    centre, voxel_mm3 = candidate.centre_mm, ball.block.grid.voxel_mm3
    volume_mm3 = float(np.pi / 6 * ball.diameter_mm**3)
    if _shows_tissue(ball) and (share := _tissue_share(ball)).any():
        volume_mm3 = float(share.sum()) * voxel_mm3
        centre = _centroid(ball.near, share)
    else:
        around, share = _added_share(ball)
        volume_mm3 = max(float(share.sum()) * voxel_mm3, LEAST_SHARE * volume_mm3)
        if _thick_slices(ball.block) and (share > 0).any():
            centre = _centroid(around, share)
    return Measurement(
        candidate=candidate,
        centre_mm=centre,
        diameter_mm=float((6 * volume_mm3 / np.pi) ** (1 / 3)),
        volume_mm3=volume_mm3,
        mean_hu=float(ball.near.hu[_inside(ball)].mean()),
        side=side,
    )


def _shows_tissue(ball: _Ball) -> bool:
    """Whether a nodule is large enough for blur to leave its middle alone."""
    return ball.diameter_mm >= max(SOLID_FROM_MM, SOLID_FROM_SLICES * max(ball.block.grid.spacing_mm))


def _thick_slices(block: Block) -> bool:
    """Whether a small nodule shows on so few slices that its mass tells its place better than its peak."""
    return BLUR_SLICES * max(block.grid.spacing_mm) > BLUR_MM


def _added_share(ball: _Ball) -> tuple[Block, Floats]:
    """The share of tissue in each voxel that would add as much HU to the lung as was added there.

    Blur moves HU about and keeps their sum, so the sum holds where no edge can be drawn. Vessels and
    neighbours that do not hang together with the middle are left out.
    """
    block = ball.block
    reach = ball.diameter_mm / 2 + max(BLUR_MM, BLUR_SLICES * max(block.grid.spacing_mm))
    shell = (block.distance_mm > reach) & (block.distance_mm <= reach + SHELL_MM)
    lung = block.hu[shell & (block.hu < LUNG_BELOW_HU)]
    background = median(lung) if lung.size else LUNG_HU
    around = block.near(reach)
    share = np.minimum((around.hu.astype(float) - background) / (TISSUE_HU - background), 1.2)
    near = around.distance_mm <= reach
    dense = share > DENSE_SHARE
    body = around.joined(dense & near)
    other = dense & ~body
    if other.any():
        near &= ~dilated(other) | dilated(body)
    return around, np.where(near, share, 0.0)


def _levels(block: Block, near: Block, diameter_mm: float) -> tuple[float, float]:
    """HU of what lies around a ball, and of its tissue."""
    around = block.hu[block.distance_mm > diameter_mm / 2 + LEVEL_MM]
    background = lower_quartile(around) if around.size else LUNG_HU
    core = near.hu[near.distance_mm <= max(diameter_mm / 4, LEVEL_MM)]
    tissue = median(core) if core.size else TISSUE_HU
    return background, max(tissue, background + 100.0)


def _tissue_share(ball: _Ball) -> Floats:
    """The share of tissue (0..1) in each voxel that belongs to the nodule."""
    near, background = ball.near, ball.background_hu
    share = np.clip((near.hu.astype(float) - background) / (ball.tissue_hu - background), 0, 1)
    body = near.joined((share > 0.5) & (near.distance_mm <= ball.diameter_mm / 2 * LOOSE))
    rim = dilated(body) & (share > 0.1)
    return np.where(rim & ~body, np.where(share > 0.5, 0.5, share), np.where(body, share, 0.0))


def _inside(ball: _Ball) -> Mask:
    """Voxels of the nodule: those above half contrast, joined to the middle; the middle always."""
    near, loose = ball.near, LOOSE if ball.diameter_mm >= SOLID_FROM_MM else 1.0
    close = near.distance_mm <= ball.diameter_mm / 2 * loose
    return near.joined(close & (near.hu > (ball.background_hu + ball.tissue_hu) / 2))


def _centroid(block: Block, share: Floats) -> PointMm:
    """The centre of mass of the tissue."""
    indices = np.argwhere(share > 0)
    weights = share[tuple(indices.T)]
    centre = (indices * weights[:, None]).sum(axis=0) / weights.sum() + np.asarray(block.first)
    return PointMm(*block.grid.to_patient_array(centre[None])[0].tolist())
