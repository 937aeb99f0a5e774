"""What physics allows to be seen in a scan: the detectability d' of a solid nodule in its noise.

Theory of operation. An ideal observer who knows the shape that it looks for sums the voxels weighted by
that shape (a matched filter); in white noise its d' is the contrast over the noise, times the root of
the summed squares of the shape's share of each voxel (Barrett and Myers, Foundations of Image Science,
2004, chapter 13). The shape is a ball, blurred in the plane by the kernel, averaged over the slices it
lies in; it is centred between two slices, where it shows least. At 1 false finding a scan (4.5e5 places)
the threshold is 4.6, so d' 6 is found in nine of ten; below, a count means little. Noise that is
correlated between pixels lowers d' somewhat, and is not taken into account.

The noise is measured in the lung itself: differences of voxels four millimetres apart, where noise and
texture no longer go together. It includes what the parenchyma adds, which hides nodules as well.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from millet.core.components import extent
from millet.core.geometry import Floats, PointMm
from millet.core.levels import TISSUE_HU
from millet.core.lungs import LUNG_HU, LungMask
from millet.core.volume import Volume, canonical

LEAST_DETECTABILITY = 6.0
USUAL_MM = 3.0
"""The nodule that is asked for where none was found."""
SOLID_CONTRAST_HU = TISSUE_HU - LUNG_HU
APART_MM = 4.0
PARENCHYMA_HU = (-980.0, -700.0)
"""Lung without vessels and walls, by the mean of the two voxels, which says nothing of their difference."""
MOST_PLANES = 24
FEWEST_PAIRS = 2000
_FREQUENCIES = (np.arange(200) + 0.5) * 0.01
"""Cycles per mm; a blur of 0.9 mm leaves nothing beyond."""
_PLANES = 48


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """How finely a scan shows things, in mm: pixel, slice, in-plane blur (full width at half maximum)."""

    pixel_mm: float
    slice_mm: float
    fwhm_mm: float


def detectability(diameter_mm: float, contrast_hu: float, noise_hu: float, seen_at: Resolution) -> float:
    """The d' of a ball of this contrast to its surroundings in white noise of this standard deviation."""
    return contrast_hu / noise_hu * float(np.sqrt(_energy(diameter_mm, seen_at)))


def _energy(diameter_mm: float, seen_at: Resolution) -> float:
    """Summed squares of the ball's share of each voxel, by Parseval in the plane and slice by slice."""
    thick = diameter_mm / _PLANES
    z = (np.arange(_PLANES) + 0.5) * thick - diameter_mm / 2
    radius = np.sqrt((diameter_mm / 2) ** 2 - z**2)[:, None]
    blur = np.exp(-2 * (np.pi * seen_at.fwhm_mm / 2.355 * _FREQUENCIES) ** 2)
    discs = radius * special.j1(2 * np.pi * radius * _FREQUENCIES) / _FREQUENCIES * blur
    of_slice = np.floor(z / seen_at.slice_mm).astype(int)
    shares = (of_slice == np.unique(of_slice)[:, None]) * (thick / seen_at.slice_mm)
    spectra = shares @ discs
    step = _FREQUENCIES[1] - _FREQUENCIES[0]
    return float((spectra**2 * 2 * np.pi * _FREQUENCIES).sum() * step) / seen_at.pixel_mm**2


def noise_hu(volume: Volume, lungs: LungMask) -> float | None:
    """The standard deviation of the noise in lung parenchyma; None where there is too little of it."""
    source = canonical(volume)
    held = np.flatnonzero(lungs.label.any(axis=(1, 2)))
    if not len(held):
        return None
    heights = lungs.grid.to_index_array(source.grid.to_patient_array(_planes(source)))[:, 0]
    inside = np.flatnonzero((heights >= held[0]) & (heights <= held[-1]))
    chosen = inside[np.linspace(0, len(inside) - 1, min(len(inside), MOST_PLANES)).astype(int)]
    pairs = np.concatenate([_differences(source, lungs, int(z)) for z in chosen] or [np.zeros(0)])
    if len(pairs) < FEWEST_PAIRS:
        return None
    return float(1.4826 * _spread(pairs) / np.sqrt(2))


def _spread(values: Floats) -> float:
    """The median distance from the median; whole HU, which most scans have, are counted, not ordered."""
    whole = values.astype(np.int32)
    if not np.array_equal(whole, values):
        return float(np.median(np.abs(values - np.median(values))))
    least = int(whole.min())
    counts = np.bincount(whole - least)
    held = np.flatnonzero(counts)
    apart = np.abs(held + least - _middle(held + least, counts[held]))
    return _middle(apart, counts[held])


def _middle(values: NDArray[Any], counts: NDArray[np.intp]) -> float:
    """The median of values that occur so often."""
    order = np.argsort(values, kind="stable")
    ends = np.cumsum(counts[order])
    count = int(ends[-1])
    low, high = np.searchsorted(ends, ((count - 1) // 2, count // 2), side="right")
    return float(values[order[low]] + values[order[high]]) / 2


def _planes(volume: Volume) -> Floats:
    """(N, 3) the index of the middle of each plane."""
    depth, rows, columns = volume.grid.shape
    return np.asarray([(z, rows / 2, columns / 2) for z in range(depth)], float)


def _differences(volume: Volume, lungs: LungMask, z: int) -> Floats:
    """HU differences along rows and columns between voxels of parenchyma of one plane."""
    place = volume.grid.to_patient_array(np.asarray([(z, 0, 0)], float))[0]
    shape = volume.grid.shape[1:]
    plane = replace(volume.grid, shape=(1, *shape), origin_mm=PointMm(*place.tolist()))
    (lung,) = lungs.inside(plane)
    box = extent(lung[None])
    if box is None:
        return np.zeros(0)
    hu, lung = np.asarray(volume.hu[z][box[1:]], float), lung[box[1:]]
    found = []
    for axis in (0, 1):
        lag = max(round(APART_MM / volume.grid.spacing_mm[1 + axis]), 1)
        first, second = (
            (slice(None),) * axis + (slice(None, -lag),),
            (slice(None),) * axis + (slice(lag, None),),
        )
        both = lung[first] & lung[second]
        one, other = hu[first][both], hu[second][both]
        mean = (one + other) / 2
        found.append((one - other)[(PARENCHYMA_HU[0] < mean) & (mean < PARENCHYMA_HU[1])])
    return np.concatenate(found)
