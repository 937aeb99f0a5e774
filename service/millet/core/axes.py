"""Long axis and the longest one across it, in the slice where a nodule is widest.

As a reader draws them (RECIST 1.1, Eisenhauer, Eur J Cancer 45:228, 2009; Lung-RADS v2022): the longest
chord of the outline, then the longest chord at right angles to it.
"""

from __future__ import annotations

import numpy as np

from millet.core.character import Axes
from millet.core.geometry import Floats, PointMm
from millet.core.outline import Outlines
from millet.core.voi import Vois

ACROSS = 9
"""How many places along the long axis are tried for the short one."""


def axes(some: Vois, drawn: Outlines) -> list[Axes]:
    """The axes of each nodule, in patient mm."""
    points = drawn.points_mm
    long = _longest(points)
    short = _across(points, long)
    lying = np.concatenate([long, short], axis=1)  # (N, 4, 2)
    heights = np.broadcast_to(drawn.slices[:, None, None].astype(float), (*lying.shape[:2], 1))
    within = np.concatenate([heights, lying / np.asarray(some.grid.spacing_mm[1:])], axis=2)
    places: Floats = within + some.first[:, None]
    ends = some.grid.to_patient_array(places.reshape(-1, 3)).reshape(-1, 4, 3)
    return [_named(four) for four in ends.tolist()]


def _named(ends: list[list[float]]) -> Axes:
    a, b, c, d = (PointMm(*end) for end in ends)
    return Axes(long_mm=(a, b), short_mm=(c, d))


def _longest(points: Floats) -> Floats:
    """(N, 2, 2) the two points of each outline (N, A, 2) that are furthest apart."""
    count = points.shape[1]
    apart = ((points[:, :, None] - points[:, None]) ** 2).sum(axis=3).reshape(len(points), -1)
    first, second = np.divmod(apart.argmax(axis=1), count)
    number = np.arange(len(points))
    return np.stack([points[number, first], points[number, second]], axis=1)


def _across(points: Floats, long: Floats) -> Floats:
    """(N, 2, 2) the ends of the longest chord at right angles to the long axis (N, 2, 2)."""
    start, whole = long[:, 0], long[:, 1] - long[:, 0]
    length = np.maximum(np.linalg.norm(whole, axis=1), 1e-6)
    along = whole / length[:, None]
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)
    offset = points - start[:, None]
    far, wide = ((offset * way[:, None]).sum(axis=2) for way in (along, across))
    places = length[:, None] * np.linspace(0.1, 0.9, ACROSS)
    high, low = _crossed(far, wide, places)
    best = (high - low).argmax(axis=1)
    number = np.arange(len(points))
    foot = start + along * places[number, best][:, None]
    ends = [foot + across * side[number, best][:, None] for side in (low, high)]
    return np.stack(ends, axis=1)


def _crossed(far: Floats, wide: Floats, places: Floats) -> tuple[Floats, Floats]:
    """(N, P) the largest and least `wide` at which outlines (N, A) cross the places (N, P) along `far`."""
    later_far, later_wide = np.roll(far, -1, axis=1), np.roll(wide, -1, axis=1)
    here = places[:, :, None]
    straddles = (far[:, None] <= here) != (later_far[:, None] <= here)
    step = np.where(straddles, (later_far - far)[:, None], 1.0)
    at = wide[:, None] + (here - far[:, None]) / step * (later_wide - wide)[:, None]
    high = np.where(straddles, at, -np.inf).max(axis=2)
    low = np.where(straddles, at, np.inf).min(axis=2)
    none = ~straddles.any(axis=2)
    return np.where(none, 0.0, high), np.where(none, 0.0, low)
