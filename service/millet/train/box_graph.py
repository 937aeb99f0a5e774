"""From a RetinaNet to a graph like every other of ours: HU in, positions, diameters and scores out.

The graph holds what the bundle does before and after its network: HU scaled, axes turned to the bundle's
own, anchors laid, boxes decoded (MONAI's AnchorGeneratorWithAnchorShape and BoxCoder), boxes above the
score floor kept. What counts boxes (the best of a level, suppression of overlaps, the most of a scan) is
not in it: those rules see the whole scan and stand in the manifest's `post`.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor, nn

from millet.train.retinanet import SIDES, RetinaNet, Triple

OPSET = 18
OUTPUTS = ("position_voxels", "diameter_voxels", "score", "pyramid")
LOG_GROWTH_LIMIT = math.log(1000.0 / 16)
"""A side grows no further than this over its anchor's (MONAI's BoxCoder, `boxes_xform_clip`)."""
AXES = "RLAPSI"
"""Letters of an orientation, as nibabel and MONAI write it: where each axis of the array runs to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What a bundle does with HU and axes before its network, and with scores after it."""

    orientation: str
    """Where the network's three axes run to, such as RAS; our windows are (z, y, x) to S, P and L."""
    spacing_mm: tuple[float, float, float]
    """Along the network's axes."""
    hu_range: tuple[float, float]
    scaled_range: tuple[float, float]
    anchor_scales: tuple[float, ...]
    """One for each pyramid level."""
    anchor_shapes: tuple[tuple[float, float, float], ...]
    """Sides in voxels along the network's axes, before scaling."""
    score_floor: float

    @property
    def axes(self) -> Triple:
        """For each axis of the network the axis of our window, 0 for z, 1 for y and 2 for x."""
        first, second, third = ({"S": 0, "I": 0, "P": 1, "A": 1}.get(way, 2) for way in self.orientation)
        return first, second, third

    @property
    def flipped(self) -> tuple[int, ...]:
        """The axes of the network that run against ours."""
        return tuple(axis for axis, way in enumerate(self.orientation) if way in "IAR")


def anchor_sides(shapes: Sequence[Sequence[float]], scale: float) -> Tensor:
    """(A, 3) sides of a level's anchors; MONAI rounds each half side to whole voxels, ties to even."""
    return 2 * (torch.tensor(shapes, dtype=torch.float32) * scale / 2).round()


class BoxGraph(nn.Module):
    """HU (1, 1, D, H, W) to positions (N, 3), diameters (N,), scores (N,) and pyramid levels (N,).

    D, H and W must be such that each axis of the network is a multiple of its coarsest stride.
    Positions and diameters are in voxels of the window: diameters, the mean of a box's three sides in
    millimetres, count in voxels of the first axis (z).
    """

    def __init__(self, network: RetinaNet, frame: Frame, strides: Sequence[Triple]) -> None:
        super().__init__()
        self.network = network
        self.frame = frame
        self.strides = tuple(strides)
        self.sides = [anchor_sides(frame.anchor_shapes, scale) for scale in frame.anchor_scales]

    def forward(self, hu: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """See the class."""
        x = self._turned(self._scaled(hu))
        logits, codes = self.network(x)
        found = [self._boxes(level, logits[level], codes[level]) for level in range(len(self.strides))]
        centre, sides, score, pyramid = (torch.cat(parts) for parts in zip(*found, strict=True))
        spacing = torch.tensor(self.frame.spacing_mm)
        first_mm = self.frame.spacing_mm[self.frame.axes.index(0)]
        return self._turned_back(centre, x), (sides * spacing).mean(1) / first_mm, score, pyramid

    def _scaled(self, hu: Tensor) -> Tensor:
        low, high = self.frame.hu_range
        bottom, top = self.frame.scaled_range
        return (hu.clamp(low, high) - low) / (high - low) * (top - bottom) + bottom

    def _turned(self, x: Tensor) -> Tensor:
        x = x.permute(0, 1, *(2 + axis for axis in self.frame.axes))
        return torch.flip(x, [2 + axis for axis in self.frame.flipped])

    def _turned_back(self, centre: Tensor, x: Tensor) -> Tensor:
        columns = list(centre.unbind(1))
        for axis in self.frame.flipped:
            columns[axis] = (x.shape[2 + axis] - 1) - columns[axis]
        return torch.stack([columns[self.frame.axes.index(ours)] for ours in range(3)], 1)

    def _boxes(self, level: int, logits: Tensor, codes: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Centres and sides along the network's axes, scores, and the level, of boxes above the floor."""
        score = torch.sigmoid(logits[0])  # (A, X, Y, Z)
        kept = torch.nonzero(score > self.frame.score_floor)  # (N, 4)
        code = codes[0].reshape(-1, SIDES, *codes.shape[2:]).permute(0, 2, 3, 4, 1)
        code = code[kept[:, 0], kept[:, 1], kept[:, 2], kept[:, 3]]  # (N, 6)
        stride = torch.tensor(self.strides[level])
        cell = (kept[:, 1:] * stride + stride // 2).to(torch.float32)
        anchor = self.sides[level][kept[:, 0]]
        sides = torch.exp(code[:, 3:].clamp(max=LOG_GROWTH_LIMIT)) * anchor
        chosen = score[kept[:, 0], kept[:, 1], kept[:, 2], kept[:, 3]]
        return code[:, :3] * anchor + cell, sides, chosen, torch.full_like(kept[:, 0], level)


def export(graph: BoxGraph, example: Triple) -> bytes:
    """The graph in ONNX for windows of any allowed size; `example` is one, (D, H, W)."""
    with warnings.catch_warnings(), TemporaryDirectory() as folder:
        # The exporter that traces: it takes numbers of boxes that depend on the data as they come.
        warnings.simplefilter("ignore")
        path = Path(folder) / "graph.onnx"
        torch.onnx.export(
            graph.eval(),
            (torch.zeros(1, 1, *example),),
            path,
            input_names=["hu"],
            output_names=list(OUTPUTS),
            dynamic_axes={
                "hu": {2: "depth", 3: "height", 4: "width"},
                **{name: {0: "count"} for name in OUTPUTS},
            },
            opset_version=OPSET,
            dynamo=False,
        )
        return path.read_bytes()
