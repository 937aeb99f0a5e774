from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from instances import header

from millet.app.asking import desk, of_archives
from millet.core.assembler import ArchiveSays, Arrival, Waits
from millet.errors import ArchiveError
from millet.flow.asking import Question
from millet.ports import SeriesName

WAITS = Waits(settle_s=2.0, quiet_s=10.0, gap_wait_s=60.0)


def open_series(**facts):
    """Eight slices of a series that is still being received."""
    headers = tuple(replace(header(n), **facts) for n in range(1, 9))
    arrival = Arrival(headers=headers, last_instance_s=100.0, open_associations=1, released_s=None)
    return Question(series_id=1, arrival=arrival, waits=WAITS)


def test_a_question_is_asked_at_once_on_a_thread_of_its_own():
    """Who receives goes on; the answer is there when it looks again, and what is missing is pulled."""
    asked_on, pulled = [], threading.Event()

    def count(named):
        asked_on.append(threading.current_thread().name)
        return 9

    made = desk(count, lambda: 105.0, lambda _named: pulled.set())
    made.loop.start()
    question = open_series()
    made.asking.says(question, 105.0)
    assert pulled.wait(20)
    assert made.loop.stop(20)
    assert made.asking.says(question, 106.0) is ArchiveSays.MORE
    assert asked_on == ["archive"]


class Archive:
    """One that holds so many instances of any series, or cannot be asked."""

    def __init__(self, holds):
        self.holds = holds

    def count(self, _name):
        """How many."""
        if self.holds == "away":
            raise ArchiveError("away")
        return self.holds


@pytest.mark.parametrize(
    ("holds", "meaning"),
    [((8, 9), ArchiveSays.MORE), ((8, 5), ArchiveSays.ALL), (("away", 8), ArchiveSays.ALL),
     (("away", None), ArchiveSays.NOTHING)],
)  # fmt: skip
def test_the_fullest_of_several_archives_counts(holds, meaning):
    """One that is away, lags behind or does not know the series hides nothing that another one holds."""
    pulled = []
    known = {str(at): Archive(number) for at, number in enumerate(holds)}
    made = of_archives(known, lambda: 105.0, lambda archive, name: pulled.append((archive, name)))
    made.asking.says(open_series(), 105.0)
    made.asking.step()
    assert made.asking.says(open_series(), 106.0) is meaning
    name = SeriesName(header(1).study_uid, header(1).series_uid)
    assert pulled == ([("0", name), ("1", name)] if meaning is ArchiveSays.MORE else [])


def test_what_has_no_proper_name_is_not_asked_about():
    """Identifiers that are no UIDs never reach an archive."""
    made = of_archives({"pacs": Archive(9)}, lambda: 105.0, lambda *_: None)
    named = open_series(series_uid="no UID")
    made.asking.says(named, 105.0)
    made.asking.step()
    assert made.asking.says(named, 106.0) is ArchiveSays.NOTHING
