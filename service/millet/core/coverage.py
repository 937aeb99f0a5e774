"""What of the lungs could not be looked at: cut off, missing, opaque, or among metal. Always told.

A finding that is not there and a place that could not be looked at are two things. These rules speak
only of what the lung mask shows; why a lung holds no air (removed, collapsed, drowned) is for people.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from millet.core.bits import Bits
from millet.core.language import phrase
from millet.core.lungs import GRID_MM, LungMask
from millet.core.nodule import Side
from millet.core.reasons import Reason, Remark, Weight
from millet.core.volume import Volume, canonical

SMALL_SHARE = 0.35
"""A lung with less air than this share of the other's is no ordinary lung: of six real chests the most
unequal pair had more than twice this."""
ABSENT_SHARE = 0.05
OPAQUE_ABOVE_HU = -300.0
OPAQUE_SHARE = 0.5
"""Of the place that mirrors the larger lung."""
METAL_FROM_HU = 2500.0
"""Denser than cortical bone and diluted contrast medium. Metal and a vein full of undiluted medium cannot
be told apart: both are cut off at the top of the scale, and both throw streaks."""
LEAST_METAL_ML = 0.5
"""A wire or a few clips are less."""
METAL_WITHIN_MM = 30.0
"""Of the lungs' bounds: far enough for a shoulder's or a spine's implant, whose streaks reach them."""
STREAKS = 2.0
"""Times as uneven: a vein full of contrast medium reached 1.7 in one real chest and 1.2 in another."""
_LAG = 2
"""Voxels between those that are compared for streaks: 4 mm, wider than the grain of the noise."""
_IN_PLANE = 4
"""Streaks run within slices: a step across them counts as so many along them."""
_FEWEST_PAIRS = 500


class _Missing(NamedTuple):
    side: Side
    air_l: float
    other_l: float
    opaque: float
    """The share of the place that mirrors the other lung which holds no air."""
    median_hu: float


def coverage(lungs: LungMask, volume: Volume) -> tuple[Remark, ...]:
    """What could not be looked at, as remarks; none of them refuses the series."""
    missing = _missing(lungs)
    told = (_ends(lungs), _one_lung(missing), _opaque(missing), _metal(lungs, volume))
    return tuple(remark for remark in told if remark)


def _limits(reason: Reason, detail: str) -> Remark:
    return Remark(reason=reason, weight=Weight.OUTSIDE_USE, detail=detail)


def _ends(lungs: LungMask) -> Remark | None:
    cuts = (("coverage.top", lungs.cut_at_top), ("coverage.base", lungs.cut_at_base))
    ends = tuple(phrase(name) for name, cut in cuts if cut)
    return _limits(Reason.PARTIAL_LUNG, phrase("coverage.ends", ends=ends)) if ends else None


def _missing(lungs: LungMask) -> _Missing | None:
    """The smaller lung where it is far too small."""
    right, left = lungs.litres.right_l, lungs.litres.left_l
    less, more = sorted((right, left))
    if less >= SMALL_SHARE * more:
        return None
    side, larger = (Side.LEFT, 1) if left < right else (Side.RIGHT, 2)
    mirrored = _mirrored(lungs, larger)
    hu = lungs.hu[mirrored]
    opaque = float(np.mean(hu > OPAQUE_ABOVE_HU)) if hu.size else 0.0
    return _Missing(side, less, more, opaque, float(np.median(hu)) if hu.size else float("nan"))


def _mirrored(lungs: LungMask, label: int) -> NDArray[np.bool_]:
    """Where a lung would lie if it were the other one: about the middle of the body, within the volume."""
    lung = lungs.label == label
    body = np.nonzero((lungs.hu > OPAQUE_ABOVE_HU).any(axis=(0, 1)))[0]
    turn = round(float(body[0] + body[-1]))
    z, y, x = np.nonzero(lung)
    there = turn - x
    inside = (there >= 0) & (there < lung.shape[2])
    mirrored = np.zeros_like(lung)
    mirrored[z[inside], y[inside], there[inside]] = True
    place: NDArray[np.bool_] = mirrored & ~lung
    return place


