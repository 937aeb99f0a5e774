"""The scanner: its grid, its transfer function, and noise as the rays through each patient make it.

Theory of operation. A slice is filtered in Fourier space, once: the kernel's transfer function over
that of the drawing, a sharp kernel overshooting at edges. The noise of filtered back projection has
at each spatial frequency the variance of the rays across it (Riederer et al., Phys Med Biol 23:446,
1978; Siewerdsen et al., Med Phys 29:2655, 2002), so it is made in four sectors of frequency, each
scaled over the image by what the patient attenuates along its rays: more in the middle, streaks
through the shoulders. Neighbouring slices share noise by their overlap and by helical interpolation.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray

from millet.core.geometry import Floats, Grid, PointMm, Vector
from millet.phantom.second.anatomy import HIGH_Z_MM, LOW_Z_MM, WIDTH_MM
from millet.phantom.second.fields import Field
from millet.phantom.spec import Scan

WATER_PER_MM = 0.0195
MODULATION = 0.55
"""The share of the attenuation that tube-current modulation and bow-tie filter leave in the noise."""
SECTORS = 4
EDGE_PER_MM = 0.45
"""The frequency that a sharp kernel enhances most."""
HELIX = (0.17, 0.66, 0.17)
_BIN = 4


def grid(scan: Scan, scale: float) -> Grid:
    """The canonical grid of the slices; 512 x 512 pixels at scale 1 and 0.7 mm."""
    across = round(WIDTH_MM * scale / scan.pixel_mm / 2) * 2
    up = round((HIGH_Z_MM - LOW_Z_MM) * scale / scan.step_mm)
    side = -scan.pixel_mm * (across - 1) / 2
    return Grid(
        shape=(up, across, across),
        spacing_mm=(scan.step_mm, scan.pixel_mm, scan.pixel_mm),
        origin_mm=PointMm(side, side, LOW_Z_MM * scale + scan.step_mm / 2),
        axes=(Vector(0, 0, 1), Vector(0, 1, 0), Vector(1, 0, 0)),
    )


def planes_a_step(scan: Scan) -> int:
    """How many planes, at most 1 mm apart, lie from one slice to the next."""
    return int(np.ceil(scan.step_mm - 1e-6))


def profile(scan: Scan) -> Floats:
    """What the planes about a slice's middle count: a box as wide as the slice, its sum 1."""
    dz = scan.step_mm / planes_a_step(scan)
    reach = int(np.ceil(scan.slice_mm / 2 / dz + 0.5))
    off = dz * np.abs(np.arange(-reach, reach + 1))
    weights = np.clip((scan.slice_mm / 2 - off) / dz + 0.5, 0, 1)
    kept = weights[weights > 1e-6]
    return np.asarray(kept / kept.sum())


def plane_grid(scan: Scan, whole: Grid) -> Grid:
    """The thin planes that `profile` averages into slices."""
    dz, thick = scan.step_mm / planes_a_step(scan), len(profile(scan))
    x, y, z = whole.origin_mm
    count = (whole.shape[0] - 1) * planes_a_step(scan) + thick
    return Grid(
        shape=(count, whole.shape[1], whole.shape[2]),
        spacing_mm=(dz, scan.pixel_mm, scan.pixel_mm),
        origin_mm=PointMm(x, y, z - dz * (thick - 1) / 2),
        axes=whole.axes,
    )


def _frequencies(scan: Scan, size: int) -> tuple[Field, Field]:
    fy = np.fft.fftfreq(size, scan.pixel_mm)[:, None]
    fx = np.fft.rfftfreq(size, scan.pixel_mm)[None]
    return np.asarray(fy, np.float32), np.asarray(fx, np.float32)


def transfer(scan: Scan, size: int) -> Field:
    """The kernel's transfer function on the half plane of a real transform, 1 at frequency 0."""
    fy, fx = _frequencies(scan, size)
    f2 = fx**2 + fy**2
    bump = f2 / EDGE_PER_MM**2 * np.exp(1 - f2 / EDGE_PER_MM**2)
    return np.asarray(np.exp(-2 * (np.pi * scan.sigma_mm) ** 2 * f2) * (1 + scan.edge * bump), np.float32)


def filter_of(scan: Scan, size: int) -> Field:
    """What turns the drawing into the scanner's image: the kernel's transfer over the drawing's."""
    fy, fx = _frequencies(scan, size)
    drawn = np.sinc(fy * scan.pixel_mm) ** 2 * np.sinc(fx * scan.pixel_mm) ** 2
    return np.asarray(transfer(scan, size) / np.maximum(drawn, 0.16), np.float32)


