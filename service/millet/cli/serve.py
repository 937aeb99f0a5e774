"""`millet serve`: the service, in the foreground, until it is told to stop."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from millet.errors import SettingsError

ROLES = ("receive", "analyse", "deliver", "api")


def serve(
    config: Annotated[Path | None, typer.Option(help="Configuration file (TOML).")] = None,
    role: Annotated[
        str | None, typer.Option(help=f"Parts to run, by comma; default all of {','.join(ROLES)}.")
    ] = None,
) -> None:
    """Run the service. SIGTERM or Ctrl-C drains and stops it; a second one stops it at once."""
    from millet import app

    settings = app.settings(config)
    if role is not None:
        settings = replace(settings, roles=_roles(role))
    app.run(settings)


def _roles(text: str) -> tuple[str, ...]:
    roles = tuple(part.strip() for part in text.split(",") if part.strip())
    if unknown := [part for part in roles if part not in ROLES]:
        raise SettingsError([f"--role: no role {', '.join(unknown)}; there are {', '.join(ROLES)}"])
    if not roles:
        raise SettingsError(["--role: name at least one role"])
    return roles
