"""What fills the chest: densities of its parts, and the texture of the lung between its vessels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage

from millet.core.geometry import Grid, PointMm
from millet.phantom.second import fields
from millet.phantom.second.anatomy import Chest
from millet.phantom.second.bones import Bones
from millet.phantom.second.fields import Field
from millet.phantom.spec import Preset

AIR, SKIN, FAT, MUSCLE, LIVER, HEART, GULLET, FLUID = -1000.0, 10.0, -105.0, 52.0, 58.0, 42.0, 30.0, 6.0
MARROW, CORTEX, TABLE, FISSURE, CONTRAST, LIVER_CONTRAST = 170.0, 680.0, -180.0, -60.0, 220.0, 95.0
LUNG, EMPTY = -893.0, -968.0
GRAVITY_HU_PER_MM = 0.24
FISSURE_MM = 0.17
FINE_HU, ACINAR_HU, LOBULAR_HU, REGIONAL_HU = 20.0, 10.0, 7.0, 9.0
"""Standard deviations of the parenchyma at 0.7, 2.2, 6 and 60 mm."""
TEXTURE_MM = 1.4
Box = tuple[slice, slice]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Layer:
    """A part: its level in mm on the chest's grid, and its HU, one or by level and place."""

    level: Field
    hu: float | Callable[[Field, slice, Box], Field]


def ramp(level_mm: Field, width_mm: float) -> Field:
    """The share of a voxel inside a body whose surface passes at `level_mm`: a linear hat, integrated."""
    t = np.clip(level_mm * np.float32(1 / width_mm), -1, 1)
    return np.asarray(0.5 - t + 0.5 * t * np.abs(t), np.float32)


