"""The same chest some months later: every part where the motion takes it, nodules smaller or gone."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from scipy import ndimage

from millet.core.geometry import Floats, PointMm
from millet.phantom.after import After
from millet.phantom.anatomy import Chest
from millet.phantom.motion import Motion, motion, origins
from millet.phantom.nodules import Sphere
from millet.phantom.scars import Scar
from millet.phantom.scene import Contents
from millet.phantom.shapes import Field
from millet.phantom.vessels import Branches

UNMOVED = ("grid", "scale", "table", "mass_truth")
SPREAD = 0.15
"""Standard deviation of the logarithm of how much the volumes of nodules change."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Later:
    """The second of a pair."""

    chest: Chest
    contents: Contents
    followed: tuple[int | None, ...]
    """Which of the nodules each of the first time's is; None for one that is gone."""


def later(after: After, chest: Chest, contents: Contents, rng: np.random.Generator) -> Later:
    """Move everything, and let nodules change."""
    way = motion(inside(chest, rng), after.volume, after.bend_mm, rng)
    stay = rng.uniform(size=len(contents.nodules)) >= after.gone
    factors = (1 + after.change) * np.exp(rng.normal(0, SPREAD, len(stay)))
    kept = [
        _nodule(one, way, float(factor))
        for one, factor, here in zip(contents.nodules, factors, stay, strict=True)
        if here
    ]
    places = origins(chest.grid, way)
    number = np.cumsum(stay) - 1
    moved = Contents(
        blood=_tubes(contents.blood, way),
        lumens=_tubes(contents.lumens, way),
        nodules=tuple(kept),
        scars=tuple(_scar(one, way) for one in contents.scars),
        holes=None if contents.holes is None else _carried(contents.holes, places),
        contrast_hu=contents.contrast_hu,
    )
    return Later(
        chest=_chest(chest, way, places, after),
        contents=moved,
        followed=tuple(int(k) if here else None for k, here in zip(number, stay, strict=True)),
    )


def inside(chest: Chest, rng: np.random.Generator) -> Floats:
    """(N, 3) points spread evenly through the lungs."""
    held = np.argwhere(chest.lung < 0)
    return chest.grid.to_patient_array(held + rng.uniform(-0.5, 0.5, held.shape))


def _chest(chest: Chest, way: Motion, places: Floats, after: After) -> Chest:
    """Distances are carried with their places, so they are off by as much as the chest is stretched."""
    carried: dict[str, Any] = {
        field.name: _carried(getattr(chest, field.name), places)
        for field in fields(chest)
        if field.name not in UNMOVED
    }
    truth = chest.mass_truth
    if truth is not None:
        linear = (1 + after.change) ** (1 / 3)
        carried["mass"] += np.float32(np.mean(truth.axes_mm) / 2 * (1 - linear))
        axes = tuple(axis - float(np.mean(truth.axes_mm)) * (1 - linear) for axis in truth.axes_mm)
        centre = way.there(np.asarray([truth.centre_mm]))[0].tolist()
        truth = replace(truth, centre_mm=PointMm(*centre), axes_mm=(axes[0], axes[1], axes[2]))
    return replace(chest, mass_truth=truth, **carried)


def _carried(field: Field, places: Floats) -> Field:
    return np.asarray(ndimage.map_coordinates(field, places, order=1, mode="nearest"), np.float32)


def _tubes(tubes: Branches, way: Motion) -> Branches:
    return replace(tubes, start_mm=way.there(tubes.start_mm), end_mm=way.there(tubes.end_mm))


def _scar(scar: Scar, way: Motion) -> Scar:
    return replace(scar, centre_mm=way.there(scar.centre_mm[None])[0])


def _nodule(one: Sphere, way: Motion, factor: float) -> Sphere:
    """It is moved, not stretched: nodules are firmer than lung."""
    linear = factor ** (1 / 3)
    centre = way.there(np.asarray([one.centre_mm]))[0]
    core = one.core
    if core is not None:
        aside = linear * (np.asarray(core.centre_mm) - np.asarray(one.centre_mm))
        place = PointMm(*(centre + aside).tolist())
        core = replace(core, centre_mm=place, diameter_mm=core.diameter_mm * linear)
    return replace(one, centre_mm=PointMm(*centre.tolist()), diameter_mm=one.diameter_mm * linear, core=core)
