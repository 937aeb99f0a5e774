"""The series of a seed: small chests that are analysed, and series that are refused for a reason."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cache

import chests
import ct
import numpy as np
from bad_series import REFUSED
from faults.scanner import Slice, dataset_of
from pydicom.dataset import Dataset

MATRIX = 128
PIXEL_MM = 1.6
SCALE = 0.6
"""A small chest costs a third of a large one; much smaller, and no lung is seen in it."""
KINDS = ("chest", "chest", "chest", "refused")
REFUSALS = (
    "a missing slice",
    "16 slices",
    "a child",
    "sagittal",
    "tilt by tag",
    "no rescale",
    "a QA phantom",
)
"""Of `bad_series`: what needs no pixels to be judged, and what does."""
THICKNESSES_MM = {24: 3.0, 32: 2.5, 40: 2.0}


def make(kind: str, name: str, chance: random.Random) -> list[Slice]:
    """A series of its own: equal arguments, equal bytes."""
    datasets = _chest(chance) if kind == "chest" else _refused(chance)
    return slices(ct.renamed(datasets, name))


def changed(one: Slice) -> Slice:
    """The same instance with other pixels, as a scanner whose numbers collide would send it."""
    flipped = one.dataset[:-64] + bytes(byte ^ 1 for byte in one.dataset[-64:])
    return one._replace(dataset=flipped)


def slices(datasets: Sequence[Dataset]) -> list[Slice]:
    """Data sets as they go over the wire."""
    return [
        Slice(
            sop_instance_uid=str(dataset.SOPInstanceUID),
            series_uid=str(dataset.SeriesInstanceUID),
            dataset=dataset_of(ct.encoded(dataset)),
            sop_class_uid=str(dataset.SOPClassUID),
        )
        for dataset in datasets
    ]


def _refused(chance: random.Random) -> list[Dataset]:
    change, _ = REFUSED[chance.choice(REFUSALS)]
    return change(ct.series())


def _chest(chance: random.Random) -> list[Dataset]:
    count = chance.choice(tuple(THICKNESSES_MM))
    step_mm, half_mm = THICKNESSES_MM[count], MATRIX * PIXEL_MM / 2
    voxels = _voxels(count).copy()
    grid = _grid(count)
    for _ in range(chance.randrange(1, 5)):
        centre = (chance.choice((-70, 70)), chance.uniform(-40, 40), chance.uniform(-30, 30))
        voxels[chests.ball(grid, centre, chance.uniform(12, 30))] = 40
    noise = np.random.default_rng(chance.randrange(1 << 30)).normal(0, 15, voxels.shape)
    hu = np.clip(np.rint(voxels + noise), -1024, 3000).astype(np.int16)
    made = []
    for number, plane in enumerate(hu):
        place = np.array([-half_mm, -half_mm, number * step_mm])
        made.append(ct.instance(number, plane, place, (1, 0, 0, 0, 1, 0), [PIXEL_MM, PIXEL_MM]))
        made[-1].SliceThickness = step_mm
    return made


def _grid(count: int) -> chests.Grid:
    """A grid that shows all of `chests.hu`, whose slices are drawn smaller than they are."""
    step_mm, half_mm = THICKNESSES_MM[count] / SCALE, MATRIX * PIXEL_MM / SCALE / 2
    return chests.grid(
        shape=(count, MATRIX, MATRIX),
        spacing=(step_mm, PIXEL_MM / SCALE, PIXEL_MM / SCALE),
        origin=(-half_mm, -half_mm, -count * step_mm / 2),
    )


@cache
def _voxels(count: int) -> np.ndarray:
    return chests.hu(_grid(count))
