"""What a convolution kernel (0018,1210) does to a scan, told from its vendor's name for it."""

from __future__ import annotations

import re

SHARP_MM, USUAL_BLUR_MM, SOFT_MM = 0.9, 1.2, 1.4
"""Width at half height of a point in the plane, by the kernel."""
_SHARP = re.compile(r"BONE|LUNG|EDGE|SHARP|DETAIL|\b[BIHU][A-Z]?[5-9]\d|^FC[58]\d|^Y[A-D]$|^L$")
_SOFT = re.compile(r"SOFT|SMOOTH|\b[BIHU][A-Z]?[12]\d|^FC[01]\d|^[AB]$")


def blur_mm(kernel: str) -> float:
    """The in-plane blur of a convolution kernel by its vendor's name, roughly; an unknown one is usual."""
    name = kernel.strip().upper()
    if _SHARP.search(name):
        return SHARP_MM
    return SOFT_MM if _SOFT.search(name) else USUAL_BLUR_MM
