"""Which lobe nodules lie in, how far pleura and fissures are, and what finding that costs.

Constants of the service were set on seeds below 100, all but a few of the second simulator, and on five real
chests looked at; all figures here are of seeds from `FIRST_SEED` on.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from table import Row

from millet.core.geometry import Floats, Grid
from millet.core.lobes import Lobes, lobes_of
from millet.core.lungs import LungMask, lungs_of
from millet.core.place import Place, places
from millet.core.placing import between
from millet.core.volume import Volume
from millet.evaluate import bootstrap
from millet.evaluate.estimate import Estimate
from millet.flow.planes import PICTURE, Planes
from millet.flow.slabs import GRID
from millet.phantom import anatomy, presets
from millet.phantom.second import anatomy as second_anatomy
from millet.phantom.second import presets as second
from millet.phantom.second import scanner
from millet.phantom.spec import PRESETS, Scan, chosen

FIRST_SEED = 100
POINTS = 2000
"""Random places in the lungs of each chest."""
CLEAR_MM, NEAR_MM = 3.0, 6.0
CHESTS: Sequence[tuple[str, float, Scan]] = (
    ("miliary", 1.0, Scan(slice_mm=1.0, noise_hu=40)),
    ("miliary", 0.8, Scan(slice_mm=2.5, noise_hu=40)),
    ("emphysema", 0.9, Scan(slice_mm=1.25, noise_hu=50, edge=1.0)),
    ("case", 1.0, Scan(slice_mm=2.0, noise_hu=30, pixel_mm=0.8)),
)
"""Each drawn by both simulators."""
ROUNDS = 5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Truth:
    """Of points: the lobe's word, and mm below the pleura and from the nearest fissure."""

    lobe: Sequence[str]
    pleura_mm: Floats
    fissure_mm: Floats


class Chest(NamedTuple):
    """What the service sees of a series."""

    planes: Sequence[np.ndarray]
    grid: Grid
    lungs: LungMask


def rows() -> list[Row]:
    """Lobes, distances and cost."""
    found = [_looked(simulator, n) for n in range(len(CHESTS)) for simulator in ("first", "second")]
    seen = [(placed, truth) for placed, truth, _ in found]
    return [*_lobes(seen), *_distances(seen), Row(
        name="lobes and their litres: one core", unit="s", value=max(spent for *_, spent in found),
        target=0.6, n=len(found), note="the slowest chest, the quickest of five; processor time",
    )]  # fmt: skip


def _looked(simulator: str, number: int) -> tuple[Sequence[Place], Truth, float]:
    name, scale, scan = CHESTS[number]
    preset, seed = replace(PRESETS[name], lobes=True), FIRST_SEED + number
    make = presets.make if simulator == "first" else second.make
    chest = _seen(make(preset, seed=seed, scale=scale, scan=scan).volume)
    lobes, spent = _found(chest)
    rng = np.random.default_rng([seed, 5])
    voxels = np.argwhere(chest.lungs.label > 0)
    voxels = voxels[rng.choice(len(voxels), POINTS)] + rng.uniform(-0.5, 0.5, (POINTS, 3))
    points = chest.lungs.grid.to_patient_array(voxels)
    truth = (
        _first(points, seed, scale, name)
        if simulator == "first"
        else _second(points, seed, scale, scan, name)
    )
    return places(points, np.zeros(POINTS), chest.lungs, lobes), truth, spent


def _seen(volume: Volume) -> Chest:
    planes = Planes.of(volume)
    low, high = (float(planes.slices.heights_mm[end]) for end in (0, -1))
    fine, coarse = between(low, high, PICTURE[0]), between(low, high, GRID[0])
    whole = planes.volume(GRID, coarse)
    lungs = lungs_of(np.asarray(whole.hu, np.float32), whole.grid)
    return Chest(planes.rounded(PICTURE, fine), planes.frame.grid(PICTURE, fine), lungs)


