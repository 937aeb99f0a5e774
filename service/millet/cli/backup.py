"""`millet backup` and `millet restore`: all that must survive, copied, checked and put back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from millet.errors import ServiceError

SHOWN = 20
"""Faults that are shown; the rest are counted."""

Config = Annotated[Path | None, typer.Option(help="Configuration file (TOML).")]


def backup(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="New folder for the copy.")],
    config: Config = None,
) -> None:
    """Copy journal, spool and objects into FOLDER, while the service runs or not."""
    from millet import app
    from millet.app import backup as work

    made = work.make(app.settings(config), folder)
    _say(f"{_told(made.rows)}; {len(made.files)} files, {made.size_bytes / 1e6:.1f} MB, in {folder}")


def restore(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder of a backup.")],
    verify: Annotated[
        bool, typer.Option("--verify", help="Check the backup alone: digests, and that all can be read.")
    ] = False,
    config: Config = None,
) -> None:
    """Check a backup and put it in the place of a state that is empty."""
    from millet import app
    from millet.app import backup as work

    if not verify:
        put = work.restore(app.settings(config), folder)
        _say(f"restored: {_told(put.rows)}, {put.size_bytes / 1e6:.1f} MB")
        return
    faults = list(work.faults(folder))
    for fault in faults[:SHOWN]:
        _say(fault)
    if faults:
        raise ServiceError(f"the backup is damaged in {len(faults)} places")
    whole = work.read(folder)
    _say(f"whole: {_told(whole.rows)}; {len(whole.files)} files, {whole.size_bytes / 1e6:.1f} MB")


def _told(rows: dict[str, int]) -> str:
    return ", ".join(
        f"{rows.get(name, 0)} {name} rows" for name in ("series", "instance", "analysis", "object")
    )


def _say(text: str) -> None:
    Console().print(text, markup=False, highlight=False, soft_wrap=True)
