"""The network of MONAI's lung_nodule_ct_detection bundle, layer by layer, under the same weight names.

RetinaNet (Lin, ICCV 2017) in three dimensions as MONAI 1.6 builds it for `configs/inference.json`: the
first two stages of a ResNet-50, a feature pyramid with one more level by subsampling, and two heads of
four convolutions each. MONAI's own class needs torchvision to take a ResNet apart; this one does not,
and what is never used (stages three and four, the classifier) is not in it, as it is not in the bundle.

Written from MONAI's published sources (Apache-2.0; its detection part after torchvision, BSD-3-Clause).
Group normalisation in the heads averages over the whole window: scores depend on what else is in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

PLANES = (64, 128)
"""Of the two stages of a ResNet-50 that are used; a stage's output has `EXPANSION` times as many."""
BLOCKS = (3, 4)
EXPANSION = 4
HEAD_LAYERS = 4
GROUPS = 8
SIDES = 6
"""A box is regressed by three shifts and three logarithms of its sides."""

Triple = tuple[int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What the bundle's configuration says of the network. Triples count along the network's own axes."""

    stem_kernel: Triple = (7, 7, 7)
    stem_stride: Triple = (2, 2, 1)
    widen_factor: float = 1.0
    anchors: int = 3
    classes: int = 1
    channels: int = 256
    """Of the pyramid and the heads; a bundle has no field for it."""

    @property
    def strides(self) -> tuple[Triple, Triple, Triple]:
        """Voxels between neighbouring cells of each pyramid level."""
        a, b, c = (2 * stride for stride in self.stem_stride)
        return (a, b, c), (2 * a, 2 * b, 2 * c), (4 * a, 4 * b, 4 * c)


class RetinaNet(nn.Module):
    """(B, 1, X, Y, Z) scaled HU to class logits and box codes of each pyramid level, finest first.

    Sides must be multiples of the coarsest stride. Logits are (B, anchors * classes, ...), codes
    (B, anchors * 6, ...).
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.feature_extractor = _Extractor(shape)
        self.classification_head = _Head("cls_logits", shape.channels, shape.anchors * shape.classes)
        self.regression_head = _Head("bbox_reg", shape.channels, shape.anchors * SIDES)

    def forward(self, x: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """See the class."""
        maps = self.feature_extractor(x)
        return [self.classification_head(m) for m in maps], [self.regression_head(m) for m in maps]


class _Extractor(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        planes = [int(count * shape.widen_factor) for count in PLANES]
        self.body = _Body(shape, planes)
        self.fpn = _Pyramid([EXPANSION * count for count in planes], shape.channels)

    def forward(self, x: Tensor) -> list[Tensor]:
        levels: list[Tensor] = self.fpn(*self.body(x))
        return levels


class _Body(nn.Module):
    """Stem and the first two stages of the ResNet."""

    def __init__(self, shape: Shape, planes: Sequence[int]) -> None:
        super().__init__()
        x, y, z = (side // 2 for side in shape.stem_kernel)
        self.conv1 = nn.Conv3d(1, planes[0], shape.stem_kernel, shape.stem_stride, (x, y, z), bias=False)
        self.bn1 = nn.BatchNorm3d(planes[0])
        self.maxpool = nn.MaxPool3d(3, stride=2, padding=1)
        self.layer1 = _stage(planes[0], planes[0], BLOCKS[0], stride=1)
        self.layer2 = _stage(EXPANSION * planes[0], planes[1], BLOCKS[1], stride=2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        fine = self.layer1(self.maxpool(torch.relu(self.bn1(self.conv1(x)))))
        return fine, self.layer2(fine)


def _stage(inside: int, planes: int, blocks: int, stride: int) -> nn.Sequential:
    first = _Bottleneck(inside, planes, stride)
    return nn.Sequential(first, *(_Bottleneck(EXPANSION * planes, planes) for _ in range(blocks - 1)))


class _Bottleneck(nn.Module):
    """Its shortcut is projected where sizes change; MONAI gives that projection a bias."""

    def __init__(self, inside: int, planes: int, stride: int = 1) -> None:
        super().__init__()
        outside = EXPANSION * planes
        self.conv1 = nn.Conv3d(inside, planes, 1, bias=False)
        self.bn1 = nn.BatchNorm3d(planes)
        self.conv2 = nn.Conv3d(planes, planes, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm3d(planes)
        self.conv3 = nn.Conv3d(planes, outside, 1, bias=False)
        self.bn3 = nn.BatchNorm3d(outside)
        self.downsample: nn.Sequential | None = None
        if stride != 1 or inside != outside:
            self.downsample = nn.Sequential(nn.Conv3d(inside, outside, 1, stride), nn.BatchNorm3d(outside))

    def forward(self, x: Tensor) -> Tensor:
        out = torch.relu(self.bn1(self.conv1(x)))
        out = torch.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        return torch.relu(out + (x if self.downsample is None else self.downsample(x)))


class _Pyramid(nn.Module):
    """Two levels joined from the top down, and a third that is every other cell of the second."""

    def __init__(self, inside: Sequence[int], channels: int) -> None:
        super().__init__()
        self.inner_blocks = nn.ModuleList([nn.Conv3d(count, channels, 1) for count in inside])
        self.layer_blocks = nn.ModuleList([nn.Conv3d(channels, channels, 3, padding=1) for _ in inside])

    def forward(self, fine: Tensor, coarse: Tensor) -> list[Tensor]:
        top = self.inner_blocks[1](coarse)
        joined = self.inner_blocks[0](fine) + nn.functional.interpolate(top, scale_factor=2, mode="nearest")
        levels = [self.layer_blocks[0](joined), self.layer_blocks[1](top)]
        return [*levels, nn.functional.max_pool3d(levels[1], 1, stride=2)]


class _Head(nn.Module):
    """Four convolutions with group normalisation, and one that says it; shared by all levels."""

    def __init__(self, last: str, channels: int, outside: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(HEAD_LAYERS):
            layers += [
                nn.Conv3d(channels, channels, 3, padding=1),
                nn.GroupNorm(GROUPS, channels),
                nn.ReLU(),
            ]
        self.conv = nn.Sequential(*layers)
        self.last = last
        self.add_module(last, nn.Conv3d(channels, outside, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        said: Tensor = self.get_submodule(self.last)(self.conv(x))
        return said
