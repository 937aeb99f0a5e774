"""Series that arrive, followed from journal and spool: the analysis is of all that was claimed."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import cache

import chests
import ct
import numpy as np
import pytest
from fakes import HandClock, MemoryJournal, MemorySpool
from instances import SOURCE, START_UTC
from strided import LEVEL, MANIFEST, Strided

from millet.codec.ct import read_header
from millet.core.turns import EMERGENCY, ROUTINE
from millet.errors import StoreError
from millet.flow.analyse import Order, finish
from millet.flow.batcher import Batcher
from millet.flow.model import Model
from millet.flow.offline import analyse
from millet.flow.progress import ARRIVING
from millet.flow.streaming import FORGOTTEN_S, SLICE_BYTES, Station, Streaming
from millet.ports import Entry

SPACING_MM = (2.5, 4.0, 4.0)
COARSE = replace(LEVEL, spacing_mm=(2.0, 2.0, 2.0), threshold=0.06)
MODEL = Model(replace(MANIFEST, levels=(COARSE,)), {"toy": Strided()})
READERS = {"": MODEL.readers}
PATIENCE_S = 20
MUCH, NONE = 10**9, 0


@cache
def slices(series_uid="1.2.3", count=40):
    """A small chest, the lowest slice first."""
    on = chests.grid(shape=(count, 66, 86), spacing=(4.0, 4.0, 4.0), origin=(-170.0, -130.0, -80.0))
    hu = chests.volume(on, chests.hu(on), noise_hu=20.0).hu.clip(-1000, 100)
    made = []
    for number, plane in enumerate(hu):
        place = np.asarray((-170, -130, number * SPACING_MM[0]))
        made.append(ct.instance(number, plane, place, (1, 0, 0, 0, 1, 0), SPACING_MM[1:]))
        made[-1].SeriesInstanceUID = series_uid
        made[-1].SOPInstanceUID = f"{series_uid}.{number}"
    return ct.files(made)


class Bench:
    """Journal, spool and an analyser."""

    def __init__(self, most_bytes=MUCH):
        self.journal, self.spool, self.clock = MemoryJournal(), MemorySpool(), HandClock()
        self.batcher, self.faults, self.told, self.found = Batcher(), [], [], []
        self.journal.beat("one")
        self.streaming = Streaming(
            name="one",
            log=self.journal,
            spool=self.spool,
            stations=[Station(self.batcher, READERS)],
            clock=self.clock,
            most_bytes=most_bytes,
            faulty=self.faults.append,
            told=lambda series_id, reached: self.told.append((series_id, *reached)),
            found=lambda series_id, found: self.found.append((series_id, found)),
        )

    def receive(self, instances, urgency=ROUTINE, model_title=""):
        """As intake does; returns the series and its generation."""
        for encoded in instances:
            entry = Entry(
                source=SOURCE,
                header=read_header(encoded),
                stored=self.spool.write(encoded),
                received_utc=START_UTC,
                urgency=urgency,
                model_title=model_title,
            )
            recorded = self.journal.record(entry)
        return recorded.series_id, recorded.generation

    def follow(self, instances, **how):
        """Slices arrive and are looked at, the last by itself.

        Read side by side, one that lags behind many hides for a moment which way the table goes.
        """
        self.receive(instances[:-1], **how)
        self.step()
        which = self.receive(instances[-1:], **how)
        self.step()
        return which

    def step(self):
        """Steps until all that was told is read and looked at."""
        self.streaming.step()
        deadline_s = time.monotonic() + PATIENCE_S
        while any(not each.done() for one in self.in_hand for each in one.reading):
            assert time.monotonic() < deadline_s
            time.sleep(0.001)
        self.streaming.step()
        for one in self.in_hand:
            for seen in one.ahead._seen.values():
                seen.found.exception()

    @property
    def in_hand(self):
        """What is worked on."""
        return [*self.streaming._arriving.values(), *self.streaming._claimed.values()]

    def arriving(self, series_id):
        """How many slices were read, and how many windows looked at, while a series arrives."""
        one = self.streaming._arriving.get(series_id)
        return one and (len(one.ahead.shelf), one.ahead.windows[0])

    def close(self, series_id, generation):
        """The series is complete; returns the claimed work."""
        assert self.journal.close(series_id, generation, self.clock.utc())
        return self.journal.claim(series_id, generation)

    def analyse(self, work, model=MODEL):
        """As a worker does."""
        made = finish(order(work.generation), self.streaming.complete(work), model, lambda *_: None)
        self.streaming.let_go(work.series_id, work.generation)
        return made

    def stop(self):
        """The end."""
        self.streaming.stop()
        self.batcher.stop()


@pytest.fixture
def benches():
    """Make benches; all are stopped at the end."""
    made = []

    def make(**facts):
        made.append(Bench(**facts))
        return made[-1]

    yield make
    for bench in made:
        bench.stop()


def order(generation=1):
    """Whatever the series, so that analyses can be compared."""
    return Order(
        site="default", study_uid="1.2", series_uid="1.2.3", generation=generation, created_utc=START_UTC
    )


@cache
def at_once(instances, generation):
    """The analysis without a service."""
    return analyse(order(generation), instances, MODEL, lambda *_: None)


def assert_is_of(made, instances, generation=1):
    """The analysis is the one of these instances, given at once."""
    wanted = at_once(tuple(instances), generation)
    assert len(made.analysis.nodules) == len(wanted.analysis.nodules) > 0
    same = {"analysis": made.analysis == wanted.analysis, "objects": made.objects == wanted.objects}
    assert all(same.values()), same


def test_instances_are_read_and_looked_at_as_they_arrive(benches):
    """Before the series is complete most of the work is done, and told; then only the rest is."""
    bench, sent = benches(), slices()
    for start in range(0, 36, 6):
        which = bench.follow(sent[start : start + 6])
    read, looked = bench.arriving(which[0])
    assert read == 36
    assert looked > 0
    bench.streaming.step()
    assert bench.told[-1] == (which[0], ARRIVING, looked, looked)
    bench.receive(sent[36:])
    assert_is_of(bench.analyse(bench.close(*which)), sent)


def test_what_was_found_so_far_is_told_once_and_taken_back_at_the_end(benches):
    """Nodules of the windows that were looked at, where the analysis has them; none when the series ended."""
    bench, sent = benches(), slices()
    which = bench.follow(sent[:36])
    bench.streaming.show()
    bench.streaming.show()
    ((series_id, early),) = bench.found
    assert series_id == which[0]
    bench.receive(sent[36:])
    made = bench.analyse(bench.close(*which))
    assert bench.found[-1] == (series_id, ())
    places = np.array([nodule.centre_mm for nodule in made.analysis.nodules])
    near = [np.linalg.norm(places - one.centre_mm, axis=1).min() < 2.0 for one in early]
    assert any(near)
    bench.streaming.show()
    assert bench.found[-1] == (series_id, ())


def test_what_was_not_followed_is_read_when_it_is_complete(benches):
    """Without a single step the analysis is the same."""
    bench, sent = benches(), slices()
    assert_is_of(bench.analyse(bench.close(*bench.receive(sent))), sent)


def test_a_series_for_which_there_is_no_memory_waits_and_is_analysed_all_the_same(benches):
    """The first is begun, the second not; when the first has ended what still comes of the next is read."""
    bench = benches(most_bytes=1)
    first, second = slices(), slices("1.2.4")
    one = bench.receive(first)
    bench.step()
    other = bench.receive(second[:30])
    bench.step()
    assert bench.arriving(one[0])[0] == len(first)
    assert bench.arriving(other[0]) is None
    assert_is_of(bench.analyse(bench.close(*one)), first)
    assert bench.streaming.held_bytes == 0
    bench.receive(second[30:])
    bench.step()
    assert bench.arriving(other[0])[0] == 10
    assert_is_of(bench.analyse(bench.close(*other)), second)


def test_what_is_not_read_yet_takes_room_too(benches):
    """Of series that come at once, no more is begun than there is memory for when all of it is done."""
    bench = benches(most_bytes=50 * SLICE_BYTES)
    came = [bench.receive(slices(f"1.2.{number}"))[0] for number in (3, 4, 5)]
    bench.step()
    assert [bench.arriving(one) and bench.arriving(one)[0] for one in came] == [40, 10, None]


def test_planes_that_are_not_made_yet_take_room_too(benches):
    """A series that was only read leaves no more room than it will once it is looked at."""
    bench = benches()
    bench.receive(slices())
    bench.streaming.step()
    [one] = bench.in_hand
    for each in one.reading:
        each.result(PATIENCE_S)
    assert one.ahead.coming_bytes > one.ahead.held_bytes
    coming = one.ahead.coming_bytes
    bench.step()
    assert one.ahead.held_bytes > 0.5 * coming
    assert bench.streaming.coming_bytes >= coming


def test_an_emergency_is_begun_although_memory_is_short(benches):
    """So goes on what came first; other routine work waits in the spool, and is read when it is complete."""
    bench, first, second = benches(most_bytes=NONE), slices(), slices("1.2.5")
    begun, routine = bench.receive(first[:10]), bench.receive(second)
    urgent = bench.receive(slices("1.2.4")[:10], EMERGENCY)
    bench.step()
    assert bench.arriving(begun[0])[0] == 10
    assert bench.arriving(routine[0]) is None
    assert bench.arriving(urgent[0])[0] == 10
    assert_is_of(bench.analyse(bench.close(*routine)), second)


def test_a_file_that_is_lost_while_a_series_arrives_is_told(benches):
    """It does not end the loop; the series fails when it is complete, and is right when the file is back."""
    bench, sent = benches(), slices()
    which = bench.receive(sent)
    path = next(path for path, body in bench.spool.bodies.items() if body == sent[7])
    lost = bench.spool.bodies.pop(path)
    bench.step()
    assert [type(fault) for fault in bench.faults] == [StoreError]
    assert bench.arriving(which[0])[0] == len(sent) - 1
    work = bench.close(*which)
    with pytest.raises(StoreError):
        bench.streaming.complete(work)
    bench.spool.bodies[path] = lost
    assert_is_of(bench.analyse(work), sent)


def test_what_has_ended_is_let_go(benches):
    """Its memory is free, nothing of it waits, and letting go of it again is nothing."""
    bench, sent = benches(), slices()
    which = bench.receive(sent)
    bench.step()
    assert bench.streaming.held_bytes > 0
    work = bench.close(*which)
    bench.analyse(work)
    assert bench.streaming.held_bytes == 0
    assert bench.batcher.waiting == 0
    bench.streaming.let_go(*which)
    assert bench.in_hand == []


def test_what_nobody_claims_is_forgotten_in_the_end(benches):
    """A series that another analyser ended frees its memory here; if it is claimed after all, it is right."""
    bench, sent = benches(), slices()
    which = bench.receive(sent[:-1])
    bench.step()
    bench.clock.now_s += FORGOTTEN_S
    bench.receive(sent[-1:])
    bench.step()
    assert bench.arriving(which[0])[0] == len(sent)
    bench.clock.now_s += FORGOTTEN_S + 1
    bench.streaming.step()
    assert bench.in_hand == []
    assert_is_of(bench.analyse(bench.close(*which)), sent)


def test_a_late_slice_makes_a_generation_of_everything(benches):
    """After the first generation was analysed and let go, the second is of all slices."""
    bench, sent = benches(), slices()
    which = bench.receive(sent[:-1])
    bench.step()
    assert_is_of(bench.analyse(bench.close(*which)), sent[:-1])
    late = bench.receive(sent[-1:])
    assert late == (which[0], 2)
    bench.step()
    assert bench.arriving(which[0])[0] == 1
    assert_is_of(bench.analyse(bench.close(*late)), sent, 2)


def test_a_slice_that_comes_while_a_generation_is_analysed_belongs_to_the_next(benches):
    """The first generation is of what was claimed, whatever arrives meanwhile; so is a second attempt."""
    bench, sent = benches(), slices()
    which = bench.receive(sent[:-1])
    bench.step()
    work = bench.close(*which)
    ahead = bench.streaming.complete(work)
    late = bench.receive(sent[-1:])
    bench.step()
    assert len(ahead.shelf) == len(sent) - 1
    assert bench.streaming.complete(work) is ahead
    assert_is_of(bench.analyse(work), sent[:-1])
    assert bench.arriving(late[0])[0] == 1
    assert_is_of(bench.analyse(bench.close(*late)), sent, 2)


def test_a_slice_that_was_taken_too_early_is_not_analysed(benches):
    """Where the next generation's slice was read before this one was begun, this one is read anew."""
    bench, sent = benches(), slices()
    which = bench.receive(sent[:-1])
    bench.step()
    work = bench.close(*which)
    late = bench.receive(sent[-1:])
    bench.step()
    assert bench.arriving(late[0])[0] == len(sent)
    assert_is_of(bench.analyse(work), sent[:-1])
    assert_is_of(bench.analyse(bench.close(*late)), sent, 2)


