"""Where a nodule lies: its lobe or zone, and how far it is from the pleura and from a fissure."""

from __future__ import annotations

from dataclasses import dataclass

from millet.core.character import Lobe, Zone


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One nodule's place, as far as it could be told."""

    lobe: Lobe | None
    """None where no fissure was found, or its side is doubtful."""
    zone: Zone
    zone_estimated: bool
    """Whether the zone stands in for the lobe."""
    pleura_mm: float | None
    """From the nodule's edge to the pleura; 0 where it touches, None where it was not measured."""
    fissure_mm: float | None
    """From the nodule's edge to the nearest fissure; None where none was found."""
