"""The sorts of implants a detector is judged on: crisp solid ones, faint and vague ones, ground glass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from millet.core.geometry import Floats, Vector
from millet.phantom import implant_sites as sites
from millet.phantom.implant_sites import FREE, PLEURA, VESSEL, Ground
from millet.phantom.lesion import Lesion, Lobe


@dataclass(frozen=True, slots=True, kw_only=True)
class Sort:
    """What all implants of a sort share; pairs are ranges that are drawn from evenly."""

    kind: str
    """`Mark.kind`."""
    edge_mm: tuple[float, float]
    roughness: tuple[float, float]
    """Height of the largest bump, in radii."""
    tissue_hu: tuple[float, float] | None = None
    """Mean and standard deviation of a normal distribution, cut at two of them."""
    peak_hu: tuple[float, float] | None = None


CRISP = Sort(kind="solid", edge_mm=(0.2, 0.6), roughness=(0.03, 0.1), tissue_hu=(25.0, 35.0))
FAINT = Sort(kind="solid", edge_mm=(0.8, 1.6), roughness=(0.1, 0.25), peak_hu=(250.0, 600.0))
GROUND_GLASS = Sort(kind="ground_glass", edge_mm=(0.8, 1.6), roughness=(0.1, 0.25), peak_hu=(120.0, 350.0))
WIDEST_EDGE = 0.6
"""Of the diameter: an edge is never wider, or nothing would be left of the smallest."""

A_THIRD_TOUCHING: Mapping[str, float] = {FREE: 2 / 3, VESSEL: 1 / 6, PLEURA: 1 / 6}
AT_RANDOM: Mapping[str, float] = {FREE: 1.0}
ALONG: Mapping[str, float] = {VESSEL: 0.5, PLEURA: 0.5}


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """How many of a sort to implant, their diameters (log-uniform between two), and where, as shares."""

    name: str
    sort: Sort
    count: int
    diameter_mm: tuple[float, float]
    spread: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """A lesion, with the name of its order and the site it was placed at."""

    order: str
    site: str
    lesion: Lesion


def draw(ground: Ground, orders: Sequence[Order], rng: np.random.Generator) -> tuple[Drawn, ...]:
    """Lesions for all orders, none nearer to another or to a mark than `implant_sites.CLEAR_MM`.

    Raises ValueError where they do not fit.
    """
    drawn: list[Drawn] = []
    for order in orders:
        for site, count in _counts(order).items():
            new = _placed(ground, order, site, _diameters(order, count, rng), rng)
            taken = [(*one.lesion.centre_mm, one.lesion.diameter_mm / 2) for one in new]
            ground = sites.with_taken(ground, np.asarray(taken, float))
            drawn += new
    return tuple(drawn)


def _counts(order: Order) -> dict[str, int]:
    """How many at each site that has any: whole numbers that add up."""
    ends = np.rint(np.cumsum([0.0, *order.spread.values()]) / sum(order.spread.values()) * order.count)
    return {site: int(n) for site, n in zip(order.spread, np.diff(ends), strict=True) if n}


def _diameters(order: Order, count: int, rng: np.random.Generator) -> Floats:
    least, most = order.diameter_mm
    return np.asarray(least * (most / least) ** rng.uniform(size=count), float)


def _placed(
    ground: Ground, order: Order, site: str, diameters_mm: Floats, rng: np.random.Generator
) -> list[Drawn]:
    drawn = []
    for centre, diameter in zip(sites.places(ground, diameters_mm, site, rng), diameters_mm, strict=True):
        if centre is None:
            raise ValueError(f"{len(diameters_mm)} implants of {order.name} do not fit ({site})")
        edge = min(float(rng.uniform(*order.sort.edge_mm)), WIDEST_EDGE * float(diameter))
        lesion = Lesion(
            centre_mm=centre,
            diameter_mm=float(diameter),
            kind=order.sort.kind,
            tissue_hu=_tissue(order.sort, rng),
            peak_hu=float(rng.uniform(*order.sort.peak_hu)) if order.sort.peak_hu else None,
            edge_mm=edge,
            lobes=_lobes(order.sort, rng),
        )
        drawn.append(Drawn(order=order.name, site=site, lesion=lesion))
    return drawn


def _tissue(sort: Sort, rng: np.random.Generator) -> float | None:
    if sort.tissue_hu is None:
        return None
    mean, deviation = sort.tissue_hu
    return mean + deviation * float(np.clip(rng.standard_normal(), -2, 2))


def _lobes(sort: Sort, rng: np.random.Generator) -> tuple[Lobe, ...]:
    """Five bumps of degree 2, 2, 3, 3 and 4 about random axes, the finer ones lower."""
    height = float(rng.uniform(*sort.roughness))
    axes = rng.standard_normal((5, 3))
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    heights = height * np.asarray([1.0, 0.6, 0.7, 0.5, 0.5]) * rng.choice([-1, 1], 5)
    return tuple(
        Lobe(Vector(*axis.tolist()), degree, float(up))
        for axis, degree, up in zip(axes, (2, 2, 3, 3, 4), heights, strict=True)
    )
