"""One slice as a picture for a screen: HU in a window, as grey PNG."""

from __future__ import annotations

import io
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from PIL import Image

from millet.codec.ct import read_slice
from millet.core.series import SliceHeader


class Window(NamedTuple):
    """What is shown from black to white (PS3.3 C.11.2.1.2)."""

    centre_hu: float
    width_hu: float


WINDOWS: Mapping[str, Window] = MappingProxyType(
    {"lung": Window(-600.0, 1500.0), "soft": Window(40.0, 400.0)}
)


def picture(encoded: bytes, header: SliceHeader, window: Window) -> bytes:
    """Encode a slice as it was sent, the first row on top.

    Raises:
        UnfitSeries: Its pixels cannot be read.
    """
    hu = read_slice(encoded, header)
    low_hu = window.centre_hu - window.width_hu / 2
    grey = np.clip((hu.astype(np.float32) - low_hu) * (255.0 / window.width_hu), 0, 255).astype(np.uint8)
    kept = io.BytesIO()
    Image.fromarray(grey).save(kept, "PNG", compress_level=1)
    return kept.getvalue()
