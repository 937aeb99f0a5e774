"""Training windows: a piece of a chest, nodules drawn into it, and what the network should say of it.

Window `i` of a stream is a function of the stream's seed and of `i` alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from millet.train.backgrounds import LUNG, PLEURA, VESSEL, Background
from millet.train.draw import KINDS, SHARES, Floats, Look, add, look


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What a network is taught: grid, window (voxels), sizes, and how many nodules at most."""

    grid_mm: float = 1.0
    side: int = 64
    diameter_mm: tuple[float, float] = (1.3, 9.0)
    small_mm: float = 4.5
    """Most nodules are drawn below this."""
    small_share: float = 0.75
    most: int = 60
    empty: float = 0.33
    rim: int = 4
    """Voxels at the window's faces that are not judged: the network sees less than a halo there."""


class Window(NamedTuple):
    """One example. All on the network's grid; positions in voxels."""

    hu: Floats
    """(D, H, W)."""
    judged: NDArray[np.bool_]
    """(D, H, W): where an answer counts."""
    position: Floats
    """(N, 3) sub-voxel z, y, x."""
    diameter: Floats
    """(N,) in voxels."""


LEAST_ADDED_HU = 80.0
LEAST_NOISES = 3.0
"""A nodule that adds less than this is drawn but not judged."""
LEAST_GLASS_MM = 2.2
THICKEN = 0.2
"""Share of windows of thin slices that are averaged to thick ones; a coarse grid would not see it."""
THICKENED_BELOW_MM = 4.0
LOCAL_MM = 1.0


def window(chests: Sequence[Background], recipe: Recipe, seed: int, index: int) -> Window:
    """Window `index` of the stream `seed`."""
    rng = np.random.default_rng([seed, index])
    chest = chests[int(rng.integers(len(chests)))]
    step = chest.spacing_mm[0]
    thick = 1
    if step < 2 * recipe.grid_mm <= THICKENED_BELOW_MM and rng.uniform() < THICKEN:
        thick = int(rng.choice([2, 3]))
    hu, zone, judged = _piece(chest, recipe, rng, thick)
    spacing = (step * thick, recipe.grid_mm, recipe.grid_mm)
    across = float(rng.uniform(*chest.sigma_across_mm))
    if thick > 1:
        across = float(np.hypot(across, step * np.sqrt((thick**2 - 1) / 12)))
    sigma = (float(rng.uniform(*chest.sigma_in_mm)), across)
    noise = chest.noise_hu / np.sqrt(thick)
    placed = _nodules(hu, zone, spacing, sigma, recipe, rng)
    grid = _onto_grid(spacing[0], recipe, rng)
    # numpy's matrix product would wake as many threads as there are cores, in every process
    hu = torch.tensordot(torch.from_numpy(grid.weights), torch.from_numpy(hu), 1).numpy()
    judged = judged[grid.nearest]
    positions, diameters = _labels(placed, judged, grid, recipe, noise)
    return _varied(Window(hu, _within(judged, recipe), positions, diameters), recipe, rng)


class _Placed(NamedTuple):
    """A nodule in the piece: its place in mm, its looks, and how far it stands out."""

    centre_mm: Floats
    seen: Look
    added_hu: float


class _Grid(NamedTuple):
    """How slices become planes of the grid."""

    weights: Floats
    nearest: NDArray[np.intp]
    start_mm: float


