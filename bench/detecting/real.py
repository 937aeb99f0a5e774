"""The real series: where they lie, what readers marked in them, and what two readers or more agree on."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pydicom
from table import ROOT

from millet.codec.tables import Mark
from millet.core.geometry import PointMm
from millet.core.nodule import class_of
from millet.core.volume import Volume
from millet.flow.offline import read_series
from millet.phantom.lesion import Blur

DATA = Path(os.environ.get("MILLET_TEST_DATA", ROOT.parent / "shared" / "data"))
LIDC = tuple(f"LIDC-IDRI-{number}" for number in ("0001", "0003", "0028", "0295", "0306"))
FUSED = "lungfcp-01-0001"
THIN = ("LIDC-IDRI-0295", FUSED)
THICK = tuple(name for name in LIDC if name not in THIN)
HELD_OUT = {
    "LIDC-IDRI-0295": "without-0295-0001",
    "LIDC-IDRI-0001": "without-0295-0001",
    "LIDC-IDRI-0003": "without-0003-lungfcp",
    FUSED: "without-0003-lungfcp",
    "LIDC-IDRI-0028": "without-0028-0306",
    "LIDC-IDRI-0306": "without-0028-0306",
}
"""The network that never saw a series, by series."""
POINT_MM = 3.0
"""Reach of a mark that is a point, or smaller; also how near points of several readers are to be one."""
POINT_DIAMETER_MM = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What several readers marked in one place."""

    series: str
    centre_mm: PointMm
    diameter_mm: float | None
    """Mean of those who outlined it; None where nobody did (< 3 mm)."""
    readers: int

    @property
    def mark(self) -> Mark:
        """As a mark that a candidate hits within the radius, or `POINT_MM`."""
        return _marked(self.centre_mm, max(self.diameter_mm or 0.0, 2 * POINT_MM))


@lru_cache(maxsize=1)
def series(name: str) -> Volume:
    """The volume of a series, as the service reads it."""
    return read_series([path.read_bytes() for path in _files(name)]).volume


def blur(name: str) -> Blur:
    """The blur of a series, by its kernel and slice thickness."""
    header = pydicom.dcmread(_files(name)[0], stop_before_pixels=True)
    return Blur.of(str(header.ConvolutionKernel), float(header.SliceThickness))


def there() -> bool:
    """Whether the real data are on this machine."""
    return all((DATA / _folder(name)).is_dir() for name in (*LIDC, FUSED))


def marks(name: str) -> tuple[Mark, ...]:
    """Everything that a reader marked, nodule or not, with the reach of a mark at least."""
    rows = [_marked(_place(row), max(_size(row) or 0.0, 2 * POINT_MM)) for row in _rows(name)]
    return tuple(rows)


def kept_clear(name: str) -> tuple[Mark, ...]:
    """The same in their own size, for implants to keep clear of."""
    return tuple(
        replace(m, diameter_mm=_size(r) or POINT_DIAMETER_MM)
        for m, r in zip(marks(name), _rows(name), strict=True)
    )


def slice_mm(name: str) -> float:
    """How thick the slices of a series are, at least as thick as they are apart."""
    header = pydicom.dcmread(_files(name)[0], stop_before_pixels=True)
    return max(float(header.SliceThickness), series(name).grid.spacing_mm[0])


def findings(name: str) -> tuple[Finding, ...]:
    """Nodules that two readers or more marked, each once: marks within reach of each other, linked."""
    rows = [row for row in _rows(name) if row["kind"].startswith("nodule")]
    groups: list[list[dict[str, str]]] = []
    for row in rows:
        touching = [group for group in groups if any(_linked(row, other) for other in group)]
        groups = [group for group in groups if group not in touching]
        groups.append([row, *(one for group in touching for one in group)])
    agreed = [group for group in groups if len({row["reader"] for row in group}) > 1]
    return tuple(_finding(name, group) for group in agreed)


def _finding(name: str, group: Sequence[dict[str, str]]) -> Finding:
    sizes = [size for row in group if (size := _size(row))]
    centre = np.mean([_place(row) for row in group], axis=0)
    return Finding(
        series=name,
        centre_mm=PointMm(*centre.tolist()),
        diameter_mm=float(np.mean(sizes)) if sizes else None,
        readers=len({row["reader"] for row in group}),
    )


def _linked(one: dict[str, str], other: dict[str, str]) -> bool:
    reach = max((_size(one) or 0) / 2, (_size(other) or 0) / 2, POINT_MM)
    return math.dist(_place(one), _place(other)) <= reach


def _rows(name: str) -> list[dict[str, str]]:
    with (DATA / "lidc-idri" / "marks.csv").open(encoding="utf-8") as lines:
        return [row for row in csv.DictReader(lines) if row["patient"] == name]


def _place(row: dict[str, str]) -> PointMm:
    return PointMm(*(float(row[key]) for key in ("x_mm", "y_mm", "z_mm")))


def _size(row: dict[str, str]) -> float | None:
    return float(row["diam_mm"]) if row["diam_mm"] else None


def _marked(centre_mm: PointMm, diameter_mm: float) -> Mark:
    return Mark(centre_mm=centre_mm, diameter_mm=diameter_mm, nodule_class=class_of(diameter_mm))


def _folder(name: str) -> str:
    return name if name == FUSED else f"lidc-idri/{name}"


def _files(name: str) -> list[Path]:
    return sorted((DATA / _folder(name)).glob("*.dcm"))
