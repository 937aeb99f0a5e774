"""Samples of everything that could grow: processes, tables, folders, queues."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import sqlalchemy as sa

TICKS = os.sysconf("SC_CLK_TCK")
GAUGES = (
    "millet_jobs_oldest_wait_seconds",
    "millet_outbox_oldest_age_seconds",
    "millet_outbox_deliveries",
    "millet_dead_letters",
    "millet_windows_waiting",
    "millet_streaming_bytes",
    "millet_canary_sensitivity_ratio",
    "millet_grpc_watchers",
)
"""The greatest of all processes and labels is kept."""
_PG_SIZES = """
    SELECT schemaname || '.' || relname, pg_total_relation_size(relid) FROM pg_stat_user_tables"""
_SQLITE_SIZES = """
    SELECT sqlite_master.tbl_name, sum(dbstat.pgsize) FROM dbstat JOIN sqlite_master
    ON dbstat.name = sqlite_master.name GROUP BY sqlite_master.tbl_name"""


def process(pid: int) -> dict[str, float]:
    """A process with its children, all together; those that end meanwhile count nothing.

    Raises OSError when it has ended itself.
    """
    found = [_one(pid)]
    for child in _below(pid):
        try:
            found.append(_one(child))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return {name: sum(each[name] for each in found) for name in found[0]}


def _below(pid: int) -> Iterator[int]:
    """The children of a process, and theirs."""
    try:
        told = [(task / "children").read_text() for task in Path(f"/proc/{pid}/task").iterdir()]
    except (FileNotFoundError, ProcessLookupError):
        return
    for child in " ".join(told).split():
        yield int(child)
        yield from _below(int(child))


def _one(pid: int) -> dict[str, float]:
    """Memory in MB: proportional (PSS), own and resident; handles, threads, processor time.

    Its own is what it wrote: a library's clean pages become private when a neighbour that mapped them ends.
    """
    kb = {
        name: int(value)
        for name, value in re.findall(r"^(\w+):\s+(\d+) kB", _text(pid, "smaps_rollup"), re.MULTILINE)
    }
    fields = _text(pid, "stat").rpartition(")")[2].split()
    return {
        "pss_mb": kb.get("Pss", 0) / 1000,  # nothing is told of one that has ended and was not waited for
        "private_mb": kb.get("Private_Dirty", 0) / 1000,
        "rss_mb": kb.get("Rss", 0) / 1000,
        "handles": sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir()),
        "threads": int(fields[17]),
        "processes": 1,
        "cpu_s": (int(fields[11]) + int(fields[12])) / TICKS,
    }


def _text(pid: int, name: str) -> str:
    return Path(f"/proc/{pid}/{name}").read_text()


def tables(engine: sa.Engine) -> dict[str, dict[str, int]]:
    """Rows and bytes, indexes included, of every table."""
    sqlite = engine.dialect.name == "sqlite"
    found = {}
    with engine.connect() as connection:
        for name, size_bytes in connection.execute(sa.text(_SQLITE_SIZES if sqlite else _PG_SIZES)):
            quoted = ".".join(f'"{part}"' for part in name.split("."))
            rows = connection.execute(sa.text(f"SELECT count(*) FROM {quoted}")).scalar_one()
            found[name] = {"rows": int(rows), "bytes": int(size_bytes)}
    return found


def folder_bytes(folder: Path) -> int:
    """Of all files below a folder, as they lie on the disk."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(place) / name).lstat().st_blocks * 512
            except FileNotFoundError:
                continue  # removed since
    return total


def gauges(pages: Mapping[str, str]) -> dict[str, float]:
    """The greatest value of each gauge that is watched, of the metrics of all processes, but for NaN."""
    found: dict[str, float] = {}
    for text in pages.values():
        for name, value in re.findall(r"^(\w+)(?:\{[^}]*\})? (\S+)$", text, re.MULTILINE):
            number = float(value)
            if name in GAUGES and number == number:  # noqa: PLR0124 - NaN alone differs from itself
                found[name] = max(found.get(name, number), number)
    return found
