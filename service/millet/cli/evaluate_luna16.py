"""`millet evaluate-luna16`: a detector's candidates by the rules of the LUNA16 challenge."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from millet.errors import ServiceError

if TYPE_CHECKING:
    from millet.evaluate.estimate import Interval
    from millet.evaluate.luna16 import Judged, Result

Read = TypeVar("Read")

_RATES = "1/8 1/4 1/2 1 2 4 8"


def evaluate_luna16(
    annotations: Annotated[
        Path, typer.Option(help="Reference nodules: seriesuid, coordX, coordY, coordZ, diameter_mm.")
    ],
    excluded: Annotated[Path, typer.Option(help="Findings that neither count nor cost, the same columns.")],
    series: Annotated[Path, typer.Option(help="Every series that was read, one a line.")],
    candidates: Annotated[
        Path, typer.Option(help="What was found: seriesuid, coordX, coordY, coordZ, probability.")
    ],
    most_per_scan: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Keep only this many candidates a scan; the challenge's program kept 100. Default: all.",
        ),
    ] = None,
    bootstrap: Annotated[
        int,
        typer.Option(min=0, help="Draws of scans for the 95 % intervals; the challenge's program drew 1000."),
    ] = 0,
) -> None:
    """Sensitivity at 1/8 to 8 false positives a scan and CPM, by LUNA16's rules and from its files."""
    from millet.evaluate import luna16, luna16_tables

    numbers = _read(series, luna16_tables.series)
    nodules = _read(annotations, lambda text: luna16_tables.findings(text, numbers))
    others = _read(excluded, lambda text: luna16_tables.findings(text, numbers))
    found = _read(candidates, lambda text: luna16_tables.candidates(text, numbers))
    if not len(nodules.points):
        raise ServiceError(f"{annotations}: no nodule of a listed series, so there is no sensitivity")
    judged = luna16.judge(len(numbers), nodules.points, others.points, found.points, most_per_scan)
    _print(luna16.result(judged, bootstrap), bootstrap)
    typer.echo(_counts(judged, len(found.points), most_per_scan))
    if elsewhere := nodules.elsewhere + others.elsewhere:
        typer.echo(f"{elsewhere} findings are of series that are not listed and were left out")


def _read(path: Path, reader: Callable[[str], Read]) -> Read:
    """What a file holds; a mistake in it is told with its name."""
    try:
        return reader(path.read_text("utf-8-sig"))
    except (ValueError, csv.Error) as wrong:
        raise ServiceError(f"{path}: {wrong}") from wrong


def _print(result: Result, repeats: int) -> None:
    typer.echo(f"sensitivity at {_RATES} false positives a scan")
    typer.echo(" ".join(_short(value) for value in result.sensitivity))
    if repeats:
        ends = " ".join(_interval(one) for one in result.intervals)
        typer.echo(f"95 % intervals over scans, {repeats} draws\n{ends}")
    interval = f" ({_interval(result.cpm_interval)})" if repeats else ""
    typer.echo(f"CPM {_short(result.cpm)}{interval}")


def _counts(judged: Judged, total: int, most_per_scan: int | None) -> str:
    false = int((~judged.true).sum())
    cut = (
        "no limit a scan"
        if most_per_scan is None
        else f"at most {most_per_scan} a scan kept, {judged.cut} cut by it"
    )
    return (
        f"{len(judged.nodules)} scans, {judged.nodules.sum()} nodules, {judged.true.sum()} of them hit; "
        f"{total} candidates ({cut}): {judged.hits} on nodules, {judged.irrelevant} on excluded findings, "
        f"{false} false"
    )


def _interval(ends: Interval) -> str:
    low, high = ends
    return "-" if low is None or high is None else f"{_short(low)}-{_short(high)}"


def _short(value: float) -> str:
    """Three decimals without the leading nought, as these figures are printed."""
    return f"{value:.3f}".removeprefix("0")
