"""`millet replay`: deliveries that were given up or dismissed, listed or tried again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from millet.errors import ServiceError
from millet.ports import Among, Delivery, Selection


def replay(  # noqa: PLR0913, PLR0917 - each option is an argument
    config: Annotated[Path | None, typer.Option(help="Configuration file (TOML).")] = None,
    destination: Annotated[str, typer.Option(metavar="NAME", help="Only those to this destination.")] = "",
    study: Annotated[str, typer.Option(metavar="UID", help="Only those of this study.")] = "",
    series: Annotated[str, typer.Option(metavar="UID", help="Only those of this CT series.")] = "",
    every: Annotated[bool, typer.Option("--all", help="Replay every dead letter.")] = False,
    only_list: Annotated[bool, typer.Option("--list", help="List them, replay none.")] = False,
    dismissed: Annotated[
        bool, typer.Option("--dismissed", help="Instead those that were dismissed.")
    ] = False,
) -> None:
    """Replay dead letters: all, or those of a destination, a study or a series. Without a choice: list them.

    The service may run, and tries them at once; one that is stopped does when it starts.
    """
    from millet import app
    from millet.app.audit import operated

    among = Among.DISMISSED if dismissed else Among.DEAD
    selection = Selection(destination=destination, study_uid=study, series_uid=series, among=among)
    chosen = selection != Selection(among=among)
    if every and chosen:
        raise ServiceError("--all leaves nothing to choose")
    settings = app.settings(config)
    with app.dead_letters(settings) as letters:
        if only_list or not (every or chosen):
            _show(letters.dead_letters(selection), among)
            return
        if dismissed and (found := letters.dead_letters(selection)):
            operated(settings, f"takes back the dismissal of {len(found)} deliveries")
        count = letters.replay(selection)
    typer.echo(f"{count} {'delivery' if count == 1 else 'deliveries'} will be tried again")
    if chosen and not count:
        raise ServiceError(f"no {_letters(1, among)} matches")


def _show(letters: Sequence[Delivery], among: Among) -> None:
    table = Table("destination", "object", "level", "study", "series", "given up after", "why")
    for one in letters:
        table.add_row(
            escape(one.destination),
            f"{one.kind}-{one.generation}",
            one.level,
            one.study_uid,
            one.series_uid,
            f"{one.attempts} tries",
            escape(one.last_error),
        )
    if letters:
        Console(soft_wrap=True).print(table)
    typer.echo(f"{len(letters)} {_letters(len(letters), among)}")


def _letters(count: int, among: Among) -> str:
    return f"{among.name.lower()} letter{'' if count == 1 else 's'}"