class Painter:
    """Paints planes of a chest without its tubes and nodules."""

    def __init__(
        self,
        chest: Chest,
        bones: Bones,
        planes: Grid,
        ratio: int,
        wanted: Preset,
        rng: np.random.Generator,
    ) -> None:
        self._chest, self._planes, self._ratio = chest, planes, ratio
        self._texture, self._fine = _texture(planes, rng)
        self._regional = REGIONAL_HU * fields.noise(chest.frame.grid, 60 * chest.frame.scale, rng)
        self._gaps = np.clip(1.3 - fields.noise(chest.frame.grid, 35 * chest.frame.scale, rng), 0, 1)
        self._layers = _layers(chest, bones, rng, contrast=wanted.contrast)
        self._empty = _emphysema(chest, wanted.emphysema, rng) if wanted.emphysema > 0 else None

    def paint(self, part: slice) -> Field:
        """HU (planes, rows, columns) float32 of some planes."""
        size = self._planes.shape[1]
        hu = np.full((part.stop - part.start, size, size), AIR, np.float32)
        width = (self._planes.spacing_mm[1] + min(self._planes.spacing_mm[0], 1.0)) / 2
        for layer in self._layers:
            self._lay(hu, layer, part, width)
        self._lay(hu, Layer(level=self._chest.lung, hu=self._lung), part, width)
        return hu

    def _lay(self, hu: Field, layer: Layer, part: slice, width: float) -> None:
        coarse = self._heights(layer.level, part, self._chest.frame.grid)
        box = _box(coarse, 2 * width)
        if box is None:
            return
        level, place = self._wide(coarse, box, self._ratio)
        share = ramp(level, width)
        target = hu[:, place[0], place[1]]
        value = layer.hu if isinstance(layer.hu, float) else layer.hu(level, part, box)
        target += share * (value - target)

    def _heights(self, field: Field, part: slice, grid: Grid) -> Field:
        """The coarse planes at the heights of some fine ones."""
        z = self._planes.origin_mm.z + self._planes.spacing_mm[0] * np.arange(part.start, part.stop)
        at = np.clip((z - grid.origin_mm.z) / grid.spacing_mm[0], 0, grid.shape[0] - 1.001)
        low = at.astype(int)
        rest = (at - low).astype(np.float32)[:, None, None]
        return np.asarray(field[low] * (1 - rest) + field[low + 1] * rest, np.float32)

    def _wide(self, coarse: Field, box: Box, ratio: int) -> tuple[Field, Box]:
        """Coarse planes within a box at the scan's pixels, and the box there."""
        rows, columns = (slice(max(s.start - 1, 0), min(s.stop + 1, coarse.shape[1])) for s in box)
        piece = torch.from_numpy(np.ascontiguousarray(coarse[:, rows, columns]))[None]
        fine = torch.nn.functional.interpolate(piece, scale_factor=ratio, mode="bilinear")[0].numpy()
        size = self._planes.shape[1]
        place = tuple(slice(s.start * ratio, min(s.stop * ratio, size)) for s in box)
        cuts = tuple(
            slice(p.start - s.start * ratio, p.stop - s.start * ratio)
            for p, s in zip(place, (rows, columns), strict=True)
        )
        return np.asarray(fine[:, cuts[0], cuts[1]], np.float32), (place[0], place[1])

    def _lung(self, _level: Field, part: slice, box: Box) -> Field:
        """Parenchyma: gravity, regions, texture, emphysema, and the fissures as thin sheets."""
        chest, grid = self._chest, self._chest.frame.grid

        def near(field: Field) -> Field:
            return self._wide(self._heights(field, part, grid), box, self._ratio)[0]

        _, place = self._wide(self._heights(chest.lung, part, grid), box, self._ratio)
        y = self._planes.origin_mm.y + self._planes.spacing_mm[1] * np.arange(place[0].start, place[0].stop)
        hu = (
            near(self._regional)
            + (LUNG + GRAVITY_HU_PER_MM / chest.frame.scale * y).astype(np.float32)[None, :, None]
        )
        hu += self._grain(part, place)
        if self._empty is not None:
            hu += near(self._empty) * (EMPTY - hu)
        thick = FISSURE_MM * near(self._gaps)
        width = np.float32(self._planes.spacing_mm[1])
        for sheet in (chest.major, chest.minor):
            seen = np.maximum(1 - np.abs(near(sheet)) / width, 0) * thick / width
            hu += seen * (FISSURE - hu)
        return hu

    def _grain(self, part: slice, place: Box) -> Field:
        ratio = round(self._fine.spacing_mm[1] / self._planes.spacing_mm[1])
        box = tuple(slice(p.start // ratio, -(-p.stop // ratio)) for p in place)
        wide, covered = self._wide(self._heights(self._texture, part, self._fine), (box[0], box[1]), ratio)
        cuts = tuple(slice(p.start - c.start, p.stop - c.start) for p, c in zip(place, covered, strict=True))
        return wide[:, cuts[0], cuts[1]]


def _box(coarse: Field, reach_mm: float) -> Box | None:
    """The rows and columns where a level may matter."""
    near = coarse.min(axis=0) < reach_mm + 1.5
    rows, columns = np.flatnonzero(near.any(axis=1)), np.flatnonzero(near.any(axis=0))
    if not len(rows):
        return None
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def _layers(chest: Chest, bones: Bones, rng: np.random.Generator, *, contrast: bool) -> list[Layer]:
    """The parts from the outside in; each lies upon those before it."""
    f = chest.frame
    strands = 9 * fields.noise(f.grid, 9 * f.scale, rng)
    sheets = 9 * f.scale * (np.abs(fields.noise(f.grid, 26 * f.scale, rng)) - 0.13)
    abdomen = np.maximum(chest.cage, chest.diaphragm)
    blobs = fields.noise(f.grid, 30 * f.scale, rng)
    organs = np.where(f.x < 25, -5.0, (blobs - 0.9) * 8) * f.scale
    bubble = fields.ellipsoid(f, (66, -22, -118), (24, 20, 13)) * f.scale
    table = np.abs(
        f.grid.origin_mm.y + _rows(f.grid) - 134 * f.scale + 6e-4 / f.scale * _columns(f.grid) ** 2
    )
    blood = CONTRAST if contrast else HEART
    return [
        Layer(level=np.asarray(np.broadcast_to(table - 1.8, f.x.shape), np.float32), hu=TABLE),
        Layer(level=chest.skin, hu=lambda d, *_: np.where(d > -1.8, np.float32(SKIN), np.float32(FAT))),
        Layer(level=np.asarray(bones.muscle + strands * 0.1, np.float32), hu=MUSCLE),
        Layer(level=np.asarray(np.maximum(bones.muscle + 2, sheets), np.float32), hu=FAT + 30),
        Layer(level=chest.cage, hu=FAT),
        Layer(level=abdomen, hu=FAT),
        Layer(
            level=np.asarray(np.maximum(abdomen + 2.5, organs), np.float32),
            hu=LIVER_CONTRAST if contrast else LIVER,
        ),
        Layer(level=np.asarray(np.maximum(np.abs(abdomen + 1.2) - 1.4, chest.cage), np.float32), hu=MUSCLE),
        Layer(level=np.asarray(np.maximum(bubble, abdomen + 5), np.float32), hu=AIR + 8),
        Layer(level=chest.heart, hu=HEART),
        Layer(level=np.asarray(chest.heart + 9 * f.scale + strands * 0.2, np.float32), hu=blood),
        Layer(level=chest.blood, hu=blood),
        Layer(level=chest.gullet, hu=GULLET),
        Layer(
            level=bones.bone,
            hu=lambda d, *_: MARROW + (CORTEX - MARROW) * np.clip((d + 2.2) / 1.2, 0, 1),
        ),
        Layer(level=chest.fluid, hu=FLUID),
    ]


def _rows(grid: Grid) -> Field:
    return np.asarray(grid.spacing_mm[1] * np.arange(grid.shape[1])[None, :, None], np.float32)


def _columns(grid: Grid) -> Field:
    x = grid.origin_mm.x + grid.spacing_mm[2] * np.arange(grid.shape[2])
    return np.asarray(x[None, None, :], np.float32)


def _texture(planes: Grid, rng: np.random.Generator) -> tuple[Field, Grid]:
    """Noise of the parenchyma in HU on a fine grid: skewed at the finest, vessels seen end on."""
    ratio = max(round(TEXTURE_MM / planes.spacing_mm[1]), 1)
    pixel = ratio * planes.spacing_mm[1]
    step = min(max(planes.spacing_mm[0], 1.0), TEXTURE_MM)
    size = -(-planes.shape[1] // ratio)
    up = int(np.ceil(planes.shape[0] * planes.spacing_mm[0] / step)) + 2
    x, y, z = planes.origin_mm
    shift = (ratio - 1) / 2 * planes.spacing_mm[1]
    grid = Grid(
        shape=(up, size, size),
        spacing_mm=(step, pixel, pixel),
        origin_mm=PointMm(x + shift, y + shift, z),
        axes=planes.axes,
    )
    white = rng.standard_normal(grid.shape, np.float32)
    total = np.zeros(grid.shape, np.float32)
    for blur_mm, hu, skew in ((0.7, FINE_HU, 0.45), (2.2, ACINAR_HU, 0.25), (6.0, LOBULAR_HU, 0.0)):
        smooth = ndimage.gaussian_filter(white, [blur_mm / s for s in grid.spacing_mm], truncate=3.0)
        smooth /= smooth.std()
        if skew:
            smooth = np.exp(np.float32(skew) * smooth)
            smooth -= smooth.mean()
            smooth /= smooth.std()
        total += np.float32(hu) * smooth
    return total, grid


def _emphysema(chest: Chest, share: float, rng: np.random.Generator) -> Field:
    """How empty each place is, 0 to 1: centrilobular holes, more of them in the upper lungs."""
    f = chest.frame
    holes = fields.noise(f.grid, 7.0, rng) + 0.8 * fields.noise(f.grid, 40 * f.scale, rng) + f.z / 90
    bar = np.quantile(holes[chest.lung < 0], 1 - share)
    return np.asarray(np.clip((holes - bar) * 2.5 + 0.5, 0, 1), np.float32)
