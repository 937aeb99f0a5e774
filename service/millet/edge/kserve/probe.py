"""Proof that a remote graph is the one whose manifest lies here: both look at the same small window.

A name says what somebody meant to serve, a peak what is served. The thresholds in the manifest are worth
nothing on another network's scores.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from millet.core.manifest import Manifest
from millet.edge.kserve.contract import WrongGraph
from millet.errors import ModelError
from millet.ports import Detector, Peaks

SIDES_VOXELS = (48, 56, 64)
"""All three differ, so that turned axes are noticed."""
BALLS = ((16.3, 18.2, 20.6, 1.6), (30.7, 20.1, 44.2, 2.4), (20.2, 38.6, 40.9, 3.1), (32.4, 37.8, 17.5, 4.2))
"""Centre z, y, x and radius in voxels."""
LUNG_HU, NOISE_HU, TISSUE_HU = -860.0, 40.0, 40.0
CLEAR = 0.5
"""Of the best score: from there on a peak must have its like. Fainter ones lie on the edge of being any."""
TOLERANCE = {"fp32": 1e-3, "fp16": 1e-2, "int8": 5e-2}
"""Of positions in voxels, of scores, and of diameters relatively. OpenVINO and ONNX Runtime, both on the
CPU, were seen to differ by 6e-5, 3e-4 and 2e-2."""


def probe_window(manifest: Manifest, graph: str) -> torch.Tensor:
    """The window (D, H, W) of HU that a graph is proved on: noisy lung with four balls of tissue.

    Always the same, but for its sides, which suit every level of the graph. Raises ModelError where the
    model has no such graph.
    """
    steps = [level.multiple_voxels for level in manifest.levels if level.graph == graph]
    if not steps:
        raise ModelError(f"model {manifest.name}/{manifest.version} has no graph {graph}")
    joint = np.lcm.reduce(np.asarray(steps))
    sides = tuple(int(step) * -(-side // int(step)) for step, side in zip(joint, SIDES_VOXELS, strict=True))
    hu = LUNG_HU + NOISE_HU * np.random.default_rng(0).standard_normal(sides)
    index = np.indices(sides)
    for z, y, x, radius in BALLS:
        distance = np.sqrt((index[0] - z) ** 2 + (index[1] - y) ** 2 + (index[2] - x) ** 2)
        share = 1 / (1 + np.exp((distance - radius) / 0.4))
        hu = hu * (1 - share) + TISSUE_HU * share
    return torch.from_numpy(np.clip(hu, *manifest.hu_range).astype(np.float32))


def smallest_window(manifest: Manifest, graph: str) -> tuple[int, int, int]:
    """Sides (D, H, W) in voxels below which no level of a graph has windows."""
    steps = (level.multiple_voxels for level in manifest.levels if level.graph == graph)
    depth, height, width = map(min, zip(*steps, strict=True))
    return depth, height, width


def verify(local: Detector, remote: Detector, window: torch.Tensor) -> None:
    """Refuse a remote graph that is not the local one. Blocks; raises ModelError, or either's DetectorError.

    Args:
        local: the graph here, in the same precision; it is not used afterwards.
        remote: what is called by its name elsewhere.
        window: `probe_window`.
    """
    (here,) = local.detect(window[None])
    try:
        (there,) = remote.detect(window[None])
    except WrongGraph as error:
        raise ModelError(str(error)) from error
    if not here.score.size or not (clear := CLEAR * float(here.score.max())):
        raise ModelError(
            "the local graph finds nothing in the probe: a remote one cannot be told from others"
        )
    tolerance = TOLERANCE[local.precision]
    pairs = ((here, there), (there, here))
    lost, strange = (_unmatched(one, other, clear, tolerance) for one, other in pairs)
    if lost or strange:
        raise ModelError(
            f"{remote.provider} is another graph than the local one: of the probe's clear peaks "
            f"it lacks {lost} and has {strange} of its own"
        )


def _unmatched(one: Peaks, other: Peaks, clear: float, tolerance: float) -> int:
    """How many clear peaks of one have no peak of the other that equals them."""
    mine, others = _facts(one)[one.score >= clear], _facts(other)
    apart = np.abs(mine[:, None] - others[None])  # (P, Q, 5)
    equal: NDArray[np.bool_] = np.all(apart <= tolerance, axis=2)
    return int(np.count_nonzero(~np.any(equal, axis=1)))


def _facts(peaks: Peaks) -> NDArray[np.float64]:
    """(P, 5): place, logarithm of the diameter, score."""
    sizes = np.log(np.maximum(peaks.diameter_voxels, 1e-6))
    columns = (peaks.position_voxels, sizes[:, None], peaks.score[:, None])
    return np.concatenate(columns, axis=1).astype(np.float64)
