"""Where in the lungs a nodule lies: lobe or zone, and how far its edge is from pleura and fissure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from millet.core.character import Lobe, Zone
from millet.core.components import extent
from millet.core.fissures import LEFT, RIGHT
from millet.core.geometry import Floats
from millet.core.lobes import Lobes, sides
from millet.core.lungs import LungMask
from millet.core.surface import lung_surface


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Of one nodule."""

    lobe: Lobe | None
    """None where fissures were not found, or do not tell."""
    zone: Zone
    zone_estimated: bool
    """Whether the zone stands in for the lobe."""
    pleura_mm: float | None
    """From the nodule's edge to the surface of the lung, mediastinum and hilum included; 0 where it touches,
    None where there is no lung."""
    fissure_mm: float | None
    """From the nodule's edge to the nearest fissure of its lung; None where none was found."""


def places(
    points_mm: Floats, diameters_mm: Sequence[float] | Floats, lungs: LungMask, lobes: Lobes
) -> tuple[Place, ...]:
    """The place of each nodule, by its centre (N, 3) in LPS and its diameter."""
    points, radii = np.asarray(points_mm, float).reshape(-1, 3), np.asarray(diameters_mm, float) / 2
    named = lobes.at(points)
    thirds, pleura, fissure = zones(points, lungs), pleura_mm(points, lungs), lobes.fissure_mm(points)
    return tuple(
        Place(
            lobe=lobe,
            zone=zone,
            zone_estimated=lobe is None,
            pleura_mm=_from_edge(near, radius),
            fissure_mm=_from_edge(far, radius),
        )
        for lobe, zone, near, far, radius in zip(named, thirds, pleura, fissure, radii, strict=True)
    )


def pleura_mm(points_mm: Floats, lungs: LungMask) -> Floats:
    """How far below the surface of their lung (N, 3) points lie: 0 outside it, NaN without lungs.

    The surface is the mask's, where it passes between air and tissue (`surface.lung_surface`): wall,
    diaphragm, mediastinum and hilum alike.
    """
    points = np.asarray(points_mm, float).reshape(-1, 3)
    deep, side, within = np.full(len(points), np.nan), sides(lungs, points), lungs.at(points)
    for label in (RIGHT, LEFT):
        mine = np.flatnonzero(side == label)
        if len(mine):
            found = lung_surface(lungs, label).distance_mm(points[mine])
            deep[mine] = np.where(within[mine] == label, found, 0)
    return deep


def zones(points_mm: Floats, lungs: LungMask) -> list[Zone]:
    """The third of its own lung's height, as far as the volume holds it, of each of (N, 3) points."""
    points = np.asarray(points_mm, float).reshape(-1, 3)
    height, side = lungs.grid.to_index_array(points)[:, 0], sides(lungs, points)
    found = np.full(len(points), 1)
    for label in (RIGHT, LEFT):
        box = extent(lungs.label == label)
        mine = side == label
        if box is not None and mine.any():
            share = (height[mine] - box[0].start + 0.5) / (box[0].stop - box[0].start)
            found[mine] = np.clip(np.floor(share * 3), 0, 2).astype(int)
    return [(Zone.LOWER, Zone.MIDDLE, Zone.UPPER)[third] for third in found]


def _from_edge(distance_mm: float, radius_mm: float) -> float | None:
    return float(max(distance_mm - radius_mm, 0.0)) if np.isfinite(distance_mm) else None
