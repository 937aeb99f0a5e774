"""The rows of the calibration: what it costs to believe it, on what it was not fitted on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from table import Row

from millet.evaluate.calibrated import BINS, Bin, Calibrated, Probabilities, calibrated
from millet.evaluate.calibrating import Exam
from millet.evaluate.estimate import Estimate

TARGET = 0.02
"""Of the expected calibration error."""
DENSITIES = ((0.0, 1.0), (1.0, 3.0), (3.0, 10.0), (10.0, float("inf")))
"""Findings a litre."""


def rows(name: str, exams: Sequence[Exam], tell: Probabilities) -> Iterator[Row]:
    """All that is told of some exams."""
    found = calibrated(exams, tell)
    yield _row(f"{name}: Brier score", found.brier, note=_beside(found))
    yield _row(f"{name}: expected calibration error, {BINS} bins", found.error, target=TARGET)
    for low, high in DENSITIES:
        some = [exam for exam in exams if low <= exam.per_litre < high]
        part = calibrated(some, tell)
        what = f"{name}: nodules among findings, {low:g} to {high:g} findings a litre"
        yield _row(what, part.seen, note=f"told {_shown(part.told)}, error {_shown(part.error)}")
    for one in found.bins:
        yield _bin(name, one)


def _beside(found: Calibrated) -> str:
    return f"{_shown(found.brier_of_share)} by telling each the share of nodules, {_shown(found.seen)}"


def _row(name: str, figure: Estimate, *, target: float | None = None, note: str = "") -> Row:
    return Row(
        name=name,
        unit="",
        value=figure.value,
        low=figure.low,
        high=figure.high,
        n=figure.n,
        target=target,
        note=note if figure.value is not None else "no finding",
    )


def _bin(name: str, one: Bin) -> Row:
    low, high = one.interval
    return Row(
        name=f"{name}: seen where {one.low:g} to {one.high:g} was told",
        unit="",
        value=one.seen,
        low=low,
        high=high,
        n=one.n,
        note="no finding" if one.told is None else f"told {one.told:.3f} on average",
    )


def _shown(figure: Estimate) -> str:
    return "-" if figure.value is None else f"{figure.value:.3f}"
