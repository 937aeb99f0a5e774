from __future__ import annotations

import analyses
import pytest
from fakes import MemoryObjects
from instances import START_UTC, entry, header
from prior_logs import MemoryPriorLog

from millet.edge.journal import SqlJournal, open_engine
from millet.ports import SeriesKey, UnderWay

KEY = SeriesKey(site="default", series_uid=header(1).series_uid)


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def log(request):
    """Each implementation in turn, with one series that arrives and that analyser "one" follows."""
    if request.param == "memory":
        yield MemoryPriorLog(UnderWay(1, 1, KEY, ""))
        return
    made = SqlJournal(
        open_engine(request.getfixturevalue("new_journal")(request.param)), lambda *_: None, MemoryObjects()
    )
    made.record(entry(1))
    made.arrived("one", 0)
    yield made
    made._engine.dispose()


def test_an_analyser_is_told_what_it_follows(log):
    """And nobody else."""
    assert list(log.under_way("one")) == [UnderWay(1, 1, KEY, "")]
    assert list(log.under_way("two")) == []


def test_what_a_generation_is_compared_with_is_settled_once(log):
    """Whoever comes later gets what came first; the next generation is another one."""
    assert log.prior(1, 1) is None
    assert log.keep_prior(1, 1, "first") == "first"
    assert log.keep_prior(1, 1, "second") == "first"
    assert log.prior(1, 1) == "first"
    assert log.prior(1, 2) is None


def test_what_was_read_for_comparison_is_kept_by_how(log):
    """Of a series that no journal needs to know; the first counts."""
    theirs = SeriesKey(site="default", series_uid="1.2.3")
    log.keep_reading(theirs, "a" * 64, "first")
    log.keep_reading(theirs, "a" * 64, "second")
    assert log.reading(theirs, "a" * 64) == "first"
    assert log.reading(theirs, "b" * 64) is None
    assert log.reading(KEY, "a" * 64) is None


def test_a_series_that_is_analysed_is_not_under_way(request):
    """Nobody looks for its prior any more; where its instances lay is known."""
    engine = open_engine(request.getfixturevalue("new_journal")("sqlite"))
    journal = SqlJournal(engine, lambda *_: None, MemoryObjects())
    for number in (1, 2):
        journal.record(entry(number))
    journal.arrived("one", 0)
    assert list(journal.paths(KEY)) == []
    assert journal.close(1, 1, START_UTC)
    assert [one.series_id for one in journal.under_way("one")] == [1]
    _analysed(journal)
    assert list(journal.under_way("one")) == []
    journal.record(entry(3))
    assert list(journal.paths(KEY)) == [entry(number).stored.path for number in (1, 2)]
    engine.dispose()


def _analysed(journal):
    """Its first generation ends."""
    journal.commit(journal.claim(1, 1), analyses.analysis(), [], [])
