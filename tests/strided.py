"""A toy model that sees where its windows begin: for tests that windows change nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import ndimage

from millet.core.manifest import Graph, Level
from millet.ports import Peaks
from millet.train.log_card import manifest

CELL = 4
LEVEL = Level(
    name="fine",
    graph="toy",
    spacing_mm=(1.0, 1.0, 1.0),
    halo_voxels=(7, 7, 7),
    multiple_voxels=(CELL, CELL, CELL),
    diameters_mm=(1.0, 9.0),
    threshold=0.5,
)
MANIFEST = replace(
    manifest("0" * 64, 13),
    levels=(LEVEL,),
    graphs=(Graph(name="toy", precision="fp32", file="toy.onnx", digest="0" * 64),),
    candidate_floor=0.0,
    merge_distance=1e-6,
)
KERNEL = np.random.default_rng(5).random((3, 3, 3))


class Strided:
    """Peaks of a blur of voxels plus a blur of cells: right only where windows begin at whole cells."""

    provider, precision = "toy", "fp32"
    device = "cpu"

    def __init__(self) -> None:
        self.windows = []

    def detect(self, windows):
        """Reach one cell and three voxels to every side."""
        return [self._look(window) for window in windows.numpy()]

    def _look(self, window):
        assert not any(n % CELL for n in window.shape)
        self.windows.append(window.shape)
        d, h, w = (n // CELL for n in window.shape)
        cells = window.reshape(d, CELL, h, CELL, w, CELL).mean(axis=(1, 3, 5), dtype=np.float64)
        coarse = ndimage.correlate(cells, KERNEL, mode="constant")
        field = ndimage.correlate(window.astype(np.float64), KERNEL, mode="constant")
        field += np.kron(coarse, np.ones((CELL,) * 3))
        peak = np.argwhere(field == ndimage.maximum_filter(field, 3))
        score = 1 / (1 + np.exp(-(field[tuple(peak.T)] + 11000) / 3000))
        return Peaks(peak.astype(np.float32), np.full(len(peak), 3, np.float32), score.astype(np.float32))
