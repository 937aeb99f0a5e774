"""Faults of ours end in a stated outcome, whatever is at fault."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fakes import HandClock, MemoryJournal, MemoryObjects, MemorySpool
from instances import received

from millet import app
from millet.core.assembler import Waits
from millet.core.job import State
from millet.core.language import Language, said
from millet.errors import DetectorError, Interrupted, StoreError
from millet.flow import work
from millet.flow.batcher import Batcher
from millet.flow.completion import Completion
from millet.flow.drain import Drain
from millet.flow.intake import Intake
from millet.flow.reception import Receptions
from millet.flow.streaming import Station, Streaming
from millet.flow.work import Analyser
from millet.ports import Policy
from millet.settings import Settings


@pytest.fixture(scope="module")
def model():
    """The bundled model."""
    return app.load_model(Settings())


class Bench:
    """One closed series of three slices, and a worker."""

    def __init__(self, models, title=""):
        self.spool, self.objects, self.journal, clock = (
            MemorySpool(),
            MemoryObjects(),
            MemoryJournal(),
            HandClock(),
        )
        waits = Waits(settle_s=0, quiet_s=1, gap_wait_s=1)
        judged = Policy(model_title=title)
        completion = Completion(waits)
        intake = Intake(self.spool, self.journal, completion, clock, lambda *_: None, lambda _: judged)
        receptions = Receptions(self.spool, clock, lambda: None, most_bytes=10**9)
        for number in range(3):
            receptions.associated().take(received(number))
        intake.step()
        clock.now_s = 2
        intake.step()
        self.faults, self.committed = [], []
        self.batcher = Batcher()
        self.streaming = Streaming(
            name="one",
            log=self.journal,
            spool=self.spool,
            stations=[Station(self.batcher, {name: one.readers for name, one in models.items()})],
            clock=clock,
            most_bytes=10**9,
            faulty=self.faults.append,
        )
        self.analyser = Analyser(
            jobs=self.journal,
            streaming=self.streaming,
            spool=self.spool,
            objects=self.objects,
            models=models,
            destinations={"folder": lambda _: True, "PACS": lambda kind: kind == "seg"},
            committed=lambda _, analysis: self.committed.append(analysis),
            faulty=lambda _, failure: self.faults.append(type(failure)),
            drain=Drain(),
            told=lambda *_: None,
        )


@pytest.fixture
def benches():
    """Make benches; all are stopped at the end."""
    made = []

    def make(models, title=""):
        made.append(Bench(models, title))
        return made[-1]

    yield make
    for one in made:
        one.streaming.stop()
        one.batcher.stop()


@pytest.fixture
def bench(benches, model):
    """A series that is to be analysed."""
    return benches({"": model})


def named(model, name):
    """The same model under another name."""
    return model._replace(manifest=replace(model.manifest, name=name))


def test_a_series_ends_with_a_report_of_why(bench):
    """Three slices are not analysed, and the report that says so is to be delivered."""
    bench.analyser.run(1, 1)
    assert [one.reason_code for one in bench.committed] == ["too-few-slices"]
    assert bench.journal.take("folder", "one", 60.0).kind == "sr"


def test_a_destination_gets_the_kinds_that_it_wants(bench):
    """Who wants no SR has nothing waiting of a series that has nothing else."""
    bench.analyser.run(1, 1)
    assert set(bench.journal.backlog()) == {"folder"}


def test_reports_go_where_the_called_title_says(bench):
    """Of the usual destinations, or others; the title is that of the series."""
    asked = []

    def routed(called_ae, usual):
        asked.append((called_ae, usual))
        return ("er-pacs",)

    replace(bench.analyser, routed=routed).run(1, 1)
    assert asked == [(received(0).source.called_ae, ("folder", "PACS"))]
    assert set(bench.journal.backlog()) == {"er-pacs"}


def test_recipients_hear_of_what_is_routed_to_them(bench):
    """With the reasons in the language of the reports, and their codes."""
    told = replace(bench.analyser, recipients=frozenset({"PACS", "ward"}), language=Language.GERMAN)
    told.run(1, 1)
    flag = bench.journal.flags[1, 1]
    assert flag.recipients == ("PACS",)
    (made,) = bench.committed
    assert [one.words for one in flag.grounds] == [said(one, Language.GERMAN) for one in made.triage.reasons]
    assert [one.code for one in flag.grounds] == ["triage.not-analysed-detail"]


def test_a_report_that_cannot_be_made_does_not_keep_a_series_from_ending(bench, monkeypatch):
    """Where every report fails, even the one that says so, the outcome stands without one."""

    def fails(*_):
        raise ValueError("Doe^Jane")

    monkeypatch.setattr("millet.flow.objects.sr.encode", fails)
    bench.analyser.run(1, 1)
    assert [one.reason_code for one in bench.committed] == ["internal-error"]
    assert bench.faults == [ValueError] * (work.ATTEMPTS + 1)
    assert bench.journal.state(1) == State.NOT_ANALYSED


def test_a_lost_file_is_a_fault_of_the_store_that_may_be_given_up(bench):
    """A file that is gone fails the run, for it to be begun anew; given up, the series has its outcome."""
    bench.spool.bodies.pop(bench.spool.paths()[0])
    with pytest.raises(StoreError):
        bench.analyser.run(1, 1)
    assert bench.committed == []
    bench.analyser.give_up(1, 1)
    assert [one.reason_code for one in bench.committed] == ["internal-error"]


def test_a_detector_that_fails_is_asked_again_and_then_given_up(bench, monkeypatch):
    """So often and no oftener; the series ends with what was at fault."""

    def fails(*_):
        raise DetectorError("no")

    monkeypatch.setattr(work, "finish", fails)
    bench.analyser.run(1, 1)
    assert bench.faults == [DetectorError] * work.ATTEMPTS
    assert [one.reason_code for one in bench.committed] == ["detector-failed"]


def test_work_that_is_cut_off_by_a_stop_has_no_outcome(bench, monkeypatch):
    """What fails because everything around it was stopped is no fault: the next start takes it up again."""

    def cut_off(*_):
        bench.analyser.drain.stop(0, 0)
        bench.streaming.stop()
        raise RuntimeError("the series is not complete")

    monkeypatch.setattr(work, "finish", cut_off)
    with pytest.raises(Interrupted):
        bench.analyser.run(1, 1)
    assert (bench.faults, bench.committed) == ([], [])
    assert bench.journal.state(1) == State.ANALYSING


def test_what_was_done_ahead_is_let_go_however_the_work_ends(bench):
    """Committed, failed or refused: no memory stays behind."""
    bench.analyser.run(1, 1)
    assert bench.streaming._claimed == {}
    bench.analyser.run(1, 1)
    assert bench.streaming._claimed == {}


@pytest.mark.parametrize(("title", "name"), [("", "millet"), ("CHILD", "small"), ("*", "big")])
def test_a_series_is_ended_by_the_model_of_its_title(benches, model, title, name):
    """Analysed or given up: the outcome names the model of the title, else the usual one."""
    models = {"": model, "CHILD": named(model, "small"), "*": named(model, "big")}
    for end in ("run", "give_up"):
        bench = benches(models, title)
        getattr(bench.analyser, end)(1, 1)
        (ended,) = bench.committed
        assert ended.provenance.model_name == name


def test_a_series_whose_model_is_not_here_is_left_to_others(benches, model):
    """Neither analysed by another model nor given up, by whichever way it comes; who has it ends it."""
    bench = benches({"": model}, "CHILD")
    for attempt in (bench.analyser.run, bench.analyser.give_up):
        with pytest.raises(Interrupted):
            attempt(1, 1)
    assert (bench.faults, bench.committed, bench.streaming._claimed) == ([], [], {})
    has_it = {"": model, "CHILD": named(model, "small")}
    bench.streaming.stations = [Station(bench.batcher, {t: m.readers for t, m in has_it.items()})]
    replace(bench.analyser, models=has_it).run(1, 1)
    assert [one.provenance.model_name for one in bench.committed] == ["small"]
