"""Where to set the operating threshold: by the false peaks in lungs that hold no nodule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from millet.train.backgrounds import Background
from millet.train.net import Net, scaled
from millet.train.windows import Recipe, Window, window

FLOOR = 0.02
REACH_VOXELS = 1.5
"""A peak this near to a centre, or within the nodule, is the nodule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """What a network says of windows it did not learn from: of nodules (0 where missed), and of the rest."""

    nodules: NDArray[np.float64]
    diameters_mm: NDArray[np.float64]
    false: NDArray[np.float64]
    litres: float
    """Of judged lung."""


def scores(
    net: Net, chests: Sequence[Background], recipe: Recipe, *, seed: int, windows: int, empty: bool
) -> Scores:
    """Score windows of a stream that training does not draw from (another seed)."""
    taken = replace(recipe, empty=1.0 if empty else 0.0)
    hits: list[float] = []
    sizes: list[float] = []
    false: list[float] = []
    voxels = 0
    for index in range(windows):
        example = window(chests, taken, seed, index)
        voxels += int(example.judged.sum())
        positions, values = peaks(net, example)
        example = _judged(example)
        sizes += [float(d) * recipe.grid_mm for d in example.diameter]
        _assign(example, positions, values, hits, false)
    litres = voxels * recipe.grid_mm**3 / 1e6
    return Scores(
        nodules=np.asarray(hits), diameters_mm=np.asarray(sizes), false=np.asarray(false), litres=litres
    )


def peaks(net: Net, example: Window) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Judged peaks of a window above the floor: (N, 3) voxels and (N,) scores."""
    with torch.inference_mode():
        out = net(scaled(torch.from_numpy(example.hu[None, None])))[0]
    heat = out[0]
    top = functional.max_pool3d(heat[None, None], 3, 1, 1)[0, 0] == heat
    top &= (heat.sigmoid() > FLOOR) & torch.from_numpy(example.judged)
    at = top.nonzero()
    offset = out[1:4, at[:, 0], at[:, 1], at[:, 2]].T.clamp(-0.49, 0.49)
    return (at + offset).numpy().astype(float), heat[top].sigmoid().numpy().astype(float)


def _judged(example: Window) -> Window:
    """With those nodules only whose centre lies where answers count."""
    voxels = np.rint(example.position).astype(int)
    kept = example.judged[tuple(voxels.T)]
    return example._replace(position=example.position[kept], diameter=example.diameter[kept])


def _assign(
    example: Window,
    positions: NDArray[np.float64],
    values: NDArray[np.float64],
    hits: list[float],
    false: list[float],
) -> None:
    taken = np.zeros(len(values), bool)
    for centre, diameter in zip(example.position, example.diameter, strict=True):
        near = np.linalg.norm(positions - centre, axis=1) <= max(REACH_VOXELS, float(diameter) / 2)
        hits.append(float(values[near].max(initial=0.0)))
        taken |= near
    false += values[~taken].tolist()


def threshold(empty: Scores, per_litre: float) -> float:
    """The score that `per_litre` false peaks in a litre of nodule-free lung reach, 0.05 to 0.95."""
    allowed = int(per_litre * empty.litres)
    ordered = np.sort(empty.false)[::-1]
    value = float(ordered[allowed]) if allowed < len(ordered) else FLOOR
    return float(np.clip(np.nextafter(value, 1), 0.05, 0.95))
