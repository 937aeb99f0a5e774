"""The second simulator's one function: the same presets, another chest."""

from __future__ import annotations

import numpy as np

from millet.core.geometry import Floats
from millet.core.volume import Volume
from millet.phantom.second import anatomy, clouds, places, scanner, scars, scene, vessels
from millet.phantom.second.anatomy import Chest
from millet.phantom.second.bones import bones
from millet.phantom.second.nodules import MASS_MM, Lesion, drawn, lesion
from millet.phantom.second.tissue import Painter
from millet.phantom.second.vessels import Vessels
from millet.phantom.spec import NAMES, PRESETS, Phantom, Preset, Progress, Scan, chosen

__all__ = ["NAMES", "PRESETS", "Phantom", "Preset", "Scan", "make"]

SIMULATOR = "second"


def make(
    preset: str | Preset,
    *,
    nodules: int | None = None,
    seed: int = 0,
    scale: float = 1.0,
    scan: Scan | None = None,
    progress: Progress | None = None,
) -> Phantom:
    """Make a phantom with the second simulator; the same arguments give the same voxels.

    `preset` is a name or a preset of your own; `nodules` replaces its number. `scale` shrinks the
    chest and the field of view, not the voxels, the nodules and the small vessels. Raises ValueError
    for an unknown preset, a scale outside 0.3 to 1, more nodules than fit, or the second of a pair.
    """
    if not 0.3 <= scale <= 1.0:
        raise ValueError(f"scale must be 0.3 to 1, not {scale}")
    wanted, scan, tell = chosen(preset).settled(nodules, seed), scan or Scan(), progress or _silent
    if wanted.after:
        raise ValueError("pairs are made by the first simulator only")
    streams = [np.random.default_rng([seed, 200 + part]) for part in range(5)]
    whole = scanner.grid(scan, scale)
    planes = scanner.plane_grid(scan, whole)
    tell("chest", 0.0)
    coarse, ratio = anatomy.coarse_grid(scan.pixel_mm, whole.shape[1], scale)
    chest = anatomy.chest(coarse, scale, streams[0], effusion=wanted.effusion)
    tell("vessels", 0.08)
    found = vessels.vessels(chest, streams[1])
    lesions = _lesions(wanted, chest, found, streams[2])
    tell("tissues", 0.25)
    painter = Painter(chest, bones(chest, streams[0]), planes, ratio, wanted, streams[3])
    tell("tubes", 0.3)
    walls, lumens = vessels.air_passages(found)
    solid = [vessels.blood(found, contrast=wanted.contrast), scars.scars(wanted.scars, chest, streams[4])]
    tubes = (walls.ordered(), lumens.ordered(), clouds.together(solid).ordered())
    lumps = clouds.together([drawn(one) for one in lesions]).ordered()
    contents = scene.Contents(painter=painter, planes=planes, tubes=tubes, nodules=lumps)
    hu = scene.expose(contents, scan, whole, seed, tell)
    return Phantom(
        preset=wanted.name,
        asked=wanted,
        seed=seed,
        scale=scale,
        scan=scan,
        volume=Volume(hu=hu, grid=whole),
        truth=tuple(one.mark for one in lesions),
        lung_ml=float((chest.lung < 0).sum()) * coarse.voxel_mm3 / 1000,
        effusion_ml=float((chest.fluid < 0).sum()) * coarse.voxel_mm3 / 1000,
        simulator=SIMULATOR,
    )


def _silent(_what: str, _share: float) -> None:
    return None


def _lesions(wanted: Preset, chest: Chest, found: Vessels, rng: np.random.Generator) -> tuple[Lesion, ...]:
    """The nodules, and last the mass."""
    diameters = _diameters(wanted, rng)
    names = sorted(wanted.kinds)
    shares = np.asarray([wanted.kinds[name] for name in names], float)
    kinds = rng.choice(names, len(diameters), p=shares / shares.sum())
    mass = _mass(chest, rng) if wanted.mass else None
    avoid = [(np.asarray(mass.centre_mm), mass.diameter_mm * 0.65)] if mass else []
    if wanted.pair_mm > 0:
        centres = places.pairs(diameters, wanted.pair_mm, chest, found, rng)
    else:
        centres = places.places(wanted.spread, diameters, chest, found, avoid, rng)
    small = [
        lesion(centre, diameter, str(kind), rng)
        for centre, diameter, kind in zip(centres, diameters, kinds, strict=True)
    ][: wanted.keep]
    return tuple([*small, mass] if mass else small)


def _diameters(wanted: Preset, rng: np.random.Generator) -> Floats:
    least, most = wanted.diameter_mm
    if wanted.normal:
        return np.maximum(rng.normal(least, most, size=wanted.nodules), 0.5)
    return np.asarray(least * (most / least) ** rng.uniform(size=wanted.nodules))


def _mass(chest: Chest, rng: np.random.Generator) -> Lesion:
    """A solid mass where there is most room for it, shrunk with the chest."""
    diameter = float(rng.uniform(*MASS_MM)) * chest.frame.scale
    deep = np.argwhere(chest.lung < np.quantile(chest.lung[chest.lung < 0], 0.06))
    points = chest.frame.grid.to_patient_array(deep.astype(float))
    centre = points[rng.integers(len(points))]
    return lesion(centre, diameter, "solid", rng)
