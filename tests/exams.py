"""Exams of one patient for tests of following up: nodules and lungs, twice, in seconds."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from functools import lru_cache

import numpy as np

from millet.core.comparable import Compared, Conditions
from millet.core.followup import Followed, Study
from millet.core.geometry import Grid, PointMm, Vector
from millet.core.lung_outline import DENSE, outline
from millet.phantom.after import After
from millet.phantom.pairs import Found, Pair, Reader, Shape, Twice, pair, twice

CONDITIONS = Conditions(slice_mm=1.0, kernel="B30f", cut_at_top=False, cut_at_base=False, reading="1" * 64)
FIRST, SECOND = date(2026, 1, 5), date(2026, 4, 5)
AXES = (Vector(0, 0, 1), Vector(0, 1, 0), Vector(1, 0, 0))


def shape() -> Shape:
    """Two lungs: an ellipsoid cut by the mediastinum, by a heart and by two domes."""
    grid = Grid(
        shape=(80, 62, 90),
        spacing_mm=(3.5, 3.5, 3.5),
        origin_mm=PointMm(-155.75, -106.75, -138.25),
        axes=AXES,
    )
    z, y, x = (
        o + s * np.arange(n)
        for o, s, n in zip(grid.origin_mm[::-1], grid.spacing_mm, grid.shape, strict=True)
    )
    z, y, x = z[:, None, None], y[None, :, None], x[None, None, :]
    wall = (np.sqrt((x / 130) ** 2 + (y / 90) ** 2 + ((z + 30) / 160) ** 2) - 1) * 95
    middle = 26 + 0.1 * y - np.abs(x - 5)
    heart = 52 - np.sqrt((x - 25) ** 2 + (y + 30) ** 2 + (z + 45) ** 2)
    dome = -70 - 45 * (((np.abs(x) - 64) / 66) ** 2 + (y / 90) ** 2) - z + 8 * (x < 0)
    level = np.maximum(np.maximum(wall, middle), np.maximum(heart, dome))
    return Shape(level=level.astype(np.float32), grid=grid)


@lru_cache(maxsize=8)
def lungs(after: After) -> Twice:
    """Those lungs at both times."""
    return twice(shape(), after, np.random.default_rng(1))


@lru_cache(maxsize=32)
def made(count: int, after: After = After(), reader: Reader | None = None, seed: int = 0) -> Pair:  # noqa: B008 - frozen
    """A pair of exams of those lungs."""
    still = After(volume=after.volume, bend_mm=after.bend_mm)
    return pair(lungs(still), count, after, np.random.default_rng([seed, count]), reader)


def followed(found: Found, first: int) -> tuple[Followed, ...]:
    """Its nodules, numbered from 1; tracking UIDs from `first` on."""
    return tuple(
        Followed(
            number=number,
            tracking_uid=f"2.25.{first + number}",
            centre_mm=PointMm(*centre.tolist()),
            diameter_mm=float((6 * volume / np.pi) ** (1 / 3)),
            volume_mm3=float(volume),
            low_mm3=float(volume * 0.85),
            high_mm3=float(volume * 1.18),
        )
        for number, (centre, volume) in enumerate(
            zip(found.centres_mm, found.volumes_mm3, strict=True), start=1
        )
    )


def studies(of: Pair) -> tuple[Study, Study]:
    """The current exam and its prior, taken and read alike."""
    prior = Study(
        series_uid="1.2.1",
        taken=FIRST,
        nodules=followed(of.prior, 1000),
        how=how(of.prior),
        outline=outline(of.prior.lungs),
    )
    current = replace(
        prior,
        series_uid="1.2.2",
        taken=SECOND,
        nodules=followed(of.current, 90000),
        how=how(of.current),
        outline=outline(of.current.lungs, DENSE),
    )
    return current, prior


def how(found: Found) -> Compared:
    """Taken and read as everything here."""
    return Compared(
        model_digest="ab" * 32, count_reliable=True, lungs=found.lungs.litres, conditions=CONDITIONS
    )
