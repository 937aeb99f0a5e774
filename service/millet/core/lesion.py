"""Lesions of any organ as criteria look at them, and what else is known of the exam.

Whoever found them: our detector, another one, an SR. A lesion is a ball here; it is on an image when the
ball reaches into the image's thickness, as partial volume shows it, and a slab is a thick image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite

import numpy as np
from numpy.typing import NDArray

from millet.core.geometry import Floats, Grid, PointMm, Vector
from millet.core.nodule import Side
from millet.core.spread import Randomness

FARTHEST_MM = 10_000.0
"""Of a place from its frame's origin; what lies farther is a damaged number."""
LARGEST_MM = 1_000.0
MOST_IMAGES = 100_000
UNEVEN_SHARE, UNEVEN_MM = 0.05, 0.05
"""Of a step between two images: what headers round, and no image that is missing."""
UPWARDS = Vector(0.0, 0.0, 1.0)

Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesion:
    """One lesion. Raises ValueError for a place or a size that no patient has."""

    centre_mm: PointMm
    diameter_mm: float
    side: Side | None = None
    """None in the middle, and where it is not known."""
    regions: tuple[str, ...] = ()
    """Every named part of the organ that holds it, such as its lobe and its zone; none where not known."""

    def __post_init__(self) -> None:
        if not all(abs(value) <= FARTHEST_MM for value in self.centre_mm):
            raise ValueError(f"centre_mm: {tuple(self.centre_mm)} is no place in a patient")
        if not 0 < self.diameter_mm <= LARGEST_MM:
            raise ValueError(f"diameter_mm: {self.diameter_mm} is not above 0 and up to {LARGEST_MM:.0f}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Images:
    """A stack of parallel images. Raises ValueError for one that cannot be."""

    thickness_mm: float
    step_mm: float
    """From the middle of one image to that of the next."""
    first_mm: float
    """The middle of the first image along `normal`, from the origin of the patient coordinate system."""
    count: int
    normal: Vector = UPWARDS
    """In which the images follow each other, LPS, of unit length."""

    def __post_init__(self) -> None:
        if not (0 < self.thickness_mm <= LARGEST_MM and 0 < self.step_mm <= LARGEST_MM):
            raise ValueError(f"{self.thickness_mm} mm every {self.step_mm} mm is no stack of images")
        if not (isfinite(self.first_mm) and 1 <= self.count <= MOST_IMAGES):
            raise ValueError(f"{self.count} images from {self.first_mm} mm on are no stack of images")

    @classmethod
    def of(cls, grid: Grid, thickness_mm: float) -> Images:
        """The slices of a volume, which lie one behind the other along its first axis."""
        return cls(
            thickness_mm=thickness_mm,
            step_mm=grid.spacing_mm[0],
            first_mm=float(np.dot(grid.origin_mm, grid.axes[0])),
            count=grid.shape[0],
            normal=grid.axes[0],
        )

    @classmethod
    def at(
        cls, levels_mm: Sequence[float], thickness_mm: float | None = None, normal: Vector = UPWARDS
    ) -> Images:
        """Images by their places along the normal, in any order; those at one place count once.

        As thick as they are far apart, where nobody says. Raises ValueError where they are no even stack.
        """
        length = float(np.linalg.norm(normal))
        if not 0 < length < float("inf") or not np.isfinite(np.asarray(levels_mm, float)).all():
            raise ValueError("places and normal of images must be finite")
        places = np.unique(np.round(np.asarray(levels_mm, float), 3))
        steps = np.diff(places)
        if not len(steps):
            raise ValueError(f"{len(places)} places are no stack of images")
        step = float(np.median(steps))
        if (np.abs(steps - step) > max(UNEVEN_SHARE * step, UNEVEN_MM)).any():
            raise ValueError("the images are not evenly spaced")
        return cls(
            thickness_mm=step if thickness_mm is None else thickness_mm,
            step_mm=step,
            first_mm=float(places[0]),
            count=len(places),
            normal=Vector(*(float(part) / length for part in normal)),
        )

    @property
    def edges_mm(self) -> tuple[Floats, Floats]:
        """Where each image begins and ends along the normal."""
        middles: Floats = self.first_mm + np.arange(self.count, dtype=np.float64) * self.step_mm
        return middles - self.thickness_mm / 2, middles + self.thickness_mm / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Exam:
    """What criteria are evaluated over. What is None or not there is not known, never taken for nothing."""

    organ: str
    lesions: tuple[Lesion, ...]
    modality: str = ""
    """Of the images (0008,0060); empty where it is not known."""
    images: Images | None = None
    """Those that a reader scrolls through."""
    litres: Mapping[str, float] = field(default_factory=dict)
    """Volumes of regions, by the names that lesions have them by."""
    randomness: Randomness | None = None
    """Tests of spatial randomness inside the organ."""
    measuring_sd_mm: float = 0.0
    """What measuring adds to the standard deviation of diameters."""


def spans_mm(lesions: tuple[Lesion, ...], normal: Vector) -> tuple[Floats, Floats]:
    """Where each lesion begins and ends along a direction, (N,) and (N,)."""
    centres = np.asarray([lesion.centre_mm for lesion in lesions], float).reshape(-1, 3)
    places: Floats = centres @ np.asarray(normal, float)
    radii: Floats = np.asarray([lesion.diameter_mm for lesion in lesions], float) / 2
    return places - radii, places + radii


def on_each(spans: tuple[Floats, Floats], edges: tuple[Floats, Floats]) -> Counts:
    """How many lesions reach into each of (K,) images; one that only touches its face does not."""
    begin, end = (np.sort(bounds) for bounds in spans)
    low, high = edges
    counts: Counts = np.searchsorted(begin, high, "left") - np.searchsorted(end, low, "right")
    return counts


def slabs_mm(spans: tuple[Floats, Floats], slab_mm: float) -> tuple[Floats, Floats]:
    """Where slabs begin and end; they are fixed in patient space, so every exam is cut alike."""
    if not len(spans[0]):
        return np.empty(0), np.empty(0)
    first = int(np.floor(spans[0].min() / slab_mm)) - 1
    last = int(np.ceil(spans[1].max() / slab_mm)) + 1
    edges: Floats = np.arange(first, last + 1, dtype=np.float64) * slab_mm
    return edges[:-1], edges[1:]