def _found(chest: Chest) -> tuple[Lobes, float]:
    """The lobes, and the least processor time of some rounds."""
    spent = []
    for _ in range(ROUNDS):
        started = time.thread_time()
        lobes = lobes_of(*chest)
        spent.append(time.thread_time() - started)
    return lobes, min(spent)


def _first(points: Floats, seed: int, scale: float, name: str) -> Truth:
    wanted = chosen(name)
    chest = anatomy.chest(
        np.random.default_rng([seed, 0]), scale=scale, mass=wanted.mass, effusion=wanted.effusion, lobes=True
    )
    oblique, level = (chest.sample(field, points) for field in (chest.fissure, chest.level))
    inside = -chest.sample(chest.lung, points)
    off = np.where(oblique > -1, np.abs(level), np.inf)
    return Truth(
        lobe=_words(points[:, 0] < 0, oblique > 0, level > 0),
        pleura_mm=np.where(np.abs(oblique) < anatomy.WIDTH_MM, inside, -1),
        fissure_mm=np.minimum(np.abs(oblique), off),
    )


def _second(points: Floats, seed: int, scale: float, scan: Scan, name: str) -> Truth:
    across = scanner.grid(scan, scale).shape[1]
    grid, _ = second_anatomy.coarse_grid(scan.pixel_mm, across, scale)
    rng = np.random.default_rng([seed, 200])
    chest = second_anatomy.chest(grid, scale, rng, effusion=chosen(name).effusion)
    major, minor, x = (chest.frame.sample(f, points) for f in (chest.major, chest.minor, chest.frame.x))
    return Truth(
        lobe=_words(x < 0, major > 0, minor > 0),
        pleura_mm=chest.lung_at(points),
        fissure_mm=chest.fissure_at(points),
    )


def _words(right: np.ndarray, above: np.ndarray, over: np.ndarray) -> Sequence[str]:
    front = np.where(over, "right-upper", "right-middle")
    left = np.where(above, "left-upper", "left-lower")
    return [str(word) for word in np.where(right, np.where(above, front, "right-lower"), left)]


Seen = Sequence[tuple[Sequence[Place], Truth]]


def _lobes(seen: Seen) -> Iterator[Row]:
    right, wrong = [], []
    for placed, truth in seen:
        clear = (truth.fissure_mm > CLEAR_MM) & (truth.pleura_mm > 0)
        named = [(place.lobe, word) for place, word, k in zip(placed, truth.lobe, clear, strict=True) if k]
        right.append([float(lobe is not None and lobe.value == word) for lobe, word in named])
        wrong.append([float(lobe is not None and lobe.value != word) for lobe, word in named])
    note = "no answer counts as none"
    yield _row("lobe over 3 mm from a fissure", bootstrap.mean(right), 0.99, note=note, higher=True)
    yield _row("a wrong lobe over 3 mm from a fissure", bootstrap.mean(wrong), 0.005)


def _distances(seen: Seen) -> Iterator[Row]:
    for name in ("pleura_mm", "fissure_mm"):
        off = []
        for placed, truth in seen:
            true = getattr(truth, name)
            near = np.flatnonzero((true > 0) & (true < NEAR_MM) & (truth.pleura_mm > 1))
            pairs = [(getattr(placed[k], name), true[k]) for k in near]
            off.append([float(abs(found - there)) for found, there in pairs if found is not None])
        within = [[float(error < 1.5) for error in some] for some in off]
        what = name.removesuffix("_mm")
        yield _row(
            f"distance to the {what} within 1.5 mm, up to 6 mm", bootstrap.mean(within), None, higher=True
        )


def _row(name: str, found: Estimate, target: float | None, *, note: str = "", higher: bool = False) -> Row:
    return Row(
        name=name,
        unit="share",
        value=found.value,
        low=found.low,
        high=found.high,
        n=found.n,
        target=target,
        higher_is_better=higher,
        note=note,
    )
