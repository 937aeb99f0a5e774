"""The command line: `millet COMMAND`. Every failure is one clear line and a non-zero exit."""

from __future__ import annotations

import sys

import typer
from rich.console import Console

from millet.cli import audit, models
from millet.cli.analyse import analyse
from millet.cli.backup import backup, restore
from millet.cli.demo import demo
from millet.cli.doctor import doctor
from millet.cli.evaluate import evaluate
from millet.cli.evaluate_luna16 import evaluate_luna16
from millet.cli.phantom import phantom
from millet.cli.pull import find, pull
from millet.cli.replay import replay
from millet.cli.send import send
from millet.cli.serve import serve
from millet.cli.train import train
from millet.errors import ServiceError

app = typer.Typer(
    help="Millet: nodule triage beside a PACS. Research software, not a medical device.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("serve")(serve)
app.command("send")(send)
app.command("find")(find)
app.command("pull")(pull)
app.command("analyse")(analyse)
app.command("phantom")(phantom)
app.add_typer(models.app, name="models")
app.add_typer(audit.app, name="audit")
app.command("evaluate")(evaluate)
app.command("evaluate-luna16")(evaluate_luna16)
app.command("train")(train)
app.command("doctor")(doctor)
app.command("backup")(backup)
app.command("restore")(restore)
app.command("replay")(replay)
app.command("demo")(demo)


def main() -> None:
    """Run the command line."""
    try:
        app()
    except (ServiceError, OSError) as failure:
        Console(stderr=True).print(f"millet: {failure}", style="bold red", markup=False, soft_wrap=True)
        sys.exit(1)
