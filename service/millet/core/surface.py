"""How far points are from a surface of which samples are known: to the plane through the nearest one.

Between samples a smooth surface is the plane through the nearest of them, so the distance is what is left
when the part along that plane is taken away, as far as the sample may stand for it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from millet.core.bits import Mask
from millet.core.geometry import Floats
from millet.core.lungs import AIR_BELOW_HU, GRID_MM, LungMask


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Surface:
    """Samples (N, 3) in LPS mm, unit normals there, and how far along the surface one stands for it."""

    points_mm: Floats
    normals: Floats
    reach_mm: float

    def distance_mm(self, points_mm: Floats) -> Floats:
        """Of (M, 3) points, on either side; infinite where there are no samples."""
        if not len(self.points_mm) or not len(points_mm):
            return np.full(len(points_mm), np.inf)
        tree = cKDTree(self.points_mm, compact_nodes=False, balanced_tree=False)
        distance, nearest = tree.query(points_mm)
        across = ((points_mm - self.points_mm[nearest]) * self.normals[nearest]).sum(axis=1)
        beside = np.minimum(distance**2 - across**2, self.reach_mm**2)
        return np.asarray(np.sqrt(np.maximum(distance**2 - beside, 0)))


def lung_surface(lungs: LungMask, label: int) -> Surface:
    """The surface of one lung: pleura, and where vessels and bronchi enter, which a mask cannot tell from it.

    It runs where HU between a voxel of air and the tissue next to it pass `AIR_BELOW_HU`, and half-way
    between voxels where the mask was closed over something.
    """
    box = lungs.box
    if box is None:
        return Surface(points_mm=np.empty((0, 3)), normals=np.empty((0, 3)), reach_mm=0.0)
    wide = tuple(slice(max(side.start - 1, 0), side.stop + 1) for side in box)
    lung = np.pad(lungs.label[wide] == label, 2)
    hu = np.pad(lungs.hu[wide], 2, mode="edge")
    inside, beyond = _faces(lung)
    flat = hu.ravel()
    here, there = flat[inside], flat[inside + beyond]
    crosses = (here < AIR_BELOW_HU) & (there > AIR_BELOW_HU)
    share = np.where(crosses, (AIR_BELOW_HU - here) / np.where(crosses, there - here, 1), 0.5)
    voxels = np.stack(np.unravel_index(inside, lung.shape), axis=1).astype(float)
    ahead = np.stack(np.unravel_index(inside + beyond, lung.shape), axis=1) - voxels
    corner = np.asarray([side.start - 2 for side in wide])
    points = lungs.grid.to_patient_array(voxels + share[:, None] * ahead + corner)
    normals = _outwards(lung, inside) @ np.asarray(lungs.grid.axes, float)
    return Surface(points_mm=points, normals=normals, reach_mm=GRID_MM)


def _faces(lung: Mask) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Flat places of voxels of a mask that have a face to the outside, and the step through that face."""
    flat = lung.ravel()
    places, steps = [], []
    for stride in (s // lung.itemsize for s in lung.strides):
        edge = flat[:-stride] & ~flat[stride:]
        places.append(np.flatnonzero(edge))
        steps.append(np.full(len(places[-1]), stride))
        edge = ~flat[:-stride] & flat[stride:]
        places.append(np.flatnonzero(edge) + stride)
        steps.append(np.full(len(places[-1]), -stride))
    return np.concatenate(places), np.concatenate(steps)


def _outwards(lung: Mask, at: NDArray[np.intp]) -> Floats:
    """Unit vectors (z, y, x) away from what of a mask lies within two voxels."""
    flat = lung.ravel()
    strides = [s // lung.itemsize for s in lung.strides]
    pull = np.zeros((len(at), 3))
    for axis, stride in enumerate(strides):
        one, other = (s for k, s in enumerate(strides) if k != axis)
        for a in (-one, 0, one):
            for b in (-other, 0, other):
                near = at + a + b
                pull[:, axis] += flat[near - stride].astype(np.int8) - flat[near + stride].astype(np.int8)
    length = np.linalg.norm(pull, axis=1, keepdims=True)
    return np.asarray(pull / np.maximum(length, 1e-6))
