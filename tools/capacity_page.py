"""Write the tables of docs/capacity.md anew, from what benchmarks measured."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from millet.core.retention import LARGE

ROOT = Path(__file__).resolve().parents[1]
PAGE, RESULTS = ROOT / "docs" / "capacity.md", ROOT / "bench" / "results"
SOURCES = ("capacity", "soak", "ingest", "inference", "page", "grpc_api")
LOADS = (10, 50, 200, 500)
"""Chest CTs a day."""
PEAK_SHARE = 0.12
"""Of a day's studies in its busiest hour."""
HEADROOM = 2.0
"""What is recommended against what is busy or held at the most."""
FEWEST_CORES = 2
KEEP_DAYS = (2, 7, 30)
KEEP_OBJECTS_DAYS = 90
PROCESSES = ("receiver", "analyser", "deliverer", "api", "database")
SLICE_MB = 512 * 512 * 2 / 1e6
UNMEASURED = "not measured"
BLOCK = re.compile(r"(<!-- (\w+): written by tools/capacity_page\.py -->\n).*?(<!-- end -->)", re.DOTALL)
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Results:
    """What was measured, by benchmark and name of the figure."""

    documents: Mapping[str, Mapping[str, Any]]

    @classmethod
    def of(cls, folder: Path) -> Results:
        """Of the folder of results."""
        return cls({name: json.loads((folder / f"{name}.json").read_text("utf-8")) for name in SOURCES})

    def row(self, source: str, name: str) -> Row:
        """A figure. Raises KeyError when there is none of that name."""
        for row in self.documents[source]["rows"]:
            if row["name"] == name:
                return dict(row)
        raise KeyError(f"{source}: {name}")

    def value(self, source: str, name: str) -> float:
        """Its value. Raises KeyError when it was not measured."""
        value = self.row(source, name)["value"]
        if value is None:
            raise KeyError(f"{source}: {name} was not measured")
        return float(value)

    def starting(self, source: str, start: str) -> list[Row]:
        """Every figure whose name begins so."""
        return [row for row in self.documents[source]["rows"] if row["name"].startswith(start)]


@dataclass(frozen=True, slots=True)
class Load:
    """What a number of studies a day needs, at the busiest hour and over time."""

    a_day: int
    per_hour: float
    busy_cores: float
    cores: int
    spool_gb_a_day: float
    objects_gb_a_year: float
    large_gb_a_day: float
    """Of the objects, those that `keep_objects_days` removes."""
    database_gb_a_year: float
    peak_mb_per_s: float


def cpu_s_a_study(results: Results) -> float:
    """Processor time of all processes for one study, in seconds."""
    names = (f"soak: {name}, processor time a study" for name in PROCESSES)
    return sum(results.value("soak", name) for name in names)


def study_mb(results: Results) -> float:
    """What a study of the soak is as it was received, in MB, each instance an uncompressed slice."""
    return results.value("soak", "soak: instances, a study") * SLICE_MB


def large_mb(results: Results) -> float:
    """What `keep_objects_days` removes of a study's objects, in MB."""
    studies = results.row("soak", "soak: objects, a study")["n"]
    rows = (results.row("soak", f"soak: object {kind}, each") for kind in LARGE)
    return float(sum(row["value"] * row["n"] for row in rows) / studies)


def load(a_day: int, results: Results) -> Load:
    """Reckon a load from what a study takes."""
    per_hour = a_day * PEAK_SHARE
    busy = per_hour * cpu_s_a_study(results) / 3600
    received_mb = study_mb(results)
    return Load(
        a_day=a_day,
        per_hour=per_hour,
        busy_cores=busy,
        cores=max(math.ceil(HEADROOM * busy), FEWEST_CORES),
        spool_gb_a_day=a_day * received_mb / 1000,
        objects_gb_a_year=365 * a_day * results.value("soak", "soak: objects, a study") / 1000,
        large_gb_a_day=a_day * large_mb(results) / 1000,
        database_gb_a_year=365 * a_day * results.value("soak", "soak: database, a study") / 1e6,
        peak_mb_per_s=per_hour * received_mb / 3600,
    )


def number(value: float) -> str:
    """A figure as people read it: two digits that count, whole from ten on."""
    shown = float(f"{value:.2g}") if abs(value) < 10 else value
    if shown == 0 or abs(shown) >= 10:
        return f"{shown:,.0f}"
    return f"{shown:.{1 - math.floor(math.log10(abs(shown)))}f}"


