"""A site's truth about its studies: a table with one line a study."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from millet.core.analysis import TriageLevel
from millet.core.notification import highest

NAMES = ("accession", "study_uid")
"""Columns by which a study is named."""
TOLD = ("truth", "count", "level")
"""Columns that say what is true of it."""
LEVELS = tuple(level for level in TriageLevel if level is not TriageLevel.NOT_ASSESSED)
_WORDS = {"positive": True, "negative": False, "yes": True, "no": False, "1": True, "0": False}
EXPECTED = (
    f"one of {' or '.join(NAMES)} and one of truth (positive or negative), count (nodules of the study) or "
    "level (the reader's), and no other"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a site says of one study."""

    positive: bool
    """Whether it should raise an alert."""
    words: str
    """As the table says it."""
    count: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """A table, by what its studies are named by."""

    by: str
    """One of `NAMES`."""
    kind: str
    """One of `TOLD`."""
    told: Mapping[str, Told]


def read(text: str, alert: TriageLevel, least_count: int | None = None) -> Truth:
    """Read a table with a header, cells parted by commas or semicolons; columns in any order and case.

    Args:
        text: of the table.
        alert: the level from which on a study raises an alert; a reader's level is positive from there on.
        least_count: of nodules that make a study positive.

    Raises:
        ValueError: naming the line. Nothing is guessed: neither of a column nor of a word.
    """
    lines = text.removeprefix("\ufeff").splitlines()
    first = next((line for line in lines if line.strip()), "")
    rows = _rows("\n".join(lines), ";" if ";" in first else ",")
    _, head = next(rows, (1, []))
    names = [cell.strip().lower() for cell in head]
    by, kind = _columns(names)
    if kind == "count" and least_count is None:
        raise ValueError(
            "it has counts: say with --positive-from from how many nodules on a study is positive"
        )
    judge = _judge(kind, alert, least_count or 0)
    told: dict[str, Told] = {}
    for line, row in rows:
        if len(row) != len(names):
            raise ValueError(f"line {line}: {len(row)} cells under {len(names)} columns")
        cells = dict(zip(names, (cell.strip() for cell in row), strict=True))
        if not cells[by]:
            raise ValueError(f"line {line}: no {by}")
        if cells[by] in told:
            raise ValueError(f"line {line}: its study is in the table twice")
        try:
            told[cells[by]] = judge(cells[kind])
        except ValueError as wrong:
            raise ValueError(f"line {line}, column {kind}: {wrong}") from None
    if not told:
        raise ValueError("no study in it")
    return Truth(by=by, kind=kind, told=told)


def _rows(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Each row that is not empty, with the number of its line."""
    reader = csv.reader(io.StringIO(text), delimiter=delimiter)
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                yield reader.line_num, row
    except csv.Error as error:
        raise ValueError(f"line {reader.line_num}: {error}") from error


def _columns(names: Sequence[str]) -> tuple[str, str]:
    """Which column names the study, and which says what is true of it."""
    if not any(names):
        raise ValueError(f"line 1: no header; expected {EXPECTED}")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"line 1: column {', '.join(map(repr, twice))} is there twice")
    if unknown := [name for name in names if name not in NAMES + TOLD]:
        raise ValueError(f"line 1: unknown column {', '.join(map(repr, unknown))}; expected {EXPECTED}")
    by, kind = [name for name in NAMES if name in names], [name for name in TOLD if name in names]
    if len(by) != 1 or len(kind) != 1:
        raise ValueError(f"line 1: columns {', '.join(names)}; expected {EXPECTED}")
    return by[0], kind[0]


def _judge(kind: str, alert: TriageLevel, least_count: int) -> Callable[[str], Told]:
    if kind == "count":
        return lambda cell: _of_count(cell, least_count)
    if kind == "level":
        return lambda cell: _of_level(cell, alert)
    return _of_word


def _of_word(cell: str) -> Told:
    if (positive := _WORDS.get(cell.lower())) is None:
        raise ValueError(f"{cell!r} is neither positive nor negative")
    return Told(positive=positive, words="positive" if positive else "negative")


def _of_count(cell: str, least_count: int) -> Told:
    if not (cell.isascii() and cell.isdigit()):
        raise ValueError(f"{cell!r} is no number of nodules")
    count = int(cell)
    return Told(
        positive=count >= least_count, words=f"{count} nodule{'' if count == 1 else 's'}", count=count
    )


def _of_level(cell: str, alert: TriageLevel) -> Told:
    try:
        level = TriageLevel(cell.lower())
    except ValueError:
        level = TriageLevel.NOT_ASSESSED
    if level not in LEVELS:
        raise ValueError(f"{cell!r} is none of {', '.join(LEVELS)}")
    return Told(positive=highest((level, alert)) is level, words=f"level {level.value}")
