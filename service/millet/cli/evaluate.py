"""`millet evaluate`: found against true on cases whose truth is known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from millet.cli import cases
from millet.cli.progress import Tick, bar
from millet.codec.tables import Mark
from millet.errors import ServiceError

if TYPE_CHECKING:
    from millet.core.volume import Volume
    from millet.evaluate.case import Judged, Reports
    from millet.evaluate.summary import Summary
    from millet.evaluate.sweep import Sweep
    from millet.evaluate.tiles import Tile

CROPS = "missed.npz"
SHEET = "missed-*.png"


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What is asked: where candidates come from, which are reported, where results go."""

    finder: cases.Finder
    reports: Reports
    operating: str
    """The operating point in words."""
    about: dict[str, Any]
    out: Path

    def keep(self, name: str) -> Path:
        """Where what is known of a case is kept."""
        return self.out / "cases" / name


@dataclass(slots=True, kw_only=True)
class Done:
    """What came of the cases so far."""

    judged: list[Judged] = field(default_factory=list)
    sweeps: list[Sweep] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    tiles: dict[str, Path] = field(default_factory=dict)
    """By case, where the pictures of what was missed are kept."""
    unpictured: dict[str, str] = field(default_factory=dict)


def evaluate(
    folder: Annotated[Path, typer.Argument(metavar="CASES", help="Folder of case folders, or one of them.")],
    out: Annotated[Path, typer.Option(help="Folder for the results; what is there is used again.")],
    found: Annotated[
        str | None,
        typer.Option(metavar="NAME.csv", help="Judge this table of each case folder instead of the model."),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            help="Report from this score on, instead of the model's thresholds or all of the table."
        ),
    ] = None,
    bins: Annotated[str, typer.Option(help="Edges of the size bins in mm.")] = "1.5,2,3,5,8",
    config: Annotated[Path | None, typer.Option(help="Configuration file (TOML).")] = None,
) -> None:
    """Judge the configured model, or a table of candidates, on cases whose truth is known.

    A case is a folder of one DICOM series with truth.csv, as `millet phantom` writes it, and perhaps
    ignore.csv, whose marks neither count nor cost. Writes summary.json, froc.csv and pictures into OUT.
    """
    from millet.evaluate.summary import summarise

    edges, below = _edges(bins), cases.folders(folder, out)
    out.mkdir(parents=True, exist_ok=True)
    work = _work(out, found, threshold, config)
    done = _all(work, below)
    summary = summarise(done.judged, done.sweeps, edges)
    _write(work, done, summary)
    console = Console()
    from millet.cli import figures

    figures.show(console, summary, work.operating)
    _tell(console, done, out)
    if done.failed:
        raise ServiceError(f"{len(done.failed)} of {len(below)} cases are in no figure")


def _edges(text: str) -> tuple[float, ...]:
    from millet.evaluate.bins import by_size

    try:
        edges = tuple(float(edge) for edge in text.split(","))
        by_size((), edges)
    except ValueError as wrong:
        raise typer.BadParameter(f"--bins: {wrong}") from wrong
    return edges


def _work(out: Path, found: str | None, threshold: float | None, config: Path | None) -> Work:
    from millet.evaluate.case import at_least

    point = None if threshold is None else (at_least(threshold), f"score >= {threshold:g}")
    if found is not None:
        reports, operating = point or (at_least(-float("inf")), "every line of the table")
        about: dict[str, Any] = {"table": found, "operating": operating}
        return Work(
            finder=cases.TableFinder(name=found), reports=reports, operating=operating, about=about, out=out
        )
    from millet import app

    model = app.load_model(app.settings(config))
    manifest = model.manifest
    reports, operating = point or (manifest.reports, f"the thresholds of {manifest.name}/{manifest.version}")
    about = {
        "model": f"{manifest.name}/{manifest.version}",
        "digest": model.digest,
        "precision": model.precision,
        "provider": model.provider,
        "floor": manifest.candidate_floor,
        "count_limit": manifest.count_limit,
        "operating": operating,
    }
    return Work(finder=cases.ModelFinder(model), reports=reports, operating=operating, about=about, out=out)


def _all(work: Work, below: Sequence[Path]) -> Done:
    """Every case by itself: one that fails is noted with its reason, and the others go on."""
    done = Done()
    with bar("evaluate") as tick:
        for number, folder in enumerate(below):
            try:
                _one(work, done, folder, _part(tick, folder.name, number, len(below)))
            except (ServiceError, OSError) as failure:
                done.failed[folder.name] = str(failure)
    return done


