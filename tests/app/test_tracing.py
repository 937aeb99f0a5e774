"""One process's part of a trace, on a clock that moves when told."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import analyses
import pytest
from fakes import HandClock
from instances import START_UTC

from millet.app.tracing import REMEMBERED, Tracing
from millet.core.trace import ROOT, trace_of
from millet.ports import Delivery, SeriesKey, Work

TRACE = trace_of("default", "1.2.3", 1)
WORK = Work(
    series_id=1,
    generation=1,
    key=SeriesKey(site="default", series_uid="1.2.3"),
    study_uid="1.2",
    closed_utc=START_UTC,
    urgency=0,
    paths=(),
)
DELIVERY = Delivery(
    delivery_id=7,
    destination="PACS",
    kind="sr",
    path="x",
    sop_instance_uid="1.2.9",
    site="default",
    study_uid="1.2",
    series_uid="1.2.3",
    generation=1,
    created_utc=START_UTC,
    attempts=0,
)


class Bench:
    """What is told."""

    def __init__(self) -> None:
        self.told = []
        self.clock = HandClock()
        self.tracing = Tracing(self.told.append, self.clock)

    def at(self, seconds: float) -> Tracing:
        """So many seconds after the start."""
        self.clock.now_s = seconds
        return self.tracing

    def times(self) -> dict[str, tuple[float, float]]:
        """When each span began and ended, in seconds."""
        second = timedelta(seconds=1)
        return {
            s.name: ((s.began_utc - START_UTC) / second, (s.ended_utc - START_UTC) / second)
            for s in self.told
        }


@pytest.fixture
def bench() -> Bench:
    """Nothing told yet."""
    return Bench()


def closed(associations: str, waited_s: float = 2.0) -> dict[str, str | float]:
    """As intake tells it."""
    return {
        "trace": TRACE,
        "associations": associations,
        "waited_s": waited_s,
        "closed_by": "geometry",
        "generation": 1,
        "site": "default",
    }


def test_a_series_begins_with_its_first_association(bench):
    """Two that carried it, one of them still open; what carried others does not count."""
    bench.at(0).association_began(1)
    bench.at(1).association_began(2)
    bench.at(2).association_began(3)
    bench.at(4).association_ended(2)
    bench.at(10).closed(closed("2 3"))
    spans = [(one.name, one.began_utc, one.ended_utc) for one in bench.told]
    moment = {n: START_UTC + timedelta(seconds=n) for n in (1, 2, 4, 8, 10)}
    assert spans == [
        (ROOT, moment[1], moment[10]),
        ("association", moment[1], moment[4]),
        ("association", moment[2], moment[10]),
        ("assemble", moment[8], moment[10]),
    ]
    assert {one.trace for one in bench.told} == {TRACE}
    assert len({one.number for one in bench.told}) == 4


def test_after_a_restart_the_last_instance_is_all_that_is_known(bench):
    """A series whose associations another life of the process took."""
    bench.at(10).closed(closed("5"))
    assert bench.times() == {ROOT: (8, 10), "assemble": (8, 10)}


def test_stages_follow_each_other_within_the_analysis(bench):
    """From complete to begun, and from each stage to the next, however often one is told."""
    for second, stage in ((3, "read"), (4, "lungs"), (5, "lungs"), (6, "report")):
        bench.at(second).stage(WORK, stage)
    bench.at(9).committed(WORK, analyses.analysis())
    assert bench.times() == {
        "queue": (0, 3),
        "analyse": (3, 9),
        "read": (3, 4),
        "lungs": (4, 6),
        "report": (6, 9),
    }
    analysis = next(one for one in bench.told if one.name == "analyse")
    stages = [one for one in bench.told if one.name in {"read", "lungs", "report"}]
    assert {one.parent_number for one in stages} == {analysis.number}
    assert analysis.facts["outcome"] == "findings"
    assert not any(one.failed for one in bench.told)


def test_an_attempt_that_failed_is_a_span_that_failed(bench):
    """With the kind of error, never its words; the next attempt begins anew."""
    bench.at(3).stage(WORK, "detect")
    bench.at(5).failed(WORK, ValueError("Müller"))
    (failed,) = bench.told
    assert (failed.failed, failed.facts["error"], failed.facts["stage"]) == (True, "ValueError", "detect")
    assert "Müller" not in repr(failed)
    bench.at(6).stage(WORK, "read")
    bench.at(7).committed(WORK, analyses.analysis())
    assert bench.times()["analyse"] == (6, 7)


@pytest.mark.parametrize("error", ["", "DeliveryError"])
def test_each_try_to_deliver_is_a_span(bench, error):
    """Of the same trace, told apart by when it began."""
    for began in (1, 5):
        bench.at(began + 2).delivered(DELIVERY, START_UTC + timedelta(seconds=began), error)
    assert [one.failed for one in bench.told] == [bool(error)] * 2
    assert len({one.number for one in bench.told}) == 2
    assert {one.trace for one in bench.told} == {TRACE}


def test_what_never_ends_is_forgotten(bench):
    """Associations and work of a process that runs for years take no more memory than those of a day."""
    for number in range(REMEMBERED + 5):
        bench.at(number).association_began(number)
        bench.tracing.stage(replace(WORK, series_id=number), "read")
    bench.at(REMEMBERED + 10).closed(closed("0 4 5"))
    assert [one.name for one in bench.told].count("association") == 1
    assert len(bench.tracing._stages) == REMEMBERED
