"""HU of a nodule and of the lung around it, with what the scan's blur takes from them made up for.

Theory of operation. A ball seen through a Gaussian shows its own HU only in the middle, and not even
there where it is small. Its profile has a closed form; what is read in the middle over what the profile
is there gives the tissue's own HU, with an error that grows as the ball shrinks. The rim is read beside
the middle: it tells a core within glass from a ball of one kind.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from millet.core.geometry import Floats
from millet.core.voi import LOOSE, SHELL_MM, Field, Vois, means, ranked, sums

TISSUE_HU = 40.0
"""Of soft tissue, where a nodule is too small to show its own."""
AIRY_HU = -850.0
"""Taken for inflated lung where none is near."""
LUNG_BELOW_HU = -500.0
LEAST_NOISE_HU = 5.0
ADDED_HU = 100.0
"""What is softened and so far above the lung is more than lung."""
GLASS_CONTRAST_HU = 300.0
"""Of ground glass to lung, in the mean."""
FINE_EDGE_MM = 0.17
"""Standard deviation of a nodule's own edge, which is 0.2 to 0.6 mm wide."""
HELIX_MM = 0.3
"""Of what a moving table adds to a slice's profile."""
FWHM = 2.355
"""Full width at half maximum of a Gaussian, in standard deviations."""
LEAST_CORE_MM = 0.8
GRAIN_MM3 = 2.0
"""Noise of voxels within such a volume goes together."""
UNSURE, OVERSHOOT = 0.4, 0.12
"""Standard deviations: of what is made up for, as the blur is known only roughly; and of what a sharp
kernel adds in the middle of a ball four standard deviations of blur across, which falls with its area."""
RIM = (0.66, 0.88)
"""Between which shares of the radius the rim is read."""
TOP_SHARE, TOP_WITHIN = 0.97, 0.8
"""The brightest place is a voxel of such a rank, within so much of the radius."""
LEAST_SHOWN = 0.2
LEAST_EXTENT = 0.7


@dataclass(frozen=True, slots=True, kw_only=True)
class Blur:
    """Standard deviations in mm, the same in all directions: of the scan, and of the scan softened."""

    sd_mm: float
    soft_sd_mm: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Levels:
    """HU of N nodules, each (N,)."""

    background: Floats
    noise: Floats
    """Standard deviation of a voxel of the lung nearby, with its texture."""
    middle: Floats
    """Of the tissue in the middle, made up for blur."""
    middle_sd: Floats
    """The standard deviation of `middle`."""
    rim: Floats
    """Of the tissue below the surface, made up for blur, if the nodule is as large as one of glass."""
    whole_rim: Floats
    """The same if it is as large as one that is as bright all through as its brightest place."""
    top: Floats
    """Of the brightest place, softened; not made up for."""


def blur(fwhm_mm: float, slice_mm: float, spacing_mm: tuple[float, float, float]) -> Blur:
    """The blur of a scan: variances of plane, slice and nodule's edge, and of `voi.softened` (1-2-1)."""
    in_plane, across = (fwhm_mm / FWHM) ** 2, slice_mm**2 / 12 + HELIX_MM**2
    variance = (2 * in_plane + across) / 3 + FINE_EDGE_MM**2
    softening = float(np.mean(np.square(spacing_mm))) / 2
    return Blur(sd_mm=float(np.sqrt(variance)), soft_sd_mm=float(np.sqrt(variance + softening)))


def seen_in_middle(diameter_mm: Floats, sd_mm: Floats | float) -> Floats:
    """The share of its contrast that a blurred ball shows in its middle."""
    radii = np.maximum(diameter_mm / 2 / sd_mm, 1e-3)
    shown: Floats = special.erf(radii / np.sqrt(2)) - np.sqrt(2 / np.pi) * radii * np.exp(-(radii**2) / 2)
    return shown


