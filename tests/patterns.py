"""Scenes of nodules in whole lungs, as a detector reports them: miliary ones, and what is taken for them.

Each scene is a function of its kind and seed. `MILIARY` are the kinds that a pattern judgement should call
miliary, `OTHERS` its hard negatives, `SPREADS` the presets of the simulators (for where in the lobule
nodules lie), and `UNRULED` random or clustered by construction (for tests of randomness). No nodule is hidden
in a vessel or in another nodule. Even seeds lie
in chests of the second simulator (lobes known), odd ones in those of the first (zones only).
Unless `clean`, 5 % of the nodules are missed, 2 % more are vessels, centres are off by 0.3 mm along each
axis, and diameters by 0.2 mm.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree
from thorax import SIMULATORS, Thorax, thorax

from millet.core.character import Axes, Character, Lobe, NoduleType, Zone
from millet.core.geometry import Floats, PointMm
from millet.core.nodule import Nodule, Side

CHESTS = 4
"""Of each simulator; scenes take them in turn."""
GAP_MM = 0.5
MISSED, FALSE = 0.05, 0.02
CENTRE_MM, DIAMETER_MM = 0.3, 0.2
MASS_MM = 41.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesion:
    """One thing reported."""

    centre_mm: PointMm
    diameter_mm: float
    side: Side
    zone: Zone
    lobe: Lobe | None
    pleura_mm: float
    """From its edge."""
    fissure_mm: float | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Scene:
    """What is reported of one exam, and the chest that it lies in."""

    kind: str
    seed: int
    lesions: tuple[Lesion, ...]
    chest: Thorax

    @property
    def right_l(self) -> float:
        """Litres of the right lung."""
        return self.chest.lungs.litres.right_l

    @property
    def left_l(self) -> float:
        """Litres of the left lung."""
        return self.chest.lungs.litres.left_l

    @property
    def lobe_litres(self) -> tuple[tuple[Lobe, float], ...]:
        """Of all five lobes, or none."""
        return self.chest.lobe_litres()

    @property
    def extent_z_mm(self) -> tuple[float, float]:
        """Base and apex of the lungs."""
        planes = np.flatnonzero(self.chest.lungs.label.any(axis=(1, 2)))
        grid = self.chest.lungs.grid
        low, high = grid.origin_mm.z + grid.spacing_mm[0] * planes[[0, -1]]
        return float(low), float(high)

    @property
    def centres_mm(self) -> Floats:
        """(N, 3), LPS."""
        return np.asarray([lesion.centre_mm for lesion in self.lesions], float).reshape(-1, 3)

    @property
    def diameters_mm(self) -> Floats:
        """(N,)."""
        return np.asarray([lesion.diameter_mm for lesion in self.lesions], float)

    @property
    def nodules(self) -> tuple[Nodule, ...]:
        """The same as values of the service, solid, with their character."""
        return tuple(nodule(number, lesion) for number, lesion in enumerate(self.lesions, start=1))


def scenes(kind: str, seed: int, *, clean: bool = False) -> Scene:
    """The scene of a kind and a seed; `clean` leaves out the detector's errors."""
    chest = thorax(SIMULATORS[seed % 2], seed // 2 % CHESTS)
    rng = np.random.default_rng([seed, sorted(KINDS).index(kind)])
    centres, diameters = KINDS[kind](chest, rng)
    if not clean:
        centres, diameters = _as_detected(chest, centres, diameters, rng)
    return scene(kind, seed, chest, centres, diameters)


def scene(kind: str, seed: int, chest: Thorax, centres: Floats, diameters: Floats) -> Scene:
    """A scene of given places (N, 3) and diameters (N,)."""
    pleura = np.maximum(chest.depth_mm(centres) - diameters / 2, 0)
    fissure = np.maximum(chest.fissure_mm(centres) - diameters / 2, 0)
    rows = zip(
        centres, diameters, pleura, fissure, chest.sides(centres), chest.zones(centres), chest.lobes(centres),
        strict=True,
    )  # fmt: skip
    lesions = tuple(
        Lesion(
            centre_mm=PointMm(*(float(v) for v in centre)),
            diameter_mm=float(d),
            side=side,
            zone=zone,
            lobe=lobe,
            pleura_mm=float(deep),
            fissure_mm=float(far),
        )
        for centre, d, deep, far, side, zone, lobe in rows
    )
    return Scene(kind=kind, seed=seed, lesions=lesions, chest=chest)


def nodule(number: int, lesion: Lesion) -> Nodule:
    """A lesion as a solid nodule with its character."""
    d, (x, y, z) = lesion.diameter_mm, lesion.centre_mm
    volume = np.pi / 6 * d**3
    axes = Axes(
        long_mm=(PointMm(x - d / 2, y, z), PointMm(x + d / 2, y, z)),
        short_mm=(PointMm(x, y - d / 2, z), PointMm(x, y + d / 2, z)),
    )
    character = Character(
        axes=axes,
        volume_low_mm3=0.8 * volume,
        volume_high_mm3=1.2 * volume,
        p95_hu=40.0,
        calcified_share=0.0,
        type=NoduleType.SOLID,
        core_mm=None,
        spiculation=0.0,
        lobe=lesion.lobe,
        zone=lesion.zone,
        zone_estimated=lesion.lobe is None,
        pleura_mm=lesion.pleura_mm,
        fissure_mm=lesion.fissure_mm,
        juxtapleural=lesion.pleura_mm < 1.0,
        perifissural=lesion.fissure_mm is not None and lesion.fissure_mm < 1.0,
        probability=None,
        at_resolution_limit=False,
    )
    return Nodule(
        number=number,
        tracking_uid=f"2.25.{1000 + number}",
        centre_mm=lesion.centre_mm,
        diameter_mm=d,
        volume_mm3=float(volume),
        mean_hu=-60.0,
        score=0.9,
        side=lesion.side,
        source_sop_instance_uid=f"1.2.3.{number}",
        character=character,
    )


Drawn = tuple[Floats, Floats]
"""Centres (N, 3) and diameters (N,), mm."""
Taken = tuple[tuple[Floats, float], ...]
"""Balls (centre, radius) that nodules keep clear of."""


def _miliary(chest: Thorax, rng: np.random.Generator) -> Drawn:
    """200 to 2,000 of 1.5 to 4.5 mm, at random: as the simulator places them, or wherever there is lung."""
    low = rng.uniform(1.5, 2.5)
    diameters = _log_uniform(rng, low, rng.uniform(low + 0.5, 4.5), _number(rng, 200, 2000))
    if rng.uniform() < 0.5:
        return chest.drawn("random", diameters, rng), diameters
    return _anywhere(chest, diameters, rng), diameters


def _case(chest: Thorax, rng: np.random.Generator) -> Drawn:
    """220 of 3 +- 0.3 mm and a mass low in the left lung."""
    small = np.clip(rng.normal(3.0, 0.3, 220), 1.5, 4.5)
    points = chest.anywhere(4000, rng, deep_mm=0.3 * MASS_MM)
    low = points[(points[:, 0] > 0) & (points[:, 2] < np.median(points[:, 2]))]
    mass = low[int(np.argmax(chest.depth_mm(low)))]
    centres = _anywhere(chest, small, rng, ((mass, MASS_MM / 2),))
    return np.concatenate([centres, mass[None]]), np.append(small, MASS_MM)


def _few(chest: Thorax, rng: np.random.Generator) -> Drawn:
    """1 to 40 of 2 to 20 mm, anywhere."""
    diameters = _log_uniform(rng, 2.0, 20.0, int(rng.integers(1, 41)))
    return _anywhere(chest, diameters, rng), diameters


def _cluster(chest: Thorax, rng: np.random.Generator) -> Drawn:
    """100 of 1.5 to 5 mm around one place, and up to ten elsewhere."""
    diameters = _log_uniform(rng, 1.5, 5.0, 100 + int(rng.integers(0, 11)))
    middle, wide = chest.anywhere(1, rng, deep_mm=10.0)[0], rng.uniform(12.0, 25.0)
    kept = np.arange(len(diameters)) >= 100

    def draw(which: Floats) -> Floats:
        near = middle + rng.normal(0, wide, (len(which), 3))
        return np.where(kept[which][:, None], chest.anywhere(len(which), rng), near)

    return _hard_core(chest, diameters, draw), diameters


def _tree_in_bud(chest: Thorax, rng: np.random.Generator) -> Drawn:
    """2 to 6 foci of 10 to 40 buds of 2 to 4 mm, each at a twig of the artery."""
    counts = rng.integers(10, 41, rng.integers(2, 7))
    diameters = _log_uniform(rng, 2.0, 4.0, int(counts.sum()))
    twigs = []
    for count in counts:
        middle = chest.tips_mm[rng.integers(len(chest.tips_mm))]
        near = np.argsort(np.linalg.norm(chest.tips_mm - middle, axis=1))[: max(int(count) // 4, 2)]
        twigs.append(chest.tips_mm[near[rng.integers(len(near), size=count)]])
    at = np.concatenate(twigs)

    def draw(which: Floats) -> Floats:
        return at[which] + rng.normal(0, 3.0, (len(which), 3))

    return _hard_core(chest, diameters, draw), diameters


def _vessels(chest: Thorax, rng: np.random.Generator) -> Drawn:
    """5 to 120 vessels taken for nodules, most of them not far from the hila."""
    return _on_vessels(chest, _number(rng, 5, 120), rng)


def _preset(spread: str) -> Callable[[Thorax, np.random.Generator], Drawn]:
    """100 to 500 of 1.5 to 5 mm, as the simulator's presets have them."""

    def draw(chest: Thorax, rng: np.random.Generator) -> Drawn:
        most = 400 if spread == "centrilobular" else 500
        diameters = _log_uniform(rng, 1.5, 5.0, _number(rng, 100, most))
        return chest.drawn(spread, diameters, rng), diameters

    return draw


def _uniform(chest: Thorax, rng: np.random.Generator) -> Drawn:
    """20 to 1,000 of 1.5 to 5 mm wherever there is lung and none already."""
    diameters = _log_uniform(rng, 1.5, 5.0, _number(rng, 20, 1000))
    return _anywhere(chest, diameters, rng), diameters


def _thomas(chest: Thorax, rng: np.random.Generator) -> Drawn:
    """A Thomas process: 100 to 1,000 nodules, five a parent on average, 8 mm about it."""
    diameters = _log_uniform(rng, 1.5, 5.0, _number(rng, 100, 1000))
    parents = chest.anywhere(max(len(diameters) // 5, 1), rng)
    owner = rng.integers(len(parents), size=len(diameters))

    def draw(which: Floats) -> Floats:
        return parents[owner[which]] + rng.normal(0, 8.0, (len(which), 3))

    return _hard_core(chest, diameters, draw), diameters


MILIARY: dict[str, Callable[[Thorax, np.random.Generator], Drawn]] = {"miliary": _miliary, "case": _case}
OTHERS: dict[str, Callable[[Thorax, np.random.Generator], Drawn]] = {
    "few": _few,
    "cluster": _cluster,
    "tree-in-bud": _tree_in_bud,
    "vessels": _vessels,
}
SPREADS = {spread: _preset(spread) for spread in ("random", "centrilobular", "perilymphatic")}
UNRULED: dict[str, Callable[[Thorax, np.random.Generator], Drawn]] = {"uniform": _uniform, "thomas": _thomas}
KINDS = MILIARY | OTHERS | SPREADS | UNRULED


def _number(rng: np.random.Generator, least: int, most: int) -> int:
    return round(float(_log_uniform(rng, least, most, 1)[0]))


def _log_uniform(rng: np.random.Generator, least: float, most: float, count: int) -> Floats:
    return np.asarray(least * (most / least) ** rng.uniform(size=count))


def _anywhere(chest: Thorax, diameters: Floats, rng: np.random.Generator, taken: Taken = ()) -> Floats:
    """Even places in the lungs, clear of each other and of what is taken (centre, radius)."""
    return _hard_core(chest, diameters, lambda which: chest.anywhere(len(which), rng), taken)


def _hard_core(
    chest: Thorax,
    diameters: Floats,
    draw: Callable[[Floats], Floats],
    taken: Taken = (),
) -> Floats:
    """Draw the nodules of these numbers again until each is in a lung and clear of the others."""
    centres, again = np.zeros((len(diameters), 3)), np.arange(len(diameters))
    reach = float(diameters.max(initial=0)) + GAP_MM
    for _ in range(400):
        centres[again] = draw(again)
        bad = (chest.depth_mm(centres) < 0) | chest.in_vessel(centres, diameters)
        for centre, radius in taken:
            bad |= np.linalg.norm(centres - centre, axis=1) < radius + diameters / 2 + GAP_MM
        pairs = cKDTree(centres).query_pairs(reach, output_type="ndarray")
        gap = np.linalg.norm(centres[pairs[:, 0]] - centres[pairs[:, 1]], axis=1)
        close = gap < (diameters[pairs[:, 0]] + diameters[pairs[:, 1]]) / 2 + GAP_MM
        bad[pairs[close].max(axis=1)] = True
        again = np.flatnonzero(bad)
        if not len(again):
            return centres
    raise ValueError(f"{len(diameters)} nodules find no place")


def _on_vessels(chest: Thorax, count: int, rng: np.random.Generator) -> Drawn:
    """Points of arteries and veins of 0.7 to 3 mm radius in the lungs."""
    blood = chest.blood
    fit = (blood.radius_mm > 0.7) & (blood.radius_mm < 3.0) & (chest.depth_mm(blood.place_mm) > 1.0)
    chosen = rng.choice(np.flatnonzero(fit), count, replace=False)
    diameters = np.clip(2 * blood.radius_mm[chosen] * rng.uniform(0.8, 1.6, count), 1.5, 9.0)
    return blood.place_mm[chosen], diameters


def _as_detected(chest: Thorax, centres: Floats, diameters: Floats, rng: np.random.Generator) -> Drawn:
    """What a detector makes of it."""
    kept = rng.uniform(size=len(centres)) >= MISSED
    kept |= not kept.any()
    false = _on_vessels(chest, int(rng.binomial(len(centres), FALSE)), rng)
    centres = np.concatenate([centres[kept], false[0]])
    diameters = np.concatenate([diameters[kept], false[1]])
    centres = centres + rng.normal(0, CENTRE_MM, centres.shape)
    return centres, np.maximum(diameters + rng.normal(0, DIAMETER_MM, len(diameters)), 1.0)
