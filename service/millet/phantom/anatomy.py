"""An analytic chest: signed distances of its parts on a coarse grid, in patient mm (LPS).

Theory of operation. Every part is a smooth implicit surface over anatomical coordinates, x to the
left, y to the back, z to the head, with the origin between the hila of an adult of 1.75 m. The
coordinates are bent by long random waves first, so that every seed has another, asymmetric chest.
Distances vary slowly, so a 2 mm grid holds them; `render` interpolates them to the scan's voxels
and turns them into soft edges there. Sizes follow ordinary adult proportions; vessels, airways and
nodules, which are thin, are not kept here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from millet.core.geometry import Floats, Grid, PointMm, Vector
from millet.phantom.shapes import Field, Space, cut, distance, ellipsoid, elliptic_cylinder, join, space, tube

LOW_Z_MM, HIGH_Z_MM = -160.0, 150.0
WIDTH_MM = 358.0
CENTRE_Y_MM = 6.0
COARSE_MM = 2.2
EFFUSION_ML = 180.0
MASS_AXES_MM = (38.0, 41.5, 45.0)
AORTA = [(-16.0, -14.0, -5.0), (-19.0, -20.0, 32.0), (-8.0, -12.0, 58.0), (10.0, 12.0, 66.0),
         (20.0, 38.0, 56.0), (22.0, 46.0, 30.0), (18.0, 46.0, -60.0), (4.0, 40.0, -170.0)]  # fmt: skip
PULMONARY = [(14.0, -22.0, -4.0), (12.0, -12.0, 22.0), (34.0, 8.0, 22.0)]
PULMONARY_RIGHT = [(12.0, -8.0, 20.0), (-34.0, 2.0, 14.0)]
CAVA = [(-28.0, -16.0, 120.0), (-27.0, -16.0, 0.0), (-22.0, 0.0, -75.0), (-20.0, 14.0, -170.0)]
OESOPHAGUS = [(2.0, 34.0, 160.0), (2.0, 34.0, 40.0), (6.0, 34.0, -40.0), (16.0, 24.0, -100.0)]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Mass:
    """An irregular ellipsoid: centre in mm, full axes (x, y, z) in mm."""

    centre_mm: PointMm
    axes_mm: tuple[float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Chest:
    """Signed distances in mm (negative inside) on `grid`, all of its shape, float32."""

    grid: Grid
    scale: float
    body: Field
    muscle: Field
    cavity: Field
    abdomen: Field
    liver: Field
    soft: Field
    gullet: Field
    bone: Field
    lung: Field
    effusion: Field
    mass: Field
    fissure: Field
    level: Field
    """Distance from the horizontal fissure; far away where there is none."""
    table: Field
    mass_truth: Mass | None

    def sample(self, field: Field, points_mm: Floats) -> Field:
        """A field at (N, 3) points (x, y, z) in mm, linearly interpolated."""
        index = self.grid.to_index_array(points_mm).T
        return np.asarray(ndimage.map_coordinates(field, index, order=1, mode="nearest"), np.float32)

    def slope(self, field: Field, points_mm: Floats) -> Floats:
        """The gradient (N, 3) of a field along x, y, z at (N, 3) points in mm, over one grid step."""
        step = self.grid.spacing_mm[0] / 2
        ahead, behind = (
            [self.sample(field, points_mm + way * step * unit) for unit in np.eye(3)] for way in (1, -1)
        )
        return np.asarray((np.stack(ahead, axis=1) - np.stack(behind, axis=1)) / (2 * step), float)


def chest(
    rng: np.random.Generator,
    *,
    scale: float,
    mass: bool,
    effusion: bool,
    gullet: bool = False,
    lobes: bool = False,
) -> Chest:
    """Grow a chest. `scale` shrinks all of it; `mass` and `effusion` say whether it has them.

    The `gullet` (oesophagus) is part of `soft` and need be told apart only where blood has contrast. With
    `lobes` the fissures are those of five lobes; without, one sheet a lung, as the first phantoms had.
    """
    grid = coarse_grid(scale)
    s = space(grid, scale=scale, rng=rng, warp_mm=3.5)
    cavity = _cavity(s)
    centre_parts = _soft(s)
    spine = _spine(s)
    dome = _diaphragm(s)
    lung = cut(cavity, _mediastinum(s), join(centre_parts, spine) - 2.0, dome, round_mm=9.0)
    fluid = _effusion(s, cavity, lung, dome) if effusion else _nothing(s)
    lung = cut(lung, fluid)
    lump, truth = _mass(s, lung, grid, scale, rng) if mass else (_nothing(s), None)
    body = _body(s)
    fields = {
        "body": body,
        "muscle": join(cavity - 3, np.maximum(body + _fat_mm(s), cavity - 24)),
        "cavity": cavity,
        "abdomen": np.maximum(cavity, dome),
        "liver": np.maximum(cavity + 3, _liver(s, dome)),
        "soft": centre_parts,
        "gullet": tube(s, OESOPHAGUS, 7.0) if gullet else _nothing(s),
        "bone": join(spine, _ribs(s, cavity), _sternum(s), _scapulae(s, cavity)),
        "lung": lung,
        "effusion": fluid,
        "mass": lump,
        "fissure": _oblique(s, lung) if lobes else _fissure(s, lung),
        "level": _horizontal(s, lung) if lobes else _nothing(s),
        "table": np.maximum(np.abs(np.hypot(s.x, s.y + 330) - 464) - 3, np.abs(s.x) - 168),
    }
    return Chest(
        grid=grid,
        scale=scale,
        mass_truth=truth,
        **{name: np.asarray(field * scale, np.float32) for name, field in fields.items()},
    )


def coarse_grid(scale: float, step_mm: float = COARSE_MM) -> Grid:
    """The grid of the distances: it covers the field of view and is centred on the patient.

    A small chest is kept on relatively fewer voxels, since it is for quick tests.
    """
    step = step_mm * scale**0.5
    wide, high = WIDTH_MM * scale, (HIGH_Z_MM - LOW_Z_MM) * scale
    across, up = int(np.ceil(wide / step)) + 3, int(np.ceil(high / step)) + 3
    middle = (0.0, CENTRE_Y_MM * scale, (HIGH_Z_MM + LOW_Z_MM) / 2 * scale)
    shape = (up, across, across)
    x, y, z = (m - step * (n - 1) / 2 for m, n in zip(middle, (across, across, up), strict=True))
    axes = (Vector(0, 0, 1), Vector(0, 1, 0), Vector(1, 0, 0))
    return Grid(shape=shape, spacing_mm=(step, step, step), origin_mm=PointMm(x, y, z), axes=axes)


def _nothing(s: Space) -> Field:
    return np.full(s.x.shape, 1e3, np.float32)


def _body(s: Space) -> Field:
    narrow = 1 + np.maximum(s.z - 60, 0) ** 2 / 9e4
    a, b = np.abs(s.x) / 166 * narrow, np.abs(s.y - 8) / 116 * narrow
    return distance(np.asarray((a**2.4 + b**2.4) ** (1 / 2.4) - 1, np.float32), s)


def _fat_mm(s: Space) -> Field:
    return np.asarray(9 + 5 * np.sin(s.x / 45) ** 2 + 4 * (s.y < 0) * np.cos(s.z / 60) ** 2, np.float32)


def _cavity(s: Space) -> Field:
    up = np.maximum(s.z + 60, 0) / 198
    a, b = np.abs(s.x) / 130, np.abs(s.y - 2) / 89
    wide = 1 - 0.12 * np.clip(s.z / 120, 0, 1)
    radius = ((a / wide) ** 2.3 + (b / wide) ** 2.3 + up**2.7) ** (1 / 2.3)
    return distance(np.asarray(radius - 1, np.float32), s)


def _mediastinum(s: Space) -> Field:
    upper = np.maximum(elliptic_cylinder(s, (2, 6), (30, 46)), 14 - s.z)
    waist = elliptic_cylinder(s, (2, 18), (25, 46))
    front = np.maximum(np.abs(s.x - 4) - 4, s.y - 10)
    return join(upper, waist, front, round_mm=14)


def _soft(s: Space) -> Field:
    heart = join(
        ellipsoid(s, (28, -30, -48), (50, 42, 52)), ellipsoid(s, (-12, -22, -36), (40, 42, 50)), round_mm=12
    )
    arteries = join(tube(s, PULMONARY, 12.5), tube(s, PULMONARY_RIGHT, 10.5), round_mm=5)
    veins = join(tube(s, CAVA, 9.5), ellipsoid(s, (2, 10, -16), (34, 16, 18)), round_mm=5)
    return join(heart, arteries, veins, tube(s, AORTA, 13.0), tube(s, OESOPHAGUS, 7.0), round_mm=2)


def _spine(s: Space) -> Field:
    wave = np.cos(2 * np.pi * s.z / 25)
    body = elliptic_cylinder(s, (0, 66), (18.5, 15.5)) + 1.4 * wave
    disc = np.abs(np.mod(s.z + 12.5, 25) - 12.5) - 2.5
    vertebra = np.maximum(body, -disc)
    canal = elliptic_cylinder(s, (0, 89), (9, 8))
    arch = np.maximum(elliptic_cylinder(s, (0, 88), (19, 13)), -canal)
    spinous = np.maximum(np.maximum(np.abs(s.x) - 3, np.abs(s.y - 102) - 15), -wave * 8)
    across = np.maximum(
        np.hypot((s.y - 88) - 0.3 * np.abs(s.x), np.mod(s.z + 12.5, 25) - 12.5) - 5, np.abs(s.x) - 34
    )
    return join(vertebra, arch, spinous, across)


def _front(s: Space) -> Field:
    """0 at the back of the chest, 1 at its front."""
    return np.asarray(np.clip((90 - s.y) / 180, 0, 1), np.float32)


def _ribs(s: Space, cavity: Field) -> Field:
    drop = s.z + 62 * _front(s) ** 1.2
    across = np.mod(drop + 13.5, 27) - 13.5
    rib = np.hypot(cavity - 7, across * 0.58) - 3.9
    return np.asarray(np.maximum(rib, 30 - np.abs(s.x) + 40 * (s.y > 0)), np.float32)


def _sternum(s: Space) -> Field:
    plate = np.maximum(np.abs(s.x) - 17, np.abs(s.y + 100 - 0.10 * s.z) - 5.5)
    return np.asarray(np.maximum(np.maximum(plate, -70 - s.z), s.z - 95), np.float32)


def _scapulae(s: Space, cavity: Field) -> Field:
    blade = np.maximum(np.abs(cavity - 20) - 2.6, np.abs(np.abs(s.x) - 98) - 34)
    return np.asarray(np.maximum(np.maximum(blade, 30 - s.y), np.abs(s.z - 55) - 62), np.float32)


def _diaphragm(s: Space) -> Field:
    """Negative below the domes; the right one is higher, both fall off to the ribs."""
    right = -62 - 62 * (((s.x + 62) / 86) ** 2 + ((s.y - 2) / 96) ** 2) ** 1.15
    left = -74 - 58 * (((s.x - 66) / 84) ** 2 + ((s.y - 4) / 96) ** 2) ** 1.15
    top = np.where(s.x < 0, right, left)
    blend = np.clip((s.x + 25) / 50, 0, 1)
    top = np.where(np.abs(s.x) < 25, right * (1 - blend) + left * blend, top)
    return np.asarray((s.z - np.maximum(top, -150)) * 0.75, np.float32)


def _liver(s: Space, dome: Field) -> Field:
    liver = np.maximum(s.x - 28, -s.z - 400)
    spleen = ellipsoid(s, (92, 48, -128), (34, 34, 46))
    stomach = ellipsoid(s, (62, -28, -138), (40, 36, 44))
    return np.maximum(dome + 3, join(liver, spleen, stomach))


def _fissure(s: Space, lung: Field) -> Field:
    """Signed distance from the oblique fissures, and far away where there is no lung."""
    plane = (s.y - 6 + 0.95 * (s.z + 5) + 12 * np.sin(s.x / 38)) / 1.4
    return np.asarray(np.where(lung < 2, plane, 1e3), np.float32)


def _oblique_mm(s: Space) -> Field:
    """Height above the oblique fissures, which fall from the back to the front: the left one is steeper."""
    behind, out = s.y - 4, np.abs(s.x) - 65
    right, left = 1.12 * behind - 0.0032 * behind**2 - 10, 1.28 * behind - 0.0038 * behind**2 - 6
    top = np.where(s.x < 0, right, left) + 0.0022 * out * behind + 4 * np.sin(s.x / 30 + 0.4)
    steep = np.where(s.x < 0, 1.12 - 0.0064 * behind, 1.28 - 0.0076 * behind) + 0.0022 * out
    return np.asarray((s.z - top) / np.sqrt(1 + steep**2), np.float32)


def _oblique(s: Space, lung: Field) -> Field:
    """Signed distance from the oblique fissures, positive above."""
    return np.asarray(np.where(lung < 2, _oblique_mm(s), 1e3), np.float32)


def _horizontal(s: Space, lung: Field) -> Field:
    """Signed distance from the horizontal fissure, a low dome before the right oblique one."""
    top = 14 - 0.0016 * ((s.x + 75) ** 2 + (s.y + 30) ** 2) - 0.06 * (s.x + 75)
    there = (lung < 2) & (s.x < 0) & (_oblique_mm(s) > -1)
    return np.asarray(np.where(there, s.z - top, 1e3), np.float32)


def _effusion(s: Space, cavity: Field, lung: Field, dome: Field) -> Field:
    """Fluid behind and below the left lung: a crescent, thickest at the bottom, of a stated volume."""
    voxel_ml = float(np.prod(s.step_mm)) / 1000
    depth = np.asarray(
        14.0 * np.exp(-np.maximum(s.z + 118, 0) / 26) * np.clip((s.y + 5) / 60, 0, 1), np.float32
    )
    from_wall = np.minimum(-cavity, dome)
    low, high = 0.0, 5.0
    for _ in range(10):
        factor = (low + high) / 2
        fluid = np.maximum(np.maximum(lung, from_wall - factor * depth), 4 - s.x)
        low, high = (factor, high) if (fluid < 0).sum() * voxel_ml < EFFUSION_ML else (low, factor)
    return np.asarray(fluid, np.float32)


def _mass(s: Space, lung: Field, grid: Grid, scale: float, rng: np.random.Generator) -> tuple[Field, Mass]:
    """The mass where the left lower lobe has most room for it."""
    room = np.where((s.x > 20) & (s.y > 15) & (s.z < -20), -lung, -1e3)
    place = np.unravel_index(int(np.argmax(ndimage.gaussian_filter(room, 2))), room.shape)
    x, y, z = (float(v) for v in grid.to_patient_array(np.asarray([place], float))[0])
    flat = space(grid, scale=scale, rng=rng, warp_mm=0.0)
    halfs = (MASS_AXES_MM[0] / 2, MASS_AXES_MM[1] / 2, MASS_AXES_MM[2] / 2)
    a, b, c = rng.uniform(0, 6, 3)
    lumps = 0.8 * np.sin(flat.x / 3.1 + a) * np.sin(flat.y / 2.7 + b) * np.sin(flat.z / 3.4 + c)
    axes = (MASS_AXES_MM[0] * scale, MASS_AXES_MM[1] * scale, MASS_AXES_MM[2] * scale)
    shape = ellipsoid(flat, (x / scale, y / scale, z / scale), halfs) + lumps
    return np.asarray(shape, np.float32), Mass(centre_mm=PointMm(x, y, z), axes_mm=axes)
