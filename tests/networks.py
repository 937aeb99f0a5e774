"""Small networks with the shape of the real one, and what torch itself says are their peaks."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from millet.ports import Peaks
from millet.train.net import Net, scaled

REACH = 0.49


def random_net(seed: int = 0) -> Net:
    """The network with few channels, and normalisation that does something."""
    torch.manual_seed(seed)
    net = Net((8, 8, 12)).eval()
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, nn.BatchNorm3d):
                module.running_mean.normal_(0, 0.3)
                module.running_var.uniform_(0.5, 2)
                module.weight.normal_(1, 0.2)
                module.bias.normal_(0, 0.3)
        net.head.weight.normal_(0, 0.3)
        net.head.bias.normal_(0, 0.3)
        net.head.bias[:8] -= 2
    return net


class Voxels(Net):
    """Heat is the voxel itself, times forty; no offsets, the prior's diameter."""

    def __init__(self) -> None:
        super().__init__((1, 1, 1))
        self.only = nn.Conv3d(8, 40, 1)
        with torch.no_grad():
            self.only.weight.zero_()
            self.only.bias.zero_()
            for channel in range(8):
                self.only.weight[channel, channel] = 40

    def body(self, blocks):
        """One layer."""
        return self.only(blocks)


def eager(net: Net, window: np.ndarray, floor: float) -> Peaks:
    """The peaks of a window (D, H, W) of HU, by the padded network."""
    with torch.no_grad():
        out = net(scaled(torch.from_numpy(window)[None, None]))[0]
    heat = out[0].numpy()
    largest = torch.nn.functional.max_pool3d(out[:1], 3, 1, 1)[0].numpy()
    voxel = np.argwhere((heat == largest) & (heat > np.log(floor / (1 - floor))))
    at = tuple(voxel.T)
    offset = out[1:4].numpy()[:, *at].T.clip(-REACH, REACH)
    return Peaks((voxel + offset), np.exp(out[4].numpy()[at]), 1 / (1 + np.exp(-heat[at])))


def within(peaks: Peaks, shape, halo: int) -> Peaks:
    """Peaks of the core, in order of their voxels."""
    voxel = np.rint(peaks.position_voxels).astype(int)
    kept = np.flatnonzero(((voxel >= halo) & (voxel < np.asarray(shape) - halo)).all(axis=1))
    kept = kept[np.lexsort(voxel[kept].T[::-1])]
    return Peaks(peaks.position_voxels[kept], peaks.diameter_voxels[kept], peaks.score[kept])
