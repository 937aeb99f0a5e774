"""`millet phantom`: a chest CT that nobody had to lie in, with its truth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from millet.cli.progress import bar


def phantom(
    out: Annotated[Path, typer.Argument(help="Folder for the DICOM series and truth.csv.")],
    preset: Annotated[str, typer.Option(help="case, miliary, sparse or negative.")] = "case",
    nodules: Annotated[int | None, typer.Option(min=0, help="Instead of the preset's number.")] = None,
    seed: Annotated[int, typer.Option(help="Another seed is another patient.")] = 0,
) -> None:
    """Make a phantom CT series (DICOM files and truth.csv)."""
    make_phantom(out, preset, nodules, seed)
    typer.echo(f"{len(list(out.glob('*.dcm')))} slices and truth.csv in {out}")


def make_phantom(out: Path, preset: str, nodules: int | None = None, seed: int = 0) -> None:
    """Write the series, with a progress bar."""
    from millet.phantom import dicom, presets

    if preset not in presets.NAMES:
        raise typer.BadParameter(f"no preset {preset!r}; there are {', '.join(presets.NAMES)}")
    if out.exists() and any(out.iterdir()):
        raise typer.BadParameter(f"{out} is not empty")
    with bar(f"phantom {preset}") as progress:
        dicom.write(presets.make(preset, nodules=nodules, seed=seed, progress=progress), out)
