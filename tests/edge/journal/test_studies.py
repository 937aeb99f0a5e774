from __future__ import annotations

from dataclasses import replace

import analyses
import pytest
from fakes import MemoryObjects
from instances import START_UTC, entry

from millet.core.analysis import Triage, TriageLevel
from millet.core.best import Candidate
from millet.core.reasons import Reason
from millet.edge.journal import SqlJournal, open_engine
from millet.ports import Site, WorklistQuery

THICKNESS_MM = {1: 5.0, 2: 2.0, 3: 1.0}


class Bench:
    """A study of three series: the later, the thinner."""

    def __init__(self, url):
        self.engine = open_engine(url)
        self.journal = SqlJournal(self.engine, lambda *_: None, MemoryObjects())

    def receive(self, number, site="north", study_uid="1.9"):
        """One series of the study, closed."""
        uid = f"1.2.{number}"
        told = entry(number, source=Site(site, "CT", "MILLET"), series_uid=uid)
        header = replace(told.header, study_uid=study_uid, sop_instance_uid=f"{uid}.{site}")
        came = self.journal.record(replace(told, header=header))
        found = Candidate(series_uid=uid, extent_mm=300.0, slice_mm=THICKNESS_MM[number], slices=100)
        assert self.journal.close(came.series_id, came.generation, START_UTC, found)
        return came

    def analyse(self, came, made=None):
        """Commit an analysis of it."""
        work = self.journal.claim(came.series_id, came.generation)
        made = replace(made or analyses.analysis(), generation=work.generation)
        assert self.journal.commit(work, made, [], [])

    def best(self, **query):
        """The last number of the best series, by that of each series."""
        lines = self.journal.series(WorklistQuery(**query))
        return {int(line.key.series_uid[-1]): line.best_series_uid[-1:] for line in lines}


@pytest.fixture
def bench(journal_url):
    """An empty journal."""
    made = Bench(journal_url)
    yield made
    made.engine.dispose()


def test_each_series_that_is_closed_ranks_its_study_anew(bench):
    """The better one takes the mark, and the others are linked to it, with their reasons."""
    bench.receive(1)
    assert bench.best() == {1: "1"}
    for number in (2, 3):
        bench.receive(number)
    assert bench.best() == {1: "3", 2: "3", 3: "3"}
    lines = {line.key.series_uid[-1]: line for line in bench.journal.series(WorklistQuery())}
    assert [lines[n].best_of_study for n in "123"] == [False, False, True]
    assert lines["3"].best_reason == "best of 3: thin slices"
    assert lines["1"].best_reason == "the best one: thin slices"


def test_an_analysis_that_refuses_the_best_one_passes_the_mark_on(bench):
    """Thin slices without a lung in them are not what a reader should open first."""
    came = {number: bench.receive(number) for number in THICKNESS_MM}
    bench.analyse(came[3], analyses.refused(Reason.NO_LUNG))
    assert bench.best() == {1: "2", 2: "2", 3: "2"}
    bench.analyse(came[2])
    assert bench.best()[1] == "2"


def test_a_series_that_moved_is_a_change(bench):
    """Who watches is told of every series that stands elsewhere now, each with a revision of its own."""
    bench.receive(1)
    seen = max(line.revision for line in bench.journal.changed(0))
    bench.receive(2)
    moved = bench.journal.changed(seen)
    assert {line.key.series_uid for line in moved} == {"1.2.1", "1.2.2"}
    assert len({line.revision for line in moved}) == 2


def test_studies_and_sites_are_ranked_apart(bench):
    """Another study, or the same identifiers at another hospital, are nobody's rivals."""
    bench.receive(1)
    bench.receive(3, site="south")
    bench.receive(2, study_uid="1.8")
    assert bench.best() == {1: "1", 2: "2", 3: "3"}


def test_the_best_series_comes_first_among_equals(bench):
    """Of one triage level the worklist shows the best of a study before the others; urgency comes before."""
    came = {number: bench.receive(number) for number in THICKNESS_MM}
    bench.analyse(came[1])
    bench.analyse(came[3])
    assert list(bench.best()) == [3, 1, 2]
    critical = Triage(level=TriageLevel.CRITICAL, reasons=("because",))
    bench.analyse(came[2], replace(analyses.analysis(), triage=critical))
    assert list(bench.best()) == [2, 3, 1]


def test_a_series_of_which_nothing_was_kept_is_left_out(bench):
    """One that was closed by an older version stays without a mark, and takes part in nothing."""
    came = bench.journal.record(entry(1))
    assert bench.journal.close(came.series_id, 1, START_UTC)
    bench.analyse(came)
    (line,) = bench.journal.series(WorklistQuery())
    assert (line.best_series_uid, line.best_of_study) == ("", False)
