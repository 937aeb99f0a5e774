"""One slice as a picture for a screen: HU in a window, as grey PNG."""

from __future__ import annotations

import io
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
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
    return png(grey(read_slice(encoded, header), window))


def grey(hu: NDArray[np.int16] | NDArray[np.float32], window: Window) -> NDArray[np.uint8]:
    """HU in a window, 0 to 255."""
    low_hu = window.centre_hu - window.width_hu / 2
    seen = (hu.astype(np.float32, copy=False) - low_hu) * np.float32(255.0 / window.width_hu)
    return np.clip(seen, 0, 255, out=seen).astype(np.uint8)


def png(seen: NDArray[np.uint8]) -> bytes:
    """Grey values (row, column), quickly."""
    kept = io.BytesIO()
    Image.fromarray(seen).save(kept, "PNG", compress_level=1)
    return kept.getvalue()
