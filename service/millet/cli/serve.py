"""`millet serve`: the service, in the foreground, until it is told to stop."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from millet.settings import ROLES


def serve(
    config: Annotated[Path | None, typer.Option(help="Configuration file (TOML).")] = None,
    role: Annotated[
        str | None, typer.Option(help=f"Parts to run, by comma; default all of {','.join(ROLES)}.")
    ] = None,
) -> None:
    """Run the service. SIGTERM or Ctrl-C drains and stops it; a second one stops it at once."""
    from millet import app
    from millet.phantom.apart import Apart

    settings = app.settings(config)
    if role is not None:
        settings = replace(settings, roles=tuple(part.strip() for part in role.split(",")))
    app.run(settings, Apart())
