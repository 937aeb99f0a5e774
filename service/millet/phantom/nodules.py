"""Nodules: where they lie, how they look, and their exact share of each voxel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from millet.codec.tables import Mark
from millet.core.geometry import Floats, Grid, PointMm
from millet.core.nodule import class_of
from millet.phantom.shapes import Field


@dataclass(frozen=True, slots=True, kw_only=True)
class Sphere:
    """A star-shaped, soft-edged nodule whose volume is that of a sphere of its diameter.

    `edge_mm` is the width (FWHM) over which it fades into the lung; `lumps` are the phases of its
    irregularity, `roughness` their size as a share of the radius. A part-solid one has a solid `core`
    somewhere inside; its diameter is that of the whole.
    """

    centre_mm: PointMm
    diameter_mm: float
    hu: float
    edge_mm: float = 0.4
    roughness: float = 0.0
    lumps: tuple[float, float, float] = (0.0, 0.0, 0.0)
    kind: str = "solid"
    core: Sphere | None = None

    @property
    def parts(self) -> tuple[Sphere, ...]:
        """What is drawn, one after the other."""
        return (self,) if self.core is None else (self, self.core)

    @property
    def mark(self) -> Mark:
        """Its line in the table of truth."""
        return Mark(
            centre_mm=self.centre_mm,
            diameter_mm=self.diameter_mm,
            nodule_class=class_of(self.diameter_mm),
            kind=self.kind,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Psf:
    """The blur of a scanner: standard deviations in the slice and across it, in mm."""

    in_plane_mm: float
    across_mm: float

    @classmethod
    def of(cls, *, fwhm_mm: float, slice_mm: float) -> Psf:
        """In-plane FWHM of the kernel, and a rectangular slice profile softened by helical motion."""
        return cls(in_plane_mm=fwhm_mm / 2.355, across_mm=float(np.hypot(slice_mm / np.sqrt(12), 0.3)))


def spheres(centres_mm: Floats, diameters_mm: Floats, rng: np.random.Generator) -> tuple[Sphere, ...]:
    """Solid nodules (-50 to 100 HU) with edges of 0.2 to 0.6 mm and a mild irregularity."""
    return tuple(
        Sphere(
            centre_mm=PointMm(float(x), float(y), float(z)),
            diameter_mm=float(diameter),
            hu=float(np.clip(rng.normal(25, 35), -50, 100)),
            edge_mm=float(rng.uniform(0.2, 0.6)),
            roughness=float(rng.uniform(0.02, 0.08)),
            lumps=(float(rng.uniform(0, 6.3)), float(rng.uniform(0, 6.3)), float(rng.uniform(0, 6.3))),
        )
        for (x, y, z), diameter in zip(centres_mm, diameters_mm, strict=True)
    )


def spread(
    points_mm: Floats,
    count: int,
    rng: np.random.Generator,
    *,
    least_mm: float = 4.0,
    evenness: float = 0.62,
) -> Floats:
    """Choose `count` of the points: a hard core of `evenness` of the mean room for each, if it can be.

    With no evenness they lie anywhere that is `least_mm` from the others. The core shrinks until
    all fit. Raises ValueError where there are fewer points than asked for.
    """
    if count > len(points_mm):
        raise ValueError(f"{count} nodules do not fit {len(points_mm)} places")
    order = rng.permutation(len(points_mm))[: max(60 * count, 4000)]
    pool = points_mm[order]
    low, high = pool.min(axis=0, initial=0), pool.max(axis=0, initial=0)
    core = evenness * float(np.prod(high - low) * 0.35 / max(count, 1)) ** (1 / 3) if evenness else least_mm
    while True:
        chosen = _apart(pool, count, core)
        if len(chosen) == count:
            return np.asarray(pool[chosen], float)
        core = core * 0.9 if core * 0.9 > least_mm else core * 0.5


def _apart(pool: Floats, count: int, core_mm: float) -> list[int]:
    tree = cKDTree(pool)
    free = np.ones(len(pool), bool)
    chosen: list[int] = []
    for i in range(len(pool)):
        if len(chosen) == count:
            break
        if free[i]:
            chosen.append(i)
            free[tree.query_ball_point(pool[i], core_mm)] = False
    return chosen


def share(sphere: Sphere, grid: Grid, psf: Psf) -> tuple[tuple[slice, slice, slice], Field]:
    """How much of each voxel near a nodule it fills, blurred: a box of the (canonical) grid, and 0..1.

    Drawn on a grid several times finer than the scan's, blurred there, then read at voxel centres.
    """
    reach = sphere.diameter_mm * 0.6 + 3 * max(psf.in_plane_mm, psf.across_mm) + sphere.edge_mm
    centre = grid.to_index_array(np.asarray([sphere.centre_mm], float))[0]
    spacing = np.asarray(grid.spacing_mm)
    low = np.maximum(np.floor(centre - reach / spacing).astype(int), 0)
    high = np.minimum(np.ceil(centre + reach / spacing).astype(int) + 1, grid.shape)
    box = (slice(low[0], high[0]), slice(low[1], high[1]), slice(low[2], high[2]))
    if (high - low).min() < 1:
        return (slice(0, 0), slice(0, 0), slice(0, 0)), np.zeros((0, 0, 0), np.float32)
    fine_mm = float(np.clip(sphere.diameter_mm / 12, 0.15, 0.6))
    finer = np.maximum(np.ceil(spacing / fine_mm).astype(int), 1)
    sigma = np.hypot((psf.across_mm, psf.in_plane_mm, psf.in_plane_mm), sphere.edge_mm / 2.355)
    sharp = _star(sphere, (low - centre) * spacing, spacing / finer, finer * (high - low))
    fine = ndimage.gaussian_filter(sharp, sigma * finer / spacing, mode="nearest", truncate=3.5)
    return box, np.asarray(fine[:: finer[0], :: finer[1], :: finer[2]], np.float32)


def _star(sphere: Sphere, start_mm: Floats, step_mm: Floats, shape: NDArray[np.int_]) -> Field:
    """The unblurred nodule; its surface is ramped over one fine voxel, its volume is exact to 1 %."""
    lines = [(start_mm[k] + step_mm[k] * np.arange(shape[k])).astype(np.float32) for k in range(3)]
    z, y, x = np.meshgrid(*lines, indexing="ij", sparse=True)
    far = np.maximum(np.sqrt(x * x + y * y + z * z), 1e-3)
    a, b, c = sphere.lumps
    bumps = np.sin(3 * x / far + a) * np.cos(2.6 * y / far + b) + np.sin(3.4 * z / far + c) * np.cos(
        2 * x / far + a
    )
    rough = sphere.roughness * bumps
    size = sphere.diameter_mm / 2
    filled = np.clip((size * (1 + rough) - far) / float(step_mm.mean()) + 0.5, 0, 1)
    wanted = np.pi / 6 * sphere.diameter_mm**3 / float(step_mm.prod())
    whole = float(filled.sum())
    if rough.any() and 0.7 * wanted < whole < 1.4 * wanted:  # a nodule cut by the grid's edge keeps its size
        filled = np.clip(
            (size * (wanted / whole) ** (1 / 3) * (1 + rough) - far) / float(step_mm.mean()) + 0.5, 0, 1
        )
    return np.asarray(filled, np.float32)


def lay(hu: Field, nodules: tuple[Sphere, ...], grid: Grid, psf: Psf) -> None:
    """Draw nodules into noiseless HU (z, y, x), in place."""
    for part in (part for nodule in nodules for part in nodule.parts):
        box, filled = share(part, grid, psf)
        hu[box] += filled * np.maximum(part.hu - hu[box], 0)
