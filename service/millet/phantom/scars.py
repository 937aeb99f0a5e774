"""Scars: parenchymal bands and plates of collapse that run from the pleura into the lung."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from millet.core.geometry import Floats, Grid
from millet.phantom import render
from millet.phantom.anatomy import Chest
from millet.phantom.shapes import Field

LENGTH_MM, WIDTH_MM, THICK_MM = (15.0, 50.0), (4.0, 25.0), (1.0, 3.0)
"""Bands are 1 to 3 mm thick and up to 5 cm long (Hansell, Radiology 246:697, 2008)."""
SCAR_HU = (-250.0, 40.0)
_END_MM = 1.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scar:
    """A bent plate: its middle in mm, unit rows along, across and through it, full sizes in that order."""

    centre_mm: Floats
    axes: Floats
    size_mm: tuple[float, float, float]
    bend_mm: float
    hu: float

    def local(self, points_mm: Floats) -> Floats:
        """(N, 3) distances in mm along, across and through the plate."""
        place = (points_mm - self.centre_mm) @ self.axes.T
        place[:, 2] += self.bend_mm * (2 * place[:, 0] / self.size_mm[0]) ** 2
        return np.asarray(place, float)

    def share(self, points_mm: Floats, sigma_mm: float) -> Field:
        """How much of a blurred point it fills, 0..1."""
        along, across, through = self.local(points_mm).T
        length, width, thick = self.size_mm
        plate = special.ndtr((through + thick / 2) / sigma_mm) - special.ndtr(
            (through - thick / 2) / sigma_mm
        )
        ends = special.expit((length / 2 - np.abs(along)) / (_END_MM / 2))
        sides = special.expit((width / 2 - np.abs(across)) / (_END_MM / 2))
        return np.asarray(plate * ends * sides, np.float32)


def scars(chest: Chest, count: int, rng: np.random.Generator) -> tuple[Scar, ...]:
    """`count` bands that start at the pleura; they shrink with the chest, but for their thickness."""
    shell = np.argwhere((chest.lung > -4 * chest.scale) & (chest.lung < 0)).astype(float)
    starts = chest.grid.to_patient_array(shell[rng.choice(len(shell), count)])
    return tuple(_scar(chest, start, rng) for start in starts)


def _scar(chest: Chest, start: Floats, rng: np.random.Generator) -> Scar:
    inward = -chest.slope(chest.lung, start[None])[0] + rng.normal(0, 0.3, 3)
    inward /= np.linalg.norm(inward)
    across = np.cross(inward, rng.normal(size=3))
    across /= np.linalg.norm(across)
    length, width = (float(rng.uniform(*span)) * chest.scale for span in (LENGTH_MM, WIDTH_MM))
    return Scar(
        centre_mm=start + inward * (length / 2 - 2),
        axes=np.stack([inward, across, np.cross(inward, across)]),
        size_mm=(length, width, float(rng.uniform(*THICK_MM))),
        bend_mm=float(rng.uniform(-0.15, 0.15)) * length,
        hu=float(rng.uniform(*SCAR_HU)),
    )


def clear(found: Sequence[Scar], points_mm: Floats, margin_mm: float) -> NDArray[np.bool_]:
    """Which of (N, 3) points lie further than that from every scar."""
    free = np.ones(len(points_mm), bool)
    for scar in found:
        free &= (np.abs(scar.local(points_mm)) > np.asarray(scar.size_mm) / 2 + margin_mm).any(axis=1)
    return free


def lay(hu: Field, found: Sequence[Scar], chest: Chest, grid: Grid, sigma_mm: float) -> None:
    """Draw scars into noiseless HU (z, y, x), in place; none leaves the lung."""
    for scar in found:
        reach = np.abs(scar.axes.T) @ (np.asarray(scar.size_mm) / 2) + abs(scar.bend_mm) + 4 * sigma_mm
        corners = grid.to_index_array(np.stack([scar.centre_mm - reach, scar.centre_mm + reach]))
        low = np.maximum(np.floor(corners.min(axis=0)).astype(int), 0)
        high = np.minimum(np.ceil(corners.max(axis=0)).astype(int) + 1, grid.shape)
        if (high <= low).any():
            continue
        box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        index = np.stack(np.meshgrid(*(np.arange(s.start, s.stop) for s in box), indexing="ij"), axis=-1)
        points = grid.to_patient_array(index.reshape(-1, 3).astype(float))
        filled = scar.share(points, sigma_mm) * render.soft(chest.sample(chest.lung, points), sigma_mm)
        below = hu[box]
        below += filled.reshape(below.shape) * np.maximum(scar.hu - below, 0)
