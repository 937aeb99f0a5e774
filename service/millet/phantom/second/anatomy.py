"""The soft parts of a chest: lungs and their lobes, mediastinum, diaphragm, wall.

Theory of operation. The rib cage and the skin are lofts through axial contours such as one draws on
CT; the lungs are what the mediastinum, the domes of the diaphragm and the spine leave of the cage.
The mediastinum is its organs (star-shaped heart, tubes for vessels and gullet) with the creases
between them filled with fat. Anatomical places are mm from the middle between the hila of an adult,
x to the left, y to the back, z to the head. `fields.Frame` bends all of it, another way for each seed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from millet.core.geometry import Floats, Grid, PointMm, Vector
from millet.phantom.second import fields
from millet.phantom.second.fields import Field, Frame

WIDTH_MM = 358.4
LOW_Z_MM, HIGH_Z_MM = -158.0, 142.0
COARSE_MM = 2.8
BEND_MM = 4.5
FAR_MM = 99.0
LOBES = ("right upper", "right middle", "right lower", "left upper", "left lower")
CAGE_Z = (-170.0, -110.0, -60.0, 0.0, 50.0, 90.0, 118.0, 140.0)
CAGE_Y = (4.0, 2.0, 0.0, 0.0, 3.0, 8.0, 12.0, 16.0)
CAGE_MM = (126, 128, 121, 103, 84, 103, 121, 128, 126, 119, 104, 90, 82, 90, 104, 119)
CAGE_WIDE = (0.96, 1.02, 1.04, 1.0, 0.92, 0.79, 0.63, 0.52)
CAGE_DEEP = (1.02, 1.05, 1.05, 1.0, 0.90, 0.76, 0.62, 0.55)
SKIN_Z = (-170.0, -100.0, -30.0, 30.0, 75.0, 110.0, 142.0)
SKIN_Y = (2.0, 2.0, 2.0, 4.0, 7.0, 10.0, 12.0)
SKIN_MM = (162, 160, 152, 133, 117, 133, 152, 160, 162, 156, 140, 122, 112, 122, 140, 156)
SKIN_WIDE = (0.98, 0.98, 1.0, 1.02, 1.08, 1.16, 1.14)
SKIN_DEEP = (1.0, 1.02, 1.06, 1.06, 0.97, 0.88, 0.82)
SPINE_Y = ((-170, 46), (-100, 60), (-20, 66), (50, 60), (100, 47), (150, 32))
ASCENDING = [(-2, -16, 2), (-13, -20, 32), (-7, -10, 58), (6, 8, 70), (16, 28, 64), (21, 42, 42),
             (21, 47, 10), (17, 49, -60), (9, 44, -170)]  # fmt: skip
TRUNK = [(12, -40, 4), (15, -26, 24), (24, -8, 36), (46, 8, 28)]
RIGHT_ARTERY = [(15, -22, 27), (0, -4, 26), (-22, 2, 22), (-40, 6, 14)]
CAVA = [(-26, -14, 150), (-27, -17, 60), (-25, -12, 10), (-22, 2, -60), (-19, 10, -170)]
LEFT_VEIN = [(-24, -18, 84), (0, -26, 92), (24, -14, 118)]
NECK = (
    [(-9, -8, 68), (-18, -6, 100), (-26, -2, 150)],
    [(3, 4, 70), (9, 6, 150)],
    [(14, 20, 70), (24, 10, 150)],
)
GULLET = [(0, 32, 150), (5, 37, 60), (9, 39, 0), (10, 38, -60), (16, 24, -112)]
TRACHEA = [(0, 6, 150), (1, 14, 100), (3, 24, 46)]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Chest:
    """Levels in mm (negative inside) on the frame's grid, float32; `lobe` counts LOBES from 1, else 0.

    `major` and `minor` are signed distances from the fissures; far from 0 where there is none.
    """

    frame: Frame
    cage: Field
    skin: Field
    diaphragm: Field
    mediastinum: Field
    heart: Field
    blood: Field
    gullet: Field
    lung: Field
    fluid: Field
    major: Field
    minor: Field
    lobe: NDArray[np.uint8]

    def lung_at(self, points_mm: Floats) -> Floats:
        """The depth in mm of (N, 3) patient points below the surface of the lung; negative outside."""
        return -self.frame.sample(self.lung, points_mm)

    def fissure_at(self, points_mm: Floats) -> Floats:
        """The distance in mm of (N, 3) patient points from the nearest fissure."""
        far = [np.abs(self.frame.sample(sheet, points_mm)) for sheet in (self.major, self.minor)]
        return np.asarray(np.minimum(*far))


def coarse_grid(pixel_mm: float, across: int, scale: float) -> tuple[Grid, int]:
    """The grid of the levels, whose voxels are whole numbers (also returned) of pixels wide."""
    ratio = max(round(COARSE_MM * scale**0.5 / pixel_mm), 1)
    step_z = 2.4 * scale**0.5
    start = -pixel_mm * (across - 1) / 2 + (ratio - 1) / 2 * pixel_mm
    up = int(np.ceil((HIGH_Z_MM - LOW_Z_MM) * scale / step_z)) + 3
    size = -(-across // ratio)
    grid = Grid(
        shape=(up, size, size),
        spacing_mm=(step_z, ratio * pixel_mm, ratio * pixel_mm),
        origin_mm=PointMm(start, start, LOW_Z_MM * scale - step_z),
        axes=(Vector(0, 0, 1), Vector(0, 1, 0), Vector(1, 0, 0)),
    )
    return grid, ratio


def chest(grid: Grid, scale: float, rng: np.random.Generator, *, effusion: bool) -> Chest:
    """Grow a chest on a coarse grid; `scale` shrinks it, `effusion` puts fluid into one side."""
    f = fields.frame(grid, scale, rng, bend_mm=BEND_MM)
    cage = fields.loft(f, CAGE_Z, CAGE_Y, _contours(CAGE_MM, CAGE_WIDE, CAGE_DEEP, rng))
    skin = fields.loft(f, SKIN_Z, SKIN_Y, _contours(SKIN_MM, SKIN_WIDE, SKIN_DEEP, rng))
    skin = fields.blend([skin, cage - 16], 4.0)
    heart, blood, gullet = _heart(f, rng), _great_vessels(f), fields.tube(f, GULLET, [7, 7, 7, 7, 8])
    mediastinum = _mediastinum(f, cage, heart, blood, gullet)
    diaphragm = _diaphragm(f, cage, rng)
    space = fields.common([cage + 2.5, -mediastinum, diaphragm, _cupola(f)], 1.5)
    fluid = _fluid(f, space, rng) if effusion else np.full(space.shape, 99.0, np.float32)
    lung = fields.common([space, -fluid], 1.0) + _uneven(f, rng)
    lung = np.where(_two_lungs(lung), lung, np.maximum(lung, 2.0)).astype(np.float32)
    major, minor, lobe = _lobes(f, lung, rng)
    levels = {
        "cage": cage,
        "skin": skin,
        "diaphragm": -diaphragm,
        "mediastinum": mediastinum,
        "heart": heart,
        "blood": blood,
        "gullet": gullet,
        "lung": lung,
        "fluid": fluid,
        "major": major,
        "minor": minor,
    }
    return Chest(frame=f, lobe=lobe, **{k: np.asarray(v * scale, np.float32) for k, v in levels.items()})


def _contours(
    ring: tuple[int, ...], wide: tuple[float, ...], deep: tuple[float, ...], rng: np.random.Generator
) -> Floats:
    """Radii (heights, angles) of a ring stretched across and in depth at each height, uneven per seed."""
    angle = 2 * np.pi * np.arange(len(ring)) / len(ring)
    stretch = np.hypot(np.outer(wide, np.cos(angle)), np.outer(deep, np.sin(angle)))
    uneven = sum(
        rng.normal(0, 0.012) * np.cos(order * angle + rng.uniform(0, 2 * np.pi)) for order in (1, 2, 3, 4)
    )
    return np.asarray(np.asarray(ring) * stretch * (1 + uneven))


def _heart(f: Frame, rng: np.random.Generator) -> Field:
    """A star-shaped heart: an ellipsoid towards the apex, dented, with the right atrium beside it."""
    long = np.asarray([0.74, -0.48, -0.47]) + rng.normal(0, 0.05, 3)
    long /= np.linalg.norm(long)
    across = np.cross(long, [0.3, 0.9, 0.1])
    across /= np.linalg.norm(across)
    axes = np.stack([long, across, np.cross(long, across)])
    main = fields.ellipsoid(f, (21, -26, -42), (64, 47, 45), axes)
    atrium = fields.ellipsoid(f, (-17, -14, -30), (27, 30, 38))
    left_atrium = fields.ellipsoid(f, (4, 10, -12), (31, 17, 22))
    return fields.blend([main, atrium, left_atrium], 5.0) + 1.2 * fields.noise(f.grid, 30 * f.scale, rng)


def _great_vessels(f: Frame) -> Field:
    paths = [
        fields.tube(f, ASCENDING, [15, 15.5, 14.5, 13.5, 13, 12.5, 12, 11.5, 10]),
        fields.tube(f, TRUNK, [14, 14, 12, 10]),
        fields.tube(f, RIGHT_ARTERY, [12, 11, 11, 9]),
        fields.tube(f, CAVA, [8, 9.5, 10, 12, 11]),
        fields.tube(f, LEFT_VEIN, [7, 6.5, 6]),
        *(fields.tube(f, path, [5.5] * (len(path) - 1) + [4.0]) for path in NECK),
    ]
    return fields.blend(paths, 1.0)


def spine_y(z_mm: Field) -> Field:
    """The place of the vertebral bodies' middle: thoracic kyphosis."""
    heights, places = zip(*SPINE_Y, strict=True)
    return np.asarray(np.interp(z_mm, heights, places), np.float32)


