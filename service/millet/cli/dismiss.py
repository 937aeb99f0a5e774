"""`millet dismiss`: deliveries that need not be made any more, ended by a person who says why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from millet.core.analysis import TriageLevel
from millet.errors import ServiceError, StoreError
from millet.ports import Among, Delivery, Dismissal, Selection

if TYPE_CHECKING:
    from millet.settings import Settings


def dismiss(  # noqa: PLR0913, PLR0917 - each option is an argument
    by: Annotated[str, typer.Option(metavar="NAME", help="Who decides it.")],
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; no patient's data.")],
    config: Annotated[Path | None, typer.Option(help="Configuration file (TOML).")] = None,
    destination: Annotated[str, typer.Option(metavar="NAME", help="Only those to this destination.")] = "",
    study: Annotated[str, typer.Option(metavar="UID", help="Only those of this study.")] = "",
    series: Annotated[str, typer.Option(metavar="UID", help="Only those of this CT series.")] = "",
    every: Annotated[bool, typer.Option("--all", help="Dismiss every dead letter.")] = False,
    waiting: Annotated[
        bool,
        typer.Option("--waiting", help="Instead what waits for a destination that is configured no longer."),
    ] = False,
    confirm: Annotated[int | None, typer.Option(help="How many they are; dismisses them.")] = None,
) -> None:
    """Dismiss dead letters: all, or those of a destination, a study or a series. They never reach it.

    Without --confirm it tells how many of what kind and level they are, and dismisses none. The service may
    run.
    """
    from millet import app
    from millet.app.audit import operated

    settings = app.settings(config)
    among = Among.WAITING if waiting else Among.DEAD
    selection = Selection(destination=destination, study_uid=study, series_uid=series, among=among)
    _check(selection, settings, every=every)
    try:
        said = Dismissal(by=by, reason=reason)
    except ValueError as wrong:
        raise typer.BadParameter(str(wrong)) from wrong
    with app.dead_letters(settings) as letters:
        found = letters.dead_letters(selection)
        _show(found)
        if not found:
            raise ServiceError("nothing matches")
        if confirm is None:
            typer.echo(f"none is dismissed yet; --confirm {len(found)} dismisses them")
            return
        if confirm != len(found):
            raise ServiceError(f"none is dismissed: they are {len(found)}, not {confirm}")
        operated(settings, f"dismissed {_summary(found)}, {said}")  # stands there before it is done
        try:
            letters.dismiss(selection, said, len(found))
        except StoreError as why:
            operated(settings, f"dismissed none: {why}")
            raise
    typer.echo(f"{_deliveries(len(found))} dismissed")


def _check(selection: Selection, settings: Settings, *, every: bool) -> None:
    if every == bool(selection.destination or selection.study_uid or selection.series_uid):
        raise ServiceError("choose --all, or some by --destination, --study or --series")
    if selection.among is not Among.WAITING:
        return
    if not selection.destination:
        raise ServiceError("--waiting needs --destination")
    if selection.destination in {one.name for one in settings.all_destinations}:
        raise ServiceError(f"{selection.destination} is configured: what waits for it is tried")


def _show(found: Sequence[Delivery]) -> None:
    """How many of what kind and level would reach nobody, the most urgent first."""
    alike = Counter((one.level, one.destination, one.kind) for one in found)
    table = Table("level", "destination", "object", "deliveries")
    for (level, destination, kind), count in sorted(alike.items(), key=lambda one: _place(one[0])):
        style = "bold red" if level is TriageLevel.CRITICAL else None
        table.add_row(level, escape(destination), kind, str(count), style=style)
    if found:
        Console(soft_wrap=True).print(table)
    typer.echo(_deliveries(len(found)))


def _place(alike: tuple[TriageLevel | None, str, str]) -> tuple[int, str, str]:
    level, destination, kind = alike
    return -list(TriageLevel).index(level or TriageLevel.NOT_ASSESSED), destination, kind


def _summary(found: Sequence[Delivery]) -> str:
    levels = Counter(str(one.level) for one in found)
    told = ", ".join(f"{levels[level]} {level}" for level in reversed(TriageLevel) if level in levels)
    return f"{_deliveries(len(found))} ({told})"


def _deliveries(count: int) -> str:
    return f"{count} {'delivery' if count == 1 else 'deliveries'}"
