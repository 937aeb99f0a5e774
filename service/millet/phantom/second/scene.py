"""The scene put together, a few slices at a time: tissues, tubes, nodules; then the scanner."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from millet.core.geometry import Grid
from millet.phantom.second import clouds
from millet.phantom.second.clouds import Cloud
from millet.phantom.second.fields import Field
from millet.phantom.second.scanner import Scanner, planes_a_step, profile
from millet.phantom.second.tissue import Painter
from millet.phantom.spec import Progress, Scan

_SLAB = 12


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Contents:
    """What is drawn on `planes`: tissues, tubes (each over those before it), nodules; clouds in order."""

    painter: Painter
    planes: Grid
    tubes: tuple[Cloud, ...]
    nodules: Cloud

    def draw(self, part: slice) -> Field:
        """HU (planes, rows, columns) of some planes, without blur or noise."""
        hu = self.painter.paint(part)
        for cloud in self.tubes:
            share, dense = clouds.deposit(cloud, self.planes, part)
            hu += np.minimum(share, 1) * (dense - hu)
        share, dense = clouds.deposit(self.nodules, self.planes, part)
        hu += share * np.maximum(dense - hu, 0)
        return hu


def expose(contents: Contents, scan: Scan, whole: Grid, seed: int, tell: Progress) -> NDArray[np.int16]:
    """All slices as the scanner stores them, int16 HU on the grid `whole`."""
    count, size = whole.shape[0], whole.shape[1]
    step, weights = planes_a_step(scan), profile(scan).astype(np.float32)
    middle = count // 2 * step
    reference = contents.painter.paint(slice(middle, middle + 1))[0]
    scanner = Scanner.of(scan, size, seed, reference)
    out = np.empty(whole.shape, np.int16)
    for start in range(0, count, _SLAB):
        tell("slices", 0.35 + 0.65 * start / count)
        stop = min(start + _SLAB, count)
        planes = contents.draw(slice(start * step, (stop - 1) * step + len(weights)))
        for k in range(start, stop):
            first = (k - start) * step
            out[k] = scanner.expose(np.tensordot(weights, planes[first : first + len(weights)], 1), k)
    return out
