"""Where implants can go in a real lung: anywhere, or touching a vessel or the pleura.

Theory of operation. Tissue is what a scan, smoothed by `STILL_MM`, shows above `TISSUE_HU` within the
lung mask's reach, specks of noise left out. A place that touches is found from the surface of that
tissue: a point on it is moved along the gradient to where HU cross the level, and the centre is set back
into the lung by the lesion's radius, less `SUNK` of it. Surface near the mask's rim is pleura (chest
wall, diaphragm or mediastinum), deep inside it is vessel, airway wall or scar. Places are tried at random
and taken in turn; one that is buried in tissue or lies in an airway is not taken, nor one that would come
nearer than `CLEAR_MM` to another implant or to anything a reader has marked, edge to edge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cc3d
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from millet.codec.tables import Mark
from millet.core.geometry import Floats, Grid, PointMm
from millet.core.lungs import LungMask
from millet.core.volume import Volume, canonical
from millet.phantom.lesion import Box, Field

STILL_MM = 0.8
TISSUE_HU = -500.0
LUNG_BELOW_HU = -650.0
SPECK_MM3 = 20.0
SUNK = 0.15
"""Of the radius, how deep a touching lesion lies in what it touches."""
MOST_BURIED = 0.3
"""Of the ball of the lesion's diameter, how much may be tissue already."""
LUMEN_BELOW_HU = -945.0
MOST_LUMEN = 0.3
"""Of the lung within `AROUND_MM` of a lesion, how much may be as empty as an airway."""
AROUND_MM = 2.0
PLEURA_WITHIN_MM = 3.0
VESSEL_FROM_MM = 5.0
"""Depth below the rim of the 2 mm lung mask; between the two a surface could be either."""
CLEAR_MM = 3.0
MARGIN_MM = 10.0
TRIES = 60

FREE, VESSEL, PLEURA = "free", "vessel", "pleura"
SITES = (FREE, VESSEL, PLEURA)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ground:
    """A lung that is to be implanted: its smoothed HU and its surfaces, in a box around the lungs."""

    grid: Grid
    """Canonical, of the whole volume."""
    box: Box
    still: Field
    """HU (z, y, x) in the box, smoothed by `STILL_MM`."""
    surface: NDArray[np.intp]
    """(N, 3) lung voxels of the box that border on tissue."""
    inside: NDArray[np.intp]
    """(N, 3) voxels of the box in the lung, a random part of them."""
    lungs: LungMask
    depth_mm: Field
    """How far inside the mask each of its own voxels lies; negative outside."""
    taken_mm: Floats
    """(N, 4) centre (x, y, z) and radius of what must be kept clear of."""


def survey(volume: Volume, lungs: LungMask, marks: Sequence[Mark], rng: np.random.Generator) -> Ground:
    """Look for places in a volume of any orientation; `marks` is everything that readers marked."""
    source = canonical(volume)
    box = _around(lungs, source.grid)
    spacing = source.grid.spacing_mm
    hu = np.asarray(source.hu[box], np.float32)
    still = np.asarray(ndimage.gaussian_filter(hu, [STILL_MM / s for s in spacing], truncate=3.0), np.float32)
    specks = int(SPECK_MM3 / source.grid.voxel_mm3)
    tissue = np.asarray(cc3d.dust(still > TISSUE_HU, threshold=specks, connectivity=6), bool)
    rim = ndimage.binary_dilation(tissue) & (still < TISSUE_HU)
    label = lungs.on(source.grid)[box] > 0
    near = ndimage.binary_dilation(label, iterations=int(np.ceil(2 / min(spacing))))
    depth = ndimage.distance_transform_edt(lungs.label > 0) - ndimage.distance_transform_edt(lungs.label == 0)
    taken = [(*mark.centre_mm, mark.diameter_mm / 2) for mark in marks]
    return Ground(
        grid=source.grid,
        box=box,
        still=still,
        surface=_some(np.argwhere(rim & near), rng),
        inside=_some(np.argwhere(label & (still < LUNG_BELOW_HU)), rng),
        lungs=lungs,
        depth_mm=np.asarray(depth * lungs.grid.spacing_mm[0], np.float32),
        taken_mm=np.asarray(taken, float).reshape(-1, 4),
    )


def places(ground: Ground, diameters_mm: Floats, site: str, rng: np.random.Generator) -> list[PointMm | None]:
    """A place for each diameter, in order, None where none was found; each keeps clear of all before it."""
    radii = np.repeat(diameters_mm / 2, TRIES)
    centres = _free(ground, len(radii), rng) if site == FREE else _touching(ground, radii, site, rng)
    fits = _fits(ground, centres, radii, site).reshape(-1, TRIES)
    centres = centres.reshape(-1, TRIES, 3)
    taken = ground.taken_mm
    chosen: list[PointMm | None] = []
    for trial, fit, radius in zip(centres, fits, diameters_mm / 2, strict=True):
        good = trial[fit]
        gap = np.linalg.norm(good[:, None] - taken[None, :, :3], axis=2) - taken[None, :, 3] - radius
        good = good[(gap >= CLEAR_MM).all(axis=1)]
        if len(good):
            taken = np.vstack([taken, (*good[0], radius)])
        chosen.append(PointMm(*good[0].tolist()) if len(good) else None)
    return chosen