def spectrum(scan: Scan, size: int) -> list[Field]:
    """Amplitudes of unit noise, one a sector of directions: the ramp times the kernel's transfer.

    The sectors overlap and add up to the whole.
    """
    fy, fx = _frequencies(scan, size)
    ramp = np.sqrt(np.hypot(fx, fy)) * transfer(scan, size)
    twice = np.full(fx.shape, 2.0)
    twice[0, 0] = twice[0, -1] = 1.0
    power = float((ramp**2 * twice).sum()) / size**2
    turn = np.arctan2(fy, fx)
    sectors = []
    for k in range(SECTORS):
        off = np.mod(turn - k * np.pi / SECTORS + np.pi / 2, np.pi) - np.pi / 2
        window = np.where(np.abs(off) < np.pi / SECTORS, np.cos(off * SECTORS / 2) ** 2, 0.0)
        sectors.append(np.asarray(ramp * window / np.sqrt(power), np.float32))
    return sectors


def attenuation(hu: Field, pixel_mm: float) -> list[Field]:
    """How the noise of each sector is scaled over a slice (rows, columns), 1 in air, coarse pixels."""
    size = hu.shape[0] // _BIN * _BIN
    coarse = hu[:size, :size].reshape(size // _BIN, _BIN, size // _BIN, _BIN).mean(axis=(1, 3))
    dense = np.maximum(coarse / 1000 + 1, 0) * WATER_PER_MM * pixel_mm * _BIN
    count = len(dense)
    row, column = np.indices(dense.shape)
    maps = []
    for k, ray in enumerate((column, row + column, row, column - row + count - 1)):
        length = np.bincount(ray.ravel(), dense.ravel(), 2 * count) * (np.sqrt(2) if k % 2 else 1.0)
        length = np.convolve(length, np.ones(5) / 5, mode="same")
        maps.append(np.exp(0.5 * MODULATION * length)[ray].astype(np.float32))
    return maps


def middle_noise(hu: Field, scan: Scan) -> float:
    """The noise (relative to air's) in the middle quarter of a slice's width and height."""
    maps = attenuation(hu, scan.pixel_mm)
    part = slice(3 * len(maps[0]) // 8, 5 * len(maps[0]) // 8)
    middle = [m[part, part] for m in maps]
    alone = np.mean([m**2 for m in middle])
    beside = np.mean([m * n for m, n in pairwise([*middle, middle[0]])])
    return float(np.sqrt(0.75 * alone + 0.25 * beside))  # the means of the sectors' squares and overlaps


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scanner:
    """Turns slices as drawn into slices as seen. `reference` is `middle_noise` of the middle slice."""

    scan: Scan
    seed: int
    reference: float
    kernel: Field
    sectors: tuple[Field, ...]
    sharing: tuple[float, ...]

    @classmethod
    def of(cls, scan: Scan, size: int, seed: int, middle: Field) -> Scanner:
        """A scanner whose noise is `scan.noise_hu` in the middle of the slice `middle` (HU)."""
        steps = max(round(scan.slice_mm / scan.step_mm), 1)
        sharing = np.convolve(np.ones(steps), HELIX)
        return cls(
            scan=scan,
            seed=seed,
            reference=middle_noise(middle, scan),
            kernel=filter_of(scan, size),
            sectors=tuple(spectrum(scan, size)),
            sharing=tuple(sharing / np.sqrt((sharing**2).sum())),
        )

    def expose(self, hu: Field, number: int) -> NDArray[np.int16]:
        """The slice `number` (rows, columns) in HU as a scanner stores it."""
        size = hu.shape[0]
        seen = torch.fft.irfft2(
            torch.fft.rfft2(torch.from_numpy(hu)) * torch.from_numpy(self.kernel), s=(size, size)
        )
        if self.scan.noise_hu > 0:
            seen += torch.from_numpy(self._noise(hu, number))
        return np.asarray(np.clip(np.rint(seen.numpy()), -1024, 3071), np.int16)

    def _noise(self, hu: Field, number: int) -> Field:
        size = hu.shape[0]
        white = sum(w * self._white(number + k, size) for k, w in enumerate(self.sharing))
        wave = torch.fft.rfft2(torch.as_tensor(white))
        total = torch.zeros(size, size)
        for shape, scaled in zip(self.sectors, attenuation(hu, self.scan.pixel_mm), strict=True):
            part = torch.fft.irfft2(wave * torch.from_numpy(shape), s=(size, size))
            up = torch.nn.functional.interpolate(
                torch.from_numpy(scaled)[None, None], size=(size, size), mode="bilinear"
            )
            total += part * up[0, 0]
        return np.asarray(total.numpy() * np.float32(self.scan.noise_hu / self.reference), np.float32)

    def _white(self, number: int, size: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(self.seed * 100_003 + number)
        return torch.randn(size, size, generator=generator)
