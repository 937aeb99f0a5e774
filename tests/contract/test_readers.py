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
    assert log.acknowledge(about("a"), seen(URGENT)).taken is Taken.NEW
    assert log.acknowledgements(KEY) == [seen(URGENT)]
    assert log.acknowledge(about("b"), seen(URGENT, by=BEN)).taken is Taken.NEW
    assert [one.by for one in log.acknowledgements(KEY)] == [ANNA, BEN]


def test_a_request_that_is_repeated_is_one(log):
    """The same again, at whatever time, changes nothing, also when the series has changed since."""
    log.acknowledge(about("a"), seen(URGENT))
    log.analyse(CRITICAL)
    assert log.acknowledge(about("a"), replace(seen(URGENT), at_utc=LATER)).taken is Taken.AGAIN
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
    assert log.acknowledge(about("a"), seen(URGENT, by=BEN)).taken is Taken.OTHER_REQUEST
    assert log.acknowledge(about("a", other), seen(URGENT)).taken is Taken.OTHER_REQUEST
    assert log.give_feedback(about("a"), rejected("2.25.7")) is Taken.OTHER_REQUEST
    assert log.acknowledge(about("a", away), seen(URGENT)).taken is Taken.NEW


def test_only_what_is_there_can_be_acknowledged(log):
    """Another level or generation than the newest analysis has is refused: they saw another one."""
    assert log.acknowledge(about("a"), seen(NOTABLE)).taken is Taken.CHANGED
    assert log.acknowledge(about("a"), seen(URGENT, generation=2)).taken is Taken.CHANGED
    log.analyse(URGENT)
    assert log.acknowledge(about("a"), seen(URGENT)).taken is Taken.CHANGED
    assert log.give_feedback(about("a"), rejected()) is Taken.CHANGED
    assert log.acknowledge(about("a"), seen(URGENT, generation=2)).taken is Taken.NEW


def test_a_series_without_analysis_can_be_acknowledged(log):
    """As what it is: nothing was there."""
    other = replace(KEY, series_uid="1.2.9")
    log.analyse(None, other)
    assert log.acknowledge(about("a", other), seen(UNFLAGGED)).taken is Taken.CHANGED
    assert log.acknowledge(about("a", other), seen(None, generation=0)).taken is Taken.NEW
    assert log.acknowledgements(other) == [seen(None, generation=0)]


def test_an_acknowledgement_is_taken_back(log):
    """By whoever says what they take back; both stay in the journal."""
    log.acknowledge(about("a"), seen(URGENT))
    log.analyse(CRITICAL)
    back = taken_back(seen(URGENT), by=BEN)
    assert log.acknowledge(about("b"), taken_back(seen(CRITICAL, generation=2))).taken is Taken.CHANGED
    assert log.acknowledge(about("b"), back).taken is Taken.NEW
    assert log.acknowledge(about("c"), back).taken is Taken.NOTHING
    assert log.acknowledgements(KEY) == [seen(URGENT), back]
    assert standing(log.acknowledgements(KEY)) is None


def test_an_acknowledgement_is_of_the_study(log):
    """What is no more urgent in it, analysed and not seen before is seen with it; each is told once."""
    calm, worse, new, apart = (replace(KEY, series_uid=f"1.2.{number}") for number in (6, 7, 8, 9))
    for key, level in (
        (calm, NOTABLE),
        (worse, CRITICAL),
        (new, None),
        (replace(KEY, site="away"), UNFLAGGED),
    ):
        log.analyse(level, key)
    log.analyse(UNFLAGGED, apart)
    log.acknowledge(about("b", apart), seen(UNFLAGGED, by=BEN))
    taken, others = log.acknowledge(about("a"), seen(URGENT))
    assert (taken, list(others)) == (Taken.NEW, [(calm, seen(NOTABLE))])
    assert log.acknowledgements(calm) == [seen(NOTABLE)]
    assert log.acknowledgements(apart) == [seen(UNFLAGGED, by=BEN)]
    assert [log.acknowledgements(key) for key in (worse, new, replace(KEY, site="away"))] == [[], [], []]
    assert log.acknowledge(about("a"), seen(URGENT)) == (Taken.AGAIN, ())


def test_what_was_acknowledged_at_once_is_taken_back_at_once(log):
    """Whichever of its series is named; what somebody else had seen before stays seen."""
    calm, apart = (replace(KEY, series_uid=f"1.2.{number}") for number in (6, 9))
    log.analyse(NOTABLE, calm)
    log.analyse(UNFLAGGED, apart)
    log.acknowledge(about("b", apart), seen(UNFLAGGED, by=BEN))
    log.acknowledge(about("a"), seen(URGENT))
    back = taken_back(seen(NOTABLE), by=BEN)
    taken, others = log.acknowledge(about("c", calm), back)
    assert (taken, list(others)) == (Taken.NEW, [(KEY, taken_back(seen(URGENT), by=BEN))])
    standing_now = [standing(log.acknowledgements(key)) for key in (KEY, calm, apart)]
    assert standing_now == [None, None, seen(UNFLAGGED, by=BEN)]


def test_feedback_is_kept_with_its_place_and_its_words(log):
    """A nodule that is none, one that was missed, in the order in which they were said."""
    assert log.give_feedback(about("a"), rejected()) is Taken.NEW
    assert log.give_feedback(about("b"), missed()) is Taken.NEW
    assert log.feedback(KEY) == [rejected(), missed()]


def test_of_a_series_that_is_not_known_nothing_can_be_said(log):
    """Also not where another site has it."""
    nobodys = replace(KEY, site="north")
    assert log.acknowledge(about("a", nobodys), seen(URGENT)).taken is Taken.NO_SERIES
    assert log.give_feedback(about("a", nobodys), rejected()) is Taken.NO_SERIES
    assert log.acknowledgements(nobodys) == []
