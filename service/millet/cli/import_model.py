"""`millet models import`: bring your own model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from millet.core.count_limit import told
from millet.edge import models
from millet.errors import ModelError, ServiceError


def import_model(  # noqa: PLR0913, PLR0917 - each option is an argument
    source: Annotated[
        Path, typer.Argument(help="A MONAI bundle's folder, or an ONNX file with manifest.json.")
    ],
    out: Annotated[Path, typer.Option(help="Folder of models that it is written into.")],
    name: Annotated[
        str, typer.Option(help="Its name; default: the bundle's folder, or its manifest's.")
    ] = "",
    version: Annotated[str, typer.Option(help="Its version; default: its own.")] = "",
    licence: Annotated[str, typer.Option(help="Its licence, where it states none.")] = "",
    threshold: Annotated[
        float | None, typer.Option(min=0, max=1, help="Operating threshold of a bundle; default: 0.5.")
    ] = None,
    window: Annotated[
        str, typer.Option(help="Voxels of a bundle's window in its own order of axes, such as 192,192,80.")
    ] = "",
    trust: Annotated[bool, typer.Option("--trust", help="Load TorchScript, which is a program.")] = False,
) -> None:
    """Turn a MONAI bundle, or ONNX with a manifest, into a model that `millet serve` can run."""
    try:
        from millet.train import imported
    except ImportError as error:
        raise ServiceError(f"importing models needs the extra `train`: {error}") from error
    wishes = imported.Wishes(
        name=name,
        version=version,
        licence=licence,
        threshold=threshold,
        window=_window(window),
        trust=trust,
    )
    made = imported.read(source, wishes)
    folder = models.add(out, made.manifest, made.files)
    typer.echo(f"{made.manifest.name}/{made.manifest.version} written to {folder}")
    if limit := told(made.manifest):
        typer.echo(f"{made.manifest.name}/{made.manifest.version} {limit}; every report of it will say so")
    typer.echo("its accuracy was not measured; read its MODEL_CARD.md before you use it")


def _window(text: str) -> tuple[int, int, int] | None:
    if not text:
        return None
    try:
        a, b, c = (int(part) for part in text.split(","))
    except ValueError as error:
        raise ModelError(f"--window must be three whole numbers such as 192,192,80, not {text!r}") from error
    return a, b, c
