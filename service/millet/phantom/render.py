"""From shapes to HU: everything is drawn as the scanner would blur it, on the scan's own voxels.

Large parts turn their distance into a soft edge; thin tubes are drawn with the exact profile of a disc
seen through a Gaussian, so that a vessel thinner than a voxel keeps its mass (partial volume).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from millet.core.geometry import Grid
from millet.phantom.anatomy import Chest
from millet.phantom.shapes import Field
from millet.phantom.vessels import Branches

AIR, SKIN, FAT, MUSCLE, BLOOD, LIVER, FLUID, MASS = -1000.0, 15.0, -102.0, 52.0, 42.0, 58.0, 8.0, 36.0
MEDIASTINUM, FISSURE, LUNG, MARROW, CORTEX, TABLE = -75.0, -100.0, -868.0, 160.0, 760.0, -250.0
GRAVITY_HU_PER_MM = 0.28
FISSURE_MM = 0.35
FAR_MM = 1e3
"""From a part that is nowhere."""
Box = tuple[slice, slice, slice]
_BATCH = 3_000_000
_REACH = 2.6


@lru_cache(maxsize=1)
def _disc_table() -> Field:
    """[radius, distance], both in units of the blur: how much of a blurred disc is seen there."""
    radius, far = np.arange(0, 12.01, 0.1), np.arange(0, 15.01, 0.1)
    table = stats.ncx2.cdf(radius[:, None] ** 2, 2, np.maximum(far[None], 1e-6) ** 2)
    return np.asarray(table, np.float32)


def disc(radius: Field, far: Field) -> Field:
    """A unit disc blurred by a unit Gaussian, at `far` from its centre (non-central chi square)."""
    table = _disc_table()
    r, d = np.clip(radius, 0, 11.9) * 10, np.clip(far - np.maximum(radius - 11.9, 0), 0, 14.9) * 10
    i, j = r.astype(np.int32), d.astype(np.int32)
    u, v = r - i, d - j
    low = table[i, j] * (1 - v) + table[i, j + 1] * v
    high = table[i + 1, j] * (1 - v) + table[i + 1, j + 1] * v
    return np.asarray(low * (1 - u) + high * u, np.float32)


def occupancy(branches: Branches, grid: Grid, sigma_mm: float) -> Field:
    """How much of each voxel tubes fill, 0..1, blurred by `sigma_mm`; where tubes meet, the larger."""
    filled = np.zeros(grid.shape, np.float32)
    reach = branches.radius_mm.max(axis=1)[:, None] + _REACH * sigma_mm
    ends = np.stack([grid.to_index_array(branches.start_mm), grid.to_index_array(branches.end_mm)])
    margin = reach / np.asarray(grid.spacing_mm)
    low = np.maximum(np.ceil(ends.min(axis=0) - margin).astype(np.int64), 0)
    high = np.minimum(np.floor(ends.max(axis=0) + margin).astype(np.int64) + 1, grid.shape)
    size = high - low
    alive = np.flatnonzero((size > 0).all(axis=1))
    alive = alive[np.argsort(size[alive].prod(axis=1), kind="stable")]
    volume = size[alive].prod(axis=1).cumsum()
    for part in np.split(alive, np.searchsorted(volume, np.arange(_BATCH, volume[-1], _BATCH))):
        _draw(filled, branches, grid, (part, low[part], size[part], sigma_mm))
    return filled


def _draw(
    filled: Field,
    branches: Branches,
    grid: Grid,
    batch: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], float],
) -> None:
    part, low, size, sigma = batch
    if not len(part):
        return
    count = size.prod(axis=1)
    owner = np.repeat(np.arange(len(part), dtype=np.int32), count)
    inner = (np.arange(len(owner)) - np.repeat(count.cumsum() - count, count)).astype(np.int32)
    plane, width = (size[:, 1] * size[:, 2])[owner].astype(np.int32), size[owner, 2].astype(np.int32)
    z, rest = np.divmod(inner, plane)
    y, x = np.divmod(rest, width)
    index = [c + low[owner, axis].astype(np.int32) for axis, c in enumerate((z, y, x))]
    origin = np.asarray(grid.origin_mm)
    point = [(index[2 - k] * np.float32(grid.spacing_mm[2 - k]) + np.float32(origin[k])) for k in range(3)]
    start = branches.start_mm[part].astype(np.float32)
    along = (branches.end_mm - branches.start_mm)[part].astype(np.float32)
    square = np.maximum((along**2).sum(axis=1), 1e-6)
    off = [p - start[owner, k] for k, p in enumerate(point)]
    t = np.clip(sum(o * along[owner, k] for k, o in enumerate(off)) / square[owner], 0, 1).astype(np.float32)
    far = np.sqrt(sum((o - t * along[owner, k]) ** 2 for k, o in enumerate(off)))
    radius = branches.radius_mm[part].astype(np.float32)
    wide = radius[owner, 0] + t * (radius[owner, 1] - radius[owner, 0])
    flat = (index[0].astype(np.int64) * grid.shape[1] + index[1]) * grid.shape[2] + index[2]
    np.maximum.at(
        filled.reshape(-1), flat, disc(wide / sigma, np.asarray(far, np.float32) / np.float32(sigma))
    )


class Interpolator:
    """Linear interpolation from a coarse grid to planes of a fine one, both along the body axes."""

    def __init__(self, coarse: Grid, fine: Grid) -> None:
        self._places = [_places(coarse, fine, axis) for axis in range(3)]

    def planes(self, field: Field, part: slice) -> Field:
        """The fine planes `part` of a coarse field."""
        return self.near(field, part, np.inf)[0]

    def near(self, field: Field, part: slice, far_mm: float) -> tuple[Field, Box]:
        """The field where it may be below `far_mm`, and the box of the fine planes that is."""
        z, y, x = self._places
        first, last = int(z[part].min()), int(np.ceil(z[part].max()))
        block = field[first : last + 1]
        low = np.any(block < far_mm, axis=0)
        rows, columns = _span(low.any(axis=1), y), _span(low.any(axis=0), x)
        block = _between(_between(block, y[rows], 1), x[columns], 2)
        return _between(block, z[part] - first, 0), (slice(None), rows, columns)


def _places(coarse: Grid, fine: Grid, axis: int) -> Field:
    """The fractional coarse index of each fine one."""
    place = 2 - axis
    start = fine.origin_mm[place] - coarse.origin_mm[place]
    at = (start + fine.spacing_mm[axis] * np.arange(fine.shape[axis])) / coarse.spacing_mm[axis]
    return np.asarray(np.clip(at, 0, coarse.shape[axis] - 1), np.float32)


def _span(wanted: NDArray[np.bool_], places: Field) -> slice:
    """The fine places that touch a wanted coarse one."""
    touched = wanted[np.floor(places).astype(int)] | wanted[np.ceil(places).astype(int)]
    found = np.flatnonzero(touched)
    return slice(int(found[0]), int(found[-1]) + 1) if len(found) else slice(0, 0)


def _between(block: Field, places: Field, axis: int) -> Field:
    low = np.floor(places).astype(np.int64)
    high = np.ceil(places).astype(np.int64)
    weight = (places - low).reshape([-1 if k == axis else 1 for k in range(3)]).astype(np.float32)
    first = np.take(block, low, axis=axis)
    return np.asarray(first + weight * (np.take(block, high, axis=axis) - first), np.float32)


def _sheet(distance: Field, sigma_mm: float) -> Field:
    """The share of a fissure in each voxel."""
    share = np.minimum(FISSURE_MM / (sigma_mm * np.sqrt(2 * np.pi)), 1)
    return np.asarray(share * np.exp(-0.5 * (distance / sigma_mm) ** 2), np.float32)


def soft(field: Field, sigma_mm: float) -> Field:
    """1 inside, 0 outside, half at the surface, as wide as the blur.

    The logistic function of 1.702 x follows the normal integral within 0.01 (Johnson and Kotz).
    """
    return np.asarray(special.expit(field * np.float32(-1.702 / sigma_mm)), np.float32)


def body_planes(
    chest: Chest,
    at: Interpolator,
    part: slice,
    sigma_mm: float,
    *,
    lung_hu: Field,
    blood_hu: float = BLOOD,
) -> Field:
    """HU of everything but tubes and nodules, for some planes; `lung_hu` is the parenchyma there."""
    hu = np.full(lung_hu.shape, AIR, np.float32)

    def lay(field: Field, value: Callable[[Field, Box], Field] | float) -> None:
        near, box = at.near(field, part, 4 * sigma_mm)
        if near.size:
            below = hu[box]
            below += soft(near, sigma_mm) * (
                (value if isinstance(value, float) else value(near, box)) - below
            )

    lung = lung_hu
    for sheet in (chest.fissure, chest.level):
        if sheet.min() < FAR_MM:
            seen = _sheet(at.planes(sheet, part), sigma_mm)
            lung = lung + seen * (FISSURE - lung)
    lay(chest.table, TABLE)
    lay(chest.body, lambda d, _: FAT + (SKIN - FAT) * np.exp(-(((d + 1.2) / 1.4) ** 2)))
    for field, value in (
        (chest.muscle, MUSCLE),
        (chest.cavity, MEDIASTINUM),
        (chest.abdomen, FAT),
        (chest.liver, LIVER),
        (chest.soft, blood_hu),
        (chest.gullet, MUSCLE),
    ):
        lay(field, value)
    lay(chest.bone, lambda d, _: MARROW + (CORTEX - MARROW) * np.exp(-(((d + 0.9) / 1.3) ** 2)))
    lay(chest.lung, lambda _, box: lung[box])
    lay(chest.effusion, FLUID)
    lay(chest.mass, MASS)
    return hu
