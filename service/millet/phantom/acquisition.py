"""The scanner: voxels, blur, slice profile, and noise with the spectrum and size that a dose gives."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from millet.core.geometry import Grid, PointMm, Vector
from millet.phantom import anatomy
from millet.phantom.shapes import Field
from millet.phantom.spec import Scan

__all__ = ["Scan", "fine_grid", "grid", "noise", "noise_map", "sharpened", "stored"]

EDGE_MM = 0.7
"""Standard deviation of the blur whose loss a sharp kernel makes up for, and more."""


def grid(scan: Scan, scale: float) -> Grid:
    """The canonical voxel grid of a scan of a chest of this scale; 512 x 512 pixels at 1 and 0.7 mm."""
    across = round(anatomy.WIDTH_MM * scale / scan.pixel_mm / 2) * 2
    up = round((anatomy.HIGH_Z_MM - anatomy.LOW_Z_MM) * scale / scan.step_mm)
    half = scan.pixel_mm * (across - 1) / 2
    origin = PointMm(
        -half, anatomy.CENTRE_Y_MM * scale - half, (anatomy.LOW_Z_MM * scale) + scan.slice_mm / 2
    )
    return Grid(
        shape=(up, across, across),
        spacing_mm=(scan.step_mm, scan.pixel_mm, scan.pixel_mm),
        origin_mm=origin,
        axes=(Vector(0, 0, 1), Vector(0, 1, 0), Vector(1, 0, 0)),
    )


def fine_grid(scan: Scan, whole: Grid) -> Grid:
    """The planes that are drawn before they are averaged into slices."""
    thick = scan.sub_slices
    planes = (whole.shape[0] - 1) * scan.planes_a_step + thick
    dz = scan.step_mm / scan.planes_a_step
    x, y, z = whole.origin_mm
    start = PointMm(x, y, z - thick * dz / 2 + dz / 2)
    shape = (planes, whole.shape[1], whole.shape[2])
    return replace(whole, shape=shape, spacing_mm=(dz, scan.pixel_mm, scan.pixel_mm), origin_mm=start)


def noise(scan: Scan, shape: tuple[int, int, int], seed: int) -> Field:
    """Coloured noise (slices, rows, columns) of standard deviation 1.

    The spectrum of filtered back projection: a ramp, rolled off by the kernel's transfer function
    squared (Boedeker et al., Phys Med Biol 52:4027, 2007); neighbouring slices share a little, and
    overlapping ones as much as they overlap.
    """
    generator = torch.Generator().manual_seed(seed)
    fy = torch.fft.fftfreq(shape[1], scan.pixel_mm)[:, None]
    fx = torch.fft.rfftfreq(shape[2], scan.pixel_mm)[None]
    f = torch.sqrt(fx**2 + fy**2)
    shaping = torch.sqrt(f + 0.02) * torch.exp(-2 * (np.pi * scan.sigma_mm * f) ** 2 * 0.8)
    if scan.edge:
        shaping *= 1 + scan.edge * (1 - torch.exp(-2 * (np.pi * EDGE_MM * f) ** 2))
    taps = _overlap(scan)
    white = torch.randn(shape[0] + len(taps), shape[1], shape[2], generator=generator)
    white = 0.92 * white[1:] + 0.39 * white[:-1]
    if len(taps) > 1:
        white = torch.stack([tap * white[k : k + shape[0]] for k, tap in enumerate(taps)]).sum(dim=0)
    coloured = torch.fft.irfft2(torch.fft.rfft2(white) * shaping, s=shape[1:])
    return np.asarray((coloured / coloured.std()).numpy(), np.float32)


def _overlap(scan: Scan) -> list[float]:
    """How much of each of the slices' distances one slice covers."""
    covered = scan.slice_mm / scan.step_mm
    return [min(covered - k, 1.0) for k in range(int(np.ceil(covered - 1e-6)))]


def sharpened(scan: Scan, slices: Field) -> Field:
    """Slices with the overshoot of a sharp kernel: the transfer function 1 + edge (1 - Gaussian).

    With an in-plane blur of 0.8 mm and an edge of 1.5 it peaks at about 1.5, as hard lung kernels do.
    """
    if not scan.edge:
        return slices
    sigma = EDGE_MM / scan.pixel_mm
    blurred = ndimage.gaussian_filter(slices, (0, sigma, sigma), mode="nearest")
    return np.asarray(slices + scan.edge * (slices - blurred), np.float32)


def noise_map(scan: Scan, whole: Grid, scale: float) -> Field:
    """Standard deviation of the noise in HU, (rows, columns): less at the rim, where rays are short."""
    half = anatomy.WIDTH_MM * scale / 2
    y = np.linspace(-1, 1, whole.shape[1], dtype=np.float32)[:, None] * half / (116 * scale)
    x = np.linspace(-1, 1, whole.shape[2], dtype=np.float32)[None] * half / (166 * scale)
    return np.asarray(scan.noise_hu * np.clip(1.06 - 0.22 * (x * x + y * y), 0.55, None), np.float32)


def stored(hu: Field) -> NDArray[np.int16]:
    """HU as 12 bits with an intercept of -1024 can hold them."""
    return np.clip(np.rint(hu), -1024, 3071).astype(np.int16)