def test_a_series_is_begun_on_the_device_that_has_least_to_do(benches):
    """Each device has its own queue."""
    bench = benches()
    other = Batcher()
    bench.streaming.stations = [Station(bench.batcher, READERS), Station(other, READERS)]
    bench.batcher._waiting[-1] = None
    which = bench.receive(slices()[:4])
    bench.streaming.step()
    del bench.batcher._waiting[-1]
    bench.step()
    assert bench.streaming._arriving[which[0]].ahead._batcher is other
    other.stop()


def test_a_series_is_looked_at_by_the_model_of_its_title(benches):
    """Two arrive at once under two titles; each is what its own model alone makes of it, ahead or not."""
    bench, sent = benches(), slices()
    strict = MODEL._replace(manifest=replace(MODEL.manifest, levels=(replace(COARSE, threshold=0.08),)))
    bench.streaming.stations = [Station(bench.batcher, READERS | {"STRICT": strict.readers})]
    other = slices("1.2.4")
    for start in range(0, 36, 6):
        usual = bench.follow(sent[start : start + 6])
        titled = bench.follow(other[start : start + 6], model_title="STRICT")
    assert all(bench.arriving(series_id)[1] > 0 for series_id, _ in (usual, titled))
    bench.receive(sent[36:])
    bench.receive(other[36:], model_title="STRICT")
    late = bench.receive(slices("1.2.5"), model_title="STRICT")
    wanted = analyse(order(), sent, strict, lambda *_: None).candidates
    assert 0 < len(wanted) < len(at_once(tuple(sent), 1).candidates)
    for which in (titled, late):
        assert bench.analyse(bench.close(*which), strict).candidates == wanted
    assert_is_of(bench.analyse(bench.close(*usual)), sent)


def test_a_series_whose_model_is_elsewhere_is_not_followed(benches):
    """It takes no memory here, and is free for the analyser that has its model."""
    bench = benches()
    series_id, _ = bench.receive(slices()[:4], model_title="ELSEWHERE")
    bench.step()
    assert bench.arriving(series_id) is None
    bench.journal.beat("other")
    assert len(bench.journal.arrived("other", 0, ("", "ELSEWHERE"))) == 4
