"""Put a chest, its tubes and its nodules on the scan's voxels, then expose them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from millet.core.geometry import Grid
from millet.phantom import acquisition, anatomy, emphysema, nodules, render, scars, vessels
from millet.phantom.anatomy import Chest
from millet.phantom.shapes import Field
from millet.phantom.spec import Progress, Scan

WALL_HU, LUMEN_HU, BLOOD_HU = 10.0, -995.0, 45.0
GRAIN_MM = 1.5
GRAIN_HU, LOBULE_HU = 26.0, 12.0
"""Standard deviations of the parenchyma: what lies below the resolution, and lobules."""
_SLAB = 16


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Contents:
    """What is drawn into the chest: blood vessels, lumens of airways, nodules, scars, and holes.

    `holes` says on the chest's grid how far each voxel is destroyed (None: nowhere). With `contrast_hu`
    above 0 blood is that bright.
    """

    blood: vessels.Branches
    lumens: vessels.Branches
    nodules: tuple[nodules.Sphere, ...]
    scars: tuple[scars.Scar, ...] = ()
    holes: Field | None = None
    contrast_hu: float = 0.0


def draw(chest: Chest, contents: Contents, scan: Scan, rng: np.random.Generator, tell: Progress) -> Field:
    """Noiseless HU (z, y, x) float32 on the scan's fine planes."""
    grid = acquisition.fine_grid(scan, acquisition.grid(scan, chest.scale))
    hu = _tissues(chest, contents, grid, scan.sigma_mm, rng, tell)
    for what, branches, value, share in (
        ("airways", vessels.with_walls(contents.lumens), WALL_HU, 0.45),
        ("airways", contents.lumens, LUMEN_HU, 0.52),
        ("vessels", contents.blood, contents.contrast_hu or BLOOD_HU, 0.58),
    ):
        tell(what, share)
        filled = render.occupancy(branches, grid, scan.sigma_mm)
        for plane in range(len(hu)):  # one by one: no second volume in memory
            hu[plane] += filled[plane] * (value - hu[plane])
    tell("nodules", 0.75)
    scars.lay(hu, contents.scars, chest, grid, scan.sigma_mm)
    nodules.lay(hu, contents.nodules, grid, nodules.Psf(in_plane_mm=scan.sigma_mm, across_mm=scan.sigma_mm))
    return hu


def _tissues(
    chest: Chest,
    contents: Contents,
    grid: Grid,
    sigma_mm: float,
    rng: np.random.Generator,
    tell: Progress,
) -> Field:
    hu = np.empty(grid.shape, np.float32)
    coarse = anatomy.coarse_grid(chest.scale, GRAIN_MM / chest.scale**0.5)
    grain = _grain(coarse, rng)
    at, grain_at = render.Interpolator(chest.grid, grid), render.Interpolator(coarse, grid)
    for start in range(0, grid.shape[0], _SLAB):
        tell("tissues", 0.12 + 0.33 * start / grid.shape[0])
        part = slice(start, min(start + _SLAB, grid.shape[0]))
        lung = _lung_hu(grain_at.planes(grain, part), grid, chest.scale)
        if contents.holes is not None:
            lung = emphysema.destroyed(lung, at.planes(contents.holes, part), render.LUNG)
        blood = contents.contrast_hu or render.BLOOD
        hu[part] = render.body_planes(chest, at, part, sigma_mm, lung_hu=lung, blood_hu=blood)
    return hu


def _grain(coarse: Grid, rng: np.random.Generator) -> Field:
    """Random parenchyma in HU: more bright specks (vessels and septa seen end on) than dark ones."""
    white = rng.standard_normal(coarse.shape, np.float32)
    fine = ndimage.gaussian_filter(white, 0.55)
    fine /= fine.std()
    skewed = np.exp(0.35 * fine)
    lobules = ndimage.gaussian_filter(white, 4.0)
    grain = GRAIN_HU * (skewed - skewed.mean()) / skewed.std() + LOBULE_HU * lobules / lobules.std()
    return np.asarray(grain, np.float32)


def _lung_hu(grain: Field, grid: Grid, scale: float) -> Field:
    """Parenchyma: denser towards the back, where the blood of a lying patient is."""
    y = grid.origin_mm.y + grid.spacing_mm[1] * np.arange(grid.shape[1])
    slope = (render.GRAVITY_HU_PER_MM / scale * y).astype(np.float32)
    return np.asarray(render.LUNG + slope[None, :, None] + grain, np.float32)


def expose(hu: Field, scan: Scan, scale: float, seed: int, tell: Progress) -> NDArray[np.int16]:
    """Average the fine planes into slices, sharpen, add noise, and store as 12 bits."""
    grid = acquisition.grid(scan, scale)
    spread = acquisition.noise_map(scan, grid, scale)
    out = np.empty(grid.shape, np.int16)
    step, profile = scan.planes_a_step, np.asarray(scan.profile, np.float32)
    for start in range(0, grid.shape[0], _SLAB):
        tell("exposure", 0.82 + 0.18 * start / grid.shape[0])
        stop = min(start + _SLAB, grid.shape[0])
        slices = np.stack([_slice(hu[k * step :], profile) for k in range(start, stop)])
        slices = acquisition.sharpened(scan, slices)
        shape = (stop - start, grid.shape[1], grid.shape[2])
        slices += spread * acquisition.noise(scan, shape, seed * 1000 + start)
        out[start:stop] = acquisition.stored(slices)
    return out


def _slice(planes: Field, profile: Field) -> Field:
    """One slice of the first planes."""
    own = planes[: len(profile)]
    if profile[0] == 1:
        return np.asarray(own.mean(axis=0), np.float32)
    return np.asarray(np.average(own, axis=0, weights=profile), np.float32)
