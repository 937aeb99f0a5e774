"""What reports call the things that are read of them: codes, units and shapes, ours and other people's.

DICOM took its codes from SNOMED RT ("SRT") before 2019 and from SNOMED CT since; both are met.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import pi

import numpy as np

from millet.codec import codes
from millet.codec.codes import Code
from millet.core.character import Lobe, Zone
from millet.core.geometry import Floats, PointMm
from millet.core.nodule import Side

Key = tuple[str, str]


def key(code: Code | None) -> Key:
    """What a code is told by: value and scheme; schemes of SNOMED RT count as one."""
    if code is None:
        return "", ""
    return code.value, "SRT" if code.scheme in {"SNM3", "99SDM", "SRT"} else code.scheme


def _keys(*standard: Code, older: str = "") -> frozenset[Key]:
    return frozenset((*map(key, standard), *((value, "SRT") for value in older.split())))


FINDING = _keys(codes.FINDING)
SITE = _keys(codes.SITE, older="G-C0E3")
LATERALITY = _keys(codes.LATERALITY, older="G-C171")
DIAMETER = _keys(codes.DIAMETER, older="M-02550")
LONG_AXIS = _keys(codes.LONG_AXIS, older="G-A185")
VOLUME = _keys(codes.VOLUME, older="G-D705") | {(v, "DCM") for v in ("121216", "121217", "121218", "121222")}
LESIONS = _keys(
    codes.NODULE,
    codes.MASS,
    Code("112122", "DCM", "Micronodule"),
    Code("52988006", "SCT", "Lesion"),
    Code("308689002", "SCT", "Coin lesion of lung"),
    Code("108369006", "SCT", "Neoplasm"),
    Code("94391008", "SCT", "Secondary malignant neoplasm of lung"),
    older="M-03010 M-03000 M-01000 M-80000",
)
"""Findings that are lesions even where no region is given."""

SIDES: Mapping[Key, Side] = {
    key(codes.LEFT): Side.LEFT,
    key(codes.RIGHT): Side.RIGHT,
    ("G-A101", "SRT"): Side.LEFT,
    ("G-A100", "SRT"): Side.RIGHT,
    ("44029006", "SCT"): Side.LEFT,
    ("3341006", "SCT"): Side.RIGHT,
}
"""Of a laterality, and of sites that name their side."""
_UPPER, _MIDDLE, _LOWER = key(codes.UPPER_LOBE), key(codes.MIDDLE_LOBE), key(codes.LOWER_LOBE)
LOBES: Mapping[tuple[Key, Side | None], Lobe] = {
    (_UPPER, Side.LEFT): Lobe.LEFT_UPPER,
    (_UPPER, Side.RIGHT): Lobe.RIGHT_UPPER,
    (_LOWER, Side.LEFT): Lobe.LEFT_LOWER,
    (_LOWER, Side.RIGHT): Lobe.RIGHT_LOWER,
    (_MIDDLE, Side.RIGHT): Lobe.RIGHT_MIDDLE,
    (_MIDDLE, None): Lobe.RIGHT_MIDDLE,
    (("44714003", "SCT"), None): Lobe.LEFT_UPPER,
}
"""By site and side."""
ZONES: Mapping[Key, Zone] = {key(code): zone for zone, code in codes.ZONES.items()}
_CHEST = ("51185008", "SCT"), ("T-D3000", "SRT")
IN_LUNGS = frozenset(
    (key(codes.LUNG), ("T-28000", "SRT"), *_CHEST, *SIDES, *ZONES, *(site for site, _ in LOBES))
)
"""Finding sites that a nodule of the lungs may be said to have."""

LENGTHS: Mapping[str, float] = {"mm": 1.0, "cm": 10.0, "um": 1e-3, "m": 1e3}
"""UCUM, in mm."""
VOLUMES: Mapping[str, float] = {"mm3": 1.0, "cm3": 1e3, "ml": 1e3, "mL": 1e3, "l": 1e6, "L": 1e6, "ul": 1.0}
"""UCUM, in mm3."""


def of_volume_mm(volume_mm3: float) -> float:
    """The diameter of a ball of a volume."""
    return float((6 * volume_mm3 / pi) ** (1 / 3))


def middle(shape: str, points: Floats) -> tuple[Floats, float | None]:
    """The middle of a graphic, and its size where its shape has one: (N, d) points, in their own unit.

    A CIRCLE is its centre and a point of it (PS3.3 C.18.6.1.1); an ELLIPSE the ends of two axes and an
    ELLIPSOID of three, whose mean length is the size. Closed lines repeat their first point. Of outlines on
    several slices all corners count.
    """
    if shape == "CIRCLE" and len(points) == 2:
        return points[0], 2 * float(np.linalg.norm(points[1] - points[0]))
    if shape in {"ELLIPSE", "ELLIPSOID"} and len(points) in {4, 6}:
        return points.mean(axis=0), float(np.linalg.norm(points[1::2] - points[::2], axis=1).mean())
    if len(points) > 2 and (points[0] == points[-1]).all():
        points = points[:-1]
    return points.mean(axis=0), None


def place(at: Floats) -> PointMm:
    """A point of an array."""
    return PointMm(*(float(value) for value in at))


def shaped(numbers: Sequence[float], dimensions: int) -> Floats | None:
    """Graphic Data as (N, d) points; None where there is none or a part of one."""
    if not numbers or len(numbers) % dimensions:
        return None
    return np.asarray(numbers, float).reshape(-1, dimensions)
