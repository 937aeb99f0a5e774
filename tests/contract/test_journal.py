from __future__ import annotations

from dataclasses import replace

import analyses
import pytest
import sqlalchemy as sa
from fakes import MemoryJournal, MemoryObjects
from instances import START_UTC, entry, header

from millet.core.analysis import Predecessor
from millet.core.job import State
from millet.core.uids import object_uid
from millet.edge.journal import SqlJournal, open_engine
from millet.edge.journal.base import Job
from millet.edge.journal.tables import executor
from millet.ports import Arrived, KeptObject, SeriesStatus, Site, WorklistQuery


class SqlForTest(SqlJournal):
    """The real journal, with the jobs it enqueued in a list."""

    def __init__(self, url) -> None:
        self.queue: list[Job] = []
        super().__init__(open_engine(url), lambda _, job: self.queue.append(job), MemoryObjects())

    @property
    def jobs(self) -> list[tuple[int, int]]:
        """Series and generation of each job that was enqueued."""
        return [(job.series_id, job.generation) for job in self.queue]

    def state(self, series_id: int) -> str:
        """Where a series stands."""
        return self._status(series_id).state

    def progress(self, series_id: int) -> tuple[str, int, int]:
        """How far the analysis of a series has come."""
        status = self._status(series_id)
        return status.stage, status.windows_done, status.windows_total

    def beat(self, analyser: str) -> None:
        """An analyser lives."""
        with self._engine.begin() as connection:
            facts = {"executor_id": analyser, "heartbeat_utc": START_UTC}
            connection.execute(sa.insert(executor).values(facts))

    def strike(self, analyser: str) -> None:
        """An analyser is dead."""
        with self._engine.begin() as connection:
            connection.execute(sa.delete(executor).where(executor.c.executor_id == analyser))

    def _status(self, series_id: int) -> SeriesStatus:
        """Series are made in order here."""
        return sorted(self.series(WorklistQuery()), key=lambda s: s.first_received_utc)[series_id - 1]


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def journal(request, tmp_path):
    """Each implementation in turn."""
    if request.param == "memory":
        yield MemoryJournal()
        return
    made = SqlForTest(request.getfixturevalue("new_journal")(request.param))
    yield made
    made._engine.dispose()


@pytest.fixture
def other():
    """One to compare with."""
    return MemoryJournal()


def closed(journal, instances=3):
    """A journal with one closed series."""
    for number in range(1, instances + 1):
        recorded = journal.record(entry(number))
    assert journal.close(recorded.series_id, recorded.generation, START_UTC)
    return recorded.series_id


def committed(journal, destinations=("folder",)):
    """A journal with one analysed series and its SR to be delivered."""
    work = journal.claim(closed(journal), 1)
    kept = [
        KeptObject(kind="sr", path="aa/sr", sop_instance_uid="1.9", deliver=True),
        KeptObject(kind="mip-coronal.png", path="bb/mip"),
    ]
    made = replace(analyses.analysis(), created_utc=START_UTC)
    assert journal.commit(work, made, kept, destinations)
    return work


def test_instances_of_one_series_gather(journal):
    """A series is open with the headers of all its instances, exactly as they were."""
    for number in (1, 2):
        assert journal.record(entry(number)).new
    (one,) = journal.open_series()
    assert journal.headers(one.series_id) == (header(1), header(2))
    assert journal.held(one.series_id) == 2
    assert (one.generation, one.last_path) == (1, entry(2).stored.path)


def test_the_same_instance_twice_is_once(journal):
    """Same UID and same bytes: success, and nothing new."""
    first, again = journal.record(entry(1)), journal.record(entry(1))
    assert (first.new, again.new) == (True, False)
    assert first.series_id == again.series_id
    assert (len(journal.headers(first.series_id)), journal.held(first.series_id)) == (1, 1)


def test_other_bytes_under_the_same_uid_are_kept_and_flagged(journal):
    """Same UID, other bytes: both stay, and it is said."""
    journal.record(entry(1))
    other = journal.record(entry(1, digest="f" * 64))
    assert (other.new, other.conflict) == (True, True)
    assert len(journal.known_paths()) == 2


