"""Small chests of plain bodies: quick to make, enough to tell lung from the rest."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from millet.core.geometry import Grid, PointMm, Vector
from millet.core.volume import Volume

AXES = (Vector(0, 0, 1), Vector(0, 1, 0), Vector(1, 0, 0))


def grid(shape=(90, 130, 170), spacing=(2.0, 2.0, 2.0), origin=(-170.0, -130.0, -90.0)) -> Grid:
    """A canonical grid around the origin."""
    return Grid(shape=shape, spacing_mm=spacing, origin_mm=PointMm(*origin), axes=AXES)


def points(on: Grid) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The x, y, z of every voxel in LPS mm."""
    z, y, x = (
        o + s * np.arange(n) for o, s, n in zip(on.origin_mm[::-1], on.spacing_mm, on.shape, strict=True)
    )
    return x[None, None, :], y[None, :, None], z[:, None, None]


def ball(on: Grid, centre_mm, diameter_mm: float) -> np.ndarray:
    """The voxels within a ball."""
    x, y, z = points(on)
    a, b, c = centre_mm
    return (x - a) ** 2 + (y - b) ** 2 + (z - c) ** 2 <= (diameter_mm / 2) ** 2


def _ellipsoid(on: Grid, centre_mm, half_mm) -> np.ndarray:
    x, y, z = points(on)
    (a, b, c), (p, q, r) = centre_mm, half_mm
    return ((x - a) / p) ** 2 + ((y - b) / q) ** 2 + ((z - c) / r) ** 2 <= 1


def hu(on: Grid) -> np.ndarray:
    """A body with two lungs (the right one larger), a trachea, bowel gas, and a table below."""
    x, y, z = points(on)
    body = (x / 150) ** 2 + (y / 105) ** 2 + 0 * z <= 1
    voxels = np.where(body, 40.0, -1000.0)
    voxels[_ellipsoid(on, (-70, 0, 0), (50, 75, 78))] = -850
    voxels[_ellipsoid(on, (70, 0, 0), (42, 75, 78))] = -850
    voxels[((x**2 + (y + 20) ** 2 <= 8**2) & (z > 0)) & (voxels > -900)] = -1000
    voxels[_ellipsoid(on, (0, -60, -75), (20, 20, 12))] = -1000
    voxels[np.broadcast_to((y > 115) & (y < 119), voxels.shape)] = 200
    return voxels


def volume(on: Grid, voxels: np.ndarray, noise_hu: float = 0.0) -> Volume:
    """A volume of these HU, a little blurred, with white noise."""
    soft = ndimage.gaussian_filter(voxels.astype(np.float32), [0.6 / s for s in on.spacing_mm])
    noise = np.random.default_rng(3).normal(0, noise_hu, voxels.shape) if noise_hu else 0
    return Volume(hu=np.rint(soft + noise).astype(np.int16), grid=on)