def _mediastinum(f: Frame, cage: Field, heart: Field, blood: Field, gullet: Field) -> Field:
    """All organs in the middle, the fat between them, and the junction behind the sternum."""
    column = np.hypot(f.x / 1.2, f.y - spine_y(f.z) - 4) - 18
    arches = np.hypot(f.x / 2.0, f.y - spine_y(f.z) - 24) - 17
    windpipe = fields.tube(f, [*TRACHEA, (3, 26, 30)], [12, 11, 12, 14])
    junction = np.maximum(np.abs(f.x - 5) - 1.5, f.y + 25 - 0.25 * f.z)
    pad = fields.ellipsoid(f, (34, -62, -72), (30, 14, 14))
    thymus = fields.ellipsoid(f, (3, -14, 44), (22, 36, 34))
    inlet = np.hypot(f.x, (f.y - 16) / 1.5) - 30 * np.clip((f.z - 60) / 50, 0, 1.1)
    organs = [heart - 2, blood - 2, gullet - 1.5, column, arches, windpipe, junction, pad, thymus, inlet]
    return np.maximum(fields.blend([np.asarray(o, np.float32) for o in organs], 5.0), cage)


def _diaphragm(f: Frame, cage: Field, rng: np.random.Generator) -> Field:
    """Negative above the domes: highest inwards, falling to the recesses along the ribs."""
    right, left = -64 + rng.normal(0, 6), -76 + rng.normal(0, 6)
    side = np.clip(f.x / 40 + 0.5, 0, 1)
    top = right + (left - right) * side * side * (3 - 2 * side)
    deep = np.maximum(-cage, 0)
    drop = 62 + 24 * np.clip(f.y / 70, -0.7, 1)
    wide = 25 + 6 * np.clip(f.y / 70, 0, 1)
    fall = drop * np.exp(-deep / wide)
    waves = 2.0 * fields.noise(f.grid, 45 * f.scale, rng)
    back = 0.0016 * np.maximum(f.y - 10, 0) ** 2
    height = top - fall - back + waves
    return np.asarray((height - f.z) / np.sqrt(1 + (fall / wide) ** 2), np.float32)