def test_two_sites_may_share_every_identifier(journal):
    """The same series UID at another site is another series."""
    here = journal.record(entry(1))
    there = journal.record(entry(1, source=Site("other", "CT", "MILLET")))
    assert here.series_id != there.series_id
    assert (there.new, there.conflict) == (True, False)


def test_a_batch_is_what_its_instances_are_one_by_one(journal, other):
    """New series, repeats, other bytes, a closed series, two sites: a batch tells what `record` tells."""
    away = Site("other", "CT", "MILLET")
    batches = [
        [entry(1), entry(2, series_uid="1.2.9"), entry(1), entry(3), entry(3, source=away)],
        [entry(2, series_uid="1.2.9"), entry(3, digest="e" * 64), entry(4), entry(3, digest="e" * 64)],
        [entry(1, digest="f" * 64, source=away), entry(5, source=away), entry(9, series_uid="1.2.7")],
    ]
    for batch in batches:
        together = journal.record_all(batch, {})
        assert together == [other.record(one) for one in batch]
        for one in (journal, other):
            one.close(together[0].series_id, 1, START_UTC)
    for one in (journal, other):
        assert one.close(together[0].series_id, together[0].generation, START_UTC) is False
    assert journal.open_series() == other.open_series()
    for series_id in range(1, 5):
        assert journal.headers(series_id) == other.headers(series_id)
        assert journal.state(series_id) == other.state(series_id)


def test_how_far_segments_are_indexed_is_kept_with_the_batch(journal):
    """The later mark of a segment stands, others stay; what is forgotten is gone."""
    assert journal.indexed() == {}
    journal.record_all([entry(1)], {"a": 10, "b": 3_000_000_000})
    journal.record_all([], {"a": 20})
    assert journal.indexed() == {"a": 20, "b": 3_000_000_000}
    journal.forget_segments(["b", "never"])
    assert journal.indexed() == {"a": 20}


def test_what_the_journal_holds_of_some_uids(journal):
    """Each instance of the site under these UIDs, with other bytes too; nothing of another site."""
    journal.record_all([entry(1), entry(2), entry(1, digest="f" * 64)], {})
    journal.record(entry(3, source=Site("other", "CT", "MILLET")))
    uids = [header(number).sop_instance_uid for number in (1, 2, 3)]
    found = journal.known_instances("default", uids)
    assert sorted((one.sop_instance_uid, one.digest, one.conflict) for one in found) == [
        (uids[0], entry(1).stored.digest, False),
        (uids[0], "f" * 64, True),
        (uids[1], entry(2).stored.digest, False),
    ]
    assert {(one.series_id, one.generation) for one in found} == {(1, 1)}
    assert journal.known_instances("default", []) == []


def test_closing_makes_one_job(journal):
    """A generation is closed once, with its job."""
    series_id = closed(journal)
    assert journal.jobs == [(series_id, 1)]
    assert not journal.close(series_id, 1, START_UTC)
    assert journal.jobs == [(series_id, 1)]
    assert journal.open_series() == []


def test_a_late_instance_opens_the_next_generation(journal):
    """After closing, a new instance re-opens the series; the next generation holds all instances."""
    series_id = closed(journal)
    late = journal.record(entry(4))
    assert (late.series_id, late.generation, late.new) == (series_id, 2, True)
    assert journal.state(series_id) == State.RECEIVING
    assert journal.claim(series_id, 1) is None
    assert journal.close(series_id, 2, START_UTC)
    assert len(journal.claim(series_id, 2).paths) == 4


def test_a_repeated_instance_opens_nothing(journal):
    """A series that is sent again is not analysed again."""
    series_id = closed(journal)
    assert not journal.record(entry(2)).new
    assert journal.state(series_id) == State.QUEUED


def test_work_is_claimed_again_after_a_crash(journal):
    """Who claims a second time gets the same work: the same instances and the same time."""
    series_id = closed(journal)
    assert journal.claim(series_id, 1) == journal.claim(series_id, 1)
    assert journal.state(series_id) == State.ANALYSING


def test_the_first_commit_wins(journal):
    """A second analysis of the same generation by the same model changes nothing."""
    work = committed(journal)
    assert journal.state(work.series_id) == State.ANALYSED
    assert not journal.commit(work, analyses.analysis(0), [], ["folder"])
    assert journal.claim(work.series_id, 1) is None
    assert journal.backlog()["folder"][0] == 1


