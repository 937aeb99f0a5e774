"""`millet audit verify`: does every chain of the audit trail hold, up to every head that was noted?"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from millet.core.audit import check
from millet.errors import StoreError

app = typer.Typer(help="The audit trail: who came in, who read what.", no_args_is_help=True)
_HEAD = re.compile(r"audit head (\S+) (\d+) ([0-9a-f]{64})")


@app.callback()
def audit() -> None:
    """The audit trail: who came in, who read what."""


@app.command()
def verify(
    config: Annotated[Path | None, typer.Option(help="Configuration file (TOML).")] = None,
    folder: Annotated[
        Path | None, typer.Option(help="Trail to look at; by default the configured one.")
    ] = None,
    log: Annotated[
        list[Path] | None, typer.Option(help="Log of the service: heads noted there must be in the chain.")
    ] = None,
) -> None:
    """Follow every chain; fails and names the first line where one is broken, cut short or rewritten."""
    from millet import app as composition
    from millet.app.audit import folder_of, heads_of

    settings = composition.settings(config)
    heads = heads_of(settings)
    for process, number, digest in (found for path in log or () for found in _heads_in(path)):
        heads.setdefault(process, {})[number] = digest
    broken = look(folder or folder_of(settings), heads)
    if broken:
        raise StoreError(f"{broken} of the chains of the audit trail are broken")


def look(folder: Path, heads: dict[str, dict[int, str]]) -> int:
    """Print what each chain is like; how many are broken. Raises StoreError where there is no trail."""
    from millet.edge.audit import chains

    try:
        found = chains(folder)
    except OSError as error:
        raise StoreError(f"{folder}: {error.strerror}") from error
    table, broken = Table("process", "", "lines", "seen"), 0
    for process in sorted(found.keys() | heads.keys()):
        checked = check(found.get(process, iter(())), heads.get(process, {}))
        lines = "none" if checked.head is None else f"{checked.first} to {checked.head.number}"
        told = f"{len(heads.get(process, {}))} noted heads, all in the chain"
        if checked.first > 0:
            told += f"; lines 0 to {checked.first - 1} are not here"
        if checked.broken:
            broken += 1
            table.add_row(process, "[bold red]broken", lines, checked.broken)
        else:
            table.add_row(process, "whole", lines, told)
    Console(soft_wrap=True).print(table)
    return broken


def _heads_in(path: Path) -> Iterator[tuple[str, int, str]]:
    """Heads in a log of JSON lines; a line of another kind is passed over."""
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            try:
                message = json.loads(line)["message"]
            except (ValueError, KeyError, TypeError):
                continue
            if match := _HEAD.fullmatch(str(message)):
                yield match[1], int(match[2]), match[3]