def _cupola(f: Frame) -> Field:
    """Negative below the tops of the lungs, one on each side."""
    out, back = np.abs(f.x) - 46, f.y - 20
    height = 126 - 0.010 * out**2 - 0.009 * back**2
    slope = np.sqrt(1 + (0.020 * out) ** 2 + (0.018 * back) ** 2)
    return np.asarray((f.z - height) / slope, np.float32)


def _uneven(f: Frame, rng: np.random.Generator) -> Field:
    """How the surface of the lung departs from a smooth one, in mm: ripples, and here and there a bump."""
    ripple = 0.35 * fields.noise(f.grid, 11.0, rng)
    return np.asarray(ripple + 0.25 * np.maximum(fields.noise(f.grid, 9.0, rng) - 1.6, 0) * 6, np.float32)


def _two_lungs(lung: Field) -> NDArray[np.bool_]:
    """The voxels in or near the two largest pieces."""
    label, count = ndimage.label(lung < 0)
    sizes = np.bincount(label.ravel(), minlength=count + 1)
    sizes[0] = 0
    kept = np.isin(label, np.argsort(sizes)[-2:]) & (label > 0)
    return np.asarray((lung >= 0) | kept)


def _fluid(f: Frame, space: Field, rng: np.random.Generator) -> Field:
    """An effusion on one side: behind and below, up to a slanting meniscus."""
    side = rng.choice([-1.0, 1.0])
    size = rng.uniform(0.85, 1.15)
    ramp = np.clip((f.y + 30) / 90, 0, 1)
    thick = size * 17 * ramp * np.exp(-np.maximum(f.z + 105, 0) / 30)
    return np.asarray(np.maximum(np.maximum(space, -space - thick), 6 - side * f.x), np.float32)


def _lobes(f: Frame, lung: Field, rng: np.random.Generator) -> tuple[Field, Field, NDArray[np.uint8]]:
    """The oblique and the horizontal fissures, and the lobe of each voxel."""
    waves = [6.0 * fields.noise(f.grid, 50 * f.scale, rng) for _ in range(2)]
    waves[0] += 0.0018 * (np.abs(f.x) - 65) ** 2 + 0.06 * (np.abs(f.x) - 65)
    tilt = np.where(f.x < 0, 1.0, 1.12).astype(np.float32)
    major = (f.z - tilt * f.y + np.where(f.x < 0, 8, 2)) / np.sqrt(1 + tilt**2) + waves[0]
    minor = f.z - 14 + 0.08 * np.abs(f.x) + 0.10 * f.y + waves[1]
    right = f.x < 0
    lobe = np.where(right, np.where(major < 0, 3, np.where(minor > 0, 1, 2)), np.where(major < 0, 5, 4))
    there = right & (major > -1)
    none = np.float32(FAR_MM)
    return (
        np.asarray(major, np.float32),
        np.asarray(np.where(there, minor, none), np.float32),
        np.where(lung < 0, lobe, 0).astype(np.uint8),
    )
