"""The phantoms that have a name, and the one function that makes them."""

from __future__ import annotations

import numpy as np

from millet.codec.tables import Mark
from millet.core.nodule import class_of
from millet.core.volume import Volume
from millet.phantom import acquisition, anatomy, emphysema, kinds, nodules, places, scars, scene, vessels
from millet.phantom.anatomy import Chest
from millet.phantom.later import later as months_later
from millet.phantom.spec import NAMES, PRESETS, Phantom, Preset, Progress, Scan, chosen

__all__ = ["NAMES", "PRESETS", "Phantom", "Preset", "Scan", "make"]

CONTRAST_HU = (150.0, 350.0)
"""Of blood on an enhanced scan."""
OTHER_NOISE = 1_000_003
"""Added to the seed, of the noise of the second of a pair."""
_LATER = ("kinds", "emphysema", "scars", "contrast")
"""Random streams of what was added to the first phantoms, which therefore stay as they were."""


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
    later = {what: np.random.default_rng([seed, 10 + part]) for part, what in enumerate(_LATER)}
    chest = anatomy.chest(
        streams[0],
        scale=scale,
        mass=wanted.mass,
        effusion=wanted.effusion,
        gullet=wanted.contrast,
        lobes=wanted.lobes,
    )
    grid = acquisition.grid(scan, scale)
    tell("vessels", 0.06)
    trees = [
        vessels.grow_pair(chest, roots, streams[1]) for roots in (vessels.ARTERY_ROOTS, vessels.VEIN_ROOTS)
    ]
    pulmonary = vessels.tubes(trees[0], streams[1])
    blood = pulmonary.joined(vessels.tubes(trees[1], streams[1]))
    lumens = vessels.airways(trees[0], chest, streams[1])
    room = places.Room(
        chest=chest,
        tree=trees[0],
        arteries=pulmonary,
        blood=blood,
        airways=vessels.with_walls(lumens),
        scars=scars.scars(chest, wanted.scars, later["scars"]),
    )
    found = kinds.made_of(_nodules(wanted, room, streams[2]), wanted.kinds, later["kinds"])[: wanted.keep]
    contents = scene.Contents(
        blood=blood,
        lumens=lumens,
        nodules=found,
        scars=room.scars,
        holes=emphysema.holes(chest, wanted.emphysema, later["emphysema"]),
        contrast_hu=float(later["contrast"].uniform(*CONTRAST_HU)) if wanted.contrast else 0.0,
    )
    followed: tuple[int | None, ...] = ()
    noise = seed
    if wanted.after:
        second = months_later(wanted.after, chest, contents, np.random.default_rng([seed, 20]))
        chest, contents, followed = second.chest, second.contents, second.followed
        noise, streams[3] = seed + OTHER_NOISE, np.random.default_rng([seed, 21])
    hu = scene.draw(chest, contents, scan, streams[3], tell)
    return Phantom(
        preset=wanted.name,
        asked=wanted,
        seed=seed,
        scale=scale,
        scan=scan,
        volume=Volume(hu=scene.expose(hu, scan, scale, noise, tell), grid=grid),
        truth=_truth(contents.nodules, chest),
        lung_ml=float((chest.lung < 0).sum()) * chest.grid.voxel_mm3 / 1000,
        effusion_ml=float((chest.effusion < 0).sum()) * chest.grid.voxel_mm3 / 1000,
        followed=_with_mass(followed, chest),
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


def _with_mass(followed: tuple[int | None, ...], chest: Chest) -> tuple[int | None, ...]:
    """The mass, which is last in both tables, never goes."""
    if chest.mass_truth is None or not followed:
        return followed
    return (*followed, sum(row is not None for row in followed))


def _nodules(wanted: Preset, room: places.Room, rng: np.random.Generator) -> tuple[nodules.Sphere, ...]:
    """Solid nodules of the wanted diameters, where they are wanted."""
    if wanted.normal:
        diameters = rng.normal(*wanted.diameter_mm, size=wanted.nodules)
    else:
        least, most = wanted.diameter_mm
        diameters = least * (most / least) ** rng.uniform(size=wanted.nodules)
    return nodules.spheres(places.places(wanted, diameters, room, rng), diameters, rng)
