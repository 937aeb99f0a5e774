"""What is kept is measured on the source's own voxels: centre, size, HU, side and its voxels.

The cost is linear in the voxels of the nodules: each is measured in a block around it and nowhere
else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isnan
from typing import Protocol

import numpy as np

from millet.core.block import Block, Mask, blocks, lower_quartile, median
from millet.core.detectability import Resolution
from millet.core.geometry import Floats, PointMm
from millet.core.kernel import USUAL_BLUR_MM
from millet.core.labels import Labels, Places, nearest
from millet.core.levels import TISSUE_HU, Blur, blur
from millet.core.lungs import LUNG_HU, LungMask
from millet.core.nodule import Candidate, Side
from millet.core.sizing import diameter_mm
from millet.core.traits import Traits, examined
from millet.core.voi import BLUR_MM, BLUR_SLICES, LOOSE, Vois, vois
from millet.core.volume import Volume, canonical_grid

SOLID_FROM_MM = 5.0
SOLID_FROM_SLICES = 2.0
"""Below either the scanner's blur reaches the middle: no voxel shows the tissue's own HU, and the
detector's place is better than the middle of what is dense."""
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
    traits: Traits


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Ball:
    """A block, its part near the ball, and HU of what lies around and of the tissue."""

    block: Block
    near: Block
    diameter_mm: float
    background_hu: float
    tissue_hu: float


def measure(
    volume: Volume,
    lungs: LungMask,
    candidates: Sequence[Candidate],
    seen_at: Resolution | None = None,
) -> tuple[Measurement, ...]:
    """Measure and describe candidates, in their order.

    Without a resolution the blur is that of a usual kernel, and slices are as thick as their distance.
    """
    centres = [candidate.centre_mm for candidate in candidates]
    sides = _sides(lungs, centres)
    blurred = _blur(volume, seen_at)
    found: dict[int, Measurement] = {}
    for some in vois(volume, centres, [candidate.diameter_mm for candidate in candidates]):
        members = some.members.tolist()
        own = [(candidates[n], sides[n]) for n in members]
        found.update(zip(members, _measured(some, blurred, own), strict=True))
    return tuple(found[n] for n in range(len(candidates)))


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


def _sides(lungs: LungMask, centres_mm: Sequence[PointMm]) -> list[Side]:
    """The nearer lung of each point; outside both the nearest voxel of a lung has to be looked for."""
    points = np.asarray(centres_mm, float).reshape(-1, 3)
    within = {1: Side.RIGHT, 2: Side.LEFT}
    marks = lungs.at(points).tolist()
    return [within.get(mark) or lungs.side(point) for mark, point in zip(marks, points, strict=True)]


def _blur(volume: Volume, seen_at: Resolution | None) -> Blur:
    spacing_mm = canonical_grid(volume.grid).spacing_mm
    if seen_at is None:
        return blur(USUAL_BLUR_MM, max(spacing_mm), spacing_mm)
    return blur(seen_at.fwhm_mm, seen_at.slice_mm, spacing_mm)


def _measured(some: Vois, blurred: Blur, own: Sequence[tuple[Candidate, Side]]) -> Iterator[Measurement]:
    """The nodules of a batch; small ones in thin slices stay where the detector saw them."""
    seen = examined(some, blurred)
    across = diameter_mm(seen.volume_mm3)
    widest = max(some.grid.spacing_mm)
    large = 2 * some.radius_mm >= max(SOLID_FROM_MM, SOLID_FROM_SLICES * widest)
    moved = large | (widest * BLUR_SLICES > BLUR_MM)
    each = zip(
        own,
        np.where(moved[:, None], seen.centre_mm, np.nan).tolist(),
        *(values.tolist() for values in (across, seen.volume_mm3, seen.mean_hu)),
        seen.traits,
        strict=True,
    )
    for (candidate, side), centre, diameter, volume_mm3, mean_hu, traits in each:
        yield Measurement(
            candidate=candidate,
            centre_mm=candidate.centre_mm if isnan(centre[0]) else PointMm(*centre),
            diameter_mm=diameter,
            volume_mm3=volume_mm3,
            mean_hu=mean_hu,
            side=side,
            traits=traits,
        )


def _balls(volume: Volume, centres_mm: Sequence[PointMm], diameters_mm: Sequence[float]) -> Iterator[_Ball]:
    """What each ball is drawn by, one at a time."""
    for block, diameter in zip(blocks(volume, centres_mm, diameters_mm), diameters_mm, strict=True):
        near = block.near(max(diameter / 2 * LOOSE, LEVEL_MM))
        background, tissue = _levels(block, near, diameter)
        yield _Ball(block=block, near=near, diameter_mm=diameter, background_hu=background, tissue_hu=tissue)


def _claim(ball: _Ball) -> tuple[Places, Floats]:
    """The voxels of a nodule as places in the flattened grid, and their distances from its centre."""
    inside = _inside(ball)
    z, y, x = (index + first for index, first in zip(np.nonzero(inside), ball.near.first, strict=True))
    _, rows, columns = ball.block.grid.shape
    return (z * rows + y) * columns + x, ball.near.distance_mm[inside]


def _levels(block: Block, near: Block, diameter_mm: float) -> tuple[float, float]:
    """HU of what lies around a ball, and of its tissue."""
    around = block.hu[block.distance_mm > diameter_mm / 2 + LEVEL_MM]
    background = lower_quartile(around) if around.size else LUNG_HU
    core = near.hu[near.distance_mm <= max(diameter_mm / 4, LEVEL_MM)]
    tissue = median(core) if core.size else TISSUE_HU
    return background, max(tissue, background + 100.0)


def _inside(ball: _Ball) -> Mask:
    """Voxels of the nodule: those above half contrast, joined to the middle; the middle always."""
    near, loose = ball.near, LOOSE if ball.diameter_mm >= SOLID_FROM_MM else 1.0
    close = near.distance_mm <= ball.diameter_mm / 2 * loose
    return near.joined(close & (near.hu > (ball.background_hu + ball.tissue_hu) / 2))
