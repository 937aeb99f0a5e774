"""The calibration: fitted on some patients, judged on others and on both simulators.

`make bench-calibration` goes on where it was stopped, from the results of single cases under
build/bench/calibration. With `--write` what was fitted on all patients goes into the model's manifest.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

os.environ.setdefault("OMP_NUM_THREADS", "1")

from calibrating import plans, rows
from calibrating.exams import exams
from detecting import real, subjects
from detecting.specs import Real, Spec
from detecting.store import Store, Work
from detecting.subjects import Judged
from table import OUT, Row, write

from millet.core.calibration import Calibration
from millet.core.manifest import Manifest
from millet.edge import models
from millet.evaluate.calibrating import About, Exam, crossed, fit

MODEL = "millet/1"
FITTED_ON = "CT of {patients} patients ({nodules} nodules, nearly all implants of 2 to 9 mm; {false} false)"
THINNEST_MM = 1.0
"""Real slices are 1.25 mm at least; phantoms of 1 mm show that it holds there, too."""
PREVALENCE = "each patient with 0, 1, 2, 4 ... 256 nodules more, each as often"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What is judged on what."""

    judged: Judged
    store: Store
    groups: Mapping[str, tuple[Spec, ...]]

    def work(self) -> list[Work]:
        """All cases, each once."""
        every = (spec for some in self.groups.values() for spec in some)
        return [Work(spec=spec, subjects=(self.judged.on(spec),)) for spec in every]

    def exams(self, group: str) -> list[Exam]:
        """Of a group, as far as there are results."""
        held = ((spec, self.store.result(spec, self.judged.on(spec))) for spec in self.groups[group])
        return [
            one for spec, result in held if result is not None for one in exams(spec, result, _slice_mm(spec))
        ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Compute what is missing, then fit, judge, print and write the table."""
    asked = _asked(arguments)
    run = Run(
        judged=Judged(whole=subjects.bundled(MODEL)),
        store=Store(OUT / "calibration", stale=asked.stale),
        groups=plans.groups(),
    )
    for number, (one, wrong) in enumerate(run.store.fill(run.work(), asked.processes), start=1):
        print(f"{number}: {one.spec.name}{': ' + wrong if wrong else ''}", flush=True)
    manifest = replace(subjects.manifest(run.judged.whole), calibration=None)
    exams = {name: run.exams(name) for name in run.groups}
    fitted = calibration(exams["real"], manifest, asked.version)
    print(fitted)
    write("calibration", list(table(exams, fitted, manifest)))
    if asked.write:
        models.rewrite(run.judged.whole.folder, replace(manifest, calibration=fitted))


def calibration(some: Sequence[Exam], manifest: Manifest, version: str) -> Calibration:
    """Fitted on some exams, and what it says of itself."""
    fullest = {one.subject: one for one in some}.values()  # the last of each has the most nodules
    nodules = sum(int(one.nodule.sum()) for one in fullest)
    false = sum(one.nodule.size for one in fullest) - nodules
    words = FITTED_ON.format(patients=len(fullest), nodules=nodules, false=false)
    fitted = fit(some, manifest, About(version=version, fitted_on=words, prevalence=PREVALENCE))
    return replace(fitted, slice_mm=(THINNEST_MM, fitted.slice_mm[1]))


def table(exams: Mapping[str, Sequence[Exam]], fitted: Calibration, manifest: Manifest) -> Iterator[Row]:
    """Every row: a real patient by what was fitted without the patients of that network, others by all."""
    about = About(version="-", fitted_on="-", prevalence="-")
    held_out = crossed(exams["real"], lambda one: real.HELD_OUT[one.subject], manifest, about)
    yield from rows.rows("real lungs", exams["real"], held_out)
    for name, what in (
        ("unmarked", "an upper lung that nobody marked"),
        ("first", "phantoms of the first simulator"),
        ("second", "phantoms of the second simulator"),
    ):
        yield from rows.rows(what, exams[name], lambda one: fitted.of(one.scores, one.per_litre))


def _slice_mm(spec: Spec) -> float:
    if isinstance(spec, Real):
        return real.slice_mm(spec.series)
    return spec.scan.slice_mm


def _asked(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int, default=2, help="cases at a time")
    parser.add_argument("--version", default="1", help="of the calibration")
    parser.add_argument("--write", action="store_true", help="write it into the model's manifest")
    parser.add_argument("--stale", action="store_true", help="take results that other code made")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
