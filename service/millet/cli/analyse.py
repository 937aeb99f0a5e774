"""`millet analyse`: one series folder, no server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from millet.cli.folder import contents, dicom_files
from millet.cli.progress import Tick, bar
from millet.codec import record, tables
from millet.core import advice_wording
from millet.core.analysis import Outcome
from millet.core.language import Language
from millet.core.media import file_ending
from millet.errors import ServiceError

if TYPE_CHECKING:
    from millet.flow.analyse import Made, Order
    from millet.flow.finding import Progress

NOT_ANALYSED_EXIT = 3
"""Exit status of a series that was read but not analysed; 1 is a failure, 2 a wrong command line."""


def analyse(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of one DICOM series.")],
    out: Annotated[Path, typer.Option(help="Folder for the results; made if need be.")],
    candidates: Annotated[
        bool, typer.Option("--candidates", help="Also candidates.csv, down to the model's floor.")
    ] = False,
    config: Annotated[Path | None, typer.Option(help="Configuration file (TOML).")] = None,
) -> None:
    """Analyse one series: sr.dcm, seg.dcm, analysis.json, nodules.csv and pictures into OUT.

    Exits with 3 when the series is not analysed; analysis.json then holds the coded reason.
    """
    from millet import app
    from millet.flow.offline import analyse as run

    settings = app.settings(config)
    instances = tuple(contents(dicom_files(folder)))
    order = replace(_order(settings.site, instances), language=Language(settings.language))
    out.mkdir(parents=True, exist_ok=True)
    with bar("analyse") as progress:
        made = run(order, instances, app.load_model(settings), shown(progress), everything=candidates)
    _write(out, made, candidates=candidates)
    _tell(made, out)
    if made.analysis.outcome is Outcome.NOT_ANALYSED:
        raise typer.Exit(NOT_ANALYSED_EXIT)


def shown(tick: Tick) -> Progress:
    """Progress as a bar shows it: the stage, and its windows."""

    def progress(stage: str, done: int, total: int) -> None:
        tick(f"{stage}, {done} of {total} windows" if total else stage, done / max(total, 1))

    return progress


def _order(site: str, instances: Sequence[bytes]) -> Order:
    """The one series that the instances are of; several are an error, none readable is a refusal later."""
    from millet.codec.ct import read_header
    from millet.errors import UnfitSeries
    from millet.flow.analyse import Order

    found: dict[str, str] = {}
    for encoded in instances:
        try:
            header = read_header(encoded)
        except UnfitSeries:
            continue
        found[header.series_uid] = header.study_uid
    if len(found) > 1:
        raise ServiceError(f"the folder holds {len(found)} series; give a folder of one")
    series_uid, study_uid = next(iter(found.items()), ("", ""))
    return Order(
        site=site, study_uid=study_uid, series_uid=series_uid, generation=1, created_utc=datetime.now(UTC)
    )


def _write(out: Path, made: Made, *, candidates: bool) -> None:
    texts = {
        "analysis.json": record.encode(made.analysis),
        "nodules.csv": tables.scored(made.analysis.nodules),
    }
    if candidates:
        texts["candidates.csv"] = tables.scored(made.candidates)
    for name, text in texts.items():
        (out / name).write_text(text, encoding="utf-8")
    for kind, encoded in made.objects.items():
        (out / f"{kind}{file_ending(kind)}").write_bytes(encoded)


def _tell(made: Made, out: Path) -> None:
    console, analysis = Console(), made.analysis
    count = len(analysis.nodules)
    doubt = ", count not reliable" if analysis.doubts else ""
    console.print(f"{analysis.outcome.value}: {count} nodule{'' if count == 1 else 's'}{doubt}", markup=False)
    for reason in analysis.triage.reasons:
        console.print(
            f"triage {analysis.triage.level.value}: {reason}", markup=False, highlight=False, soft_wrap=True
        )
    for remark in analysis.remarks:
        console.print(
            f"{remark.weight.value}: {remark.reason.value} {remark.detail}", markup=False, soft_wrap=True
        )
    for advice in analysis.advice:
        console.print(
            advice_wording.sentence(advice, analysis.language), markup=False, highlight=False, soft_wrap=True
        )
    console.print(f"written to {out}", markup=False, soft_wrap=True)
