"""LUNA16's CSV files: a list of series, and tables of points in it.

Columns are found by their names in the header line, in any order; others are passed over. A file of
series is one column, with a header or without. Every mistake names its line and column.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from millet.evaluate.luna16 import Points

SERIES, PLACE = "seriesuid", ("coordX", "coordY", "coordZ")
DIAMETER, SCORE = "diameter_mm", "probability"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Table:
    """The points of the listed series, and how many lines were of others."""

    points: Points
    elsewhere: int


def series(text: str) -> dict[str, int]:
    """The number, from 0, of each series in a list of them. ValueError names the line."""
    numbers: dict[str, int] = {}
    for line, row in enumerate(csv.reader(io.StringIO(text)), start=1):
        name = row[0].strip() if row else ""
        if not name or (line == 1 and name == SERIES):
            continue
        if name in numbers:
            raise ValueError(f"line {line}, column {SERIES}: series {name} is listed twice")
        numbers[name] = len(numbers)
    if not numbers:
        raise ValueError("no series in it: the file is empty")
    return numbers


def findings(text: str, numbers: Mapping[str, int]) -> Table:
    """Read annotations; those of series that are not listed are counted and left (one fold of ten)."""
    return _read(text, DIAMETER, numbers, strict=False)


def candidates(text: str, numbers: Mapping[str, int]) -> Table:
    """Read candidates, every one of which must be of a listed series."""
    return _read(text, SCORE, numbers, strict=True)


def _read(text: str, value: str, numbers: Mapping[str, int], *, strict: bool) -> Table:
    rows = csv.reader(io.StringIO(text))
    header = [name.strip() for name in next(rows, [])]
    if not header:
        raise ValueError("line 1: there is no header, the file is empty")
    wanted = (*PLACE, value)
    if missing := [name for name in (SERIES, *wanted) if name not in header]:
        raise ValueError(f"line 1: no column {', '.join(missing)}")
    columns = {name: header.index(name) for name in (SERIES, *wanted)}
    scans: list[int] = []
    values: list[list[float]] = []
    elsewhere = 0
    for row in rows:
        if not row:
            continue
        name = _cell(row, rows.line_num, SERIES, columns[SERIES])
        numeric = [_number(row, rows.line_num, column, columns[column]) for column in wanted]
        if name in numbers:
            scans.append(numbers[name])
            values.append(numeric)
        elif strict:
            raise ValueError(
                f"line {rows.line_num}, column {SERIES}: series {name} is not in the list of series"
            )
        else:
            elsewhere += 1
    numeric_all = np.asarray(values, float).reshape(-1, 4)
    points = Points(
        scan=np.asarray(scans, np.intp),
        centre_mm=numeric_all[:, :3],
        value=np.ascontiguousarray(numeric_all[:, 3]),
    )
    return Table(points=points, elsewhere=elsewhere)


def _cell(row: Sequence[str], line: int, column: str, place: int) -> str:
    if place >= len(row) or not row[place].strip():
        raise ValueError(f"line {line}, column {column}: nothing there")
    return row[place].strip()


def _number(row: Sequence[str], line: int, column: str, place: int) -> float:
    text = _cell(row, line, column, place)
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"line {line}, column {column}: {text!r} is no number")
    return number
