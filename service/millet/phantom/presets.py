"""The phantoms that have a name, and the one function that makes them."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from millet.codec.tables import Mark
from millet.core.geometry import Floats
from millet.core.nodule import class_of
from millet.core.volume import Volume
from millet.phantom import acquisition, anatomy, nodules, scene, vessels
from millet.phantom.anatomy import Chest
from millet.phantom.spec import NAMES, PRESETS, Phantom, Preset, Progress, Scan, chosen

__all__ = ["NAMES", "PRESETS", "Phantom", "Preset", "Scan", "make"]


def make(
    preset: str | Preset,
    *,
    nodules: int | None = None,
    seed: int = 0,
    scale: float = 1.0,
    scan: Scan | None = None,
    progress: Progress | None = None,
) -> Phantom:
    """Make a phantom; the same arguments give the same voxels.

    `preset` is a name or a preset of your own; `nodules` replaces its number. `scale` shrinks the
    chest (with its mass, its vessels and the field of view, not the voxels and the nodules), for quick
    tests: 0.5 is an eighth of the work.
    Raises ValueError for an unknown preset or a scale outside 0.3 to 1.
    """
    if not 0.3 <= scale <= 1.0:
        raise ValueError(f"scale must be 0.3 to 1, not {scale}")
    wanted, scan, tell = chosen(preset).settled(nodules, seed), scan or Scan(), progress or _silent
    streams = [np.random.default_rng([seed, part]) for part in range(5)]
    tell("chest", 0.0)
    chest = anatomy.chest(streams[0], scale=scale, mass=wanted.mass, effusion=wanted.effusion)
    grid = acquisition.grid(scan, scale)
    tell("vessels", 0.06)
    trees = [
        vessels.grow_pair(chest, roots, streams[1]) for roots in (vessels.ARTERY_ROOTS, vessels.VEIN_ROOTS)
    ]
    blood = vessels.tubes(trees[0], streams[1]).joined(vessels.tubes(trees[1], streams[1]))
    found = _nodules(wanted, wanted.nodules, chest, blood, streams[2])[: wanted.keep]
    lumens = vessels.airways(trees[0], chest, streams[1])
    contents = scene.Contents(blood=blood, lumens=lumens, nodules=found)
    hu = scene.draw(chest, contents, scan, streams[3], tell)
    return Phantom(
        preset=wanted.name,
        asked=wanted,
        seed=seed,
        scale=scale,
        scan=scan,
        volume=Volume(hu=scene.expose(hu, scan, scale, seed, tell), grid=grid),
        truth=_truth(found, chest),
        lung_ml=float((chest.lung < 0).sum()) * chest.grid.voxel_mm3 / 1000,
        effusion_ml=float((chest.effusion < 0).sum()) * chest.grid.voxel_mm3 / 1000,
    )


def _silent(_what: str, _share: float) -> None:
    return None


def _truth(found: tuple[nodules.Sphere, ...], chest: Chest) -> tuple[Mark, ...]:
    marks = [nodule.mark for nodule in found]
    if chest.mass_truth is not None:
        mean = float(np.mean(chest.mass_truth.axes_mm))
        marks.append(
            Mark(centre_mm=chest.mass_truth.centre_mm, diameter_mm=mean, nodule_class=class_of(mean))
        )
    return tuple(marks)


def _nodules(
    wanted: Preset, count: int, chest: Chest, blood: vessels.Branches, rng: np.random.Generator
) -> tuple[nodules.Sphere, ...]:
    if wanted.normal:
        diameters = rng.normal(*wanted.diameter_mm, size=count)
    else:
        least, most = wanted.diameter_mm
        diameters = least * (most / least) ** rng.uniform(size=count)
    widest = float(diameters.max(initial=3.0))
    free = _places(chest, blood, widest, rng)
    return nodules.spheres(nodules.spread(free, count, rng), diameters, rng)


def _places(chest: Chest, blood: vessels.Branches, widest_mm: float, rng: np.random.Generator) -> Floats:
    """Points in the lungs clear of the pleura, the mass and vessels over 2 mm wide."""
    deep = np.argwhere((chest.lung < -widest_mm / 2 - 1) & (chest.mass > widest_mm / 2 + 3))
    points = chest.grid.to_patient_array(deep + rng.uniform(-0.5, 0.5, deep.shape))
    t = np.linspace(0, 1, 5)[:, None, None]
    line = (blood.start_mm + t * (blood.end_mm - blood.start_mm)).reshape(-1, 3)
    radius = np.tile(blood.radius_mm.max(axis=1), 5)
    near = np.zeros(len(points), bool)
    for low, high in ((1.0, 2.0), (2.0, 4.0), (4.0, 20.0)):
        band = (radius > low) & (radius <= high)
        if band.any():
            clear_mm = high + widest_mm / 2 + 1
            near |= np.isfinite(cKDTree(line[band]).query(points, distance_upper_bound=clear_mm)[0])
    return np.asarray(points[~near], float)
