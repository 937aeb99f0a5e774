"""What a wrong answer costs: each nodule counts the same, however many share its window.

The heat is judged by the penalty-reduced focal loss of CenterNet (Zhou et al., Objects as Points,
2019, equation 1), divided by the number of nodules and not by the number of windows; place and size by their
absolute error at the voxels nearest to the centre.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from millet.train.net import LOG_DIAMETER_PRIOR, blocks_to_channels, bounded, scaled
from millet.train.windows import Window

LEAST_SIGMA = 0.7
SIGMA_OF_DIAMETER = 0.22
"""Width of the bump of lower penalty around a centre, in voxels and in diameters."""
NEAR = 1.05
"""Voxels this close to a centre learn its place and size."""
PLACE_WEIGHT = 0.5
SIZE_WEIGHT = 1.0
COUNT_FLOOR = 4.0


class Batch(NamedTuple):
    """Windows as the network takes them: 2x2x2 blocks as channels, last in memory."""

    blocks: Tensor
    """(B, 8, d, h, w) scaled HU."""
    heat: Tensor
    """(B, 8, d, h, w): 1 in the voxel of a centre, falling around it."""
    judged: Tensor
    """(B, 8, d, h, w) 0 or 1."""
    near: Tensor
    """(K, 5): window, voxel in the block, and cell z, y, x of voxels near centres."""
    place: Tensor
    """(K, 3) where the centre is from there, in voxels."""
    size: Tensor
    """(K,) logarithm of the diameter in voxels, less its prior."""
    nodules: float
    """How many are judged."""

    def to(self, device: torch.device) -> Batch:
        """The same on a device."""
        return Batch(
            blocks=self.blocks.to(device),
            heat=self.heat.to(device),
            judged=self.judged.to(device),
            near=self.near.to(device),
            place=self.place.to(device),
            size=self.size.to(device),
            nodules=self.nodules,
        )


class Parts(NamedTuple):
    """The loss and what it is made of, each a nodule."""

    total: Tensor
    found: Tensor
    false: Tensor
    place: Tensor
    size: Tensor


def batch(windows: list[Window]) -> Batch:
    """Stack windows and write down what should be said of them."""
    hu = np.stack([w.hu for w in windows])[:, None]
    judged = np.stack([w.judged for w in windows])[:, None]
    heat = np.zeros(hu.shape, np.float32)
    near, place, size = [], [], []
    count = 0
    for number, example in enumerate(windows):
        for position, diameter in zip(example.position, example.diameter, strict=True):
            voxels, offsets = _bump(heat[number, 0], position, float(diameter))
            if judged[(number, 0, *np.rint(position).astype(int))]:
                count += 1
                near.append(np.column_stack([np.full(len(voxels), number), voxels]))
                place.append(offsets)
                size.append(np.full(len(voxels), np.log(diameter) - LOG_DIAMETER_PRIOR))
    voxels = np.concatenate(near) if near else np.zeros((0, 4), int)
    cells, inside = voxels[:, 1:] // 2, voxels[:, 1:] % 2
    sub = inside @ np.asarray([4, 2, 1])
    return Batch(
        blocks=_blocked(scaled(torch.from_numpy(hu))),
        heat=_blocked(torch.from_numpy(heat)),
        judged=_blocked(torch.from_numpy(judged.astype(np.float32))),
        near=torch.from_numpy(np.column_stack([voxels[:, 0], sub, cells]).astype(np.int64)),
        place=torch.from_numpy(np.concatenate(place or [np.zeros((0, 3))]).astype(np.float32)),
        size=torch.from_numpy(np.concatenate(size or [np.zeros(0)]).astype(np.float32)),
        nodules=float(count),
    )


def _blocked(x: Tensor) -> Tensor:
    return blocks_to_channels(x).contiguous(memory_format=torch.channels_last_3d)


def _bump(
    heat: NDArray[np.float32], position: NDArray[np.float32], diameter: float
) -> tuple[NDArray[np.int_], NDArray[np.float64]]:
    """Raise the heat around a centre; returns the voxels near it (K, 3) and the way from them to it."""
    sigma = max(LEAST_SIGMA, SIGMA_OF_DIAMETER * diameter)
    reach = int(np.ceil(3 * sigma))
    centre = np.rint(position).astype(int)
    low = np.maximum(centre - reach, 0)
    high = np.minimum(centre + reach + 1, heat.shape)
    lines = [np.arange(a, b) for a, b in zip(low, high, strict=True)]
    squares = [(line - p) ** 2 for line, p in zip(lines, position, strict=True)]
    distance2 = squares[0][:, None, None] + squares[1][:, None] + squares[2]
    block = heat[low[0] : high[0], low[1] : high[1], low[2] : high[2]]
    np.maximum(block, np.exp(-distance2 / (2 * sigma**2)) * 0.98, out=block)
    heat[tuple(centre)] = 1.0
    close = np.argwhere(distance2 <= NEAR**2) + low
    return close, position - close


def judge(raw: Tensor, wanted: Batch) -> Parts:
    """The loss of raw outputs (B, 40, d, h, w)."""
    count = max(wanted.nodules, COUNT_FLOOR)
    logit, rest = raw.split((8, raw.shape[1] - 8), dim=1)  # type: ignore[no-untyped-call]  # untyped in torch
    at_centre = (wanted.heat == 1.0) & (wanted.judged > 0)
    hit = logit[at_centre]
    found = ((1 - hit.sigmoid()) ** 2 * functional.softplus(-hit)).sum() / count
    share = logit.sigmoid()
    elsewhere = (1 - wanted.heat) ** 4 * wanted.judged
    false = (share * share * functional.softplus(logit) * elsewhere).sum() / count
    if len(wanted.near):
        b, sub, z, y, x = wanted.near.unbind(1)
        there = rest[b, :, z, y, x].reshape(len(b), -1, 8)[torch.arange(len(b)), :, sub]
        place = (bounded(there[:, :3]) - wanted.place).abs().sum(1).mean()
        size = (there[:, 3] - wanted.size).abs().mean()
    else:
        place = size = raw.sum() * 0
    total = found + false + PLACE_WEIGHT * place + SIZE_WEIGHT * size
    return Parts(total, found, false, place, size)
