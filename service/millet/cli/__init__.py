"""The command line: `millet COMMAND`. Every failure is one clear line and a non-zero exit."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from importlib import import_module

import typer

from millet.errors import ServiceError

COMMANDS = {
    "serve": "serve",
    "send": "send",
    "find": "pull",
    "pull": "pull",
    "analyse": "analyse",
    "judge": "judge",
    "phantom": "phantom",
    "models": "models",
    "audit": "audit",
    "accept": "accept",
    "evaluate": "evaluate",
    "evaluate-luna16": "evaluate_luna16",
    "train": "train",
    "doctor": "doctor",
    "backup": "backup",
    "restore": "backup",
    "replay": "replay",
    "dismiss": "dismiss",
    "demo": "demo",
}
"""Each command with its module, where it is a function of its own name, or an `app` of several."""


def app(names: Iterable[str] = COMMANDS) -> typer.Typer:
    """Some of the commands: a service that runs for months need not hold those that nobody asked for."""
    made = typer.Typer(
        help="Millet: nodule triage beside a PACS. Research software, not a medical device.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    made.callback()(lambda: None)  # else one command alone would have no name
    for name in names:
        module = import_module(f"millet.cli.{COMMANDS[name]}")
        if several := getattr(module, "app", None):
            made.add_typer(several, name=name)
        else:
            made.command(name)(getattr(module, name.replace("-", "_")))
    return made


def main() -> None:
    """Run the command line."""
    asked = sys.argv[1] if len(sys.argv) > 1 else ""
    try:
        app([asked] if asked in COMMANDS else COMMANDS)()
    except (ServiceError, OSError) as failure:
        from rich.console import Console

        Console(stderr=True).print(f"millet: {failure}", style="bold red", markup=False, soft_wrap=True)
        sys.exit(1)