def seen_at(distance_mm: Floats, diameter_mm: Floats, sd_mm: float) -> Floats:
    """The share of its contrast that a blurred ball shows at a distance above 0 from its middle."""
    near, far = ((diameter_mm / 2 + sign * distance_mm) / sd_mm for sign in (-1, 1))
    shells = (np.exp(-(near**2) / 2) - np.exp(-(far**2) / 2)) * sd_mm / (distance_mm * np.sqrt(2 * np.pi))
    shown: Floats = (special.erf(near / np.sqrt(2)) + special.erf(far / np.sqrt(2))) / 2 - shells
    return shown


def levels(some: Vois, soft: Field, blurred: Blur) -> Levels:
    """The levels of nodules; `soft` are their blocks, softened."""
    radius = some.radius_mm
    shell = ~some.within(radius + some.blur_mm) & some.within(radius + some.blur_mm + SHELL_MM)
    lung, low = ranked(some.hu, shell & (some.hu < LUNG_BELOW_HU), (0.5, 0.16), AIRY_HU)
    noise = np.maximum(lung - low, LEAST_NOISE_HU)
    middle, middle_sd = _middle(some, lung, noise, blurred.sd_mm)
    (top,) = ranked(soft, some.within(radius * TOP_WITHIN), (TOP_SHARE,), AIRY_HU)
    added = some.within(radius * LOOSE) & (soft > some.over(lung + ADDED_HU))
    extent = (sums(added) * some.grid.voxel_mm3 * 3 / 4 / np.pi) ** (1 / 3)
    contrast = np.maximum(top - lung, GLASS_CONTRAST_HU / 2)
    return Levels(
        background=lung,
        noise=noise,
        middle=middle,
        middle_sd=middle_sd,
        rim=_rim(some, lung, extent - _beyond_mm(GLASS_CONTRAST_HU, blurred), blurred.sd_mm),
        whole_rim=_rim(some, lung, extent - _beyond_mm(contrast, blurred), blurred.sd_mm),
        top=top,
    )


def _beyond_mm(contrast_hu: Floats | float, blurred: Blur) -> Floats:
    """How far beyond an edge of such a contrast more than lung is seen."""
    return np.asarray(blurred.soft_sd_mm * special.ndtri(1 - ADDED_HU / np.asarray(contrast_hu)))


def _middle(some: Vois, lung: Floats, noise: Floats, sd_mm: float) -> tuple[Floats, Floats]:
    """HU of the tissue in the middle, and their standard deviation."""
    radius = some.radius_mm
    reach = np.maximum(LEAST_CORE_MM, radius / 2)
    core = some.within(reach)
    added = means(some.hu, core, lung) - lung
    shown = np.maximum(seen_in_middle(2 * radius, np.hypot(sd_mm, reach / np.sqrt(5))), LEAST_SHOWN)
    grains = np.maximum(sums(core) * some.grid.voxel_mm3 / GRAIN_MM3, 1)
    unsure = UNSURE * (1 - shown) + OVERSHOOT * np.minimum(2 * sd_mm / radius, 1) ** 2
    return lung + added / shown, np.hypot(noise / np.sqrt(grains), unsure * added) / shown


def _rim(some: Vois, lung: Floats, extent_mm: Floats, sd_mm: float) -> Floats:
    """HU below the surface of nodules with such radii, but none larger than the detector's.

    Half of the rim's voxels are above what is read: vessels that come in do not count. A detector that
    gave too large a radius would have the lung beside a solid nodule taken for its rim.
    """
    radius = np.clip(extent_mm, LEAST_EXTENT * some.radius_mm, some.radius_mm)
    inner, outer = (radius * share for share in RIM)
    (read,) = ranked(some.hu, some.within(outer) & ~some.within(inner), (0.5,), AIRY_HU)
    shown = np.maximum(seen_at((inner + outer) / 2, 2 * radius, sd_mm), LEAST_SHOWN)
    return lung + (read - lung) / shown
