"""An evaluation as tables on the screen."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from rich.console import Console
from rich.table import Table

from millet.evaluate.estimate import Estimate
from millet.evaluate.summary import Summary


def show(console: Console, summary: Summary, operating: str) -> None:
    """Print the figures of the operating point, the curve and, if there are several, the cases."""
    console.print(_figures(summary, operating))
    if len(summary.cases) > 1:
        console.print(_cases(summary))


def _figures(summary: Summary, operating: str) -> Table:
    nodules = sum(case.true for case in summary.cases)
    title = f"{len(summary.cases)} scans, {nodules} nodules"
    table = Table("figure", "value", "95 % interval", "n", "over", title=title)
    for column in table.columns[1:4]:
        column.justify = "right"
    table.add_section()
    table.add_row(f"[bold]at {operating}")
    for name, estimate, unit in _operating(summary):
        table.add_row(name, *_cells(estimate), unit)
    table.add_section()
    table.add_row("[bold]sensitivity, any threshold")
    for rate, estimate in summary.froc.at:
        table.add_row(f"  at {Fraction(rate)} false per scan", *_cells(estimate), "nodules")
    table.add_row("  CPM, their mean", *_cells(summary.froc.cpm), "nodules")
    return table


def _operating(summary: Summary) -> Iterator[tuple[str, Estimate, str]]:
    yield "sensitivity", summary.sensitivity, "nodules"
    for one in (*summary.by_size, *(summary.by_kind if len(summary.by_kind) > 1 else ())):
        yield f"  {one.name.replace('_', ' ')}", one.sensitivity, "nodules"
    yield "false findings per scan", summary.false_per_scan, "scans"
    yield "  scans without nodules", summary.false_per_empty_scan, "scans"
    yield "false discovery rate", summary.false_discovery_rate, "findings"
    yield "count error, median", summary.count_error, "scans"
    yield "slope of found against true", summary.found_against_true.slope, "scans"
    yield "diameter bias, mm", summary.diameter_bias_mm, "found nodules"
    yield "diameter RMSE, mm", summary.diameter_rmse_mm, "found nodules"
    yield "centre error, mean, mm", summary.centre_error_mm, "found nodules"


def _cells(estimate: Estimate) -> tuple[str, str, str]:
    value = "-" if estimate.value is None else f"{estimate.value:.3f}"
    ends = "-" if estimate.low is None else f"{estimate.low:.3f} .. {estimate.high:.3f}"
    return value, ends, str(estimate.n)


def _cases(summary: Summary) -> Table:
    table = Table("case", "true", "found", "of them true", "false", "ignored", "candidates")
    for column in table.columns[1:]:
        column.justify = "right"
    for case in summary.cases:
        numbers = (case.true, case.found, case.hits, case.false, case.ignored, case.candidates)
        table.add_row(case.name, *map(str, numbers))
    return table
