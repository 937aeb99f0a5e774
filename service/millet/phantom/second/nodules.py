"""Nodules as clouds of points: lumpy bodies of an exact volume, of any of `spec.KINDS`.

A nodule's surface is a sphere with zonal harmonics about random axes; its diameter is that of the
sphere of equal volume. As many points of a lattice are taken as fill that volume.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from millet.codec.tables import Mark
from millet.core.geometry import Floats, PointMm
from millet.core.nodule import class_of
from millet.phantom.second import clouds
from millet.phantom.second.clouds import Cloud

GROUND_GLASS_HU = (-730.0, -480.0)
CALCIFIED_HU = (220.0, 800.0)
FAT_HU = (-115.0, -45.0)
CORE_HU = 20.0
CORE_SHARE = (0.35, 0.6)
"""Diameter of a part-solid nodule's core over its own."""
MASS_MM = (36.0, 46.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesion:
    """A nodule or mass: `lumps` are the shares of the harmonics 2 to 5, `edge_mm` is how far it fades."""

    centre_mm: PointMm
    diameter_mm: float
    kind: str
    hu: float
    edge_mm: float
    lumps: tuple[float, float, float, float]
    core: float
    seed: int

    @property
    def mark(self) -> Mark:
        """Its line in the table of truth."""
        return Mark(
            centre_mm=self.centre_mm,
            diameter_mm=self.diameter_mm,
            nodule_class=class_of(self.diameter_mm),
            kind=self.kind,
        )


def lesion(centre_mm: Floats, diameter_mm: float, kind: str, rng: np.random.Generator) -> Lesion:
    """A nodule of a kind with an appearance drawn for it."""
    rough = 0.05 + 0.05 * min(diameter_mm / 12, 1.5)
    if kind == "calcified":
        hu, edge = rng.uniform(*CALCIFIED_HU), rng.uniform(0.1, 0.3)
    elif kind == "solid":
        hu, edge = float(np.clip(rng.normal(28, 30), -50, 100)), rng.uniform(0.2, 0.6)
    elif kind == "fat":
        hu, edge = rng.uniform(*FAT_HU), rng.uniform(0.2, 0.6)
    else:
        hu, edge = rng.uniform(*GROUND_GLASS_HU), rng.uniform(0.6, 1.4)
    a, b, c, d = (float(v) for v in rng.normal(0, rough, 4) * (1.0, 0.8, 0.6, 0.4))
    return Lesion(
        centre_mm=PointMm(*(float(v) for v in centre_mm)),
        diameter_mm=float(diameter_mm),
        kind=kind,
        hu=float(hu),
        edge_mm=float(edge),
        lumps=(a, b, c, d),
        core=float(rng.uniform(*CORE_SHARE)) if kind == "part_solid" else 0.0,
        seed=int(rng.integers(2**31)),
    )


def drawn(one: Lesion) -> Cloud:
    """The points of a nodule: their volumes sum to its volume, their middle is its centre."""
    rng = np.random.default_rng(one.seed)
    step = float(np.clip(one.diameter_mm / 16, 0.1, 0.45))
    body, depth = _body(one.diameter_mm / 2, one.lumps, step, rng)
    volume = np.full(len(body), np.pi / 6 * one.diameter_mm**3 / len(body))
    hu = np.full(len(body), one.hu)
    if one.core > 0:
        hu[np.linalg.norm(body, axis=1) <= one.core * one.diameter_mm / 2] = CORE_HU
    blur = one.edge_mm / 2.355 * np.clip(1 - depth / one.edge_mm, 0, 1)
    faded = body + rng.standard_normal(body.shape) * blur[:, None]
    faded -= faded.mean(axis=0)
    return clouds.cloud(faded + np.asarray(one.centre_mm), volume, hu)


def _body(
    radius_mm: float, lumps: tuple[float, ...], step_mm: float, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Points of a turned lattice that fill a lumpy sphere about its middle, and their depth in mm."""
    reach = radius_mm * (1 + 2 * sum(abs(v) for v in lumps)) + 2 * step_mm
    line = np.arange(-reach, reach + step_mm, step_mm)
    cube = np.stack(np.meshgrid(line, line, line, indexing="ij"), axis=-1).reshape(-1, 3)
    points = (cube + rng.uniform(0, step_mm, 3)) @ np.linalg.qr(rng.normal(size=(3, 3)))[0]
    far = np.maximum(np.linalg.norm(points, axis=1), 1e-9)
    surface = np.ones(len(points))
    for order, share in enumerate(lumps, start=2):
        axis = rng.normal(size=3)
        legendre = np.polynomial.legendre.Legendre.basis(order)
        surface += share * legendre(points @ axis / far / np.linalg.norm(axis))
    wanted = round(4 / 3 * np.pi * (radius_mm / step_mm) ** 3)
    order_of = np.argsort(far / surface, kind="stable")
    kept = order_of[:wanted]
    skin = far[order_of[wanted]] / surface[order_of[wanted]]
    return np.asarray(points[kept]), np.asarray(skin * surface[kept] - far[kept])
