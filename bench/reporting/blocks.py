"""Blocks of lung with nodules and vessels in them, scanned as often as wanted by either simulator.

A scan of the same block again has other noise, and voxels that lie elsewhere. Nodules lie on a lattice, a
vessel passes near every third; kinds and sizes are drawn, so that all of it is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from millet.core.analysis import Lungs
from millet.core.geometry import Floats, Grid, PointMm, Vector
from millet.core.lungs import GRID_MM, LungMask
from millet.core.volume import Volume
from millet.phantom import acquisition, nodules, render
from millet.phantom.kinds import of_kind
from millet.phantom.nodules import Psf, Sphere
from millet.phantom.second import clouds, scanner
from millet.phantom.second.nodules import Lesion, drawn, lesion
from millet.phantom.second.scanner import Scanner
from millet.phantom.spec import Scan
from millet.phantom.vessels import Branches

LUNG_HU, BLOOD_HU = -860.0, 45.0
GRAIN_MM, GRAIN_HU, LOBULE_HU = 1.5, 26.0, 12.0
EDGE_MM = 12.0
AXES = (Vector(0, 0, 1), Vector(0, 1, 0), Vector(1, 0, 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a block holds: kinds in turn, diameters between two, all drawn by a seed."""

    kinds: tuple[str, ...]
    diameter_mm: tuple[float, float]
    seed: int
    across: int = 3
    """Nodules along each side; the block holds this cubed."""

    @property
    def pitch_mm(self) -> float:
        """From nodule to nodule."""
        return 2 * self.diameter_mm[1] + 8

    @property
    def side_mm(self) -> float:
        """Of the block."""
        return self.across * self.pitch_mm + EDGE_MM


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Block:
    """Nodules as both simulators draw them, vessels, and the texture of the lung."""

    asked: Asked
    spheres: tuple[Sphere, ...]
    lesions: tuple[Lesion, ...]
    vessels: Branches
    texture: Floats
    coarse: Grid


def block(asked: Asked) -> Block:
    """Everything that two scans of a block have in common."""
    rng = np.random.default_rng([asked.seed, 71])
    line = (np.arange(asked.across) - (asked.across - 1) / 2) * asked.pitch_mm
    places = np.stack(np.meshgrid(line, line, line, indexing="ij"), axis=-1).reshape(-1, 3)
    places = places + rng.uniform(-1.5, 1.5, places.shape)
    least, most = asked.diameter_mm
    diameters = least * (most / least) ** rng.uniform(size=len(places))
    kinds = [asked.kinds[n % len(asked.kinds)] for n in range(len(places))]
    solid = nodules.spheres(places, diameters, rng)
    coarse = _grid(asked.side_mm + 4, (GRAIN_MM,) * 3, np.zeros(3))
    white = rng.standard_normal(coarse.shape)
    fine, lobules = ndimage.gaussian_filter(white, 0.55), ndimage.gaussian_filter(white, 4.0)
    return Block(
        asked=asked,
        spheres=tuple(of_kind(one, kind, rng) for one, kind in zip(solid, kinds, strict=True)),
        lesions=tuple(
            lesion(place, float(diameter), kind, rng)
            for place, diameter, kind in zip(places, diameters, kinds, strict=True)
        ),
        vessels=_vessels(places[::3], diameters[::3], rng),
        texture=GRAIN_HU * fine / fine.std() + LOBULE_HU * lobules / lobules.std(),
        coarse=coarse,
    )


def _vessels(places: Floats, diameters: Floats, rng: np.random.Generator) -> Branches:
    """Straight vessels that pass nodules, some of them touching."""
    way = rng.standard_normal(places.shape)
    way /= np.linalg.norm(way, axis=1, keepdims=True)
    aside = np.cross(way, rng.standard_normal(places.shape))
    aside /= np.linalg.norm(aside, axis=1, keepdims=True)
    radius = rng.uniform(0.3, 0.9, len(places))
    past = places + aside * (diameters / 2 + rng.uniform(0, 3, len(places)))[:, None]
    return Branches(start_mm=past - 9 * way, end_mm=past + 9 * way, radius_mm=np.stack([radius, radius], 1))


