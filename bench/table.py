"""The form every benchmark reports in: a table for people, build/bench/NAME.json for programs."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "build" / "bench"
LOG_COLUMNS = 200
"""How wide a table is where no terminal says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One figure: its value, its interval over n repetitions, and what it should be."""

    name: str
    unit: str
    value: float | None = None
    """None when it was not measured here; then `note` says why."""
    low: float | None = None
    high: float | None = None
    n: int | None = None
    target: float | None = None
    stretch: float | None = None
    higher_is_better: bool = False
    strict: bool = False
    """Judge the worse end of the interval instead of the value."""
    note: str = ""

    def __post_init__(self) -> None:
        if self.value is None and not self.note:
            raise ValueError(f"{self.name}: a figure that was not measured needs a note that says why")
        if self.strict and self.value is not None and self.worst is None:
            raise ValueError(f"{self.name}: a strict judgement needs the interval")

    @property
    def worst(self) -> float | None:
        """The worse end of the interval."""
        return self.low if self.higher_is_better else self.high

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None when it was not measured or there is no target."""
        judged = self.worst if self.strict else self.value
        if self.value is None or judged is None or self.target is None:
            return None
        return judged >= self.target if self.higher_is_better else judged <= self.target

    def as_json(self) -> dict[str, object]:
        """Make the row of the JSON document, in its stable order of keys."""
        keys = ("name", "value", "low", "high", "n", "unit", "target", "stretch")
        values = asdict(self)
        judged = {"higher_is_better": self.higher_is_better, "strict": self.strict}
        return {**{key: values[key] for key in keys}, "met": self.met, "note": self.note, **judged}


def write(name: str, rows: Sequence[Row], *, out: Path = OUT) -> Path:
    """Print the table and write NAME.json; return its path."""
    console = Console()
    (console if console.is_terminal else Console(width=LOG_COLUMNS)).print(_table(name, rows))
    out.mkdir(parents=True, exist_ok=True)
    document = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "machine": _machine(),
        "rows": [row.as_json() for row in rows],
    }
    path = out / f"{name}.json"
    path.write_text(json.dumps(document, indent=2, allow_nan=False) + "\n", "utf-8")
    return path


def read(name: str, *, out: Path = OUT) -> list[Row]:
    """The rows that were written last; none where there are none."""
    path = out / f"{name}.json"
    if not path.exists():
        return []
    known = {field.name for field in fields(Row)}
    document = json.loads(path.read_text("utf-8"))
    return [Row(**{key: value for key, value in row.items() if key in known}) for row in document["rows"]]


def _table(name: str, rows: Sequence[Row]) -> Table:
    table = Table("figure", "value", "interval", "n", "unit", "target", "stretch", "met", "note", title=name)
    words = {True: "yes", False: "NO", None: "-"}
    for row in rows:
        interval = f"{_shown(row.low)} .. {_shown(row.high)}" if row.low is not None else ""
        numbers = (
            _shown(row.value),
            interval,
            _shown(row.n),
            row.unit,
            _shown(row.target),
            _shown(row.stretch),
        )
        table.add_row(row.name, *numbers, words[row.met], row.note)
    return table


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def _commit() -> str:
    """Name the commit, with a plus when files differ from it."""
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty=+", "--abbrev=12"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or "unknown"


def _machine() -> str:
    """Describe processor, cores and memory."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text("utf-8").splitlines() if info.exists() else []
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = len(os.sched_getaffinity(0))
    return f"{model or platform.machine()}, {cores} cores, {memory_gib:.0f} GiB, {platform.system()}"
