"""What the journal keeps of what readers say: the one in memory and the real one alike."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import analyses
import pytest
from fakes import MemoryObjects
from instances import SERIES, SOURCE, START_UTC, entry
from readers import ANNA, BEN, MemoryReaders, missed, rejected, seen, taken_back

from millet.core.analysis import Triage, TriageLevel
from millet.core.readers import standing
from millet.edge.journal import SqlJournal, open_engine
from millet.ports import About, SeriesKey, Taken

_, UNFLAGGED, NOTABLE, URGENT, CRITICAL = TriageLevel
KEY = SeriesKey(site=SOURCE.site, series_uid=SERIES)
LATER = START_UTC + timedelta(seconds=60)


def about(request: str, key: SeriesKey = KEY) -> About:
    """A request about the series."""
    return About(key, request)


class SqlForTest(SqlJournal):
    """The real journal, into which analyses come as a test says."""

    def __init__(self, url) -> None:
        super().__init__(open_engine(url), lambda *_: None, MemoryObjects())
        self.number = 0

    def analyse(self, level: TriageLevel | None, key: SeriesKey = KEY) -> None:
        """One more instance, and a generation with this level; None for no analysis."""
        self.number += 1
        source = SOURCE._replace(site=key.site)
        came = self.record(entry(self.number, source=source, series_uid=key.series_uid))
        if level is None:
            return
        self.close(came.series_id, came.generation, START_UTC)
        work = self.claim(came.series_id, came.generation)
        told = Triage(level=level, reasons=("because",))
        self.commit(work, replace(analyses.analysis(), triage=told, created_utc=START_UTC), [], [])


class MemoryForTest(MemoryReaders):
    """The one in memory."""

    def analyse(self, level: TriageLevel | None, key: SeriesKey = KEY) -> None:
        """As above."""
        generation, _ = self.levels.get(key, (0, None))
        self.levels[key] = (0, None) if level is None else (generation + 1, level)


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def log(request):
    """Each implementation in turn, with one series that is urgent."""
    made = MemoryForTest()
    if request.param != "memory":
        made = SqlForTest(request.getfixturevalue("new_journal")(request.param))
    made.analyse(URGENT)
    yield made
    if isinstance(made, SqlForTest):
        made._engine.dispose()


def test_who_has_seen_what_is_kept(log):
    """Person, time, generation and level, as they were said."""
    assert log.acknowledgements(KEY) == []
    assert log.acknowledge(about("a"), seen(URGENT)) is Taken.NEW
    assert log.acknowledgements(KEY) == [seen(URGENT)]
    assert log.acknowledge(about("b"), seen(URGENT, by=BEN)) is Taken.NEW
    assert [one.by for one in log.acknowledgements(KEY)] == [ANNA, BEN]


def test_a_request_that_is_repeated_is_one(log):
    """The same again, at whatever time, changes nothing, also when the series has changed since."""
    log.acknowledge(about("a"), seen(URGENT))
    log.analyse(CRITICAL)
    assert log.acknowledge(about("a"), replace(seen(URGENT), at_utc=LATER)) is Taken.AGAIN
    assert log.acknowledgements(KEY) == [seen(URGENT)]
    assert log.give_feedback(about("a"), rejected(generation=2)) is Taken.NEW
    assert log.give_feedback(about("a"), rejected(generation=2)) is Taken.AGAIN
    assert log.feedback(KEY) == [rejected(generation=2)]


def test_a_key_stands_for_one_request_of_its_site(log):
    """Another person, series or word under the same key is refused; another site has keys of its own."""
    other, away = replace(KEY, series_uid="1.2.9"), replace(KEY, site="other")
    for key in (other, away):
        log.analyse(URGENT, key)
    log.acknowledge(about("a"), seen(URGENT))
    log.give_feedback(about("a"), rejected())
    assert log.acknowledge(about("a"), seen(URGENT, by=BEN)) is Taken.OTHER_REQUEST
    assert log.acknowledge(about("a", other), seen(URGENT)) is Taken.OTHER_REQUEST
    assert log.give_feedback(about("a"), rejected("2.25.7")) is Taken.OTHER_REQUEST
    assert log.acknowledge(about("a", away), seen(URGENT)) is Taken.NEW


def test_only_what_is_there_can_be_acknowledged(log):
    """Another level or generation than the newest analysis has is refused: they saw another one."""
    assert log.acknowledge(about("a"), seen(NOTABLE)) is Taken.CHANGED
    assert log.acknowledge(about("a"), seen(URGENT, generation=2)) is Taken.CHANGED
    log.analyse(URGENT)
    assert log.acknowledge(about("a"), seen(URGENT)) is Taken.CHANGED
    assert log.give_feedback(about("a"), rejected()) is Taken.CHANGED
    assert log.acknowledge(about("a"), seen(URGENT, generation=2)) is Taken.NEW


def test_a_series_without_analysis_can_be_acknowledged(log):
    """As what it is: nothing was there."""
    other = replace(KEY, series_uid="1.2.9")
    log.analyse(None, other)
    assert log.acknowledge(about("a", other), seen(UNFLAGGED)) is Taken.CHANGED
    assert log.acknowledge(about("a", other), seen(None, generation=0)) is Taken.NEW
    assert log.acknowledgements(other) == [seen(None, generation=0)]


def test_an_acknowledgement_is_taken_back(log):
    """By whoever says what they take back; both stay in the journal."""
    log.acknowledge(about("a"), seen(URGENT))
    log.analyse(CRITICAL)
    back = taken_back(seen(URGENT), by=BEN)
    assert log.acknowledge(about("b"), taken_back(seen(CRITICAL, generation=2))) is Taken.CHANGED
    assert log.acknowledge(about("b"), back) is Taken.NEW
    assert log.acknowledge(about("c"), back) is Taken.NOTHING
    assert log.acknowledgements(KEY) == [seen(URGENT), back]
    assert standing(log.acknowledgements(KEY)) is None


def test_feedback_is_kept_with_its_place_and_its_words(log):
    """A nodule that is none, one that was missed, in the order in which they were said."""
    assert log.give_feedback(about("a"), rejected()) is Taken.NEW
    assert log.give_feedback(about("b"), missed()) is Taken.NEW
    assert log.feedback(KEY) == [rejected(), missed()]


def test_of_a_series_that_is_not_known_nothing_can_be_said(log):
    """Also not where another site has it."""
    nobodys = replace(KEY, site="north")
    assert log.acknowledge(about("a", nobodys), seen(URGENT)) is Taken.NO_SERIES
    assert log.give_feedback(about("a", nobodys), rejected()) is Taken.NO_SERIES
    assert log.acknowledgements(nobodys) == []
