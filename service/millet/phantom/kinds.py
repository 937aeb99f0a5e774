"""What nodules are made of: solid, part solid, ground glass, calcified or fat."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from millet.core.geometry import PointMm
from millet.phantom.nodules import Sphere

GLASS_HU = (-750.0, -400.0)
CALCIFIED_HU = (200.0, 900.0)
FAT_HU = (-120.0, -40.0)
"""Of the fat in a hamartoma (Siegelman, Radiology 160:313, 1986)."""
CORE_SHARE = (0.3, 0.7)
"""Diameter of a solid core over that of the whole."""


def made_of(
    spheres: tuple[Sphere, ...], kinds: Mapping[str, float], rng: np.random.Generator
) -> tuple[Sphere, ...]:
    """Give each of the solid nodules a kind, drawn by its share; places and diameters stay."""
    names, shares = list(kinds), np.asarray(list(kinds.values()), float)
    if not (shares[[name != "solid" for name in names]] > 0).any():
        return spheres
    drawn = rng.choice(len(names), size=len(spheres), p=shares / shares.sum())
    return tuple(of_kind(sphere, names[k], rng) for sphere, k in zip(spheres, drawn, strict=True))


def of_kind(sphere: Sphere, kind: str, rng: np.random.Generator) -> Sphere:
    """The same place and diameter as another kind of nodule. Raises ValueError for an unknown kind."""
    if kind == "solid":
        return sphere
    if kind == "calcified":
        return replace(
            sphere, kind=kind, hu=float(rng.uniform(*CALCIFIED_HU)), edge_mm=float(rng.uniform(0.1, 0.3))
        )
    if kind == "fat":
        return replace(sphere, kind=kind, hu=float(rng.uniform(*FAT_HU)))
    if kind not in {"ground_glass", "part_solid"}:
        raise ValueError(f"no kind of nodule {kind!r}")
    glass = replace(
        sphere,
        kind=kind,
        hu=float(rng.uniform(*GLASS_HU)),
        edge_mm=float(min(rng.uniform(0.6, 1.4), sphere.diameter_mm / 4)),
        roughness=float(rng.uniform(0.04, 0.12)),
    )
    return glass if kind == "ground_glass" else replace(glass, core=_core(sphere, rng))


def _core(sphere: Sphere, rng: np.random.Generator) -> Sphere:
    """A solid part within the whole, not quite in its middle."""
    share = float(rng.uniform(*CORE_SHARE))
    aside = rng.normal(size=3)
    aside *= rng.uniform(0, 0.3) * (1 - share) * sphere.diameter_mm / np.linalg.norm(aside)
    x, y, z = (float(v) for v in np.asarray(sphere.centre_mm) + aside)
    return replace(sphere, centre_mm=PointMm(x, y, z), diameter_mm=share * sphere.diameter_mm)