def table(head: Sequence[str], lines: Iterator[Sequence[str]]) -> str:
    """As Markdown."""
    rows = [head, ["---"] * len(head), *lines]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def told(row: Row) -> str:
    """A value with its interval, or why there is none."""
    if row["value"] is None:
        return UNMEASURED
    spread = f" ({number(row['low'])} to {number(row['high'])})" if row["low"] is not None else ""
    unit = "" if row["unit"] in {"", "ratio"} else f" {row['unit']}"
    return f"{number(row['value'])}{unit}{spread}"


def hardware(results: Results) -> str:
    """What each load needs."""
    held_gb = sum(results.value("soak", f"soak: {name}, peak memory") for name in PROCESSES) / 1000
    head = ["Chest CTs a day", "Busiest hour", "Cores busy", "Cores", "Memory", "Spool a day"]
    head += [f"Spool, {days} days" for days in KEEP_DAYS]
    head += ["Objects a year", f"Large ones, {KEEP_OBJECTS_DAYS} days", "Others a year"]
    head += ["Database a year", "Network"]

    def lines() -> Iterator[Sequence[str]]:
        for one in (load(a_day, results) for a_day in LOADS):
            spool = [f"{number(one.spool_gb_a_day * days)} GB" for days in KEEP_DAYS]
            yield [
                str(one.a_day),
                f"{number(one.per_hour)} studies",
                number(one.busy_cores),
                str(one.cores),
                f"{4 * math.ceil(HEADROOM * held_gb / 4)} GB",
                f"{number(one.spool_gb_a_day)} GB",
                *spool,
                f"{number(one.objects_gb_a_year)} GB",
                f"{number(one.large_gb_a_day * KEEP_OBJECTS_DAYS)} GB",
                f"{number(one.objects_gb_a_year - 365 * one.large_gb_a_day)} GB",
                f"{number(one.database_gb_a_year)} GB",
                f"{number(one.peak_mb_per_s)} MB/s",
            ]

    return table(head, lines())


def study(results: Results) -> str:
    """What one study of the soak takes."""

    def lines() -> Iterator[Sequence[str]]:
        for name in PROCESSES:
            row = results.row("soak", f"soak: {name}, processor time a study")
            yield [f"processor time, {name}", told(row), str(row["n"])]
        yield ["processor time, all", f"{number(cpu_s_a_study(results))} s", ""]
        yield ["received, uncompressed", f"{number(study_mb(results))} MB", ""]
        for name, what in (
            ("objects", "objects that are made"),
            ("database", "database"),
            ("audit", "audit trail"),
        ):
            row = results.row("soak", f"soak: {name}, a study")
            yield [what, told(row), str(row["n"])]
        for row in results.starting("soak", "soak: table "):
            yield [
                f"in it, {row['name'].removeprefix('soak: ').partition(',')[0]}",
                f"{told(row)}; {row['note']}",
                "",
            ]

    return table(["A study", "Takes", "n"], lines())


def objects(results: Results) -> str:
    """What each kind of object takes, the largest first."""
    kinds = results.starting("soak", "soak: object ")

    def lines() -> Iterator[Sequence[str]]:
        for row in sorted(kinds, key=lambda row: -row["value"]):
            name = row["name"].removeprefix("soak: object ").partition(",")[0]
            yield [name, f"{row['value']:.3f} MB", str(row["n"])]

    return table(["Object", "Each, the mean", "n"], lines())


def analysing(results: Results) -> str:
    """What one analyser does."""

    def lines() -> Iterator[Sequence[str]]:
        for row in results.starting("capacity", "processor time a series"):
            yield [row["name"], told(row), str(row["n"]), ""]
            on = row["name"].partition(", ")[2]
            yield [
                f"series an hour for each free core, {on}",
                number(3600 / row["value"]),
                "",
                "reckoned from it",
            ]
        for start in ("series an hour", "burst", "between two reports", "peak memory"):
            for row in results.starting("capacity", start):
                yield [row["name"], told(row), str(row["n"]), row["note"]]
        names = ("series an hour, 400 raw slices, full path", "series an hour, on a GPU", "GPU time a scan")
        for row in (results.row("inference", name) for name in names):
            yield [row["name"], told(row), str(row["n"] or ""), row["note"]]

    return table(["One analyser, series of 400 slices", "Value", "n", "Note"], lines())


