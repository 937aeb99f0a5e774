"""`millet phantom`: a chest CT that nobody had to lie in, with its truth."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from millet.cli.progress import bar

if TYPE_CHECKING:
    from millet.phantom.spec import Preset, Scan


def phantom(  # noqa: PLR0913, PLR0917 - each option is an argument
    out: Annotated[Path, typer.Argument(help="Folder for the DICOM series and truth.csv.")],
    preset: Annotated[str, typer.Option(help="A preset's name; a wrong one lists them.")] = "case",
    spec: Annotated[
        Path | None,
        typer.Option(
            help="TOML with tables preset and scan, instead of --preset.", exists=True, dir_okay=False
        ),
    ] = None,
    nodules: Annotated[int | None, typer.Option(min=0, help="Instead of the preset's number.")] = None,
    seed: Annotated[int, typer.Option(help="Another seed is another patient.")] = 0,
    scale: Annotated[float, typer.Option(min=0.3, max=1.0, help="A smaller chest is made sooner.")] = 1.0,
    simulator: Annotated[str, typer.Option(help="first, or the independent second.")] = "first",
    after: Annotated[bool, typer.Option("--after", help="The same patient after therapy.")] = False,
) -> None:
    """Make a phantom CT series (DICOM files and truth.csv)."""
    wanted, scan = _asked(preset, spec, nodules, seed)
    if after and wanted.after is None:
        wanted = _after_therapy(wanted)
    make_phantom(out, wanted, seed=seed, scale=scale, scan=scan, simulator=simulator)
    typer.echo(f"{len(list(out.glob('*.dcm')))} slices and truth.csv in {out}")


def _asked(preset: str, spec: Path | None, nodules: int | None, seed: int) -> tuple[Preset, Scan]:
    from millet.phantom.spec import Scan, chosen, read

    try:
        wanted, scan = read(spec.read_text()) if spec else (chosen(preset), Scan())
        return wanted.settled(nodules, seed), scan
    except ValueError as wrong:
        raise typer.BadParameter(str(wrong)) from wrong


def _after_therapy(wanted: Preset) -> Preset:
    from millet.phantom.after import After

    return replace(wanted, after=After())


def make_phantom(
    out: Path,
    preset: str | Preset,
    *,
    seed: int = 0,
    scale: float = 1.0,
    scan: Scan | None = None,
    simulator: str = "first",
) -> None:
    """Write the series, with a progress bar."""
    from millet.phantom import dicom, presets
    from millet.phantom.second import presets as second

    simulators = {"first": presets.make, "second": second.make}
    if simulator not in simulators:
        raise typer.BadParameter(f"no simulator {simulator!r}; there are {', '.join(simulators)}")
    if out.exists() and any(out.iterdir()):
        raise typer.BadParameter(f"{out} is not empty")
    with bar(f"phantom {preset if isinstance(preset, str) else preset.name}") as progress:
        try:
            made = simulators[simulator](preset, seed=seed, scale=scale, scan=scan, progress=progress)
        except ValueError as wrong:
            raise typer.BadParameter(str(wrong)) from wrong
        dicom.write(made, out)
