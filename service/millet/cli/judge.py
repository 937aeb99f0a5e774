"""`millet judge`: what criteria say of a report that somebody else's detector, or a person, made."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from millet.cli.folder import contents, dicom_files
from millet.errors import ServiceError

if TYPE_CHECKING:
    from millet.codec.judged_sr import Judged


def judge(  # noqa: PLR0913, PLR0917 - each option is an argument
    report: Annotated[
        Path, typer.Argument(help="The report: a TID 1500 SR as a DICOM file.", exists=True, dir_okay=False)
    ],
    series: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help="Folder of the series that it was made of.")
    ] = None,
    organ: Annotated[str, typer.Option(help="Where its finding sites do not tell, such as brain.")] = "",
    modality: Annotated[str, typer.Option(help="MR or CT; else that of the series.")] = "",
    criteria: Annotated[Path | None, typer.Option(help="Folder of further sets (TOML).")] = None,
    out: Annotated[Path | None, typer.Option(help="File for the judgement as an SR.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of sentences.")] = False,
    config: Annotated[Path | None, typer.Option(help="Configuration file (TOML).")] = None,
) -> None:
    """Judge the lesions of a report by every set of criteria of their organ; nothing is looked for."""
    from millet import app
    from millet.codec import judged_sr
    from millet.codec.reported import Asked
    from millet.core.language import Language
    from millet.edge import criteria as sets
    from millet.flow.foreign import Bench, judge, series_of

    settings = app.settings(config)
    further = sets.read(criteria or settings.criteria_dir)
    bench = Bench(further=further, language=Language(settings.language))
    instances = contents(dicom_files(series)) if series else ()
    asked = Asked(organ=organ, modality=modality.upper())
    try:
        judged, source = judge(report.read_bytes(), series_of(instances), asked, datetime.now(UTC), bench)
    except ValueError as why:
        raise ServiceError(f"{report} is not judged: {why}") from why
    typer.echo(_json(judged) if as_json else "\n".join(_sentences(judged)))
    if out:
        out.write_bytes(judged_sr.encode(judged, source))


def _sentences(judged: Judged) -> list[str]:
    from millet.core import judgement_wording
    from millet.core.language import said, say

    language, lines = judged.language, [judged.words]
    for one in judged.judgements:
        lines.append(judgement_wording.verdict(one, language))
        lines += [f"  {condition}" for condition in judgement_wording.conditions(one, language)]
    lines += [say(language, "not-assessed", what=said(told, language)) for told in judged.reported.told]
    return [*lines, f"{say(language, 'statement')} {say(language, 'unreviewed')}"]


def _json(judged: Judged) -> str:
    brought = judged.reported.brought
    told = {
        "organ": brought.exam.organ,
        "modality": brought.exam.modality,
        "lesions": brought.told,
        "judged": len(brought.exam.lesions),
        "summary": judged.words,
        "not_assessed": judged.reported.told,
        "judgements": [asdict(one) for one in judged.judgements],
        "software_version": judged.software_version,
        "configuration_digest": judged.configuration_digest,
        "created": judged.created_utc.isoformat(),
    }
    return json.dumps(told, indent=2, ensure_ascii=False)
