"""What comes by other ways than the DICOM port, over a real spool and journal."""

from __future__ import annotations

import pytest
from fakes import HandClock, MemoryObjects
from instances import received
from prometheus_client import CollectorRegistry

from millet.app.certificates import Certificates
from millet.app.doors import Doors
from millet.app.receiving import Receiving
from millet.app.tracing import Tracing
from millet.edge.journal import SqlJournal, open_engine, sqlite_url
from millet.edge.journal.migrating import migrate
from millet.edge.store import ErrandFolder, LogSpool
from millet.edge.telemetry import Events, Telemetry
from millet.errors import StoreError
from millet.flow.errands import ErrandDesk
from millet.settings import Settings


@pytest.fixture
def spool(tmp_path):
    """An empty one, held."""
    made = LogSpool(tmp_path / "spool", "one")
    made.hold()
    yield made
    made.let_go()


@pytest.fixture
def door(tmp_path, spool):
    """The door of a process that receives, which is not started."""
    settings, clock = Settings(state_dir=tmp_path), HandClock()
    telemetry = Telemetry(CollectorRegistry(), "0.1.0")
    engine = open_engine(sqlite_url(tmp_path / "journal.db"))
    migrate(engine)
    doors = Doors(settings, "one", clock, telemetry.doors)
    journal = SqlJournal(engine, lambda *_: None, MemoryObjects())
    store = ErrandFolder(tmp_path / "errands")
    receiving = Receiving(
        chosen=settings,
        clock=clock,
        journal=journal,
        errands=ErrandDesk(site="default", log=journal, store=store, clock=clock),
        spool=spool,
        events=Events(telemetry, (), lambda _: None, clock),
        doors=doors,
        certificates=Certificates(chosen=settings, metrics=telemetry.doors, now_utc=clock.utc),
        tracing=Tracing(lambda _: None, clock),
    )
    yield receiving.door
    doors.stop()
    engine.dispose()


def test_a_source_takes_one_segment_whatever_it_sends(door, spool):
    """As many segments as sources at once are enough for all that come after them."""

    def several():
        numbers = [door.number() for _ in range(3)]
        for number in numbers:
            for slice_number in (1, 2, 3, 4):
                door.admit(received(slice_number), number)
        for number in numbers:
            door.ended(number)

    several()
    assert len(spool.segments()) == 3
    several()
    several()
    assert len(spool.segments()) == 3


def test_what_has_ended_takes_no_instance_and_no_segment(door, spool):
    """A request that is cut off may end before its last instance begins to be written."""
    for earlier in (0, 2):
        number = door.number()
        for slice_number in range(earlier):
            door.admit(received(slice_number + 1), number)
        segments = len(spool.segments())
        door.ended(number)
        with pytest.raises(StoreError, match="has ended"):
            door.admit(received(9), number)
        assert len(spool.segments()) == segments
