"""The detector: all that it was built for, with n and 95 % intervals, on cases that it never learned from.

`make bench-detector` judges a fixed subset, `make bench-detector-full` everything; either goes on where
it was stopped, from the results of single cases under build/bench/detector.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

os.environ.setdefault("OMP_NUM_THREADS", "1")

from detecting import plans, real, rows_model, rows_phantom, rows_real, specs, subjects
from detecting.figures import Results
from detecting.plans import Groups
from detecting.specs import Spec
from detecting.store import Result, Store, Work
from detecting.subjects import Judged, Subject
from table import OUT, Row, write

from millet.core.lungs import LungMask, lungs
from millet.core.volume import Volume
from millet.evaluate import tiles

MODEL = "millet/1"
AGAINST_LOG = ("vague", "real")
"""Groups that the analytic detector sees too."""
PRECISION = ("miliary-first", "vague")
"""The first case of each of these is run in every precision."""
SIZES = {"subset": plans.SUBSET, "full": plans.FULL, "tiny": plans.TINY}


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What is judged on what."""

    judged: Judged
    groups: Groups
    store: Store

    def subjects(self, group: str, spec: Spec) -> Iterator[tuple[str, Subject]]:
        """Who sees a case of a group, by the name that its result is asked for."""
        own = self.judged.on(spec)
        yield "network", own
        if group in AGAINST_LOG and not self.judged.analytic:
            yield "log", subjects.bundled(subjects.ANALYTIC)
        if group == "precision":
            for precision in rows_model.PRECISIONS:
                if precision in subjects.manifest(own).precisions:
                    yield precision, replace(own, precision=precision)

    def work(self) -> list[Work]:
        """All cases, each once, with everybody who sees it."""
        cases: dict[str, Spec] = {}
        seen: dict[str, list[Subject]] = {}
        for group, some in self.groups.items():
            for spec in some:
                cases[specs.key(spec)] = spec
                seen.setdefault(specs.key(spec), []).extend(who for _, who in self.subjects(group, spec))
        return [Work(spec=spec, subjects=tuple(seen[key])) for key, spec in cases.items()]

    def results(self) -> Results:
        """What there is by now."""
        found: dict[tuple[str, str], list[Result]] = {}
        for group, some in self.groups.items():
            for spec in some:
                for name, who in self.subjects(group, spec):
                    if (result := self.store.result(spec, who)) is not None:
                        found.setdefault((group, name), []).append(result)
        return Results(by_group={key: tuple(some) for key, some in found.items()})


def main(arguments: Sequence[str] | None = None) -> None:
    """Compute what is missing, then print and write the table."""
    asked = _asked(arguments)
    judged = Judged(whole=subjects.bundled(asked.model))
    groups = chosen(SIZES[asked.size], asked.only)
    if lacking := judged.lacking():
        print(
            f"nothing is judged on real lungs: {', '.join(lacking)} absent, or learned from its own patient"
        )
        groups = simulated(groups)
    run = Run(
        judged=judged,
        groups=groups,
        store=Store(
            OUT / "detector",
            stale=asked.stale,
            threads=asked.threads,
            scans=OUT / "scans" if asked.keep_scans else None,
        ),
    )
    work = run.work()
    print(f"{len(work)} cases; results are kept in {OUT / 'detector'}")
    for number, (one, wrong) in enumerate(run.store.fill(work, asked.processes), start=1):
        print(f"{number}: {one.spec.name}{': ' + wrong if wrong else ''}", flush=True)
    results = run.results()
    if missing := sum(run.store.result(one.spec, who) is None for one in work for who in one.subjects):
        print(f"{missing} results are missing: their case could not be made, or code changed meanwhile")
    name = "detector" if asked.model == MODEL else f"detector_{asked.model.replace('/', '_')}"
    write(name if asked.size == "subset" else f"{name}_{asked.size}", table(run, results))
    for path in pictures(results):
        print(f"missed: {path}")


def table(run: Run, results: Results) -> list[Row]:
    """Every row, measured or not."""
    return [
        *rows_phantom.rows(results),
        *rows_real.rows(results, seen=run.judged.seen() if results.of("real", "thin") else []),
        rows_model.cost(run.judged.whole, list(_lungs(run))),
        *rows_model.precisions(results),
    ]


def chosen(size: plans.Size, only: Sequence[str]) -> Mapping[str, tuple[Spec, ...]]:
    """The groups of a plan, all or some; the cases that every precision sees are a group of their own."""
    groups = dict(plans.groups(size))
    groups["precision"] = tuple(spec for name in PRECISION for spec in groups[name][:1])
    return {name: some for name, some in groups.items() if not only or name in only}


def simulated(groups: Groups) -> Groups:
    """The cases that no network can have learned from."""
    return {
        name: tuple(one for one in some if isinstance(one, specs.Simulated)) for name, some in groups.items()
    }


def pictures(results: Results) -> Iterator[str]:
    """Sheets of the real findings that were missed, under build: never to be committed."""
    some = rows_real.missed(results)
    drawn = (
        (tiles.cut(real.series(f.series), f.mark), f.mark, (f"{f.series}, {f.readers} readers",))
        for f in some
    )
    for number, sheet in enumerate(tiles.sheets(drawn, len(some)), start=1):
        path = OUT / f"detector_missed_{number}.png"
        path.write_bytes(sheet)
        yield str(path)


def _lungs(run: Run) -> Iterator[tuple[str, Volume, LungMask]]:
    """A phantom and a real scan of about 4.5 litres, for what they cost."""
    for group in ("empty-first", "real"):
        for spec in run.groups.get(group, ()):
            if group == "real" and getattr(spec, "series", "") != "LIDC-IDRI-0295":
                continue
            volume = specs.make(spec).volume
            yield spec.name, volume, lungs(volume)
            break


def _asked(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=MODEL, help="the model to judge, name/version")
    parser.add_argument("--size", choices=SIZES, default="subset")
    parser.add_argument("--only", nargs="*", default=[], help="only these groups of cases")
    parser.add_argument("--processes", type=int, default=2, help="cases at a time")
    parser.add_argument("--threads", type=int, default=1, help="threads of each case's network")
    parser.add_argument(
        "--keep-scans", action="store_true", help="keep all scans (0.1 GB each) for the next model"
    )
    parser.add_argument("--stale", action="store_true", help="take results that other code made")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
