"""The command line: `millet COMMAND`. Every failure is one clear line and a non-zero exit."""

from __future__ import annotations

import sys

import typer
from rich.console import Console

from millet.cli import analyse, demo, doctor, models, phantom, send, serve
from millet.errors import ServiceError

app = typer.Typer(
    help="Millet: nodule triage beside a PACS. Research software, not a medical device.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("serve")(serve.serve)
app.command("send")(send.send)
app.command("analyse")(analyse.analyse)
app.command("phantom")(phantom.phantom)
app.add_typer(models.app, name="models")
app.command("doctor")(doctor.doctor)
app.command("demo")(demo.demo)


def main() -> None:
    """Run the command line."""
    try:
        app()
    except ServiceError as failure:
        Console(stderr=True).print(f"millet: {failure}", style="bold red", markup=False, soft_wrap=True)
        sys.exit(1)
