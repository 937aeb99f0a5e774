"""`millet models`: what can be run, and whether it is what it says it is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Column, Table

from millet.cli.calibrate import calibrate
from millet.cli.import_model import import_model
from millet.core.count_limit import told
from millet.core.manifest import Level
from millet.edge import models
from millet.errors import ModelError

app = typer.Typer(help="List, verify, import and calibrate models.", no_args_is_help=True)
app.command("import")(import_model)
app.command("calibrate")(calibrate)

Root = Annotated[Path | None, typer.Option("--root", help="Folder of models; default: the bundled ones.")]


@app.command("list")
def list_models(root: Root = None) -> None:
    """One line a model."""
    facts = ("licence", "spacing mm", "diameters mm", "precisions", "count limit", "calibration")
    folded = (Column(name, overflow="fold") for name in facts)
    table = Table(Column("model", no_wrap=True), *folded, Column("fp32 digest", no_wrap=True))
    for folder in models.folders(root or models.bundled()):
        found = models.manifest(folder)
        table.add_row(
            f"{found.name}/{found.version}",
            found.licence,
            ", ".join(_spacing(level) for level in found.levels),
            ", ".join(f"{level.diameters_mm[0]:g}-{level.diameters_mm[1]:g}" for level in found.levels),
            ", ".join(found.precisions),
            "none" if found.count_limit is None else str(found.count_limit),
            found.calibration.version if found.calibration else "none",
            found.digest("fp32")[:12],
        )
    Console().print(table)


def _spacing(level: Level) -> str:
    """One number where the grid is isotropic, else z x y x x."""
    return "x".join(
        f"{mm:g}" for mm in (level.spacing_mm if len(set(level.spacing_mm)) > 1 else level.spacing_mm[:1])
    )


@app.command("verify")
def verify_models(root: Root = None) -> None:
    """Check every model's digest and manifest; fails if one is not what it says."""
    wrong = 0
    for folder in models.folders(root or models.bundled()):
        try:
            found = models.manifest(folder)
        except ModelError as failure:
            wrong += 1
            typer.echo(f"{folder.parent.name}/{folder.name}: {failure}", err=True)
        else:
            limit = told(found)
            typer.echo(f"{folder.parent.name}/{folder.name}: ok{f', {limit}' if limit else ''}")
    if wrong:
        raise ModelError(f"{wrong} of the models cannot be used")
