"""Who looks at windows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray


class Peaks(NamedTuple):
    """What the graph returns for one window: N local maxima, no limit on N."""

    position_voxels: NDArray[np.float32]
    """(N, 3) sub-voxel (z, y, x) in the window."""
    diameter_voxels: NDArray[np.float32]
    """(N,) in voxels of the window's grid, of its first axis (z) where it is anisotropic."""
    score: NDArray[np.float32]
    """(N,) 0..1."""
    pyramid: NDArray[np.int64] | None = None
    """(N,) the pyramid level that each came from, where a box detector's graph tells it."""


class Detector(Protocol):
    """One graph of a model on one device. Thread-safe. Raises DetectorError."""

    @property
    def device(self) -> str:
        """Where windows are to lie, as torch names it: "cpu", "cuda:0"."""

    @property
    def provider(self) -> str:
        """The execution provider that took the graph, as its engine names it."""

    @property
    def precision(self) -> str:
        """fp32, fp16 or int8: what the graph is written in; `provider` tells if it computes in another."""

    def detect(self, windows: torch.Tensor) -> Sequence[Peaks]:
        """Find all peaks of each of N windows (N, D, H, W), float32 HU clipped to the manifest's range.

        Blocks. What is found in one window does not depend on the others. Raises OutOfMemory where fewer
        windows at once might do.
        """
