"""One window at a time, for tests that look at one."""

from __future__ import annotations

import numpy as np
import torch

from millet.ports import Detector, Peaks


def look(detector: Detector, window: np.ndarray) -> Peaks:
    """What a detector finds in one window (D, H, W) of HU."""
    (peaks,) = detector.detect(torch.from_numpy(np.ascontiguousarray(window, np.float32))[None])
    return peaks
