"""The CSV tables other programs score us through: nodules, candidates and truth.

A header line, LPS millimetres, columns x_mm,y_mm,z_mm,diameter_mm,class and then score, highest first,
or, in a table of truth, kind (solid, part_solid, ground_glass, calcified, fat; a table without it is of solid
nodules). A stable interface: columns are added at the end, never renamed.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from millet.core.geometry import PointMm
from millet.core.nodule import Candidate, Nodule, NoduleClass

PLACE_COLUMNS = ("x_mm", "y_mm", "z_mm", "diameter_mm", "class")
COLUMNS = (*PLACE_COLUMNS, "score")
TRUTH_COLUMNS = (*PLACE_COLUMNS, "kind")
SOLID = "solid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One line of a table; `score` is None in a table of truth, `kind` is for the truth only."""

    centre_mm: PointMm
    diameter_mm: float
    nodule_class: NoduleClass
    score: float | None = None
    kind: str = SOLID


def scored(found: Iterable[Candidate | Nodule]) -> str:
    """The table of nodules or candidates, highest score first."""
    ordered = sorted(found, key=lambda lesion: (-lesion.score, lesion.centre_mm))
    return _written(COLUMNS, [[*_place(f), f"{f.score:.4f}"] for f in ordered])


def truth(marks: Iterable[Mark]) -> str:
    """The table of what is really there."""
    return _written(TRUTH_COLUMNS, [[*_place(mark), mark.kind] for mark in marks])


def read(text: str) -> tuple[Mark, ...]:
    """Read any of the tables; ValueError names the line that does not fit."""
    rows = csv.DictReader(io.StringIO(text))
    missing = set(PLACE_COLUMNS) - set(rows.fieldnames or ())
    if missing:
        raise ValueError(f"columns missing: {', '.join(sorted(missing))}")
    return tuple(_mark(number, row) for number, row in enumerate(rows, start=2))


def _place(lesion: Candidate | Nodule | Mark) -> list[str]:
    x_mm, y_mm, z_mm = lesion.centre_mm
    size = f"{lesion.diameter_mm:.2f}"
    return [f"{x_mm:.3f}", f"{y_mm:.3f}", f"{z_mm:.3f}", size, lesion.nodule_class.value]


def _written(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return out.getvalue()


def _mark(number: int, row: dict[str, str]) -> Mark:
    try:
        score = row.get("score")
        return Mark(
            centre_mm=PointMm(float(row["x_mm"]), float(row["y_mm"]), float(row["z_mm"])),
            diameter_mm=float(row["diameter_mm"]),
            nodule_class=NoduleClass(row["class"]),
            score=float(score) if score else None,
            kind=row.get("kind") or SOLID,
        )
    except (ValueError, TypeError) as wrong:
        raise ValueError(f"line {number}: {wrong}") from wrong
