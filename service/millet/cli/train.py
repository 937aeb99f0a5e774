"""`millet train`: from an empty folder to a model folder, in one command that can be interrupted."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from millet.cli.progress import bar
from millet.errors import ServiceError


def train(  # noqa: PLR0913, PLR0917 - each option is an argument
    out: Annotated[Path, typer.Argument(help="The model folder to write: .../NAME/VERSION.")],
    data: Annotated[
        Path | None, typer.Option(help="Root of the real series; none: simulated chests only.")
    ] = None,
    series: Annotated[Path | None, typer.Option(help="Table of the real series (TOML).")] = None,
    without: Annotated[
        list[str] | None, typer.Option(help="A real series to leave out; may be repeated.")
    ] = None,
    start: Annotated[
        Path | None, typer.Option(help="A checkpoint of the fine network to begin from, not from nothing.")
    ] = None,
    work: Annotated[Path, typer.Option(help="Chests, checkpoints and TensorBoard curves.")] = Path(
        "build/train"
    ),
    simulated_steps: Annotated[
        int, typer.Option(min=0, help="Fine network, on simulated chests; 0 only with --start.")
    ] = 6000,
    mixed_steps: Annotated[int, typer.Option(min=0, help="Fine network, with real chests.")] = 6000,
    workers: Annotated[
        int, typer.Option(min=0, help="Processes that make windows; 0: all cores but one.")
    ] = 0,
    coarse_steps: Annotated[int, typer.Option(min=1, help="Coarse network.")] = 2000,
    compiled: Annotated[
        bool, typer.Option("--compile", help="Compile the step: up to a fifth faster, needs a C++ compiler.")
    ] = False,
) -> None:
    """Train a model, set its thresholds, export it; the same command goes on where it was stopped."""
    try:
        from millet.train import card, course, loop, package, syllabus
    except ImportError as error:
        raise ServiceError(f"training needs the extra `train`: {error}") from error
    if (data is None) != (series is None):
        raise ServiceError("--data and --series go together")
    if start is None and not simulated_steps:
        raise ServiceError("--simulated-steps 0 needs --start")
    left_out = tuple(without or ())
    read = syllabus.Syllabus(series=(), marks=None, sources=())
    if data is not None and series is not None:
        read = syllabus.read(series, data, left_out)
    mixed = mixed_steps if read.series else 0
    steps = course.Steps(simulated=simulated_steps, mixed=mixed, coarse=coarse_steps)
    with bar("train") as progress:
        learned = course.Course(
            work=work,
            real=read.series,
            marks=read.marks,
            steps=steps,
            watch=progress,
            start=None if start is None else loop.trained(start),
            compiled=compiled,
            workers=workers or max((os.cpu_count() or 2) - 1, 1),
        ).learn("-".join(("without", *left_out)) if left_out else "all" if read.series else "simulated-only")
        progress("export", 0.0)
        sources = (*card.simulated(learned), *read.sources)
        text = card.text(out, learned, sources, left_out, steps, start=start)
        made = package.write(out, learned, sources, text)
    for level in made.levels:
        typer.echo(f"{level.name}: {level.spacing_mm[0]:g} mm grid, threshold {level.threshold:g}")
    typer.echo(f"{made.name}/{made.version} written to {out}")
