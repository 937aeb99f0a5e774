"""The small-nodule network: centre heat at one voxel for the price of half the resolution.

    hu -> 2x2x2 blocks as channels -> conv, bottleneck  at two voxels   (small things)
                -> 2x2x2 blocks -> bottleneck           at four voxels  (what they are part of)
                -> back up, added -> bottleneck -> two layers without reach -> one value a voxel and channel

A bottleneck (He et al., Deep residual learning for image recognition, 2016, figure 5) narrows a wide trunk,
looks around and widens it again. It learns far more here than plain convolutions: after 600 steps
alike, a loss of 2.29 (a trunk of 64, narrow 32 throughout, 12.0 kMAC a voxel) against 2.88 of plain layers
(10.6 kMAC) and 2.58 of plain layers twice as wide. What is used is narrower, to stay within 250 GFLOP for a
lung of 4.5 litres, and was not part of that comparison.

Batch normalisation only, which at inference is a fixed scale and shift, no attention and no pooling over
the window: no value depends on how many neighbours a nodule has, and nothing reaches farther than
`HALO` voxels from cells of `STRIDE`.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

STRIDE = 4
"""Windows begin at multiples of this: the network's coarsest cell."""
HALO = 12
"""Exact for cores of whole cells, the neighbours of their peaks included."""
CHANNELS = (64, 24, 48)
"""Of the trunk, and where it is narrow at two and at four voxels."""
OUTPUTS = 5
"""Heat logit; offset z, y, x in voxels; logarithm of the diameter in voxels."""
HEAT_PRIOR = 0.002
OFFSET_REACH = 0.75
LOG_DIAMETER_PRIOR = math.log(3.0)


class Net(nn.Module):
    """HU scaled to -1..1, (B, 1, D, H, W) with sides in multiples of `STRIDE`, to (B, 5, D, H, W)."""

    def __init__(self, channels: tuple[int, int, int] = CHANNELS) -> None:
        super().__init__()
        trunk, narrow, narrow_quarter = channels
        self.stem = _conv(8, trunk, 3)
        self.look = Bottleneck(trunk, narrow)
        self.down = nn.Sequential(nn.Conv3d(trunk, trunk, 2, stride=2, bias=False), _norm(trunk))
        self.around = Bottleneck(trunk, narrow_quarter)
        self.up = nn.ConvTranspose3d(trunk, trunk, 2, stride=2, bias=False)
        self.join = _norm(trunk)
        self.fuse = Bottleneck(trunk, narrow)
        self.widen = nn.Conv3d(trunk, trunk, 1)
        self.head = nn.Conv3d(trunk, 8 * OUTPUTS, 1)
        expected = torch.zeros(OUTPUTS, 8)
        expected[0] = -math.log(1 / HEAT_PRIOR - 1)
        self.head.bias = nn.Parameter(expected.flatten())
        nn.init.normal_(self.head.weight, std=0.01)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        out = channels_to_blocks(self.body(blocks_to_channels(x)))
        heat, offset, size = out[:, :1], out[:, 1:4], out[:, 4:]
        return torch.cat([heat, bounded(offset), size + LOG_DIAMETER_PRIOR], 1)

    def body(self, blocks: Tensor) -> Tensor:
        """Blocks (B, 8, d, h, w) to raw (B, 40, d, h, w); channel = output * 8 + voxel in a block."""
        half = self.look(torch.relu_(self.stem(blocks)))
        quarter = self.around(torch.relu_(self.down(half)))
        half = self.fuse(torch.relu_(self.join(self.up(quarter)) + half))
        raw: Tensor = self.head(torch.relu_(self.widen(half)))
        return raw


class Bottleneck(nn.Module):
    """Narrow, look around, widen, add: begins as the identity."""

    def __init__(self, trunk: int, narrow: int) -> None:
        super().__init__()
        self.narrow = _conv(trunk, narrow, 1)
        self.look = _conv(narrow, narrow, 3)
        self.widen = _conv(narrow, trunk, 1)
        for parameter in self.widen[-1].parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, D, H, W) to the same, not negative."""
        inner = torch.relu_(self.look(torch.relu_(self.narrow(x))))
        return torch.relu_(self.widen(inner) + x)


def bounded(offset: Tensor) -> Tensor:
    """Raw offsets to voxels."""
    return OFFSET_REACH * torch.tanh(offset)


def _conv(inside: int, outside: int, side: int) -> nn.Sequential:
    conv = nn.Conv3d(inside, outside, side, padding=side // 2, bias=False)
    return nn.Sequential(conv, _norm(outside))


def _norm(channels: int) -> nn.BatchNorm3d:
    return nn.BatchNorm3d(channels, momentum=0.02)


def blocks_to_channels(x: Tensor) -> Tensor:
    """(B, 1, D, H, W) to (B, 8, D/2, H/2, W/2); the channel counts z, y, x of the voxel in its block."""
    b, _, d, h, w = x.shape
    x = x.reshape(b, d // 2, 2, h // 2, 2, w // 2, 2)
    return x.permute(0, 2, 4, 6, 1, 3, 5).reshape(b, 8, d // 2, h // 2, w // 2)


def channels_to_blocks(x: Tensor) -> Tensor:
    """(B, C * 8, D, H, W) to (B, C, 2D, 2H, 2W)."""
    b, c, d, h, w = x.shape
    x = x.reshape(b, c // 8, 2, 2, 2, d, h, w).permute(0, 1, 5, 2, 6, 3, 7, 4)
    return x.reshape(b, c // 8, 2 * d, 2 * h, 2 * w)


def scaled(hu: Tensor) -> Tensor:
    """HU to the network's input: -1000..100 becomes -1..1, what lies outside is cut off."""
    return (hu.clamp(-1000.0, 100.0) + 1000.0) / 550.0 - 1.0


def multiply_adds_per_voxel(channels: tuple[int, int, int] = CHANNELS) -> float:
    """Of the convolutions, for each voxel of a window."""
    trunk, *narrow = channels
    small, around = (2 * trunk * n + 27 * n * n for n in narrow)
    half = 27 * 8 * trunk + 2 * small + trunk * trunk + trunk * 8 * OUTPUTS
    quarter = 8 * trunk * trunk + around + trunk * trunk * 8
    return half / 8 + quarter / 64
