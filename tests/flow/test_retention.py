"""With a real spool and a real journal: what is done goes, what is not stays."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from fakes import HandClock
from instances import SERIES, SOURCE, START_UTC, ct_file, header

from millet.core.job import State
from millet.edge.journal import SqlJournal, open_engine, sqlite_url
from millet.edge.journal.migrating import migrate
from millet.edge.journal.tables import series
from millet.edge.store import Bucket, BucketSpool, LogSpool, ObjectFolder
from millet.flow.retention import Retention
from millet.ports import Entry, Offer

KEEP = timedelta(days=1)


class Bench:
    """Two series, each in segments of its own, and who makes room."""

    def __init__(self, folder: Path, bucket_url: str = "") -> None:
        self.engine = open_engine(sqlite_url(folder / "journal.db"))
        migrate(self.engine)
        self.journal = SqlJournal(self.engine, lambda *_: None, ObjectFolder(folder / "objects"))
        self.spool = (
            BucketSpool(Bucket(bucket_url), "one", folder, segment_bytes=2000)
            if bucket_url
            else LogSpool(folder / "spool", "one", segment_bytes=2000)
        )
        self.spool.hold()
        self.clock = HandClock()
        self.removed: list[str] = []
        self.retention = Retention(
            self.spool, self.journal, self.clock, KEEP, lambda name, _: self.removed.append(name)
        )

    def receive(self, series_uid: str, *, indexed: bool = True) -> set[str]:
        """Three slices of a series; the segments that hold them."""
        writer, filled = self.spool.writer(), set[str]()
        for number in range(3):
            told = header(number, series_uid)
            offer = Offer(SOURCE, told.sop_class_uid, told.sop_instance_uid, told.transfer_syntax_uid, 1)
            writer.begin(offer, START_UTC)
            writer.write(ct_file(number, series_uid))
            stored = writer.commit()
            segment, _, rest = stored.path.partition("@")
            filled.add(segment)
            if indexed:
                entry = Entry(source=SOURCE, header=told, stored=stored, received_utc=START_UTC)
                end = sum(map(int, rest.split("+")))
                self.journal.record_all([entry], {segment: end})
        writer.close()
        return filled

    def end(self, series_uid: str, state: State) -> None:
        """A series is in a state."""
        with self.engine.begin() as connection:
            here = sa.update(series).where(series.c.series_uid == series_uid)
            connection.execute(here.values(state=state, closed_utc=START_UTC))


@pytest.fixture(params=["folder", "bucket"])
def bench(request, tmp_path):
    """One of each kind, that lets go of all at the end."""
    made = Bench(tmp_path, request.getfixturevalue("bucket_url") if request.param == "bucket" else "")
    yield made
    made.spool.let_go()
    made.engine.dispose()


def test_only_what_is_done_goes(bench):
    """A series that ended long ago gives back its full segments; one that is under way keeps all."""
    done, under_way = bench.receive(SERIES), bench.receive(f"{SERIES}.2")
    bench.end(SERIES, State.ANALYSED)
    bench.end(f"{SERIES}.2", State.ANALYSING)
    bench.clock.now_s = KEEP.total_seconds() / 2
    assert bench.retention.step() == 0
    bench.clock.now_s = KEEP.total_seconds() * 2
    bench.retention.step()
    assert set(bench.removed) == done - under_way
    assert bench.removed
    assert under_way <= set(bench.spool.segments())
    assert not set(bench.removed) & set(bench.journal.indexed())


def test_what_is_not_journalled_stays(bench):
    """Whatever is acknowledged and nobody has read is not removed, though no series is under way."""
    kept = bench.receive(SERIES, indexed=False)
    bench.clock.now_s = KEEP.total_seconds() * 2
    assert bench.retention.step() == 0
    assert kept <= set(bench.spool.segments())
