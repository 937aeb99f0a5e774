"""The source images to open first, and where nodules lie in them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from millet.codec.source import Source, SourceImage
from millet.core.analysis import Analysis
from millet.core.geometry import Floats
from millet.core.key_slices import key_slices
from millet.core.nodule import Nodule


class Plane(NamedTuple):
    """Where an image lies (PS3.3 C.7.6.2.1.1)."""

    origin_mm: Floats
    """Of the middle of its first pixel, LPS."""
    along: Floats
    """Unit directions in which columns and rows grow, (2, 3)."""
    spacing_mm: Floats
    """Of columns, of rows."""

    @classmethod
    def of(cls, image: SourceImage) -> Plane:
        """The plane of an image that was analysed, which therefore says where it lies."""
        position, orientation, spacing = (
            np.asarray([float(value) for value in image.text(word).split("\\")])
            for word in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing")
        )
        return cls(origin_mm=position, along=orientation.reshape(2, 3), spacing_mm=spacing[::-1])

    @property
    def normal(self) -> Floats:
        """Unit direction across."""
        return np.cross(*self.along)

    def distance_mm(self, points_mm: Floats) -> Floats:
        """(N,) how far (N, 3) points lie across the plane, in the direction of its normal."""
        distance: Floats = (np.asarray(points_mm, float) - self.origin_mm) @ self.normal
        return distance

    def pixels(self, points_mm: Floats) -> Floats:
        """(N, 2) columns and rows of (N, 3) points, as presentation states count: 0 at the outer edge."""
        offsets = np.asarray(points_mm, float) - self.origin_mm
        places: Floats = offsets @ self.along.T / self.spacing_mm + 0.5
        return places


class KeyImage(NamedTuple):
    """An image to open first."""

    image: SourceImage
    nodules: tuple[Nodule, ...]
    """Those that it cuts."""

    @property
    def rescale(self) -> tuple[str, str]:
        """How its pixels become HU, as written."""
        return self.image.text("RescaleSlope"), self.image.text("RescaleIntercept")


def key_images(analysis: Analysis, source: Source) -> tuple[KeyImage, ...]:
    """The images that `core.key_slices` chooses, the most telling one first; none without a nodule.

    Args:
        analysis: whose nodules are to be shown.
        source: the images of the analysed stack.
    """
    if not analysis.nodules:
        return ()
    first = Plane.of(source.images[0])
    origins = np.asarray([Plane.of(image).origin_mm for image in source.images])
    chosen = key_slices(
        first.distance_mm(origins),
        first.distance_mm(np.asarray([nodule.centre_mm for nodule in analysis.nodules])),
        np.asarray([nodule.diameter_mm for nodule in analysis.nodules]),
    )
    return tuple(
        KeyImage(image=source.images[one.plane], nodules=tuple(analysis.nodules[n] for n in one.cuts))
        for one in chosen
    )


def presented(found: tuple[KeyImage, ...]) -> tuple[KeyImage, ...]:
    """Those that one presentation state can show: it has one rescale for all (PS3.3 A.33.1), the first's."""
    return tuple(one for one in found if one.rescale == found[0].rescale)
