"""Fluid between lung and chest wall, as far as a mask at 2 mm shows it.

A pleural effusion of a supine patient is a layer of 0 to 25 HU that lies against the back half of a
lung and against the ribs. What is looked for is that layer: a normal chest has some millilitres of fat
and muscle that blur to the same HU, an effusion has tens. Fluid denser than `FLUID_HU`, loculated in
front, or below `LEAST_CONTACT_ML` of contact is not found. No real effusion was at hand: the bar was set
between what six real chests without one show and what the case phantom shows.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import ceil
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from millet.core.analysis import Effusion
from millet.core.bits import Bits, Mask
from millet.core.components import Components, extent
from millet.core.lungs import GRID_MM, LungMask
from millet.core.nodule import Side

FLUID_HU = (-20.0, 28.0)
"""Mean attenuation of the layer; muscle, spleen and liver are denser, fat is thinner."""
SMOOTHING_MM = 3.0
CONTACT_MM = (2.0, 10.0)
"""The layer next to the lung that is counted; nearer voxels are blurred by the lung itself."""
RIB_WITHIN_MM = 30.0
BONE_HU = 180.0
LEAST_CONTACT_ML = 7.0
"""The largest such layer in six real chests without effusion was 4.0 mL, the case phantom's 10."""
DEEPEST_MM = 40.0
AERATED_HU = -500.0

_FLUID_LOOKS, _BONE_LOOKS = 10, 3
"""How many voxels smoothing, and opening after it, look beyond one."""
_BONE_SIGMA = 0.7

Hu = NDArray[np.float32]
Box = tuple[slice, slice, slice]


class _Beside(NamedTuple):
    """One lung's air and what lies against the back half of it, in the box that is looked at."""

    side: Side
    air: Mask
    behind: Mask
    contact: Mask
    """The layer next to the lung."""


def effusions(lungs: LungMask) -> tuple[Effusion, ...]:
    """The pleural effusions of an exam, right before left; volumes are lower bounds."""
    if not lungs.found:
        return ()
    aerated = lungs.label * (lungs.hu < AERATED_HU)
    masks = [(side, aerated == label) for side, label in ((Side.RIGHT, 1), (Side.LEFT, 2))]
    backs = [(side, air, _middle_row(air)) for side, air in masks if air.any()]
    if not backs:
        return ()
    box = _behind(aerated > 0, min(back for _, _, back in backs))
    fluid = _seen(lungs.hu, box, _FLUID_LOOKS, _fluid)
    looked = [_beside(side, air, back, box) for side, air, back in backs]
    if not any(_enough(fluid & one.contact) for one in looked):
        return ()
    fluid &= _seen(lungs.hu, box, _voxels(RIB_WITHIN_MM) + _BONE_LOOKS, _near_bone)
    found = [_effusion(one, fluid, box) for one in looked]
    return tuple(effusion for effusion in found if effusion)


def _middle_row(air: Mask) -> int:
    """The median position along y."""
    ends = np.cumsum(np.count_nonzero(air, axis=(0, 2)))
    count = int(ends[-1])
    low, high = np.searchsorted(ends, ((count - 1) // 2, count // 2), side="right")
    return int(low + high) // 2


def _behind(air: Mask, back: int) -> Box:
    """The box of what lies so far back, not too deep beside the lungs."""
    held, reach = extent(air) or (slice(0, 0),) * 3, _voxels(DEEPEST_MM)
    z, y, x = (
        slice(max(side.start - reach, 0), min(side.stop + reach, count))
        for side, count in zip(held, air.shape, strict=True)
    )
    return z, slice(back, y.stop), x


def _seen(array: NDArray[Any], box: Box, around: int, look: Callable[[NDArray[Any]], Mask]) -> Mask:
    """What one sees in a box who looks at so many voxels around it as well."""
    wide = tuple(slice(max(side.start - around, 0), side.stop + around) for side in box)
    inner = [slice(a.start - b.start, a.stop - b.start) for a, b in zip(box, wide, strict=True)]
    return look(array[wide])[tuple(inner)]


def _fluid(hu: Hu) -> Mask:
    """Homogeneous fluid, at least 8 mm thick."""
    smooth = ndimage.gaussian_filter(hu, SMOOTHING_MM / GRID_MM)
    within = Bits.of((FLUID_HU[0] < smooth) & (smooth < FLUID_HU[1]), 1)
    return within.shrunk(1).shrunk(1).grown(1).grown(1).mask()


def _near_bone(hu: Hu) -> Mask:
    return _nearer(ndimage.gaussian_filter(hu, _BONE_SIGMA) > BONE_HU, RIB_WITHIN_MM)


def _beside(side: Side, air: Mask, back: int, box: Box) -> _Beside:
    low, high = (_seen(air, box, _voxels(far_mm), partial(_within, far_mm=far_mm)) for far_mm in CONTACT_MM)
    behind = np.ones_like(low)
    behind[:, : back - box[1].start] = False
    return _Beside(side=side, air=air, behind=behind, contact=high & ~low & behind)


def _effusion(beside: _Beside, fluid: Mask, box: Box) -> Effusion | None:
    """The layer against the back half of one lung, and the fluid that hangs together with it."""
    layer = _largest(fluid & beside.contact)
    if not _enough(layer):
        return None
    near = _seen(beside.air, box, _voxels(DEEPEST_MM), partial(_nearer, far_mm=DEEPEST_MM))
    pieces = Components.of(fluid & beside.behind & near, 6)
    keep = np.zeros(len(pieces.sizes()), bool)
    keep[pieces.labels[layer]] = True
    return Effusion(side=beside.side, volume_ml=round(_millilitres(pieces.those(keep)), -1))


def _largest(mask: Mask) -> Mask:
    pieces = Components.of(mask, 26)
    sizes = pieces.sizes()
    return pieces.those((np.arange(len(sizes)) == np.argmax(sizes)) & (sizes > 0))


def _within(mask: Mask, far_mm: float) -> Mask:
    """What is at most so far from a mask."""
    return Bits.of(mask, _voxels(far_mm)).grown(int((far_mm / GRID_MM) ** 2)).mask()


def _nearer(mask: Mask, far_mm: float) -> Mask:
    """What is nearer to a mask than that."""
    return Bits.of(mask, _voxels(far_mm)).grown(ceil((far_mm / GRID_MM) ** 2) - 1).mask()


def _voxels(far_mm: float) -> int:
    return ceil(far_mm / GRID_MM)


def _enough(mask: Mask) -> bool:
    return _millilitres(mask) >= LEAST_CONTACT_ML


def _millilitres(mask: Mask) -> float:
    return float(np.count_nonzero(mask)) * GRID_MM**3 / 1000
