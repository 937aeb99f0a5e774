"""Who makes room, and where: as the settings say, counted."""

from __future__ import annotations

import time

import analyses
import pytest
from instances import START_UTC, entry
from prometheus_client import CollectorRegistry

from millet.app.keeping import Keeping
from millet.app.storing import open_objects, open_spool
from millet.edge.journal import JournalClock, SqlJournal, open_engine
from millet.edge.telemetry import RoomMetrics
from millet.ports import KeptObject
from millet.settings import Settings

SOON_DAYS = 1e-6


@pytest.fixture
def bench(new_journal, tmp_path):
    """Makes what keeps, by settings; with its journal and its metrics."""
    engine, registry = open_engine(new_journal("sqlite")), CollectorRegistry()
    metrics = RoomMetrics(registry)

    def make(**facts):
        chosen = Settings(state_dir=tmp_path, **facts)
        objects = open_objects(chosen)
        keeping = Keeping(
            chosen=chosen,
            clock=JournalClock(engine),
            journal=SqlJournal(engine, lambda *_: None, objects),
            spool=open_spool(chosen, "one"),
            objects=objects,
            metrics=metrics,
        )
        return keeping, registry

    yield make
    engine.dispose()


@pytest.mark.parametrize(
    ("facts", "names"),
    [
        ({}, []),
        ({"keep_days": 2.0}, ["retention"]),
        ({"keep_objects_days": 2.0}, ["objects"]),
        ({"keep_days": 2.0, "keep_objects_days": 90.0}, ["retention", "objects"]),
        ({"keep_days": 2.0, "keep_objects_days": 90.0, "roles": ("analyse", "deliver", "api")}, []),
    ],
)
def test_room_is_made_where_it_is_wanted(bench, facts, names):
    """By default everything is kept; by those that receive alone is anything removed."""
    keeping, _ = bench(**facts)
    assert [part.name for part in keeping.parts()] == names


def test_what_was_removed_is_counted(bench):
    """The part begins with a look, and counts each object by its kind."""
    keeping, registry = bench(keep_objects_days=SOON_DAYS)
    journal, objects = keeping.journal, keeping.objects
    recorded = journal.record_all([entry(1)], {})[0]
    assert journal.close(recorded.series_id, 1, START_UTC)
    kept = [KeptObject(kind=kind, path=objects.write(kind.encode()).path) for kind in ("sr", "seg")]
    assert journal.commit(journal.claim(recorded.series_id, 1), analyses.analysis(), kept, [])
    (part,) = keeping.parts()
    part.start()
    until_s = time.monotonic() + 60
    while not (count := registry.get_sample_value("millet_objects_removed_total", {"kind": "seg"})):
        assert time.monotonic() < until_s, "nothing was removed"
        time.sleep(0.05)
    assert part.stop(60)
    assert count == 1
    assert objects.paths() == [kept[0].path]
