"""`millet models calibrate`: probabilities for a model's scores, from cases whose truth is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from millet.cli import cases
from millet.cli.progress import bar
from millet.edge import models

if TYPE_CHECKING:
    from millet.core.calibration import Calibration
    from millet.evaluate.calibrated import Calibrated
    from millet.evaluate.calibrating import Exam
    from millet.flow.model import Model

FITTED_ON = "{exams} exams of {name}: {nodules} nodules, {false} false findings"
FIFTHS = 5


def calibrate(
    folder: Annotated[Path, typer.Argument(metavar="CASES", help="Folder of case folders, or one of them.")],
    out: Annotated[Path, typer.Option(help="Folder for what is found; what is there is used again.")],
    prevalence: Annotated[
        str, typer.Option(help="How frequent nodules are in the cases, in words that every report will say.")
    ],
    version: Annotated[str, typer.Option(help="Version of the calibration.")] = "1",
    config: Annotated[Path | None, typer.Option(help="Configuration file (TOML).")] = None,
) -> None:
    """Fit the probability that a finding is a nodule, and write it into the manifest of the configured model.

    Cases are those of `millet evaluate`, each a patient of its own that the model did not learn from. Every
    case must be readable. Judged by fits that left out a fifth of the cases each.
    """
    from millet import app
    from millet.evaluate.calibrated import calibrated
    from millet.evaluate.calibrating import About, crossed, fit

    chosen = app.settings(config)
    model = app.load_model(chosen)
    exams = _exams(model, cases.folders(folder, out), out)
    about = About(version=version, fitted_on=_words(folder, exams), prevalence=prevalence)
    fitted = fit(exams, model.manifest, about)
    fifths = {exam.subject: number % FIFTHS for number, exam in enumerate(exams)}
    judged = calibrated(exams, crossed(exams, lambda exam: fifths[exam.subject], model.manifest, about))
    home = models.find(chosen.models_dir or models.bundled(), chosen.model)
    models.rewrite(home, replace(model.manifest, calibration=fitted))
    _tell(home, fitted, judged)


def _exams(model: Model, below: Sequence[Path], out: Path) -> list[Exam]:
    finder = cases.ModelFinder(model)
    exams: list[Exam] = []
    with bar("calibrate") as tick:
        for number, folder in enumerate(below):
            tick(folder.name, number / len(below))
            found = finder.found(folder, out / "cases" / folder.name, _silent)
            exams.append(_exam(model, found, folder))
    return exams


def _exam(model: Model, found: cases.Found, folder: Path) -> Exam:
    """One case, judged at the model's thresholds."""
    from millet.core.lungs import lungs
    from millet.evaluate.calibrating import Exam
    from millet.evaluate.case import Case, judge
    from millet.flow.finding import resolution

    truth, ignored = cases.truth(folder)
    case = Case(name=folder.name, truth=truth, found=found.candidates, ignored=ignored)
    series = cases.series(folder)
    litres = lungs(series.volume).litres.total_l
    return Exam.of(judge(case, model.manifest.reports), folder.name, litres, resolution(series).slice_mm)


def _silent(_share: float) -> None:
    return None


def _words(folder: Path, exams: Sequence[Exam]) -> str:
    nodules = sum(int(exam.nodule.sum()) for exam in exams)
    false = sum(exam.nodule.size for exam in exams) - nodules
    return FITTED_ON.format(exams=len(exams), name=folder.resolve().name, nodules=nodules, false=false)


def _tell(home: Path, fitted: Calibration, judged: Calibrated) -> None:
    typer.echo(f"written to {home / 'manifest.json'}: {fitted.told}")
    typer.echo(
        f"log odds {fitted.intercept:g} + {fitted.by_score:g} x log odds of the score "
        f"+ {fitted.by_density:g} x log of the findings a litre"
    )
    for name, figure in (("Brier score", judged.brier), ("expected calibration error", judged.error)):
        ends = "" if figure.low is None else f" ({figure.low:.3f} to {figure.high:.3f})"
        typer.echo(f"{name}, on cases that a fit left out: {figure.value:.3f}{ends}, n = {figure.n}")