def _piece(
    chest: Background, recipe: Recipe, rng: np.random.Generator, thick: int
) -> tuple[Floats, NDArray[np.uint8], NDArray[np.bool_]]:
    """A block of slices around a random place in the lungs; beyond the chest it is repeated, unjudged."""
    step = chest.spacing_mm[0]
    side_mm = recipe.side * recipe.grid_mm
    slices = thick * (int(np.ceil(side_mm / (step * thick))) + 3)
    size = np.asarray([slices, recipe.side, recipe.side])
    while True:
        centre = rng.integers(0, chest.hu.shape)
        if chest.zone[tuple(centre)] & LUNG:
            break
    low = centre - (size * rng.uniform(0.25, 0.75, 3)).astype(int)
    where = [np.arange(a, a + n) for a, n in zip(low, size, strict=True)]
    inside = [np.clip(w, 0, n - 1) for w, n in zip(where, chest.hu.shape, strict=True)]
    block = np.ix_(*inside)
    hu, zone, judged = (
        chest.hu[block].astype(np.float32),
        chest.zone[block].copy(),
        chest.judged[block].copy(),
    )
    for axis, (w, n) in enumerate(zip(where, chest.hu.shape, strict=True)):
        beyond = (w < 0) | (w >= n)
        np.moveaxis(judged, axis, 0)[beyond] = False
        np.moveaxis(zone, axis, 0)[beyond] = 0
    if thick > 1:
        hu = hu.reshape(-1, thick, *hu.shape[1:]).mean(axis=1)
        zone, judged = zone[thick // 2 :: thick], judged[thick // 2 :: thick]
    return hu, zone, judged


def _count(recipe: Recipe, rng: np.random.Generator) -> int:
    if rng.uniform() < recipe.empty:
        return 0
    return int(np.exp(rng.uniform(0, np.log(recipe.most + 1))))


def _diameters(count: int, recipe: Recipe, rng: np.random.Generator) -> Floats:
    low, high = recipe.diameter_mm
    small = rng.uniform(size=count) < recipe.small_share
    top = np.where(small, recipe.small_mm, high)
    bottom = np.where(small, low, min(recipe.small_mm * 0.7, high / 2))
    sizes = bottom * (top / bottom) ** rng.uniform(size=count)
    if count and rng.uniform() < 0.4:  # uniform, as miliary disease is
        sizes = sizes[0] * np.exp(rng.normal(0, 0.1, count))
    return np.clip(sizes, low, high).astype(np.float32)


def _nodules(
    hu: Floats,
    zone: NDArray[np.uint8],
    spacing: tuple[float, float, float],
    sigma: tuple[float, float],
    recipe: Recipe,
    rng: np.random.Generator,
) -> list[_Placed]:
    """Draw nodules into a block of slices, in place."""
    count = _count(recipe, rng)
    if not count:
        return []
    kinds = rng.choice(KINDS, size=count, p=SHARES)
    if rng.uniform() < 0.5:
        kinds[:] = kinds[0]
    diameters = _diameters(count, recipe, rng)
    diameters = np.where(kinds == "ground glass", np.maximum(diameters, LEAST_GLASS_MM), diameters)
    places = _places(_inside(zone, recipe), spacing, diameters, rng)
    local = np.asarray(ndimage.gaussian_filter(hu, [LOCAL_MM / s for s in spacing], truncate=2.5), np.float32)
    out = []
    for centre, kind, diameter in zip(places, kinds, diameters, strict=False):
        seen = look(rng, str(kind), float(diameter))
        added = _draw(hu, local, centre, seen, spacing, sigma)
        out.append(_Placed(centre, seen, added))
    return out


def _inside(zone: NDArray[np.uint8], recipe: Recipe) -> NDArray[np.uint8]:
    """The zones, but for rows and columns at the rim: a nodule there would teach nothing."""
    inner = np.zeros_like(zone)
    inside = (slice(None), slice(recipe.rim, -recipe.rim), slice(recipe.rim, -recipe.rim))
    inner[inside] = zone[inside]
    return inner


def _draw(
    hu: Floats,
    local: Floats,
    centre_mm: Floats,
    seen: Look,
    spacing: tuple[float, float, float],
    sigma: tuple[float, float],
) -> float:
    reach = seen.diameter_mm * 0.7 + 2.6 * float(np.hypot(seen.edge_mm, sigma[0]))
    box, lines = [], []
    for axis in range(3):
        far = reach if axis else seen.diameter_mm * 0.7 + 2.6 * float(np.hypot(seen.edge_mm, max(sigma)))
        low = max(int(np.floor((centre_mm[axis] - far) / spacing[axis])), 0)
        high = min(int(np.ceil((centre_mm[axis] + far) / spacing[axis])) + 1, hu.shape[axis])
        if low >= high:
            return 0.0
        box.append(slice(low, high))
        lines.append((np.arange(low, high) * spacing[axis] - centre_mm[axis]).astype(np.float32))
    block = (box[0], box[1], box[2])
    return add(hu[block], local[block], seen, (lines[0], lines[1], lines[2]), sigma)


def _places(
    zone: NDArray[np.uint8], spacing: tuple[float, float, float], diameters: Floats, rng: np.random.Generator
) -> list[Floats]:
    """Centres (mm), fewer than asked for where there is no room: at random, at the pleura, beside vessels.

    Some windows hold them crowded, some in pairs that nearly touch.
    """
    habit = rng.uniform()
    bits = LUNG if habit < 0.45 else PLEURA if habit < 0.6 else VESSEL if habit < 0.8 else 0
    pools = {b: np.flatnonzero(zone & b) for b in (LUNG, PLEURA, VESSEL)}
    middle = None
    if rng.uniform() < 0.25 and len(pools[LUNG]):
        middle = np.asarray(np.unravel_index(int(rng.choice(pools[LUNG])), zone.shape)) * np.asarray(spacing)
    crowd_mm = float(rng.uniform(10, 25))
    pairs = rng.uniform() < 0.2
    chosen: list[Floats] = []
    sizes: list[float] = []
    for number, diameter in enumerate(diameters):
        for _ in range(6):
            bit = bits or int(rng.choice([LUNG, PLEURA, VESSEL]))
            pool = pools[bit] if len(pools[bit]) else pools[LUNG]
            if not len(pool):
                return chosen
            at = np.asarray(np.unravel_index(int(rng.choice(pool)), zone.shape), float)
            point = (at + rng.uniform(-0.5, 0.5, 3)) * np.asarray(spacing)
            if middle is not None:
                point = middle + rng.normal(0, crowd_mm / 2, 3)
            elif pairs and number % 2 and chosen:
                way = rng.normal(size=3)
                point = chosen[-1] + way / np.linalg.norm(way) * (
                    (sizes[-1] + diameter) / 2 + rng.uniform(0.6, 2)
                )
            voxel = np.rint(point / np.asarray(spacing)).astype(int)
            if (voxel < 0).any() or (voxel >= zone.shape).any() or not zone[tuple(voxel)] & LUNG:
                continue
            apart = [
                np.linalg.norm(point - other) - (size + diameter) / 2
                for other, size in zip(chosen, sizes, strict=True)
            ]
            if min(apart, default=9.0) >= 0.5:
                chosen.append(np.asarray(point, np.float32))
                sizes.append(float(diameter))
                break
    return chosen


def _onto_grid(step_mm: float, recipe: Recipe, rng: np.random.Generator) -> _Grid:
    """Planes of the grid between slices, beginning anywhere, as the lattice does."""
    count = recipe.side
    width = max(recipe.grid_mm / step_mm, 1.0)
    slices = int(np.ceil(count * recipe.grid_mm / step_mm)) + 3
    start = float(rng.uniform(1.0, 2.0)) * step_mm
    at = (start + recipe.grid_mm * np.arange(count)) / step_mm
    weights = np.maximum(0, 1 - np.abs(at[:, None] - np.arange(slices)[None]) / width)
    weights /= weights.sum(axis=1, keepdims=True)
    nearest = np.clip(np.rint(at).astype(np.intp), 0, slices - 1)
    return _Grid(weights.astype(np.float32), nearest, start)


def _labels(
    placed: list[_Placed], judged: NDArray[np.bool_], grid: _Grid, recipe: Recipe, noise_hu: float
) -> tuple[Floats, Floats]:
    """Positions and diameters in voxels; what hardly shows is left out, and unjudged."""
    positions, diameters = [], []
    for nodule in placed:
        at = nodule.centre_mm.astype(float).copy()
        at[0] -= grid.start_mm
        at /= recipe.grid_mm
        voxel = np.rint(at).astype(int)
        outside = (voxel < 0).any() or (voxel >= judged.shape).any()
        if outside or nodule.added_hu < max(LEAST_ADDED_HU, LEAST_NOISES * noise_hu):
            _forget(judged, voxel, nodule.seen.diameter_mm / recipe.grid_mm / 2 + 1)
        else:
            positions.append(at)
            diameters.append(nodule.seen.diameter_mm / recipe.grid_mm)
    return np.asarray(positions, np.float32).reshape(-1, 3), np.asarray(diameters, np.float32)


def _forget(judged: NDArray[np.bool_], voxel: NDArray[np.int_], radius: float) -> None:
    reach = int(np.ceil(radius))
    block = tuple(slice(max(v - reach, 0), max(v + reach + 1, 0)) for v in voxel)
    judged[block] = False


def _within(judged: NDArray[np.bool_], recipe: Recipe) -> NDArray[np.bool_]:
    inner = np.zeros_like(judged)
    middle = (slice(recipe.rim, -recipe.rim),) * 3
    inner[middle] = judged[middle]
    return inner


def _varied(example: Window, recipe: Recipe, rng: np.random.Generator) -> Window:
    """Mirrored, turned in the slice, and with another scanner's calibration and some noise."""
    hu, judged, position, diameter = example
    for axis in range(3):
        if rng.uniform() < 0.5:
            hu, judged = np.flip(hu, axis), np.flip(judged, axis)
            position = position.copy()
            position[:, axis] = recipe.side - 1 - position[:, axis]
    if rng.uniform() < 0.5:
        hu, judged, position = hu.swapaxes(1, 2), judged.swapaxes(1, 2), position[:, [0, 2, 1]]
    hu = (hu + 1000) * np.float32(rng.uniform(0.95, 1.05)) - 1000 + np.float32(rng.uniform(-15, 15))
    if rng.uniform() < 0.3:
        extra = rng.standard_normal(hu.shape, np.float32) * np.float32(rng.uniform(5, 30))
        hu = hu + ndimage.gaussian_filter(extra, float(rng.uniform(0.3, 0.8))) * 1.5
    return Window(np.ascontiguousarray(hu, np.float32), np.ascontiguousarray(judged), position, diameter)
