"""Two ellipsoid lungs with fissures of known form, among vessels and nodules, at 1 mm and with their mask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from chests import AXES
from scipy import ndimage

from millet.core.analysis import Lungs
from millet.core.geometry import Grid, PointMm
from millet.core.lungs import LungMask
from millet.core.resample import resample
from millet.core.volume import Volume

CENTRES = {1: (-68.0, 0.0, 0.0), 2: (66.0, 2.0, 0.0)}
HALF_MM = (46.0, 70.0, 92.0)
LUNG, TISSUE = -870.0, 40.0
LOW, HIGH = (-124.0, -80.0, -102.0), (124.0, 82.0, 102.0)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Chest:
    """Planes (z, y, x) int16 at 1 mm on `grid`, and the lungs at 2 mm."""

    planes: Sequence[np.ndarray]
    grid: Grid
    lungs: LungMask


def oblique_mm(points: np.ndarray) -> np.ndarray:
    """How far (N, 3) points lie above the oblique fissure of their side."""
    x, y, z = points.T
    out, right = (np.abs(x) - 67) / 40, x < 0
    top = np.where(right, 1.15 * y - 6, 0.9 * y + 5) - 0.0025 * y**2 + 5 * out * y / 60 + 4 * np.sin(x / 25)
    return (z - top) / np.sqrt(1 + (np.where(right, 1.15, 0.9) - 0.005 * y) ** 2)


def level_mm(points: np.ndarray) -> np.ndarray:
    """How far (N, 3) points lie above the horizontal fissure."""
    x, y, z = points.T
    return z - 16 + 0.12 * (y + 30) + 0.0015 * ((x + 68) ** 2 + y**2)


def lobe(points: np.ndarray) -> np.ndarray:
    """The lobe of each point, as its word."""
    above = oblique_mm(points) > 0
    front = np.where(level_mm(points) > 0, "right-upper", "right-middle")
    right = np.where(above, front, "right-lower")
    return np.where(points[:, 0] < 0, right, np.where(above, "left-upper", "left-lower"))


def fissure_mm(points: np.ndarray) -> np.ndarray:
    """How far points are from the nearest fissure of their side."""
    oblique = oblique_mm(points)
    level = np.where((points[:, 0] < 0) & (oblique > 0), np.abs(level_mm(points)), np.inf)
    return np.minimum(np.abs(oblique), level)


def inside(points: np.ndarray, label: int) -> np.ndarray:
    """Which points lie in a lung."""
    return (((points - CENTRES[label]) / HALF_MM) ** 2).sum(axis=1) < 1


def points_in(label: int, count: int, seed: int) -> np.ndarray:
    """Points at random in a lung, some millimetres below its surface."""
    rng = np.random.default_rng(seed)
    found = rng.uniform(-1, 1, (4 * count, 3))
    found = found[(found**2).sum(axis=1) < 0.9][:count]
    return found * HALF_MM + CENTRES[label]


def grid(step: float) -> Grid:
    """The lattice grid of a step that covers the chest."""
    shape = tuple(round((b - a) / step) + 1 for a, b in zip(LOW[::-1], HIGH[::-1], strict=True))
    return Grid(shape=shape, spacing_mm=(step,) * 3, origin_mm=PointMm(*LOW), axes=AXES)


def chest(
    *,
    seed: int = 0,
    oblique: bool = True,
    level: bool = True,
    gap_below_mm: float = -1e3,
    contrast_hu: float = 110.0,
    noise_hu: float = 30.0,
    vessels: int = 260,
    nodules: int = 300,
) -> Chest:
    """Draw it. Oblique fissures are missing below the height `gap_below_mm`."""
    rng, fine, coarse = np.random.default_rng(seed), grid(1.0), grid(2.0)
    hu = np.full(fine.shape, TISSUE, np.float32)
    for label in (1, 2):
        box, points = _box(fine, label)
        lung = np.where(inside(points, label), LUNG, TISSUE)
        sheets = [oblique_mm(points)] if oblique else []
        sheets[0:1] = [np.where(points[:, 2] > gap_below_mm, sheet, 99) for sheet in sheets]
        if level and label == 1:
            sheets.append(np.where(oblique_mm(points) > 0, level_mm(points), 99))
        for sheet in sheets:
            lung += np.where(lung < -800, contrast_hu * np.exp(-0.5 * (sheet / 0.9) ** 2), 0)
        hu[box] = np.where(lung < -500, lung, TISSUE).reshape(hu[box].shape)
    _draw(hu, fine, rng, vessels, nodules)
    noise = ndimage.gaussian_filter(rng.standard_normal(fine.shape, np.float32), 0.6)
    hu = ndimage.gaussian_filter(hu, 0.5) + noise * np.float32(noise_hu / noise.std())
    return Chest(planes=list(np.rint(hu).astype(np.int16)), grid=fine, lungs=_mask(hu, fine, coarse))


def _box(on: Grid, label: int) -> tuple[tuple[slice, ...], np.ndarray]:
    low = on.to_index_array(np.asarray([CENTRES[label]]) - HALF_MM)[0].astype(int)
    high = on.to_index_array(np.asarray([CENTRES[label]]) + HALF_MM)[0].astype(int) + 2
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    places = np.stack(np.meshgrid(*(np.arange(s.start, s.stop) for s in box), indexing="ij"), axis=-1)
    return box, on.to_patient_array(places.reshape(-1, 3).astype(float))


def _draw(hu: np.ndarray, on: Grid, rng: np.random.Generator, vessels: int, nodules: int) -> None:
    """Straight vessels from the hilum outwards, 2 to 4 mm thick, and round nodules of 3 mm."""
    ball = np.argwhere(np.ones((3, 3, 3), bool)) - 1
    for label in (1, 2):
        ends = points_in(label, vessels, int(rng.integers(1 << 30)))
        starts = ends * 0.6 + 0.4 * np.asarray(CENTRES[label]) + rng.normal(0, 12, ends.shape)
        share = np.linspace(0, 1, 80)[:, None, None]
        lines = (starts + share * (ends - starts)).reshape(-1, 3)
        middles = np.concatenate([lines, points_in(label, nodules, int(rng.integers(1 << 30)))])
        middles = middles[inside(middles, label)]
        voxels = np.rint(on.to_index_array(middles)).astype(int)
        near = ball[(ball**2).sum(axis=1) <= 2]
        at = (voxels[:, None] + near[None]).reshape(-1, 3)
        hu[tuple(at.T)] = np.maximum(hu[tuple(at.T)], -150.0)


def _mask(hu: np.ndarray, fine: Grid, coarse: Grid) -> LungMask:
    label = np.zeros(coarse.shape, np.uint8)
    whole = np.asarray(resample(Volume(hu=hu.astype(np.float32), grid=fine), coarse).hu)
    for side in (1, 2):
        box, points = _box(coarse, side)
        label[box][inside(points, side).reshape(label[box].shape)] = side
        label[box][whole[box] < -400] = side
    litres = [float((label == side).sum()) * 8e-6 for side in (1, 2)]
    return LungMask(
        label=label,
        hu=np.asarray(whole, np.float32),
        grid=coarse,
        litres=Lungs(right_l=litres[0], left_l=litres[1]),
        cut_at_top=False,
        cut_at_base=False,
    )