def stages(results: Results) -> str:
    """Wall time of each stage, by cores."""
    found = results.starting("capacity", "stage ")
    parts = [row["name"].removeprefix("stage ").split(", ", 1) for row in found]
    columns, names = (list(dict.fromkeys(part[n] for part in parts)) for n in (1, 0))

    def lines() -> Iterator[Sequence[str]]:
        for name in names:
            yield [name, *(told(results.row("capacity", f"stage {name}, {one}")) for one in columns)]

    return table(["Stage", *columns], lines())


def memory(results: Results) -> str:
    """Peak of each process, and of the largest series."""

    def lines() -> Iterator[Sequence[str]]:
        for name in PROCESSES:
            row = results.row("soak", f"soak: {name}, peak memory")
            yield [f"{name}, in the soak", told(row), row["note"]]
        for name in ("peak memory, one 600-slice series", "peak memory, 8 such series arriving at once"):
            yield [
                f"whole service, {name.removeprefix('peak memory, ')}",
                told(results.row("inference", name)),
                "",
            ]
        for row in results.starting("capacity", "1500 slices"):
            yield [row["name"], told(row), row["note"]]

    return table(["Memory", "Value", "Note"], lines())


def receiving(results: Results) -> str:
    """Rates of the receiver."""

    def lines() -> Iterator[Sequence[str]]:
        for many in (1, 4, 8, 64):
            plural = "s" if many > 1 else ""
            row = results.row("ingest", f"Millet: {many} association{plural}, raw")
            yield [
                str(many),
                told(row),
                f"{number(row['value'] * SLICE_MB)} MB/s",
                row["note"].partition(";")[0],
            ]

    return table(["Associations", "Instances", "Uncompressed slices of 512 x 512", "Processor time"], lines())


def looking(results: Results) -> str:
    """How soon readers and viewers have what they ask for."""

    def lines() -> Iterator[Sequence[str]]:
        for row in (row for name in ("page", "grpc_api") for row in results.documents[name]["rows"]):
            limit = "" if row["target"] is None else number(row["target"])
            yield [row["name"], told(row), str(row["n"]), limit, row["note"]]

    return table(["Figure", "Value", "n", "Target", "Note"], lines())


def disk(results: Results) -> str:
    """Days on a terabyte, by load and by how the modality sends."""
    sizes = {
        name: results.value("capacity", f"a series of 400 slices, {name}") / 400
        for name in ("raw", "JPEG-LS")
    }
    instances = results.value("soak", "soak: instances, a study")

    def lines() -> Iterator[Sequence[str]]:
        for name, slice_mb in sizes.items():
            a_study_mb = instances * slice_mb
            days = [number(1e6 / (a_day * a_study_mb)) for a_day in LOADS]
            yield [name, f"{number(a_study_mb)} MB", *days]

    return table(["As it is sent", "A study", *(f"{a_day} a day" for a_day in LOADS)], lines())


def soak(results: Results) -> str:
    """What the soak found."""

    def lines() -> Iterator[Sequence[str]]:
        elsewhere = ("processor time a study", ", a study", "peak memory", ", each")
        for row in results.starting("soak", "soak: "):
            if not any(row["name"].endswith(end) for end in elsewhere):
                limit = "" if row["target"] is None else number(row["target"])
                yield [row["name"].removeprefix("soak: "), told(row), str(row["n"] or ""), limit, row["note"]]

    return table(["Figure", "Value", "n", "At most (canary: at least)", "Note"], lines())


def sources(results: Results) -> str:
    """Where each figure comes from."""

    def lines() -> Iterator[Sequence[str]]:
        for name in SOURCES:
            document = results.documents[name]
            file = f"[{name}.json](../bench/results/{name}.json)"
            when = document["date"].partition("T")[0]
            yield [
                file,
                f"`make bench-{name.replace('_', '-')}`",
                when,
                document["commit"],
                document["machine"],
            ]

    return table(["Results", "Command", "Date", "Commit", "Machine"], lines())


BLOCKS: Mapping[str, Callable[[Results], str]] = {
    one.__name__: one
    for one in (hardware, study, objects, analysing, stages, memory, receiving, looking, disk, soak, sources)
}


def updated(page: str, results: Results) -> str:
    """The page with its tables as the results have them. Raises KeyError for an unknown table or figure."""
    return BLOCK.sub(lambda found: f"{found[1]}\n{BLOCKS[found[2]](results)}\n{found[3]}", page)


if __name__ == "__main__":
    PAGE.write_text(updated(PAGE.read_text("utf-8"), Results.of(RESULTS)), "utf-8")