def test_of_two_commits_by_different_models_the_first_wins(journal):
    """A process that was frozen, and given up, says its own word too late; one generation is told once."""
    work = committed(journal)
    late = replace(analyses.analysis(0), provenance=replace(analyses.analysis().provenance, model_digest="x"))
    assert not journal.commit(work, late, [KeptObject(kind="sr", path="cc/sr", deliver=True)], ["folder"])
    assert journal.backlog()["folder"][0] == 1


def test_a_refused_series_ends_not_analysed(journal):
    """A verdict ends the series as not analysed."""
    work = journal.claim(closed(journal), 1)
    assert journal.commit(work, analyses.refused(), [], [])
    assert journal.state(work.series_id) == State.NOT_ANALYSED


def test_a_commit_that_was_overtaken_does_not_end_the_next_generation(journal):
    """An analysis that ends after a late instance came is kept, and the series stays open."""
    work = journal.claim(closed(journal), 1)
    journal.record(entry(4))
    assert journal.commit(work, analyses.analysis(), [], [])
    assert journal.state(work.series_id) == State.RECEIVING


def test_a_generation_is_told_the_report_before_it(journal):
    """The newest earlier report by its UIDs, which are those that it was sent under; a first one has none."""
    work = committed(journal)
    assert work.predecessor is None
    made = replace(analyses.analysis(), site=work.key.site, series_uid=work.key.series_uid)
    for generation in (2, 3):
        journal.record(entry(generation + 2))
        assert journal.close(work.series_id, generation, START_UTC)
        again = journal.claim(work.series_id, generation)
        assert again.predecessor == Predecessor(
            generation=1,
            study_uid=work.study_uid,
            series_uid=object_uid(made, "sr-series"),
            sop_instance_uid="1.9",
        )
        told = replace(made, generation=generation)
        assert journal.commit(again, told, [], [])  # without a report of its own


def test_what_fails_is_parked_and_a_late_instance_frees_it(journal):
    """A parked series is not worked on, until an instance makes it a new generation."""
    series_id = closed(journal)
    journal.park(series_id, 1, "internal-error")
    assert journal.state(series_id) == State.PARKED
    assert journal.claim(series_id, 1) is None
    assert journal.record(entry(4)).generation == 2


def test_the_first_analyser_that_asks_follows_a_series(journal):
    """It is told of each instance once, oldest first; others are told nothing while it lives."""
    journal.beat("one")
    series_id = journal.record(entry(1)).series_id
    first = journal.arrived("one", 0)
    assert first == [Arrived(first[0].instance_id, series_id, entry(1).stored.path, 0)]
    journal.record(entry(2))
    journal.record(entry(3))
    assert journal.arrived("two", 0) == []
    more = journal.arrived("one", first[0].instance_id)
    assert [one.path for one in more] == [entry(n).stored.path for n in (2, 3)]
    assert first[0].instance_id < more[0].instance_id < more[1].instance_id
    assert journal.arrived("one", more[1].instance_id) == []


def test_each_new_series_goes_to_who_asks_first(journal):
    """Two analysers share the series, not the instances of one."""
    here = journal.record(entry(1)).series_id
    for name in ("one", "two"):
        journal.beat(name)
    assert [a.series_id for a in journal.arrived("one", 0)] == [here]
    there = journal.record(entry(2, series_uid="1.2.9")).series_id
    assert [a.series_id for a in journal.arrived("two", 0)] == [there]
    assert [a.series_id for a in journal.arrived("one", 0)] == [here]


def test_the_open_series_of_a_dead_analyser_go_to_the_next(journal):
    """Who was not heard of for a while follows nothing any more; all instances are told again."""
    journal.beat("one")
    for number in (1, 2):
        journal.record(entry(number))
    assert len(journal.arrived("one", 0)) == 2
    journal.beat("two")
    journal.strike("one")
    assert len(journal.arrived("two", 0)) == 2
    journal.beat("one")
    assert journal.arrived("one", 0) == []