def _grid(side_mm: float, spacing_mm: Sequence[float], shift_mm: Floats) -> Grid:
    """A cube about the origin, moved by (x, y, z)."""
    shape = [2 * round(side_mm / step / 2) for step in spacing_mm]
    start = [-(count - 1) / 2 * step for count, step in zip(shape, spacing_mm, strict=True)][::-1]
    z, y, x = spacing_mm
    return Grid(
        shape=(shape[0], shape[1], shape[2]),
        spacing_mm=(z, y, x),
        origin_mm=PointMm(*(np.asarray(start) + shift_mm).tolist()),
        axes=AXES,
    )


def scanned(what: Block, simulator: str, scan: Scan, repeat: int) -> Volume:
    """One of several scans of a block."""
    rng = np.random.default_rng([what.asked.seed, repeat, 72])
    shift = rng.uniform(-0.5, 0.5, 3) * (scan.pixel_mm, scan.pixel_mm, scan.step_mm)
    whole = _grid(what.asked.side_mm, (scan.step_mm, scan.pixel_mm, scan.pixel_mm), shift)
    seed = 1000 * what.asked.seed + repeat
    draw = _first if simulator == "first" else _second
    return Volume(hu=draw(what, scan, whole, seed), grid=whole)


def lung_around(volume: Volume) -> LungMask:
    """A mask of which all of a block is right lung."""
    edge_mm = np.asarray(volume.grid.shape) * volume.grid.spacing_mm
    shape = tuple((edge_mm / GRID_MM).astype(int) + 1)
    label = np.ones(shape, np.uint8)
    spacing = (GRID_MM, GRID_MM, GRID_MM)
    return LungMask(
        label=label,
        hu=np.full(shape, LUNG_HU, np.float32),
        grid=replace(volume.grid, shape=label.shape, spacing_mm=spacing),
        litres=Lungs(right_l=label.size * GRID_MM**3 / 1e6, left_l=0.0),
        cut_at_top=True,
        cut_at_base=True,
    )


def _lung(what: Block, planes: Grid) -> Floats:
    at = render.Interpolator(what.coarse, planes)
    return LUNG_HU + at.planes(what.texture.astype(np.float32), slice(0, planes.shape[0]))


def _first(what: Block, scan: Scan, whole: Grid, seed: int) -> np.ndarray:
    planes = acquisition.fine_grid(scan, whole)
    hu = _lung(what, planes)
    hu += render.occupancy(what.vessels, planes, scan.sigma_mm) * (BLOOD_HU - hu)
    nodules.lay(hu, what.spheres, planes, Psf(in_plane_mm=scan.sigma_mm, across_mm=scan.sigma_mm))
    step, profile = scan.planes_a_step, np.asarray(scan.profile)
    slices = np.stack(
        [
            np.average(hu[k * step : k * step + len(profile)], axis=0, weights=profile)
            for k in range(whole.shape[0])
        ]
    )
    slices = acquisition.sharpened(scan, slices.astype(np.float32))
    slices += scan.noise_hu * acquisition.noise(scan, whole.shape, seed)
    return acquisition.stored(slices)


def _second(what: Block, scan: Scan, whole: Grid, seed: int) -> np.ndarray:
    planes = scanner.plane_grid(scan, whole)
    hu = _lung(what, planes)
    tubes = clouds.tubes(what.vessels.start_mm, what.vessels.end_mm, what.vessels.radius_mm, BLOOD_HU)
    lumps = clouds.together([drawn(one) for one in what.lesions])
    every = slice(0, planes.shape[0])
    share, dense = clouds.deposit(tubes.ordered(), planes, every)
    hu += np.minimum(share, 1) * (dense - hu)
    share, dense = clouds.deposit(lumps.ordered(), planes, every)
    hu += share * np.maximum(dense - hu, 0)
    step, weights = scanner.planes_a_step(scan), scanner.profile(scan).astype(np.float32)
    made = Scanner.of(scan, whole.shape[1], seed, hu[planes.shape[0] // 2])
    return np.stack(
        [
            made.expose(np.tensordot(weights, hu[k * step : k * step + len(weights)], 1), k)
            for k in range(whole.shape[0])
        ]
    )
