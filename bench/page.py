"""The triage page: a list of ten thousand series, a series of two thousand nodules, two hundred listeners.

The journal is a real one, filled by its tables; the page is asked over HTTP and looked at by a headless
Chromium. Times are those of the one who waits: a request from the first byte sent to the last one read, a
first paint as the browser tells it (W3C Paint Timing), a message from the moment in which the commit
returned. `SERIES=1000 make bench-page` makes it quicker and says nothing of the target.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa
from table import Row, write

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
import shown
from browsers import Looker, chromium
from fakes import MemoryObjects
from sites import PATIENCE, Site

from millet.codec import lung_outline, record
from millet.core.analysis import TriageLevel
from millet.edge.journal import SqlJournal, open_engine, sqlite_url
from millet.edge.journal.database import bump
from millet.edge.journal.migrating import migrate
from millet.edge.journal.tables import ORDER, counter, delivery, made, series
from millet.edge.journal.tables import analysis as analyses
from millet.ports import SeriesKey

SERIES = int(os.environ.get("SERIES", "10000"))
NODULES, LISTENERS = 2000, 200
REQUESTS, PAINTS, CHANGES = 40, 12, 30
PAINTED = """() => new Promise(done => new PerformanceObserver(seen => {
  const [first] = seen.getEntriesByName("first-contentful-paint");
  if (first) done(first.startTime);
}).observe({ type: "paint", buffered: true }))"""
LEVELS = (*[TriageLevel.UNFLAGGED] * 6, *[TriageLevel.NOTABLE] * 3, TriageLevel.URGENT, TriageLevel.CRITICAL)
LISTS = {
    "the first page": "/?days=0",
    "the hundredth page": "/?days=0&page=100",
    "by the end of an ID": "/?days=0&q=4711",
    "notable and not acknowledged": "/?days=0&level=notable&seen=no",
}


def main() -> None:
    """Measure, print, keep."""
    with tempfile.TemporaryDirectory() as folder:
        site, engine = filled(Path(folder))
        try:
            write("page", [*lists(site), *paints(site), *told(site, engine)])
        finally:
            site.stop()
            engine.dispose()


def filled(folder: Path) -> tuple[Site, sa.Engine]:
    """A running page over a journal that holds it all."""
    engine, objects = open_engine(sqlite_url(folder / "journal.db")), MemoryObjects()
    migrate(engine)
    with engine.begin() as connection:
        connection.execute(sa.insert(series), [_series(number) for number in range(1, SERIES + 1)])
        rows = [_analysis(number) for number in range(1, SERIES + 1)]
        connection.execute(sa.insert(analyses), rows)
        kept = objects.write(shown.outline()).path
        facts = {"kind": lung_outline.KIND, "path": kept, "sop_instance_uid": ""}
        connection.execute(sa.insert(made), [{"analysis_id": n, **facts} for n in range(1, SERIES + 1)])
        connection.execute(sa.insert(delivery), [_delivery(number) for number in range(1, SERIES + 1)])
        connection.execute(sa.update(counter).where(counter.c.name == "revision").values(value=SERIES))
    journal = SqlJournal(engine, lambda *_: None, objects)
    site = Site()
    site.start(
        worklist=journal, board=journal, readers=journal, patience=PATIENCE, now_utc=lambda: datetime.now(UTC)
    )
    journal.watch(site.server.wake)
    return site, engine


def lists(site: Site) -> Iterator[Row]:
    """Server time for pages of the list."""
    for name, path in LISTS.items():
        taken = [timed(lambda path=path: site.get(path)) for _ in range(REQUESTS)]
        yield row(f"list of {SERIES} series, {name}", "ms", taken, 300.0)


def paints(site: Site) -> Iterator[Row]:
    """What a reader waits for who opens a series: first paint, then table and lungs alive."""
    path = "/series/default/1.2.826.0.3.1"
    yield row(
        f"series of {NODULES} nodules, served", "ms", [timed(lambda: site.get(path)) for _ in range(PAINTS)]
    )
    first, alive = [], []
    with chromium() as browser:
        for _ in range(PAINTS):
            window = Looker(browser, site.url)
            page = window.open(path, until="body[data-ready]")
            alive.append(page.evaluate("performance.now()"))
            first.append(page.evaluate(PAINTED))
            window.close()
    yield row(f"series of {NODULES} nodules, first paint", "ms", first, 1500.0)
    yield row(f"series of {NODULES} nodules, table and lungs alive", "ms", alive)


def told(site: Site, engine: sa.Engine) -> Iterator[Row]:
    """From a commit to each of the listeners."""
    taken = sorted(1000 * one for one in asyncio.run(_listened(site, lambda: _change(engine, site))))
    at = {share: taken[int(share * len(taken))] for share in (0.05, 0.5, 0.95)}
    yield Row(
        name=f"event to {LISTENERS} open pages, 95 of 100",
        unit="ms",
        value=at[0.95],
        low=at[0.05],
        high=taken[-1],
        n=len(taken),
        target=250.0,
        note=f"median {at[0.5]:.0f}; interval from the 5th of 100 to the last",
    )


async def _listened(site: Site, change: Callable[[], float]) -> Sequence[float]:
    """Seconds after which each message came to each listener."""
    heard: asyncio.Queue[float] = asyncio.Queue()
    lines = [asyncio.create_task(_listen(site.port, heard)) for _ in range(LISTENERS)]
    for _ in range(LISTENERS):
        await heard.get()
    taken = []
    for _ in range(CHANGES):
        await asyncio.sleep(0.2)
        while not heard.empty():
            heard.get_nowait()
        committed = await asyncio.to_thread(change)
        taken += [await heard.get() - committed for _ in range(LISTENERS)]
    for line in lines:
        line.cancel()
    return taken


async def _listen(port: int, heard: asyncio.Queue[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    while line := await reader.readline():
        if line.startswith(b"data: {"):
            heard.put_nowait(time.monotonic())


def _change(engine: sa.Engine, site: Site) -> float:
    """A series changes and is committed; returns when that was."""
    with engine.begin() as connection:
        facts = {"revision": bump(connection), "windows_done": series.c.windows_done + 1}
        connection.execute(sa.update(series).where(series.c.id == SERIES).values(facts))
    committed = time.monotonic()
    site.server.wake()
    return committed


def timed(ask: Callable[[], object]) -> float:
    """Milliseconds."""
    before = time.perf_counter()
    ask()
    return 1000 * (time.perf_counter() - before)


def row(name: str, unit: str, taken: Sequence[float], target: float | None = None) -> Row:
    """Median, with the quickest and the slowest."""
    return Row(
        name=name,
        unit=unit,
        value=statistics.median(taken),
        low=min(taken),
        high=max(taken),
        n=len(taken),
        target=target,
        note="median; interval from the quickest to the slowest",
    )


def _series(number: int) -> dict[str, object]:
    came = datetime.now(UTC) - timedelta(minutes=number)
    return {
        "id": number,
        "site": "default",
        "series_uid": f"1.2.826.0.3.{number}",
        "study_uid": f"1.2.826.0.4.{number // 2}",
        "patient_id": f"PID-{number:06}",
        "birth_date": "19610203",
        "sex": "F",
        "accession": f"ACC{number:06}",
        "study_date": "20260102",
        "description": "Thorax 1.0",
        "state": "analysed",
        "generation": 1,
        "instances": 400,
        "first_received_utc": came,
        "last_received_utc": came,
        "closed_utc": came,
        "triage_order": ORDER[LEVELS[number % len(LEVELS)]],
        "revision": number,
    }


def _analysis(number: int) -> dict[str, object]:
    level, key = LEVELS[number % len(LEVELS)], SeriesKey(site="default", series_uid=f"1.2.826.0.3.{number}")
    found = replace(shown.exam(NODULES - 1), series_uid=key.series_uid) if number == 1 else None
    return {
        "id": number,
        "series_id": number,
        "generation": 1,
        "outcome": "findings",
        "triage": level,
        "triage_reason": "12 nodules of 6 mm or more, the largest a right nodule of 9.1 mm",
        "nodules": NODULES if found else 12,
        "model_digest": "ab" * 32,
        "configuration_digest": "cd" * 32,
        "document": record.encode(found) if found else "{}",
        "created_utc": datetime.now(UTC) - timedelta(minutes=number),
        "count_reliable": True,
    }


def _delivery(number: int) -> dict[str, object]:
    now = datetime.now(UTC)
    facts = {"destination": "folder", "state": "delivered", "attempts": 1}
    return {"object_id": number, "created_utc": now, "next_try_utc": now, **facts}


if __name__ == "__main__":
    main()
