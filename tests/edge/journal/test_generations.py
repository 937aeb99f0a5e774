from __future__ import annotations

from dataclasses import replace

import analyses
import pytest
from fakes import MemoryObjects
from instances import START_UTC, entry

from millet.core.alert import TriageChange
from millet.core.analysis import Triage, TriageLevel
from millet.edge.journal import SqlJournal, open_engine
from millet.edge.journal.tables import alert
from millet.errors import StoreError
from millet.ports import KeptObject, WorklistQuery

UNFLAGGED, NOTABLE, CRITICAL = TriageLevel.UNFLAGGED, TriageLevel.NOTABLE, TriageLevel.CRITICAL


class Bench:
    """One series, generation after generation."""

    def __init__(self, url):
        self.engine = open_engine(url)
        self.journal = SqlJournal(self.engine, lambda *_: None, MemoryObjects())
        self._instances = 0

    def receive(self):
        """One more instance."""
        self._instances += 1
        return self.journal.record(entry(self._instances))

    def claim(self):
        """One more instance, closed and claimed."""
        came = self.receive()
        self.journal.close(came.series_id, came.generation, START_UTC)
        return self.journal.claim(came.series_id, came.generation)

    def commit(self, work, level, digest="ab" * 32):
        """Commit a level, with a report."""
        by = replace(analyses.PROVENANCE, model_digest=digest)
        told = Triage(level=level, reasons=("because",))
        made = replace(analyses.analysis(), triage=told, generation=work.generation, provenance=by)
        report = KeptObject(kind="sr", path="aa/sr", deliver=True)
        return self.journal.commit(work, made, [report], ["folder"])

    def generation(self, level):
        """One more generation, ended."""
        assert self.commit(self.claim(), level)

    @property
    def line(self):
        """The series in the worklist."""
        (line,) = self.journal.series(WorklistQuery())
        return line


@pytest.fixture
def bench(journal_url):
    """An empty journal."""
    made = Bench(journal_url)
    yield made
    made.engine.dispose()


def change(before, after):
    """An alert."""
    return TriageChange(before=before, after=after)


def test_a_changed_level_raises_an_alert(bench):
    """In the worklist beside the new level, in the stream of changes, and counted; up and down."""
    bench.generation(UNFLAGGED)
    assert (bench.line.triage_before, bench.journal.triage_changes()) == (None, {})
    seen = bench.line.revision
    bench.generation(CRITICAL)
    assert (bench.line.triage_before, bench.line.triage) == (UNFLAGGED, CRITICAL)
    assert bench.journal.changed(seen)[-1].triage_before is UNFLAGGED
    bench.generation(NOTABLE)
    assert (bench.line.triage_before, bench.line.triage) == (CRITICAL, NOTABLE)
    assert bench.journal.triage_changes() == {change(UNFLAGGED, CRITICAL): 1, change(CRITICAL, NOTABLE): 1}


def test_the_same_level_raises_none(bench):
    """A late slice that changes nothing alarms nobody, and an old alert is not told again."""
    bench.generation(UNFLAGGED)
    bench.generation(CRITICAL)
    bench.generation(CRITICAL)
    assert bench.line.triage_before is None
    assert bench.journal.triage_changes() == {change(UNFLAGGED, CRITICAL): 1}


def test_an_alert_is_raised_once(bench):
    """A second commit of the same generation, of the same model or of another, raises no second one."""
    bench.generation(UNFLAGGED)
    work = bench.claim()
    bench.receive()
    assert bench.commit(work, CRITICAL)
    assert not bench.commit(work, CRITICAL)
    assert bench.commit(work, NOTABLE, digest="cd" * 32)
    assert bench.journal.triage_changes() == {change(UNFLAGGED, CRITICAL): 1}


def test_a_generation_is_compared_with_what_was_committed_last(bench):
    """One that ended while the next was worked on already counts; one that ends after it does not."""
    early = bench.claim()
    late = bench.claim()
    assert bench.commit(early, UNFLAGGED)
    assert bench.commit(late, CRITICAL)
    assert bench.line.triage_before is UNFLAGGED
    slow = bench.claim()
    bench.generation(CRITICAL)
    assert bench.commit(slow, UNFLAGGED)
    assert (bench.line.triage, bench.line.triage_before) == (CRITICAL, None)
    assert bench.journal.triage_changes() == {change(UNFLAGGED, CRITICAL): 1}


def test_an_alert_is_in_the_commit_or_nowhere(bench):
    """Where the alert cannot be written, neither is the analysis there."""
    bench.generation(UNFLAGGED)
    work = bench.claim()
    with bench.engine.begin() as connection:
        alert.drop(connection)
    with pytest.raises(StoreError):
        bench.commit(work, CRITICAL)
    with bench.engine.begin() as connection:
        alert.create(connection)
    assert (bench.line.triage, bench.line.state) == (UNFLAGGED, "analysing")
    assert bench.journal.backlog()["folder"].waiting == 1
