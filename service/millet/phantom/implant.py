"""Put nodules into a real scan: their contrast is added; its noise, vessels and motion stay.

A nodule replaces what the scan would show without noise by its own HU, by its blurred share of each
voxel. What would be shown is the lung's own level; only where smoothed HU say that something dense is
there already are they taken instead, so that in lung not one voxel's noise is touched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from millet.codec.tables import Mark
from millet.core.geometry import Grid
from millet.core.volume import Volume, canonical
from millet.phantom import lesion as lesions
from millet.phantom import nodules
from millet.phantom.implant_sites import LUNG_BELOW_HU, STILL_MM, TISSUE_HU
from millet.phantom.lesion import Blur, Lesion
from millet.phantom.nodules import Psf, Sphere
from millet.phantom.shapes import Field

LOCAL_MM = 2.0
EDGE_CLEAR_MM = 3.0
MOST_LOCAL_HU = -700.0
INFLATED_HU = -860.0
"""The lung's level where too little of it is near to tell."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Implanted:
    """The changed scan, on the grid it came on, and what was put in."""

    volume: Volume
    truth: tuple[Mark, ...]


def random_spheres(
    volume: Volume,
    lung: NDArray[np.bool_],
    *,
    count: int = 220,
    diameter_mm: tuple[float, float] = (3.0, 0.3),
    seed: int = 0,
) -> tuple[Sphere, ...]:
    """Nodules spread evenly through a lung mask, clear of its edge and of large vessels.

    The mask lies on the volume's grid. Diameters are normal (mean, standard deviation).
    Raises ValueError where they do not fit.
    """
    rng = np.random.default_rng([seed, 41])
    spacing = volume.grid.spacing_mm
    deep = ndimage.distance_transform_edt(lung, spacing) > EDGE_CLEAR_MM + diameter_mm[0] / 2
    around = _local_mean(volume.hu, spacing)
    places = np.argwhere(deep & (around < MOST_LOCAL_HU))
    if len(places) > 400_000:
        places = places[rng.choice(len(places), 400_000, replace=False)]
    points = volume.grid.to_patient_array(places + rng.uniform(-0.5, 0.5, places.shape))
    diameters = np.maximum(rng.normal(*diameter_mm, size=count), 0.5)
    return nodules.spheres(nodules.spread(points, count, rng), diameters, rng)


def implant(volume: Volume, spheres: Sequence[Sphere], psf: Psf) -> Implanted:
    """Add nodules to a volume in any orientation; its own voxels are not touched."""
    hu = volume.hu.astype(np.float32)
    upright = canonical(Volume(hu=hu, grid=volume.grid))  # a view: what is added to it is added to hu
    target = np.asarray(upright.hu, np.float32)  # still a view
    for sphere in spheres:
        _add(target, sphere, upright.grid, psf)
    return Implanted(volume=Volume(hu=hu, grid=volume.grid), truth=tuple(s.mark for s in spheres))


def _add(hu: NDArray[np.floating], sphere: Sphere, grid: Grid, psf: Psf) -> None:
    box, share = nodules.share(sphere, grid, psf)
    if share.size:
        local = _local_mean(hu[box], grid.spacing_mm)
        hu[box] += share * np.maximum(sphere.hu - local, 0)


def _local_mean(
    hu: NDArray[np.floating] | NDArray[np.int16], spacing_mm: tuple[float, float, float]
) -> Field:
    sigma = [LOCAL_MM / s for s in spacing_mm]
    return np.asarray(ndimage.gaussian_filter(hu.astype(np.float32), sigma, mode="nearest", truncate=2.5))


def lay(volume: Volume, drawn: Sequence[Lesion], blur: Blur) -> Implanted:
    """Add lesions to a volume in any orientation; its own voxels are not touched."""
    hu = volume.hu.astype(np.float32)
    upright = canonical(Volume(hu=hu, grid=volume.grid))
    target = np.asarray(upright.hu, np.float32)  # a view: what is added to it is added to hu
    for lesion in drawn:
        box, filled = lesions.share(lesion, upright.grid, blur)
        if filled.size:
            target[box] += _added(lesion, filled, *_shown(target, box, upright.grid))
    return Implanted(volume=Volume(hu=hu, grid=volume.grid), truth=tuple(one.mark for one in drawn))


def _added(lesion: Lesion, filled: Field, shown: Field, lung_hu: float) -> Field:
    """HU that a lesion adds to what is shown without noise: none where that is denser than itself."""
    most = max(float(filled.max()), 1e-3)
    tissue = lung_hu + lesion.peak_hu / most if lesion.peak_hu is not None else lesion.tissue_hu
    return np.asarray(filled * np.maximum(float(tissue or 0.0) - shown, 0), np.float32)


def _shown(hu: Field, box: lesions.Box, grid: Grid) -> tuple[Field, float]:
    """What a box shows without noise, and the level of the lung in it."""
    pad = [int(np.ceil(3 * STILL_MM / s)) for s in grid.spacing_mm]
    wide = tuple(slice(max(b.start - p, 0), b.stop + p) for b, p in zip(box, pad, strict=True))
    sigma = [STILL_MM / s for s in grid.spacing_mm]
    still = ndimage.gaussian_filter(hu[wide], sigma, mode="nearest", truncate=3.0)
    lung = still[still < LUNG_BELOW_HU]
    level = float(np.median(lung)) if lung.size > 20 else INFLATED_HU
    inner = tuple(slice(b.start - w.start, b.stop - w.start) for b, w in zip(box, wide, strict=True))
    dense = np.clip((still[inner] - LUNG_BELOW_HU) / (TISSUE_HU - LUNG_BELOW_HU), 0, 1)
    return np.asarray(level + dense * (still[inner] - level), np.float32), level
