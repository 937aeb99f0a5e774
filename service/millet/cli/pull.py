"""`millet find` and `millet pull`: what an archive has, and have it here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from millet.errors import ServiceError
from millet.flow.pull import Pulled
from millet.ports import SeriesQuery

ArchiveName = Annotated[str, typer.Argument(metavar="ARCHIVE", help="Name of a configured archive.")]
Study = Annotated[str, typer.Option(metavar="UID", help="Study Instance UID.")]
Series = Annotated[str, typer.Option(metavar="UID", help="Series Instance UID.")]
Accession = Annotated[str, typer.Option(metavar="NUMBER", help="Accession number.")]
PatientId = Annotated[str, typer.Option(metavar="ID", help="Patient ID, as the archive writes it.")]
Modality = Annotated[str, typer.Option(metavar="CODE", help="Of the series; empty for any.")]
Config = Annotated[Path | None, typer.Option(help="Configuration file (TOML).")]


def find(
    archive: ArchiveName,
    study: Study = "",
    accession: Accession = "",
    patient_id: PatientId = "",
    modality: Modality = "CT",
    config: Config = None,
) -> None:
    """List the series of an archive that match; a study, an accession number or a patient is needed."""
    from millet import app

    wanted = _query(study_uid=study, accession=accession, patient_id=patient_id, modality=modality)
    found = app.find(app.settings(config), archive, wanted)
    for one in found:
        count = "?" if one.instances is None else str(one.instances)
        facts = (*one.name, one.series_date, one.modality, count, one.description)
        typer.echo("\t".join(printable(fact) for fact in facts))
    typer.echo(f"{len(found)} series", err=True)


def pull(
    archive: ArchiveName,
    study: Study = "",
    series: Series = "",
    modality: Modality = "CT",
    config: Config = None,
) -> None:
    """Have a series, or all of a study, sent to the service that runs on this configuration.

    What is here already is not fetched again, so a pull that broke off goes on where it ended. Fails when an
    instance is missing in the end.
    """
    from millet import app

    wanted = _query(study_uid=study, series_uid=series, modality=modality)
    done = app.pull(app.settings(config), archive, wanted, _tell)
    if short := [one for one in done if not one.complete]:
        raise ServiceError(f"{len(short)} of {len(done)} series are not complete")


def printable(text: str) -> str:
    """A text of an archive's on a terminal: nothing that moves the cursor."""
    return "".join(c if c.isprintable() else "?" for c in text)


def _query(**keys: str) -> SeriesQuery:
    try:
        return SeriesQuery(**keys)
    except ValueError as mistake:
        raise ServiceError(str(mistake)) from mistake


def _tell(one: Pulled) -> None:
    """One line: how many of how many are here, and what kept the others away."""
    parts = [f"{one.name.series_uid}: {one.here} of {one.wanted} instances here, {one.new} of them new"]
    parts += [f"{one.refused} refused"] if one.refused else []
    parts += [f"{one.failed} that the archive could not send"] if one.failed else []
    typer.echo("; ".join([*parts, one.why] if one.why else parts))
