from __future__ import annotations

import signal
import subprocess
import sys
import threading

import pytest
from fakes import HandClock

from millet.flow.lifecycle import Lifecycle, Loop, Part

WITHIN_S = 20


class Log:
    """Parts that note what is done with them."""

    def __init__(self):
        self.lines = []
        self.clock = HandClock()

    def part(self, name, takes_s=0.0, finished=True):
        """A part whose stop takes some time."""

        def stop(within_s):
            self.lines.append(f"stop {name} within {within_s:g}")
            self.clock.now_s += takes_s
            return finished

        return Part(name=name, start=lambda: self.lines.append(f"start {name}"), stop=stop)

    def lifecycle(self, *parts):
        """Of these parts, with 20 s to drain."""
        return Lifecycle(parts, drain_s=20, monotonic_s=self.clock.monotonic_s)


@pytest.fixture
def log():
    """Nothing done yet."""
    return Log()


def test_parts_start_in_order_and_stop_in_reverse_within_one_deadline(log):
    """What one part needs to stop, the others have less."""
    life = log.lifecycle(log.part("journal"), log.part("worker", takes_s=5), log.part("scp", takes_s=3))
    life.serve(started=life.ask_to_stop)
    assert log.lines == [
        "start journal",
        "start worker",
        "start scp",
        "stop scp within 20",
        "stop worker within 17",
        "stop journal within 12",
    ]


SIGNALLED = """
import os, signal, time
from millet.flow.lifecycle import Lifecycle, Part
number = signal.Signals({number})
before = signal.getsignal(number)
part = Part(name="scp", stop=lambda within_s: print(f"stop scp within {{within_s:g}}") is None)
life = Lifecycle((part,), drain_s=20, monotonic_s=lambda: 0.0)
life.serve(started=lambda: os.kill(os.getpid(), number))
assert signal.getsignal(number) is before
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_and_the_handlers_are_put_back(number):
    """A signal drains; afterwards the process, here one of its own, handles signals as before."""
    program = [sys.executable, "-c", SIGNALLED.format(number=int(number))]
    done = subprocess.run(program, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "stop scp within 20\n", "")


ELSEWHERE = """
import signal, threading
from millet.flow.lifecycle import Lifecycle

def get():
    threading.Event().wait(0.5)  # until the first one waits
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
    threading.Event().wait(60)

Lifecycle((), drain_s=20, monotonic_s=lambda: 0.0).serve(threading.Thread(target=get, daemon=True).start)
"""


def test_a_signal_that_another_thread_gets_stops_too():
    """Whichever thread the kernel gives it to, as it does while the first one is being traced."""
    done = subprocess.run([sys.executable, "-c", ELSEWHERE], capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_second_signal_stops_now(log):
    """Asked again, the parts get no time."""
    life = log.lifecycle(log.part("scp"))

    def twice():
        life.ask_to_stop()
        life.ask_to_stop()

    life.serve(started=twice)
    assert log.lines[-1] == "stop scp within 0"


def test_a_part_that_does_not_start_stops_those_before_it(log):
    """A half started service does not serve."""

    def fails():
        raise OSError("the port is taken")

    life = log.lifecycle(log.part("journal"), Part(name="scp", start=fails), log.part("web"))
    with pytest.raises(OSError, match="taken"):
        life.serve()
    assert log.lines == ["start journal", "stop journal within 20"]


def test_the_first_failure_is_the_cause(log):
    """When parts fail while serving, everything stops, and the first failure is raised."""
    life = log.lifecycle(log.part("journal"))

    def fail():
        life.fail(ValueError("first"))
        life.fail(ValueError("second"))

    with pytest.raises(ValueError, match="first"):
        life.serve(started=fail)
    assert log.lines[-1] == "stop journal within 20"


def test_a_part_that_fails_to_stop_does_not_keep_the_others(log, caplog):
    """The rest is stopped, and the log names the part."""

    def fails(_within_s):
        raise RuntimeError

    life = log.lifecycle(log.part("journal"), Part(name="web", stop=fails))
    life.serve(started=life.ask_to_stop)
    assert log.lines[-1] == "stop journal within 20"
    assert "web did not stop" in caplog.text


def test_what_was_cut_off_is_said(log, caplog):
    """A part that left work in hand is named."""
    life = log.lifecycle(log.part("worker", finished=False))
    life.serve(started=life.ask_to_stop)
    assert "worker was cut off" in caplog.text


def test_a_loop_survives_a_bad_step(caplog):
    """A step that fails is logged, and the next one is taken when woken."""
    first, second = threading.Event(), threading.Event()

    def step():
        if not first.is_set():
            first.set()
            raise ValueError
        second.set()

    loop = Loop("outbox", step, every_s=3600)
    loop.start()
    assert first.wait(WITHIN_S)
    loop.wake()
    assert second.wait(WITHIN_S)
    assert loop.stop(WITHIN_S)
    assert "a step of outbox failed" in caplog.text


def test_a_loop_that_is_busy_says_so():
    """A stop that comes in the midst of a step waits so long, and tells that it was not enough."""
    busy, release = threading.Event(), threading.Event()

    def step():
        busy.set()
        release.wait(WITHIN_S)

    loop = Loop("worker", step, every_s=1)
    loop.start()
    assert busy.wait(WITHIN_S)
    assert not loop.stop(0.01)
    release.set()
    assert loop.stop(WITHIN_S)


def test_a_loop_gathers_until_there_is_hurry():
    """What is not urgent waits for more to be done with it; what is urgent takes all of it along."""
    steps, taken = [], threading.Event()

    def step():
        steps.append(1)
        taken.set()

    loop = Loop("gathering", step, 3600.0, gather_s=3600.0)
    loop.start()
    assert taken.wait(WITHIN_S)
    taken.clear()
    loop.wake(hurry=False)
    loop.wake(hurry=False)
    loop.wake()
    assert taken.wait(WITHIN_S)
    assert loop.stop(WITHIN_S)
    assert len(steps) == 2
