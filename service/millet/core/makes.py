"""Which scanners a site's series come from, in few classes: what is watched for drift.

A detector meets at a site what the site's scanners and their protocols make. Names of devices are many and
written in many ways; their makers and what their kernels do are few, and a change of their shares is what an
operator can look into.
"""

from __future__ import annotations

from enum import StrEnum

from millet.core.kernel import SHARP_MM, SOFT_MM, blur_mm


class Make(StrEnum):
    """Who made a scanner, by Manufacturer (0008,0070)."""

    GE = "ge"
    SIEMENS = "siemens"
    PHILIPS = "philips"
    CANON = "canon"
    FUJIFILM = "fujifilm"
    UNITED_IMAGING = "united-imaging"
    NEUSOFT = "neusoft"
    OTHER = "other"
    UNSTATED = "unstated"


class Kernel(StrEnum):
    """What a convolution kernel (0018,1210) does."""

    SHARP = "sharp"
    USUAL = "usual"
    SOFT = "soft"
    UNSTATED = "unstated"


_NAMES = (
    ("GE MEDICAL", Make.GE),
    ("GE HEALTHCARE", Make.GE),
    ("SIEMENS", Make.SIEMENS),
    ("PHILIPS", Make.PHILIPS),
    ("CANON", Make.CANON),
    ("TOSHIBA", Make.CANON),
    ("FUJIFILM", Make.FUJIFILM),
    ("HITACHI", Make.FUJIFILM),
    ("UIH", Make.UNITED_IMAGING),
    ("UNITED IMAGING", Make.UNITED_IMAGING),
    ("NEUSOFT", Make.NEUSOFT),
)
"""How makers write themselves; Toshiba's scanners are Canon's today, Hitachi's Fujifilm's."""


def make_of(manufacturer: str) -> Make:
    """The maker of a scanner, however it writes itself."""
    name = manufacturer.strip().upper()
    if not name:
        return Make.UNSTATED
    if name == "GE":
        return Make.GE
    return next((make for part, make in _NAMES if part in name), Make.OTHER)


def kernel_of(kernel: str) -> Kernel:
    """What a kernel does, as `core.kernel` tells it; one whose name tells nothing is a usual one."""
    if not kernel.strip():
        return Kernel.UNSTATED
    blur = blur_mm(kernel)
    return {SHARP_MM: Kernel.SHARP, SOFT_MM: Kernel.SOFT}.get(blur, Kernel.USUAL)
