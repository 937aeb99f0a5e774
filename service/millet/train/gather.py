"""The chests a network learns in: simulated ones by seed, real ones from folders; made once, kept on disk."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from millet.phantom.implant_files import volume_of
from millet.train.backgrounds import Background, keep, kept, prepared, simulated

MARK_MARGIN_MM = 3.0
LEAST_MARK_MM = 5.0

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Real:
    """One real series: its name, its folder of instances, and what is known of its kernel and slices."""

    name: str
    folder: Path
    fwhm_mm: tuple[float, float] = (0.7, 1.4)
    slice_mm: float | None = None
    """Nominal thickness where slices overlap."""


def gather(
    pool: Path,
    grid_mm: float,
    seeds: Sequence[int],
    real: Sequence[Real],
    marks: Path | None,
    tell: Tell = lambda _what: None,
) -> list[Background]:
    """Every background, from the pool if it lies there; the simulated ones first."""
    makers: dict[str, Callable[[], Background]] = {
        f"A{seed}": partial(simulated, seed, grid_mm) for seed in seeds
    }
    makers |= {series.name: partial(_real, series, grid_mm, marks) for series in real}
    for name, make in makers.items():
        if not (path := pool / f"{name}.npz").exists():
            tell(name)
            keep(make(), path)
    return [kept(pool / f"{name}.npz") for name in makers]


def _real(series: Real, grid_mm: float, marks: Path | None) -> Background:
    return prepared(
        series.name,
        volume_of(sorted(series.folder.glob("*.dcm"))),
        grid_mm,
        fwhm_mm=series.fwhm_mm,
        slice_mm=series.slice_mm,
        ignored=[] if marks is None else known(marks, series.name),
    )


def known(marks: Path, patient: str) -> list[tuple[tuple[float, float, float], float]]:
    """Every mark of any reader (x, y, z) with a radius that covers it, in mm.

    The table has columns patient, x_mm, y_mm, z_mm and diam_mm, which is empty for a point.
    """
    with marks.open(encoding="utf-8", newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if row["patient"] == patient]
    return [
        (
            (float(row["x_mm"]), float(row["y_mm"]), float(row["z_mm"])),
            max(float(row["diam_mm"] or 0) / 2 + MARK_MARGIN_MM, LEAST_MARK_MM),
        )
        for row in rows
    ]