def test_a_series_that_is_complete_is_followed_no_longer(journal):
    """What waits or is analysed arrives no more, until a late instance opens it again."""
    journal.beat("one")
    series_id = closed(journal)
    assert journal.arrived("one", 0) == []
    late = journal.record(entry(4))
    (newest,) = [a for a in journal.arrived("one", 0) if a.path == entry(4).stored.path]
    assert (newest.series_id, late.generation) == (series_id, 2)


def test_a_job_goes_to_the_living_follower(journal):
    """Who followed a series has most of the work done, unless it died or there was nobody."""
    journal.beat("one")
    numbers = {"followed": 1, "left": 2, "unseen": 3}
    made = {name: journal.record(entry(n, series_uid=f"1.2.{n}")) for name, n in list(numbers.items())[:2]}
    journal.arrived("one", 0)
    made["unseen"] = journal.record(entry(3, series_uid="1.2.3"))
    assert journal.close(made["followed"].series_id, 1, START_UTC)
    journal.strike("one")
    for name in ("left", "unseen"):
        assert journal.close(made[name].series_id, 1, START_UTC)
    assert [job.analyser for job in journal.queue] == ["one", "", ""]


def test_an_emergency_is_one_from_its_first_instance_to_its_job(journal):
    """The urgency of the first instance is told to analysers, queue and worker."""
    journal.beat("one")
    series_id = journal.record(replace(entry(1), urgency=1)).series_id
    journal.record(entry(2))
    assert [one.urgency for one in journal.arrived("one", 0)] == [1, 1]
    assert journal.close(series_id, 1, START_UTC)
    assert journal.queue == [Job(series_id, 1, 1, "one")]
    assert journal.claim(series_id, 1).urgency == 1


def test_a_series_keeps_the_model_of_the_title_that_its_first_instance_was_sent_to(journal):
    """Through two titles and two generations; only who has that model is told of it and follows it."""
    journal.beat("one")
    series_id = journal.record(replace(entry(1), model_title="CHILD")).series_id
    journal.record(entry(2))
    assert journal.arrived("one", 0) == []
    told = journal.arrived("one", 0, ("", "CHILD"))
    assert [one.model_title for one in told] == ["CHILD", "CHILD"]
    assert journal.close(series_id, 1, START_UTC)
    assert journal.claim(series_id, 1).model_title == "CHILD"
    assert journal.record(entry(3)).generation == 2
    assert journal.arrived("one", 0) == []
    assert journal.close(series_id, 2, START_UTC)
    assert journal.queue == [Job(series_id, n, 0, "one", "CHILD") for n in (1, 2)]
    assert journal.claim(series_id, 2).model_title == "CHILD"


def test_progress_is_told_while_a_series_is_under_way(journal):
    """From its first instance to its end; afterwards nothing says that it is still at work."""
    series_id = journal.record(entry(1)).series_id
    journal.reached(series_id, "arriving", 1, 2)
    assert journal.progress(series_id) == ("arriving", 1, 2)
    assert journal.close(series_id, 1, START_UTC)
    assert journal.progress(series_id)[0] == ""
    work = journal.claim(series_id, 1)
    journal.reached(series_id, "detect", 2, 3)
    assert journal.progress(series_id) == ("detect", 2, 3)
    assert journal.commit(work, analyses.analysis(), [], [])
    journal.reached(series_id, "report", 3, 3)
    assert journal.progress(series_id)[0] == ""


def test_progress_begins_anew_with_a_generation(journal):
    """What was looked at of the last generation is not what was looked at of the next."""
    series_id = closed(journal)
    journal.reached(series_id, "detect", 7, 7)
    journal.record(entry(4))
    assert journal.progress(series_id) == ("", 0, 0)


def test_what_is_parked_is_at_no_stage(journal):
    """A series that an operator must look at is not at work."""
    series_id = closed(journal)
    journal.reached(series_id, "detect", 1, 7)
    journal.park(series_id, 1, "internal-error")
    assert journal.progress(series_id)[0] == ""


def test_work_knows_the_title_that_its_first_instance_was_sent_to(journal):
    """Its policy is that of the first, whatever comes later and by which way."""
    for number, called in ((1, "STAT"), (2, "MILLET"), (3, "")):
        recorded = journal.record(entry(number, source=Site("default", "CT", called)))
    assert journal.close(recorded.series_id, 1, START_UTC)
    assert journal.claim(recorded.series_id, 1).called_ae == "STAT"