def _part(tick: Tick, name: str, number: int, total: int) -> cases.Share:
    tick(name, number / total)
    return lambda share: tick(name, (number + share) / total)


def _one(work: Work, done: Done, folder: Path, share: cases.Share) -> None:
    from millet.evaluate.case import Case, judge
    from millet.evaluate.sweep import sweep

    truth, ignored = cases.truth(folder)
    found = work.finder.found(folder, work.keep(folder.name), share)
    case = Case(name=folder.name, truth=truth, found=found.candidates, ignored=ignored)
    one = judge(case, work.reports)
    try:
        done.tiles[folder.name] = _cut(work, folder, one, found.volume)
    except (ServiceError, OSError) as failure:  # a table of candidates needs no series beside it
        done.unpictured[folder.name] = str(failure)
    done.judged.append(one)
    done.sweeps.append(sweep(case))


def _cut(work: Work, folder: Path, one: Judged, volume: Volume | None) -> Path:
    """Keep a tile of each missed nodule; the series is read again only for those not cut before."""
    from millet.evaluate import tiles

    path, stamp = work.keep(folder.name) / CROPS, cases.stamp(folder)
    held = _held(path)
    wanted = {f"{stamp} {_place(mark)}": mark for mark in one.missed}
    if not wanted.keys() <= held.keys():
        source = volume or cases.volume(folder)
        cut = {key: held.get(key) or tiles.cut(source, mark) for key, mark in wanted.items()}
        cases.replace(path, tiles.packed(cut))
    return path


def _place(mark: Mark) -> str:
    return ",".join(f"{value:.3f}" for value in (*mark.centre_mm, mark.diameter_mm))


def _held(path: Path) -> dict[str, Tile]:
    from millet.evaluate import tiles

    try:
        return tiles.unpacked(path.read_bytes())
    except (OSError, ValueError):
        return {}


def _write(work: Work, done: Done, summary: Summary) -> None:
    """Tables and pictures, those of an earlier run replaced."""
    from millet.evaluate import charts, report
    from millet.evaluate.froc import curve

    points = curve(done.sweeps)
    files = {
        "summary.json": report.summary_json(summary, work.about, done.failed).encode(),
        "froc.csv": report.froc_csv(points).encode(),
        "froc.png": charts.froc_png(done.sweeps, points, summary),
        "counts.png": charts.counts_png(summary),
        "sizes.png": charts.bins_png("Sensitivity by size", summary.by_size, "true diameter"),
        "kinds.png": charts.bins_png("Sensitivity by kind", summary.by_kind, "kind"),
    }
    for name, data in files.items():
        cases.replace(work.out / name, data)
    for sheet in work.out.glob(SHEET):
        sheet.unlink()
    for number, data in enumerate(_sheets(done), start=1):
        cases.replace(work.out / SHEET.replace("*", f"{number:03d}"), data)


def _sheets(done: Done) -> Iterator[bytes]:
    from millet.evaluate import tiles

    pictured = [one for one in done.judged if one.case.name in done.tiles]
    return tiles.sheets(_missed(done, pictured), sum(len(one.missed) for one in pictured))


def _missed(done: Done, pictured: Sequence[Judged]) -> Iterator[tuple[Tile, Mark, tuple[str, str]]]:
    """Each missed nodule with its tile and words, case by case."""
    for one in pictured:
        by_place = {key.partition(" ")[2]: tile for key, tile in _held(done.tiles[one.case.name]).items()}
        for mark in one.missed:
            tile = by_place[_place(mark)]
            yield tile, mark, _words(one, mark, tile)


def _words(one: Judged, mark: Mark, tile: Tile) -> tuple[str, str]:
    from millet.evaluate.case import best_at

    best = best_at(one.case, mark)
    if best is None:
        why = "no candidate"
    elif best in one.reported:
        why = f"its candidate ({best.score:.3f}) is a neighbour's"
    else:
        why = f"best score {best.score:.3f}"
    x, y, z = (round(value) for value in mark.centre_mm)
    kind = mark.kind.replace("_", " ")
    return (
        f"{mark.diameter_mm:.1f} mm {kind}, {tile.hu:.0f} HU, {why}",
        f"{one.case.name} at {x}, {y}, {z}",
    )


def _tell(console: Console, done: Done, out: Path) -> None:
    loud = Console(stderr=True)
    for name, reason in done.unpictured.items():
        loud.print(f"{name}: no pictures of what was missed: {reason}", markup=False, soft_wrap=True)
    for name, reason in done.failed.items():
        loud.print(f"{name}: {reason}", style="red", markup=False, soft_wrap=True)
    console.print(f"written to {out}", markup=False, highlight=False, soft_wrap=True)
