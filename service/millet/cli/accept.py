"""`millet accept`: a site's own studies in shadow, and what they came to in a signed report."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from millet.cli import studies
from millet.cli.progress import bar
from millet.core.analysis import TriageLevel
from millet.core.notification import LEVELS
from millet.errors import ServiceError

if TYPE_CHECKING:
    from millet.cli.shadow import Bench
    from millet.edge.signing import SigningKey
    from millet.evaluate.acceptance.groups import Asked, Case
    from millet.evaluate.acceptance.report import InPlace, Report
    from millet.evaluate.acceptance.study import SeriesSeen, StudySeen
    from millet.evaluate.acceptance.truth import Told, Truth
    from millet.settings import Settings

KEY = "acceptance.pem"
"""Of the site, below state_dir."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be run, and how."""

    root: Path
    out: Path
    key: SigningKey
    truth: Truth | None
    asked: Asked
    called: str
    jobs: int
    repeats: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What came of it."""

    below: studies.Below
    cases: tuple[Case, ...]
    uids: Mapping[int, str]
    """Study UIDs by the numbers of cases; stay on this machine."""
    unknown: tuple[str, ...]
    """What the truth names that is no study of the cases; likewise."""
    lost: frozenset[Path]
    repeated: int
    repeated_alike: int


def accept(  # noqa: PLR0913, PLR0917 - each option is an argument
    folder: Annotated[
        Path | None, typer.Argument(metavar="[CASES]", help="Folder of studies, in any layout.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the report; what is there already is used again.")
    ] = None,
    truth: Annotated[
        Path | None,
        typer.Option(help="Table (CSV): accession or study_uid, and truth, count or level of each study."),
    ] = None,
    alert: Annotated[str, typer.Option(help="Level from which on a study raises an alert.")] = "urgent",
    prevalence: Annotated[
        float | None, typer.Option(help="Share of studies that should raise one where this is to run, 0..1.")
    ] = None,
    positive_from: Annotated[
        int | None, typer.Option(min=1, help="Nodules from which on a study is positive, for counts.")
    ] = None,
    called: Annotated[
        str, typer.Option(help="Called AE title whose model is judged; else the usual one.")
    ] = "",
    key: Annotated[
        Path | None, typer.Option(help=f"The site's key, made on first use; else {KEY} in state_dir.")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, max=64, help="Series at once.")] = 1,
    repeats: Annotated[int, typer.Option(min=0, help="Series that are analysed twice, to be compared.")] = 1,
    verify: Annotated[
        Path | None,
        typer.Option(metavar="REPORT", help="Check a report, and whether what it holds for is in place."),
    ] = None,
    config: Annotated[Path | None, typer.Option(help="Configuration file (TOML).")] = None,
) -> None:
    """Run a site's own studies in shadow, and sign what they came to.

    Nothing is delivered, and nothing goes into a journal or a metric. Writes acceptance.json and
    acceptance.html, which hold no patient data, and cases.csv, which says which study is which, into OUT.
    """
    from millet import app
    from millet.edge import signing

    chosen = app.settings(config)
    place = key or chosen.state_dir / KEY
    if verify is not None:
        from millet.cli.accept_verify import verified

        if key is not None and not key.is_file():
            raise ServiceError(f"there is no key {key} to compare the report's with")
        verified(verify, place, chosen)
        return
    if folder is None or out is None:
        raise typer.BadParameter("CASES and --out are needed, or --verify REPORT")
    asked, known = _asked(alert, prevalence, positive_from, truth)
    order = Order(
        root=folder,
        out=out,
        key=signing.read_or_make(place),
        truth=known,
        asked=asked,
        called=called,
        jobs=jobs,
        repeats=repeats,
    )
    _all(order, chosen)


def _asked(
    alert: str, prevalence: float | None, positive_from: int | None, table: Path | None
) -> tuple[Asked, Truth | None]:
    from millet.evaluate.acceptance import truth
    from millet.evaluate.acceptance.groups import Asked

    if alert not in LEVELS:
        raise typer.BadParameter(f"--alert: {alert!r} is none of {', '.join(LEVELS)}")
    if prevalence is not None and not 0 < prevalence < 1:
        raise typer.BadParameter(f"--prevalence: {prevalence:g} does not lie between 0 and 1")
    level = TriageLevel(alert)
    asked = Asked(alert=level, prevalence=prevalence, positive_from=positive_from)
    if table is None:
        return asked, None
    try:
        return asked, truth.read(table.read_text(encoding="utf-8-sig"), level, positive_from)
    except ValueError as wrong:
        raise ServiceError(f"{table}: {wrong}") from wrong


def _all(order: Order, chosen: Settings) -> None:
    from millet.cli import accepted
    from millet.cli.in_place import in_place, model_of
    from millet.cli.shadow import Bench
    from millet.evaluate.acceptance.report import canonical
    from millet.evaluate.acceptance.report import in_place as plain
    from millet.flow.batcher import Batcher, running
    from millet.flow.shadow import Shadow

    below = studies.below(order.root, order.out)
    told = _told(order.truth, below)
    model = model_of(chosen, order.called)
    used = in_place(chosen, model)
    keep = order.out / "state"
    order.out.mkdir(parents=True, exist_ok=True)
    keep.mkdir(mode=0o700, exist_ok=True)
    with running(Batcher()) as batcher:
        bench = Bench(
            shadow=Shadow(model=model, batcher=batcher, faulty=accepted.faulty),
            chosen=chosen,
            in_place=canonical(plain(used)),
            keep=keep,
        )
        ran = _ran(order, below, told, bench)
    report = _report(order, chosen, ran, used)
    accepted.write(order.out, report, ran, order.key)
    accepted.show(Console(), report, order.out)
    if faults := _faults(ran):
        raise ServiceError(f"{faults} series ended by a fault of this machine: run it again")


def _told(truth: Truth | None, below: studies.Below) -> Mapping[str, Told]:
    """What the truth says, by study UID. Raises ServiceError where it does not tell which study it means."""
    if truth is None:
        return {}
    named: dict[str, set[str]] = {}
    for uid, series in below.studies().items():
        for one in series:
            named.setdefault(one.accession if truth.by == "accession" else uid, set()).add(uid)
    chosen = {name: named[name] for name in truth.told if name in named}
    if several := sum(len(uids) > 1 for uids in chosen.values()):
        raise ServiceError(
            f"{several} accessions of the truth are of several studies: name those by study_uid"
        )
    return {uid: truth.told[name] for name, uids in chosen.items() for uid in uids}


def _ran(order: Order, below: studies.Below, told: Mapping[str, Told], bench: Bench) -> Ran:
    series = list(below.series.values())
    with bar("accept") as tick:
        seen = bench.all(
            series,
            order.jobs,
            lambda done: tick(f"{done} of {len(series)} series", done / len(series)),
        )
        again = _again(order.repeats, series, seen)
        tick(f"{len(again)} series once more", 1.0)
        alike = sum(bench.look(one).result_digest == seen[one.series_uid].result_digest for one in again)
    numbered = _numbered(below, seen, order.key)
    return Ran(
        below=below,
        cases=tuple(_case(number, study, told.get(uid)) for number, (uid, study) in enumerate(numbered, 1)),
        uids={number: uid for number, (uid, _) in enumerate(numbered, 1)},
        unknown=_unknown(order.truth, below),
        lost=frozenset(bench.lost),
        repeated=len(again),
        repeated_alike=alike,
    )


def _again(
    repeats: int, series: Sequence[studies.Series], seen: Mapping[str, SeriesSeen]
) -> list[studies.Series]:
    """Which are analysed twice: those of the smallest digests, which nobody chose."""
    analysed = [one for one in series if seen[one.series_uid].analysed]
    return sorted(analysed, key=lambda one: seen[one.series_uid].digest)[:repeats]


def _numbered(
    below: studies.Below, seen: Mapping[str, SeriesSeen], key: SigningKey
) -> list[tuple[str, StudySeen]]:
    """The studies by UID, in the order of their keyed digests, which says nothing of them."""
    from millet.evaluate.acceptance.study import StudySeen

    made = []
    for uid, series in below.studies().items():
        found = tuple(sorted((seen[one.series_uid] for one in series), key=lambda one: one.digest))
        digest = key.pseudonym("\n".join(one.digest for one in found).encode())
        made.append((uid, StudySeen(digest=digest, patient=series[0].patient, series=found)))
    return sorted(made, key=lambda one: one[1].digest)


def _case(number: int, study: StudySeen, told: Told | None) -> Case:
    from millet.evaluate.acceptance.groups import Case

    return Case(number=number, study=study, told=told)


def _unknown(truth: Truth | None, below: studies.Below) -> tuple[str, ...]:
    if truth is None:
        return ()
    names = {one.accession if truth.by == "accession" else one.study_uid for one in below.series.values()}
    return tuple(name for name in truth.told if name not in names)


def _report(order: Order, chosen: Settings, ran: Ran, used: InPlace) -> Report:
    from millet.evaluate.acceptance.caveats import Beside, caveats
    from millet.evaluate.acceptance.report import Report, Run
    from millet.evaluate.acceptance.summary import summarise

    summary = summarise(ran.cases, order.asked)
    cases = [case.study for case in ran.cases]
    said = [f"{case.study.digest} {case.told!r}" for case in ran.cases if case.told is not None]
    results = sorted(f"{one.digest}{one.result_digest}" for study in cases for one in study.series)
    run = Run(
        site=chosen.site,
        created_utc=datetime.now(UTC),
        called=order.called,
        jobs=order.jobs,
        processors=os.cpu_count() or 1,
        files=dict(sorted(ran.below.kinds.items())),
        studies_not_taken=ran.below.studies_not_taken,
        cases_digest=order.key.pseudonym("\n".join(study.digest for study in cases).encode()),
        results_digest=order.key.pseudonym("\n".join(results).encode()),
        truth_digest=order.key.pseudonym("\n".join(said).encode()) if said else "",
        repeated=ran.repeated,
        repeated_alike=ran.repeated_alike,
    )
    beside = Beside(
        untold=sum(case.told is None for case in ran.cases),
        unknown=len(ran.unknown),
        faults=_faults(ran),
        unread=len(ran.below.left_out) + len(ran.lost),
    )
    return Report(run=run, in_place=used, summary=summary, caveats=caveats(summary, beside))


def _faults(ran: Ran) -> int:
    from millet.flow.shadow import FAULTS

    return sum(one.reason_code in FAULTS for case in ran.cases for one in case.study.series)
