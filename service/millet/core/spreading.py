"""How an exam's nodules are spread over its lungs: all that `Spread` holds, from nodules and lung mask.

Counts are of all nodules. What is said of places and sizes leaves the dominant lesion out: it is one of its
kind, and the others cannot lie in it. The cost is bounded, whatever the number of nodules.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from millet.core import extents, lobule, shells
from millet.core.character import Lobe, NoduleType
from millet.core.geometry import Floats
from millet.core.ground import PLACES, Ground, ground
from millet.core.hints import Features, hints
from millet.core.lungs import LungMask
from millet.core.nodule import Nodule
from millet.core.pattern import dominant
from millet.core.randomness import randomness
from millet.core.shells import Shell, shell
from millet.core.spread import Distribution, Hint, Sizes, Spread

MOST_KNOWN = 0.9
DEPTH_QUANTILE = 0.99
"""The depth of the lung: places deeper than this share of all are as deep."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fissures:
    """Distances in mm to the nearest fissure: of nodules' centres (N,) and of `reference_places` (M,).

    NaN where no fissure of that lung is known.
    """

    nodules_mm: Floats
    places_mm: Floats


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Placed:
    """The nodules that places and sizes are judged by, on the ground of the exam."""

    nodules: tuple[Nodule, ...]
    centres_mm: Floats
    radii_mm: Floats
    depth_mm: Floats
    ground: Ground
    fissures: Fissures | None
    """Of these nodules, and of the places that were kept."""

    @property
    def parted(self) -> bool:
        """Whether the fissures of most of the lungs are known."""
        return self.fissures is not None and bool(np.isfinite(self.fissures.places_mm).mean() > MOST_KNOWN)

    def pleural(self, near_mm: float) -> Shell:
        """Those at the pleura."""
        return self._shell(self.depth_mm, self.ground.depth_mm, near_mm)

    def fissural(self, near_mm: float) -> Shell | None:
        """Those at a fissure, of those in lungs whose fissures are known; None without."""
        if self.fissures is None:
            return None
        mine, there = np.isfinite(self.fissures.nodules_mm), np.isfinite(self.fissures.places_mm)
        return shell(
            self.fissures.nodules_mm[mine],
            self.fissures.places_mm[there],
            self.radii_mm[mine],
            self.ground.depth_mm[there],
            near_mm,
        )

    def walls(self, near_mm: float) -> Shell:
        """Those at pleura or fissures, where these are known."""
        if self.fissures is None:
            return self.pleural(near_mm)
        found = np.fmin(self.depth_mm, self.fissures.nodules_mm)
        return self._shell(found, np.fmin(self.ground.depth_mm, self.fissures.places_mm), near_mm)

    def _shell(self, found_mm: Floats, place_mm: Floats, near_mm: float) -> Shell:
        return shell(found_mm, place_mm, self.radii_mm, self.ground.depth_mm, near_mm)


def spread_of(
    nodules: Sequence[Nodule],
    lungs: LungMask,
    level: int,
    *,
    lobe_litres: Sequence[tuple[Lobe, float]] = (),
    fissures: Fissures | None = None,
) -> Spread:
    """Describe how nodules lie in the lungs of an exam of that pattern level.

    `lobe_litres` of all five lobes and the distances of `fissures`, both where fissures were found. The same
    arguments give the same figures. Raises ValueError where the mask has no lungs, or distances are too few.
    """
    if fissures is not None and len(fissures.nodules_mm) != len(nodules):
        raise ValueError(f"{len(fissures.nodules_mm)} distances are not those of {len(nodules)} nodules")
    if fissures is not None and len(fissures.places_mm) != PLACES:
        raise ValueError(f"{len(fissures.places_mm)} distances are not those of {PLACES} reference places")
    placed = _placed(nodules, lungs, fissures)
    enough = len(placed.nodules) >= shells.FEWEST
    sizes = extents.sizes(placed.nodules)
    slope = _cranio_caudal(placed, lungs)
    fissural = placed.fissural(shells.NEAR_MM) if enough else None
    where = lobule.distribution(
        placed.walls(lobule.CONTACT_MM), placed.walls(shells.NEAR_MM), fissures=placed.parted
    )
    vessel = shells.vessel_ratio(placed.ground, placed.centres_mm, placed.radii_mm) if enough else None
    return Spread(
        lobes=extents.lobe_counts(nodules, lobe_litres),
        zones=extents.zone_counts(nodules, lungs),
        per_100_ml=extents.per_100_ml(len(nodules), lungs.litres.total_l),
        sizes=sizes,
        randomness=randomness(placed.ground, placed.centres_mm, 2 * placed.radii_mm),
        subpleural_ratio=_rounded(placed.pleural(shells.NEAR_MM).ratio) if enough else None,
        fissural_ratio=_rounded(fissural.ratio) if fissural else None,
        vessel_ratio=_rounded(vessel),
        cranio_caudal_slope=_rounded(slope),
        central_peripheral_slope=_rounded(_central_peripheral(placed)),
        distribution=where,
        hints=_hints(
            placed, sizes, slope, where, has_dominant=len(placed.nodules) < len(nodules), level=level
        ),
    )


def _placed(nodules: Sequence[Nodule], lungs: LungMask, fissures: Fissures | None) -> _Placed:
    standing_out = dominant(nodules)
    chosen = np.asarray([nodule is not standing_out for nodule in nodules], bool)
    centres = np.asarray([nodule.centre_mm for nodule in nodules], float).reshape(-1, 3)
    diameters = np.asarray([nodule.diameter_mm for nodule in nodules], float)
    here = ground(lungs, centres, diameters, centres[~chosen], diameters[~chosen])
    return _Placed(
        nodules=tuple(nodule for nodule in nodules if nodule is not standing_out),
        centres_mm=centres[chosen],
        radii_mm=diameters[chosen] / 2,
        depth_mm=here.depths(centres[chosen]),
        ground=here,
        fissures=None
        if fissures is None
        else Fissures(nodules_mm=fissures.nodules_mm[chosen], places_mm=fissures.places_mm[here.kept]),
    )


def _cranio_caudal(placed: _Placed, lungs: LungMask) -> float | None:
    sides = [extents.LABELS[nodule.side] for nodule in placed.nodules]
    places = placed.ground.places_mm
    return shells.slope(
        extents.down(lungs, placed.centres_mm, sides), extents.down(lungs, places, lungs.at(places))
    )


def _central_peripheral(placed: _Placed) -> float | None:
    depths = placed.ground.depth_mm
    if not len(depths):
        return None
    deep = max(float(np.quantile(depths, DEPTH_QUANTILE)), 1.0)
    return shells.slope(np.minimum(placed.depth_mm / deep, 1.0), np.minimum(depths / deep, 1.0))


def _hints(
    placed: _Placed,
    sizes: Sizes | None,
    slope: float | None,
    where: Distribution,
    *,
    has_dominant: bool,
    level: int,
) -> tuple[Hint, ...]:
    if sizes is None:
        return ()
    types = [nodule.character.type for nodule in placed.nodules if nodule.character is not None]
    features = Features(
        distribution=where,
        median_mm=sizes.median_mm,
        cv=sizes.cv,
        cranio_caudal_slope=slope or 0.0,
        dominant=has_dominant,
        calcified_share=_share(types, NoduleType.CALCIFIED),
        glass_share=_share(types, NoduleType.GROUND_GLASS),
    )
    return hints(features, level)


def _share(types: Sequence[NoduleType], of: NoduleType) -> float:
    return sum(one is of for one in types) / len(types) if types else 0.0


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
