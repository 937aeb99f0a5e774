"""One opacity to be implanted into a real scan: irregular, crisp or vague, as the scan's blur shows it.

A lesion is a ball with low bumps (Legendre waves about a few random directions, none of which moves its
centre), of exactly the volume of a ball of its diameter. Its edge and the scan's blur are one Gaussian.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from millet.codec.tables import Mark
from millet.core.geometry import Floats, Grid, PointMm, Vector
from millet.core.nodule import class_of

Field = NDArray[np.float32]
Box = tuple[slice, slice, slice]

FWHM = 2.355
"""Full width at half maximum of a Gaussian, in standard deviations."""
KERNEL_MM = {"STANDARD": 0.47, "BONE": 0.30, "B31f": 0.58}
"""In-plane blur (standard deviation) by kernel: the sharpest skin edges of LIDC-IDRI-0001, -0003, -0028,
-0295, -0306 and lungfcp-01-0001, less the width of a pixel."""
OTHER_KERNEL_MM = 0.5


class Lobe(NamedTuple):
    """A wave of the surface: its axis, its degree (2 oval, 3 pear, 4 square), its height in radii."""

    axis: Vector
    degree: int
    height: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Blur:
    """The blur of a scan: standard deviation in the slice, and slice thickness (width at half height)."""

    in_plane_mm: float
    slice_mm: float

    @classmethod
    def of(cls, kernel: str, slice_mm: float) -> Blur:
        """By convolution kernel (0018,1210) and slice thickness (0018,0050)."""
        return cls(in_plane_mm=KERNEL_MM.get(kernel, OTHER_KERNEL_MM), slice_mm=slice_mm)

    @property
    def sigma_mm(self) -> tuple[float, float, float]:
        """Standard deviations (z, y, x)."""
        return self.slice_mm / FWHM, self.in_plane_mm, self.in_plane_mm


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesion:
    """An opacity; exactly one of `tissue_hu` and `peak_hu` is set.

    `edge_mm` is the width (FWHM) over which it fades into the lung.
    """

    centre_mm: PointMm
    diameter_mm: float
    kind: str
    tissue_hu: float | None = None
    """HU of its tissue."""
    peak_hu: float | None = None
    """HU above the lung around it at its brightest, after blur."""
    edge_mm: float = 0.4
    lobes: tuple[Lobe, ...] = ()

    def __post_init__(self) -> None:
        if (self.tissue_hu is None) == (self.peak_hu is None):
            raise ValueError("a lesion has either the HU of its tissue or a peak above the lung")
        if self.diameter_mm <= 0 or self.edge_mm < 0:
            raise ValueError(f"a lesion of {self.diameter_mm} mm with an edge of {self.edge_mm} mm is none")

    @property
    def mark(self) -> Mark:
        """Its line in the table of truth."""
        return Mark(
            centre_mm=self.centre_mm,
            diameter_mm=self.diameter_mm,
            nodule_class=class_of(self.diameter_mm),
            kind=self.kind,
        )


def share(lesion: Lesion, grid: Grid, blur: Blur) -> tuple[Box, Field]:
    """The voxels of a canonical grid that a lesion reaches, and the share of each that it fills, 0..1.

    Drawn on a grid several times finer, blurred there, and read at the voxels' centres.
    """
    spacing = np.asarray(grid.spacing_mm)
    sigma = np.hypot(blur.sigma_mm, lesion.edge_mm / FWHM)
    reach = 0.5 * lesion.diameter_mm * (1 + sum(abs(lobe.height) for lobe in lesion.lobes)) + 3 * sigma
    centre = grid.to_index_array(np.asarray([lesion.centre_mm], float))[0]
    low = np.floor(centre - reach / spacing).astype(int)
    high = np.ceil(centre + reach / spacing).astype(int) + 1
    finer = np.maximum(np.ceil(spacing / np.clip(lesion.diameter_mm / 10, 0.15, 0.5)).astype(int), 1)
    step = spacing / finer
    lines = [
        (low[k] - centre[k]) * spacing[k] + step[k] * np.arange((high - low)[k] * finer[k]) for k in range(3)
    ]
    sharp = _ball(lesion, lines, float(step.prod()))
    fine = ndimage.gaussian_filter(sharp, sigma / step, mode="constant", truncate=3.5)
    filled = fine[:: finer[0], :: finer[1], :: finer[2]]
    first, last = np.clip(low, 0, grid.shape), np.clip(high, 0, grid.shape)
    box = tuple(slice(int(a), int(b)) for a, b in zip(first, last, strict=True))
    inner = tuple(slice(int(a - c), int(b - c)) for a, b, c in zip(first, last, low, strict=True))
    return (box[0], box[1], box[2]), np.asarray(filled[inner], np.float32)


def _ball(lesion: Lesion, lines: list[Floats], voxel_mm3: float) -> Field:
    """The unblurred lesion on fine (z, y, x) lines; its surface is ramped over one fine voxel."""
    z, y, x = np.meshgrid(*[line.astype(np.float32) for line in lines], indexing="ij", sparse=True)
    far = np.maximum(np.sqrt(x * x + y * y + z * z), 1e-3)
    height = np.ones_like(far)
    for lobe in lesion.lobes:
        cosine = (lobe.axis.x * x + lobe.axis.y * y + lobe.axis.z * z) / far
        height += np.float32(lobe.height) * _legendre(lobe.degree, cosine)
    ramp, radius = voxel_mm3 ** (1 / 3), lesion.diameter_mm / 2
    wanted = np.pi / 6 * lesion.diameter_mm**3 / voxel_mm3
    filled = np.clip((radius * height - far) / ramp + 0.5, 0, 1)
    for _ in range(2):  # bumps add volume; two steps bring it back to within a thousandth
        radius *= (wanted / float(filled.sum())) ** (1 / 3)
        filled = np.clip((radius * height - far) / ramp + 0.5, 0, 1)
    return np.asarray(filled, np.float32)


def _legendre(degree: int, cosine: Field) -> Field:
    return np.polynomial.legendre.legval(cosine, [0.0] * degree + [1.0])
