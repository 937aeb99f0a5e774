"""Small things as clouds of points, each with a volume: tubes, sheets, lumps; and their share of voxels.

A point gives its volume to the eight voxels around it in the linear proportions, so that whatever is
drawn keeps its volume exactly, however thin it is; the scanner's transfer function later makes up for
the blur of that (`scanner.transfer`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from millet.core.geometry import Floats, Grid
from millet.phantom.second.fields import Field

GOLDEN = 0.6180339887498949
ALONG_MM = 0.3
FINE_MM3 = 0.02
COARSE_MM3 = 0.09
"""Volume of a point in the thinnest and in wide tubes."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cloud:
    """N points, float32: places (N, 3) in patient mm, volumes (N,) in mm3, densities (N,) in HU."""

    place_mm: Field
    volume_mm3: Field
    hu: Field

    def ordered(self) -> Cloud:
        """The same points by height, so that a slab of planes is a run of them."""
        order = np.argsort(self.place_mm[:, 2], kind="stable")
        return Cloud(place_mm=self.place_mm[order], volume_mm3=self.volume_mm3[order], hu=self.hu[order])

    def between(self, low_mm: float, high_mm: float) -> Cloud:
        """The points of a slab of heights; the cloud is in order."""
        first, last = np.searchsorted(self.place_mm[:, 2], (low_mm, high_mm))
        part = slice(int(first), int(last))
        return Cloud(place_mm=self.place_mm[part], volume_mm3=self.volume_mm3[part], hu=self.hu[part])


def cloud(place_mm: Floats | Field, volume_mm3: Floats | Field, hu: Floats | Field | float) -> Cloud:
    """Points from arrays of any floats; one density may do for all."""
    place = np.asarray(place_mm, np.float32).reshape(-1, 3)
    return Cloud(
        place_mm=place,
        volume_mm3=np.asarray(volume_mm3, np.float32),
        hu=np.broadcast_to(np.asarray(hu, np.float32), len(place)),
    )


def together(clouds: list[Cloud]) -> Cloud:
    """All points of some clouds."""
    if not clouds:
        return cloud(np.zeros((0, 3)), np.zeros(0), 0.0)
    return Cloud(
        place_mm=np.concatenate([c.place_mm for c in clouds]),
        volume_mm3=np.concatenate([c.volume_mm3 for c in clouds]),
        hu=np.concatenate([c.hu for c in clouds]),
    )


def tubes(start_mm: Floats, end_mm: Floats, radius_mm: Floats, hu: float) -> Cloud:
    """Straight round tubes: ends (B, 3), radii (B, 2) at both ends; their volumes are exact.

    Points follow a Kronecker sequence along, around and across each tube.
    """
    along = end_mm - start_mm
    length = np.linalg.norm(along, axis=1)
    first, last = radius_mm.T
    whole = np.pi * length * (first**2 + first * last + last**2) / 3
    grain = np.clip(0.08 * radius_mm.mean(axis=1) ** 1.5, FINE_MM3, COARSE_MM3)
    count = np.ceil(np.maximum(whole / grain, length / ALONG_MM)).astype(np.int64)
    owner = np.repeat(np.arange(len(count)), count)
    step = np.arange(len(owner)) - np.repeat(count.cumsum() - count, count)
    t = ((step + 0.5) / count[owner]).astype(np.float32)
    turn = (2 * np.pi * np.mod(step * GOLDEN + 0.37 * owner, 1)).astype(np.float32)
    out = np.sqrt(np.mod(step * 0.7548776662466927 + 0.5, 1)).astype(np.float32)
    out *= (first[owner] + t * (last - first)[owner]).astype(np.float32)
    u, v = _across(along / np.maximum(length, 1e-9)[:, None])
    place = start_mm.astype(np.float32)[owner] + t[:, None] * along.astype(np.float32)[owner]
    place += (out * np.cos(turn))[:, None] * u[owner] + (out * np.sin(turn))[:, None] * v[owner]
    return cloud(place, (whole / count)[owner], hu)


def _across(way: Floats) -> tuple[Field, Field]:
    """Two unit vectors across each direction (Duff et al., J Comput Graph Tech 6(1), 2017)."""
    x, y, z = way.T
    sign = np.where(z >= 0, 1.0, -1.0)
    a = -1 / (sign + z)
    b = x * y * a
    u = np.stack([1 + sign * x * x * a, sign * b, -sign * x], axis=1)
    v = np.stack([b, sign + y * y * a, -y], axis=1)
    return u.astype(np.float32), v.astype(np.float32)


def sheet(
    centre_mm: Floats, axes: Floats, halfs_mm: tuple[float, float], thick_mm: float, bow: float
) -> Floats:
    """Points (N, 3) of an oval, bowed sheet that thins towards its rim; `axes` are its (3, 3) directions."""
    step = 0.35
    sides = [np.arange(-h, h + step, step) for h in (*halfs_mm, thick_mm / 2)]
    p, q, w = (s.ravel() for s in np.meshgrid(*sides, indexing="ij"))
    rim = (p / halfs_mm[0]) ** 2 + (q / halfs_mm[1]) ** 2
    inside = (rim < 1) & (np.abs(w) <= thick_mm / 2 * (1 - rim))
    p, q, w = p[inside], q[inside], w[inside] + bow * (p[inside] ** 2 + q[inside] ** 2)
    return np.asarray(centre_mm + np.stack([p, q, w], axis=1) @ axes)


def deposit(points: Cloud, grid: Grid, planes: slice) -> tuple[Field, Field]:
    """What a cloud fills of the voxels of some planes of a grid along the body axes.

    Returns the share of each voxel (above 1 where things overlap) and the mean density of what fills it, HU.
    """
    shape = (planes.stop - planes.start, grid.shape[1], grid.shape[2])
    step = np.asarray(grid.spacing_mm[::-1], np.float32)
    origin = np.asarray(grid.origin_mm, np.float32) + np.asarray([0, 0, planes.start * step[2]], np.float32)
    low, high = origin[2] - step[2], origin[2] + step[2] * shape[0]
    near = points.between(float(low), float(high))
    share, dense = np.zeros(np.prod(shape)), np.zeros(np.prod(shape))
    at = (near.place_mm - origin) / step
    inside = ((at[:, :2] >= 0) & (at[:, :2] < np.asarray([shape[2] - 1, shape[1] - 1]))).all(axis=1)
    at, part = at[inside], near.volume_mm3[inside] / np.float32(grid.voxel_mm3)
    corner = np.floor(at).astype(np.int32)
    rest = at - corner
    for dz in (0, 1):
        z = corner[:, 2] + dz
        on = (z >= 0) & (z < shape[0])
        for dy in (0, 1):
            for dx in (0, 1):
                weight = part * _hat(rest[:, 2], dz) * _hat(rest[:, 1], dy) * _hat(rest[:, 0], dx)
                flat = (
                    (z[on].astype(np.int64) * shape[1] + corner[on, 1] + dy) * shape[2] + corner[on, 0] + dx
                )
                _add(share, flat, weight[on])
                _add(dense, flat, (weight * near.hu[inside])[on])
    mean = np.divide(dense, share, out=np.zeros_like(dense), where=share > 1e-9)
    return share.astype(np.float32).reshape(shape), mean.astype(np.float32).reshape(shape)


def _hat(rest: Field, side: int) -> Field:
    return rest if side else 1 - rest


def _add(total: Floats, flat: NDArray[np.int64], weight: Field) -> None:
    np.add.at(total, flat, weight.astype(float))