def _one_lung(missing: _Missing | None) -> Remark | None:
    if missing is None or missing.air_l > ABSENT_SHARE * missing.other_l:
        return None
    side = phrase(f"side.{missing.side}")
    return _limits(Reason.ONE_LUNG, phrase("coverage.one-lung", side=side))


def _opaque(missing: _Missing | None) -> Remark | None:
    if missing is None or missing.opaque < OPAQUE_SHARE:
        return None
    detail = phrase(
        "coverage.opaque",
        percent=100 * missing.opaque,
        side=phrase(f"side.{missing.side}"),
        hu=missing.median_hu,
        litres=missing.air_l,
    )
    return _limits(Reason.OPAQUE_LUNG, detail)


def _metal(lungs: LungMask, volume: Volume) -> Remark | None:
    """Metal in or beside the lungs, by its volume on the source's own voxels, weighed by its streaks."""
    dense, dense_ml = _dense(lungs, volume)
    if dense_ml < LEAST_METAL_ML:
        return None
    noisier = _noisier_near(lungs, dense)
    weight = Weight.OUTSIDE_USE if noisier >= STREAKS else Weight.NOTE
    detail = phrase("coverage.metal", ml=dense_ml, hu=METAL_FROM_HU, mm=METAL_WITHIN_MM, times=noisier)
    return Remark(reason=Reason.METAL, weight=weight, detail=detail)


def _dense(lungs: LungMask, volume: Volume) -> tuple[NDArray[np.bool_], float]:
    """Where metal is on the mask's grid, and how many millilitres of it."""
    source = canonical(volume)
    dense = np.zeros(lungs.label.shape, bool)
    box = lungs.box
    if box is None:
        return dense, 0.0
    margin = METAL_WITHIN_MM / GRID_MM
    ends = np.asarray([[s.start - margin for s in box], [s.stop - 1 + margin for s in box]])
    low, high = source.grid.to_index_array(lungs.grid.to_patient_array(ends))
    low, high = np.maximum(np.floor(low), 0).astype(int), np.maximum(np.ceil(high), 0).astype(int)
    near = source.hu[tuple(slice(a, b + 1) for a, b in zip(low, high, strict=True))]
    planes = [z for z, plane in enumerate(near) if plane.size > 0 and plane.max() > METAL_FROM_HU]
    bright = [np.insert(np.argwhere(near[z] > METAL_FROM_HU), 0, z, axis=1) for z in planes]
    found = np.concatenate([np.zeros((0, 3), int), *bright]) + low
    at = np.rint(lungs.grid.to_index_array(source.grid.to_patient_array(found.astype(float)))).astype(int)
    dense[tuple(np.clip(at, 0, np.asarray(dense.shape) - 1).T)] = True
    return dense, len(found) * source.grid.voxel_mm3 / 1000


def _noisier_near(lungs: LungMask, dense: NDArray[np.bool_]) -> float:
    """How much more neighbours differ in the lung beside metal than elsewhere; 1 where there is none."""
    box = lungs.box or (slice(None),) * 3
    hu, label = lungs.hu[box], lungs.label[box] > 0
    reach = int(METAL_WITHIN_MM / GRID_MM)
    beside = Bits.of(dense, reach).grown(reach**2, plane=_IN_PLANE).mask()[box][:, :, _LAG:]
    lung = label[:, :, _LAG:] & label[:, :, :-_LAG]
    near, far = (
        np.abs(hu[:, :, _LAG:][where] - hu[:, :, :-_LAG][where]) for where in (lung & beside, lung & ~beside)
    )
    if min(len(near), len(far)) < _FEWEST_PAIRS:
        return 1.0
    return float(np.median(near) / max(np.median(far), 1.0))
