"""Chests of both simulators as places only: lungs, fissures, lobes and vessels, without a voxel of CT.

A rendered phantom takes minutes; where nodules lie needs none of it. `thorax` gives a full-sized chest in
a few seconds, and keeps it: its lungs as the service has them (a mask at 2 mm, with vessels in the HU), the
depth below the pleura, the distance from fissures, the lobes, and the simulator's places for each spread.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from millet.core.analysis import Lungs
from millet.core.character import Lobe, Zone
from millet.core.geometry import Floats, Grid, PointMm, Vector
from millet.core.lungs import LungMask
from millet.core.nodule import Side
from millet.phantom import anatomy, places, vessels
from millet.phantom.second import anatomy as second_anatomy
from millet.phantom.second import places as second_places
from millet.phantom.second import scanner as second_scanner
from millet.phantom.second import vessels as second_vessels
from millet.phantom.spec import Preset, Scan

SIMULATORS = ("second", "first")
LUNG_HU, TISSUE_HU, BLOOD_HU = -850.0, 40.0, 45.0
GRID_MM = 2.0
PIECE_MM = 0.7
HIDING_MM = 1.0
LOBES = (None, Lobe.RIGHT_UPPER, Lobe.RIGHT_MIDDLE, Lobe.RIGHT_LOWER, Lobe.LEFT_UPPER, Lobe.LEFT_LOWER)
FIRST_LEFT = 4
ZONES = (Zone.LOWER, Zone.MIDDLE, Zone.UPPER)

Field = NDArray[np.float32]
Draw = Callable[[str, Floats, np.random.Generator], Floats]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Blood:
    """Points along arteries and veins: places (N, 3), radii (N,), lengths that they stand for (N,), in mm."""

    place_mm: Floats
    radius_mm: Floats
    length_mm: Floats

    @classmethod
    def of(cls, start_mm: Floats, end_mm: Floats, radius_mm: Floats) -> Blood:
        """From straight pieces: ends (B, 3), radii (B,)."""
        along = end_mm - start_mm
        length = np.linalg.norm(along, axis=1)
        count = np.maximum(np.ceil(length / PIECE_MM).astype(int), 1)
        owner = np.repeat(np.arange(len(count)), count)
        step = np.arange(len(owner)) - np.repeat(count.cumsum() - count, count)
        t = (step + 0.5) / count[owner]
        return cls(
            place_mm=start_mm[owner] + t[:, None] * along[owner],
            radius_mm=radius_mm[owner],
            length_mm=(length / count)[owner],
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Thorax:
    """A chest of one seed of one simulator. All arrays of points are (N, 3), LPS mm."""

    simulator: str
    seed: int
    lungs: LungMask
    levels: Grid
    """What the three fields below lie on."""
    depth: Field
    """Below the pleura, mm; negative outside the lungs."""
    fissure: Field
    """Distance from the nearest fissure, mm."""
    lobe: NDArray[np.uint8] | None
    """Positions in `LOBES` of the nearest lobe; None where the simulator has no right middle lobe."""
    blood: Blood
    tips_mm: Floats
    """Ends of terminal arterioles."""
    drawn: Draw
    """Centres as the simulator's presets place them: (spread, diameters, generator)."""

    def depth_mm(self, points: Floats) -> Floats:
        """How deep points lie below the pleura."""
        return self._sample(self.depth, points)

    def fissure_mm(self, points: Floats) -> Floats:
        """How far points lie from the nearest fissure."""
        return self._sample(self.fissure, points)

    def sides(self, points: Floats) -> list[Side]:
        """The patient's side of each, by its lobe where that is known."""
        near = zip(points, self.lobes(points), strict=True)
        return [Side(lobe.split("-")[0]) if lobe else self.lungs.side(point) for point, lobe in near]

    def zones(self, points: Floats) -> list[Zone]:
        """Thirds of the height of the lung that each lies in."""
        right, left = (self._height(label) for label in (1, 2))
        found = []
        for point, side in zip(points, self.sides(points), strict=True):
            low, high = right if side is Side.RIGHT else left
            found.append(ZONES[int(np.clip(3 * (point[2] - low) / (high - low), 0, 2))])
        return found

    def lobes(self, points: Floats) -> list[Lobe | None]:
        """The lobe of each; None where the chest has no full set of fissures."""
        if self.lobe is None:
            return [None] * len(points)
        at = np.rint(self.levels.to_index_array(points)).astype(int)
        return [LOBES[k] for k in self.lobe[tuple(at.T)]]

    def lobe_litres(self) -> tuple[tuple[Lobe, float], ...]:
        """The litres of each lobe; none without them."""
        if self.lobe is None:
            return ()
        counts = np.bincount(self.lobe[self.depth > 0], minlength=6) * self.levels.voxel_mm3 / 1e6
        return tuple((lobe, float(counts[k])) for k, lobe in enumerate(LOBES) if lobe is not None)

    def anywhere(self, count: int, rng: np.random.Generator, deep_mm: float = 0.0) -> Floats:
        """Even places at least so deep in the lungs."""
        voxels = np.argwhere(self.lungs.label)
        found = np.zeros((0, 3))
        while len(found) < count:
            chosen = voxels[rng.integers(len(voxels), size=2 * count + 20)]
            points = self.lungs.grid.to_patient_array(chosen + rng.uniform(-0.5, 0.5, chosen.shape))
            found = np.concatenate([found, points[self.depth_mm(points) >= deep_mm]])
        return found[:count]

    def in_vessel(self, points: Floats, diameters: Floats) -> NDArray[np.bool_]:
        """Which nodules of those diameters (N,) a vessel over 2 mm wide would hide: it holds their middle."""
        wide = self.blood.radius_mm > HIDING_MM
        radii = np.append(self.blood.radius_mm[wide], 0.0)
        far, which = self._hiding.query(
            points, distance_upper_bound=float(radii.max() + diameters.max(initial=0))
        )
        return np.asarray(far < radii[which] + 0.15 * diameters)

    @cached_property
    def _hiding(self) -> cKDTree:
        return cKDTree(self.blood.place_mm[self.blood.radius_mm > HIDING_MM])

    def _height(self, label: int) -> tuple[float, float]:
        planes = np.flatnonzero((self.lungs.label == label).any(axis=(1, 2)))
        start = self.lungs.grid.origin_mm.z
        return start + GRID_MM * float(planes[0]), start + GRID_MM * float(planes[-1] + 1)

    def _sample(self, field: Field, points: Floats) -> Floats:
        index = self.levels.to_index_array(points).T
        return np.asarray(ndimage.map_coordinates(field, index, order=1, mode="nearest"), float)


