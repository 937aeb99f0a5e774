"""A nodule's outline on the slice that shows it best, in that image's own coordinates, for viewers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import cos, isfinite, pi, sin
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from millet.codec.source import Source, SourceImage
from millet.core.geometry import PointMm, Vector
from millet.core.nodule import Nodule

CORNERS = 24
"""Of an outline. Viewers take a polyline of four or five points for a rectangle."""
SMALLEST_RADIUS_PIXELS = 1.0
"""Drawn smaller, a nodule could not be seen."""

Floats = NDArray[np.float64]

_TURNS = [2 * pi * corner / CORNERS for corner in range(CORNERS)]
_COS, _SIN = (np.asarray([[way(turn)] for turn in _TURNS]) for way in (cos, sin))
_UPRIGHT, _ASKEW = np.eye(3), 1e-2


class Outline(NamedTuple):
    """A closed line on one image: (column, row), the first point also the last.

    The centre of the top left pixel is (0.5, 0.5) (PS3.3 C.18.6.1.2).
    """

    image: SourceImage
    points: tuple[tuple[float, float], ...]

    @property
    def centre(self) -> tuple[float, float]:
        """Its middle."""
        column, row = np.mean(self.points[:-1], axis=0)
        return float(column), float(row)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plane:
    """Where an image lies (PS3.3 C.7.6.2)."""

    image: SourceImage
    origin_mm: Floats
    """The centre of its top left pixel."""
    axes: Floats
    """(3, 3): the directions in which columns and rows are counted, and their normal."""
    pixel_mm: Floats
    """(2,): distance of columns, of rows."""
    normal: Vector
    level_mm: float
    """Distance from the origin along the normal."""

    @classmethod
    def of(cls, image: SourceImage) -> Plane | None:
        """The plane of an image, None where its header does not say it."""
        origin, along, pixel = (
            _numbers(image.text(keyword), count)
            for keyword, count in (
                ("ImagePositionPatient", 3),
                ("ImageOrientationPatient", 6),
                ("PixelSpacing", 2),
            )
        )
        if origin is None or along is None or pixel is None or not (pixel > 0).all():
            return None
        axes = np.asarray([along[:3], along[3:], _cross(*along.tolist())])
        if (np.abs(axes @ axes.T - _UPRIGHT) > _ASKEW).any():
            return None
        return cls(
            image=image,
            origin_mm=origin,
            axes=axes,
            pixel_mm=pixel[::-1],
            normal=Vector(*(float(value) for value in axes[2])),
            level_mm=float(axes[2] @ origin),
        )

    def project(self, points_mm: Iterable[PointMm]) -> Floats:
        """(N, 2) image coordinates (column, row) of points, dropped onto the plane."""
        offsets = np.asarray([tuple(point) for point in points_mm], float) - self.origin_mm
        return offsets @ self.axes[:2].T / self.pixel_mm + 0.5

    def lift(self, point: tuple[float, float]) -> PointMm:
        """Where in the patient a point (column, row) of the image is."""
        offset = (np.asarray(point) - 0.5) * self.pixel_mm @ self.axes[:2]
        return PointMm(*(float(value) for value in self.origin_mm + offset))


class Planes:
    """Planes among which the nearest is sought for many points."""

    def __init__(self, each: Sequence[Plane]) -> None:
        self._each = each
        self._normals = np.asarray([plane.normal for plane in each], float).reshape(-1, 3).T
        self._levels_mm = np.asarray([plane.level_mm for plane in each], float)

    def nearest(self, point_mm: PointMm) -> Plane | None:
        """The plane least far from a point, the first of equals; None without planes."""
        if not self._each:
            return None
        x, y, z = self._normals
        away_mm = np.abs(x * point_mm.x + y * point_mm.y + z * point_mm.z - self._levels_mm)
        return self._each[int(away_mm.argmin())]


def planes(source: Source) -> list[Plane]:
    """The planes of a series that are known."""
    return [plane for image in source.images if (plane := Plane.of(image)) is not None]


def outline(nodule: Nodule, known: Planes) -> Outline | None:
    """The ellipse of a nodule's two axes, else its circle, on the nearest slice; None without a slice."""
    axes = nodule.character.axes if nodule.character else None
    ends = (*axes.long_mm, *axes.short_mm) if axes else (nodule.centre_mm,)
    middle = PointMm(*np.mean([tuple(end) for end in ends], axis=0).tolist())
    plane = known.nearest(middle)
    if plane is None:
        return None
    centre = plane.project([middle])[0]
    if axes:
        drawn = plane.project(ends)
        long, short = (drawn[1] - drawn[0]) / 2, (drawn[3] - drawn[2]) / 2
    else:
        long, short = np.diag(nodule.diameter_mm / 2 / plane.pixel_mm)
    return Outline(plane.image, _closed(centre, _seen(long), _seen(short)))


def _closed(centre: Floats, long: Floats, short: Floats) -> tuple[tuple[float, float], ...]:
    points = [(column, row) for column, row in (centre + long * _COS + short * _SIN).tolist()]
    return (*points, points[0])


def _cross(a: float, b: float, c: float, d: float, e: float, f: float) -> tuple[float, float, float]:
    """The normal of columns along (a, b, c) and rows along (d, e, f)."""
    return b * f - c * e, c * d - a * f, a * e - b * d


def _seen(half: Floats) -> Floats:
    """Half an axis, no shorter than can be seen."""
    length = float(np.linalg.norm(half))
    return half * max(1.0, SMALLEST_RADIUS_PIXELS / length) if length > 0 else half


def _numbers(text: str, count: int) -> Floats | None:
    """The values of a DS element, None unless there are that many, all finite."""
    try:
        values = [float(part) for part in text.split("\\")]
    except ValueError:
        return None
    return np.asarray(values) if len(values) == count and all(map(isfinite, values)) else None