def with_taken(ground: Ground, taken_mm: Floats) -> Ground:
    """The same ground with (N, 4) further things to keep clear of."""
    return replace(ground, taken_mm=np.vstack([ground.taken_mm, taken_mm.reshape(-1, 4)]))


def depth_mm(ground: Ground, points_mm: Floats) -> Floats:
    """How far inside the lung mask (N, 3) points lie; negative outside."""
    voxels = ground.lungs.grid.to_index_array(points_mm).T
    return np.asarray(ndimage.map_coordinates(ground.depth_mm, voxels, order=1, mode="nearest"), float)


def still_hu(ground: Ground, points_mm: Floats) -> Floats:
    """Smoothed HU at (N, 3) points near the lungs."""
    start = np.asarray([part.start for part in ground.box], float)
    voxels = (ground.grid.to_index_array(points_mm) - start).T
    return np.asarray(ndimage.map_coordinates(ground.still, voxels, order=1, mode="nearest"), float)


def _around(lungs: LungMask, grid: Grid) -> Box:
    """The box of a grid that holds the lungs and a margin."""
    voxels = np.argwhere(lungs.label)
    if not len(voxels):
        raise ValueError("there is no lung to implant into")
    ends = lungs.grid.to_patient_array(np.asarray([voxels.min(axis=0), voxels.max(axis=0)], float))
    margin = MARGIN_MM / np.asarray(grid.spacing_mm)
    low, high = grid.to_index_array(ends)
    first = np.maximum(np.floor(low - margin), 0).astype(int)
    last = np.minimum(np.ceil(high + margin) + 1, grid.shape).astype(int)
    z, y, x = (slice(int(a), int(b)) for a, b in zip(first, last, strict=True))
    return z, y, x


def _some(voxels: NDArray[np.intp], rng: np.random.Generator, most: int = 400_000) -> NDArray[np.intp]:
    return voxels[rng.choice(len(voxels), most, replace=False)] if len(voxels) > most else voxels


def _points(ground: Ground, voxels: Floats) -> Floats:
    start = np.asarray([part.start for part in ground.box], float)
    return ground.grid.to_patient_array(voxels + start)


def _free(ground: Ground, count: int, rng: np.random.Generator) -> Floats:
    """Points spread evenly through the lung."""
    if not len(ground.inside):
        raise ValueError("there is no lung to implant into")
    voxels = ground.inside[rng.integers(len(ground.inside), size=count)]
    return _points(ground, voxels + rng.uniform(-0.5, 0.5, voxels.shape))


def _touching(ground: Ground, radii_mm: Floats, site: str, rng: np.random.Generator) -> Floats:
    """Centres that lie their radius, less what they are sunk, from a surface of the wanted sort."""
    depths = depth_mm(ground, _points(ground, ground.surface.astype(float)))
    wanted = depths < PLEURA_WITHIN_MM if site == PLEURA else depths >= VESSEL_FROM_MM
    surface = ground.surface[wanted]
    if not len(surface):
        raise ValueError(f"there is no {site} to touch")
    points = _points(ground, surface[rng.integers(len(surface), size=len(radii_mm))].astype(float))
    for _ in range(4):
        slope = _slope(ground, points)
        steep = np.maximum((slope**2).sum(axis=1, keepdims=True), 1e4)
        points = points - np.clip((still_hu(ground, points) - TISSUE_HU)[:, None] * slope / steep, -0.5, 0.5)
    slope = _slope(ground, points)
    outward = -slope / np.maximum(np.linalg.norm(slope, axis=1, keepdims=True), 1e-6)
    return np.asarray(points + outward * (radii_mm * (1 - SUNK))[:, None], float)


def _slope(ground: Ground, points_mm: Floats) -> Floats:
    """The gradient of the smoothed HU in HU/mm, along (x, y, z)."""
    steps = np.eye(3) * 0.4
    sides = [still_hu(ground, points_mm + s) - still_hu(ground, points_mm - s) for s in steps]
    return np.stack(sides, axis=1) / 0.8


def _fits(ground: Ground, centres_mm: Floats, radii_mm: Floats, site: str) -> NDArray[np.bool_]:
    """Whether each place is in the lung, not buried, in no airway, and touches what it should."""
    hu = _ball_hu(ground, centres_mm, radii_mm)
    fits = ((hu > TISSUE_HU).mean(axis=1) <= MOST_BURIED) & (ground.lungs.at(centres_mm) > 0)
    around = _ball_hu(ground, centres_mm, radii_mm + AROUND_MM)
    fits &= (around < LUMEN_BELOW_HU).sum(axis=1) <= MOST_LUMEN * (around < LUNG_BELOW_HU).sum(axis=1)
    if site == FREE:
        return np.asarray(fits & (depth_mm(ground, centres_mm) >= radii_mm), bool)
    return np.asarray(fits & (hu.max(axis=1) > TISSUE_HU), bool)  # else the surface was not reached


def _ball_hu(ground: Ground, centres_mm: Floats, radii_mm: Floats) -> Floats:
    """Smoothed HU at 33 points of each ball."""
    steps = np.stack(np.meshgrid(*[np.linspace(-1, 1, 5)] * 3), -1).reshape(-1, 3)
    ball = steps[(steps**2).sum(axis=1) <= 1 + 1e-9]
    points = centres_mm[:, None] + ball[None] * radii_mm[:, None, None]
    return still_hu(ground, points.reshape(-1, 3)).reshape(len(centres_mm), -1)