@cache
def thorax(simulator: str = "second", seed: int = 0) -> Thorax:
    """A full-sized chest without disease; the same arguments give the same one."""
    return _first(seed) if simulator == "first" else _second(seed)


def _first(seed: int) -> Thorax:
    rng = np.random.default_rng([seed, 71])
    chest = anatomy.chest(rng, scale=1.0, mass=False, effusion=False)
    arteries, veins = (
        vessels.grow_pair(chest, roots, rng) for roots in (vessels.ARTERY_ROOTS, vessels.VEIN_ROOTS)
    )
    tubes = vessels.tubes(arteries, rng)
    both = tubes.joined(vessels.tubes(veins, rng))
    room = places.Room(
        chest=chest,
        tree=arteries,
        arteries=tubes,
        blood=both,
        airways=vessels.with_walls(vessels.airways(arteries, chest, rng)),
        scars=(),
    )

    def drawn(spread: str, diameters: Floats, own: np.random.Generator) -> Floats:
        wanted = Preset(nodules=len(diameters), diameter_mm=(1.5, 5.0), spread=spread)
        return places.places(wanted, diameters, room, own)

    blood = Blood.of(both.start_mm, both.end_mm, both.radius_mm.mean(axis=1))
    return Thorax(
        simulator="first",
        seed=seed,
        lungs=_lungs(chest.grid, -chest.lung, blood, right=_towards_right(chest.grid)),
        levels=chest.grid,
        depth=-chest.lung,
        fissure=np.abs(chest.fissure),
        lobe=None,
        blood=blood,
        tips_mm=arteries.end_mm[arteries.ends == 1],
        drawn=drawn,
    )


