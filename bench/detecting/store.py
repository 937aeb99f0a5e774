"""Results of cases: computed once a model and case, side by side, and kept, so that a run can be resumed."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from detecting import kept, specs, subjects
from detecting.specs import Made, Spec
from detecting.subjects import Subject
from millet.codec.tables import Mark
from millet.core.geometry import Floats, PointMm
from millet.core.lungs import lungs
from millet.core.measure import measure
from millet.core.nodule import Candidate, class_of
from millet.core.volume import canonical
from millet.evaluate.case import Case
from millet.flow import detect

FIGURES = ("lung_l", "voxels", "windows", "find_s", "make_s")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Result:
    """What a model found in a case, down to its floor, and what of it it reports.

    `measured` are the reported ones as the service would report them: measured on the scan.
    """

    name: str
    truth: tuple[Mark, ...]
    labels: tuple[str, ...]
    ignored: tuple[Mark, ...]
    found: tuple[Candidate, ...]
    reported: tuple[Candidate, ...]
    measured: tuple[Candidate, ...]
    figures: Mapping[str, float]

    def case(self, label: str | None = None) -> Case:
        """All of it to be judged, or the truth whose label begins so, with the rest ignored."""
        wanted = [label is None or own.startswith(label) for own in self.labels]
        truth = tuple(m for m, w in zip(self.truth, wanted, strict=True) if w)
        rest = tuple(m for m, w in zip(self.truth, wanted, strict=True) if not w)
        return Case(name=self.name, truth=truth, found=self.found, ignored=(*self.ignored, *rest))


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One case and every model that it is to be given to."""

    spec: Spec
    subjects: tuple[Subject, ...]


class Store:
    """Results on disk, a folder a model.

    `stale` takes those that other sources than today's made; `scans` is where scans are kept, if anywhere.
    """

    def __init__(
        self, folder: Path, *, stale: bool = False, threads: int = 1, scans: Path | None = None
    ) -> None:
        self._folder, self._stale, self._threads, self._scans = folder, stale, threads, scans

    def result(self, spec: Spec, subject: Subject) -> Result | None:
        """What is kept; None where there is nothing, or nothing that holds."""
        path = self.path(spec, subject)
        return _read(path, None if self._stale else specs.code(spec)) if path.exists() else None

    def path(self, spec: Spec, subject: Subject) -> Path:
        """Where a result is kept."""
        return self._folder / subject.digest / f"{specs.key(spec)}.npz"

    def fill(self, work: Sequence[Work], processes: int) -> Iterator[tuple[Work, str]]:
        """Compute what is missing; yields each case when it is done, with what went wrong or nothing."""
        todo = [one for one in (self._missing(w) for w in work) if one.subjects]
        if processes == 1:
            for one in todo:
                yield one, self.compute(one)
            return
        with ProcessPoolExecutor(processes, mp_context=get_context("spawn"), max_tasks_per_child=8) as pool:
            waiting = {pool.submit(self.compute, one): one for one in todo}
            for done in as_completed(waiting):
                yield waiting[done], done.result()

    def compute(self, work: Work) -> str:
        """Make a case and give it to its models; what it says is empty unless the case could not be made."""
        begin = time.perf_counter()
        try:
            made = kept.made(work.spec, self._scans)
        except ValueError as error:
            return f"{work.spec.name}: {error}"
        make_s = time.perf_counter() - begin
        for subject in work.subjects:
            _write(
                self.path(work.spec, subject), work.spec, made, _found(made, subject, self._threads, make_s)
            )
        return ""

    def _missing(self, work: Work) -> Work:
        left = tuple(s for s in dict.fromkeys(work.subjects) if self.result(work.spec, s) is None)
        return Work(spec=work.spec, subjects=left)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Found:
    found: tuple[Candidate, ...]
    measured: Floats
    """(R, 4) centre and diameter of the reported ones, in their order."""
    reported: tuple[int, ...]
    figures: Mapping[str, float]


def _found(made: Made, subject: Subject, threads: int, make_s: float) -> _Found:
    manifest, graphs = subjects.manifest(subject), subjects.detectors(subject, threads)
    mask, begin = lungs(made.volume), time.perf_counter()
    found = detect.find(made.volume, mask, graphs, manifest)
    find_s = time.perf_counter() - begin
    reported = tuple(n for n, c in enumerate(found) if manifest.reports(c))
    sized = measure(made.volume, mask, [found[n] for n in reported])
    windows = [window.box.shape for _, window in detect.plan(canonical(made.volume).grid, mask, manifest)]
    voxels = float(sum(np.prod(shape, dtype=float) for shape in windows))
    return _Found(
        found=found,
        measured=np.asarray([(*m.centre_mm, m.diameter_mm) for m in sized], float).reshape(-1, 4),
        reported=reported,
        figures=dict(
            zip(FIGURES, (mask.litres.total_l, voxels, float(len(windows)), find_s, make_s), strict=True)
        ),
    )


def _write(path: Path, spec: Spec, made: Made, found: _Found) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    facts = {
        "name": spec.name,
        "code": specs.code(spec),
        "labels": made.labels,
        "kinds": [mark.kind for mark in made.truth],
        "figures": found.figures,
    }
    draft = path.with_suffix(".part.npz")
    np.savez_compressed(
        draft,
        facts=json.dumps(facts),
        truth=_rows(made.truth),
        ignored=_rows(made.ignored),
        found=np.asarray([(*c.centre_mm, c.diameter_mm, c.score) for c in found.found]).reshape(-1, 5),
        reported=np.asarray(found.reported, int),
        measured=found.measured,
    )
    draft.rename(path)


def _read(path: Path, code: str | None) -> Result | None:
    with np.load(path, allow_pickle=False) as held:
        facts = json.loads(str(held["facts"]))
        if code is not None and facts["code"] != code:
            return None
        found = [
            Candidate(centre_mm=PointMm(*row[:3]), diameter_mm=row[3], score=row[4])
            for row in held["found"].tolist()
        ]
        reported = tuple(found[n] for n in held["reported"].tolist())
        return Result(
            name=facts["name"],
            truth=_marks(held["truth"], facts["kinds"]),
            labels=tuple(facts["labels"]),
            ignored=_marks(held["ignored"], ["solid"] * len(held["ignored"])),
            found=tuple(found),
            reported=reported,
            measured=tuple(
                Candidate(centre_mm=PointMm(*row[:3]), diameter_mm=row[3], score=c.score)
                for row, c in zip(held["measured"].tolist(), reported, strict=True)
            ),
            figures=facts["figures"],
        )


def _rows(marks: Sequence[Mark]) -> Floats:
    return np.asarray([(*m.centre_mm, m.diameter_mm) for m in marks], float).reshape(-1, 4)


def _marks(rows: Floats, kinds: Sequence[str]) -> tuple[Mark, ...]:
    return tuple(
        Mark(centre_mm=PointMm(*row[:3]), diameter_mm=row[3], nodule_class=class_of(row[3]), kind=kind)
        for row, kind in zip(rows.tolist(), kinds, strict=True)
    )