def _second(seed: int) -> Thorax:
    rng, scan = np.random.default_rng([seed, 72]), Scan()
    grid, _ = second_anatomy.coarse_grid(scan.pixel_mm, second_scanner.grid(scan, 1.0).shape[1], 1.0)
    chest = second_anatomy.chest(grid, 1.0, rng, effusion=False)
    trees = second_vessels.vessels(chest, rng)

    def drawn(spread: str, diameters: Floats, own: np.random.Generator) -> Floats:
        return second_places.places(spread, diameters, chest, trees, [], own)

    lobe = _everywhere(chest.lobe)
    edges = [(tree, tree.edges) for tree in (trees.arteries, trees.veins)]
    blood = Blood.of(
        np.concatenate([tree.place_mm[tree.parent[edge]] for tree, edge in edges]),
        np.concatenate([tree.place_mm[edge] for tree, edge in edges]),
        np.concatenate([tree.radius_mm[edge] for tree, edge in edges]),
    )
    return Thorax(
        simulator="second",
        seed=seed,
        lungs=_lungs(grid, -chest.lung, blood, right=np.where(lobe < FIRST_LEFT, 1.0, -1.0)),
        levels=grid,
        depth=-chest.lung,
        fissure=np.minimum(np.abs(chest.major), np.abs(chest.minor)),
        lobe=lobe,
        blood=blood,
        tips_mm=trees.arteries.place_mm[trees.arteries.tips],
        drawn=drawn,
    )


def _towards_right(grid: Grid) -> Floats:
    """How far each voxel lies to the right of the middle, mm."""
    x = grid.origin_mm.x + grid.spacing_mm[2] * np.arange(grid.shape[2])
    return np.asarray(np.broadcast_to(-x, grid.shape), float)


def _everywhere(lobe: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The nearest lobe of every voxel."""
    nearest = ndimage.distance_transform_edt(lobe == 0, return_distances=False, return_indices=True)
    return np.asarray(lobe[tuple(nearest)], np.uint8)


def _lungs(levels: Grid, depth: Field, blood: Blood, right: Floats) -> LungMask:
    """The lungs as the service finds them, had it seen these surfaces and vessels at 2 mm.

    `right` is positive on the right side of the chest.
    """
    shape = tuple(int(n * s / GRID_MM) for n, s in zip(levels.shape, levels.spacing_mm, strict=True))
    axes = (Vector(0, 0, 1), Vector(0, 1, 0), Vector(1, 0, 0))
    grid = Grid(
        shape=(shape[0], shape[1], shape[2]),
        spacing_mm=(GRID_MM,) * 3,
        origin_mm=PointMm(*levels.origin_mm),
        axes=axes,
    )
    lines = [np.arange(n) * GRID_MM / s for n, s in zip(shape, levels.spacing_mm, strict=True)]
    index = np.meshgrid(*lines, indexing="ij")
    inside = np.asarray(ndimage.map_coordinates(depth, index, order=1, mode="nearest"), np.float32)
    on_right = ndimage.map_coordinates(right, index, order=0, mode="nearest") > 0
    label = np.where(inside > 0, np.where(on_right, 1, 2), 0).astype(np.uint8)
    air = np.clip(inside / GRID_MM + 0.5, 0, 1)
    hu = TISSUE_HU + air * (LUNG_HU - TISSUE_HU)
    hu += np.minimum(_filled(grid, blood), 1) * np.maximum(BLOOD_HU - hu, 0)
    right, left = (np.count_nonzero(label == side) * grid.voxel_mm3 / 1e6 for side in (1, 2))
    return LungMask(
        label=label,
        hu=hu.astype(np.float32),
        grid=grid,
        litres=Lungs(right_l=right, left_l=left),
        cut_at_top=False,
        cut_at_base=False,
    )


def _filled(grid: Grid, blood: Blood) -> Field:
    """The share of each voxel that vessels fill, blurred as a CT resampled to 2 mm blurs it."""
    rng = np.random.default_rng(73)
    count = np.maximum(np.ceil(4 * blood.radius_mm**2).astype(int), 1)
    owner = np.repeat(np.arange(len(count)), count)
    way = rng.normal(size=(len(owner), 3))
    way *= (rng.uniform(size=len(owner)) ** (1 / 2) / np.linalg.norm(way, axis=1))[:, None]
    at = np.rint(grid.to_index_array(blood.place_mm[owner] + way * blood.radius_mm[owner, None])).astype(int)
    volume = (np.pi * blood.radius_mm**2 * blood.length_mm / count)[owner]
    inside = ((at >= 0) & (at < grid.shape)).all(axis=1)
    flat = np.ravel_multi_index(tuple(at[inside].T), grid.shape)
    share = np.bincount(flat, volume[inside] / grid.voxel_mm3, int(np.prod(grid.shape)))
    return np.asarray(ndimage.gaussian_filter(share.reshape(grid.shape), 0.4), np.float32)
