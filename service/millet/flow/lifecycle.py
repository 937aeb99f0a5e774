"""Owning a process: start in order, serve, stop in reverse, say what was cut off.

Theory of operation. The service is a list of parts. They start in order; the part that lets work in comes
last. A first SIGTERM or SIGINT, or the failure of a part, asks to stop: parts stop in reverse, and share
one deadline for finishing what is in hand; what is not finished stays in the journal for the next start.
A second signal gives the parts that are still to be stopped no more time. Signals are captured in one
place and put back.
"""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

GATHER_SHARE = 3.0
"""Of a step's time, for which is gathered after it."""
LONGEST_GATHER_S = 1.0
LOOK_S = 1.0
SIGNALS = (signal.SIGTERM, signal.SIGINT)


def _nothing() -> None:
    """A part that needs no starting."""


def _let_go(_within_s: float) -> bool:
    """A part that needs no stopping."""
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of the service."""

    name: str
    start: Callable[[], None] = _nothing
    stop: Callable[[float], bool] = _let_go
    """Finish within so many seconds or leave the work in hand; False when something was left."""


class Lifecycle:
    """Serves until it is asked to stop."""

    def __init__(self, parts: Sequence[Part], *, drain_s: float, monotonic_s: Callable[[], float]) -> None:
        self._parts = parts
        self._drain_s = drain_s
        self._monotonic_s = monotonic_s
        self._stopping = threading.Event()
        self._hurried = False
        self._failure: BaseException | None = None

    def serve(self, started: Callable[[], None] = _nothing) -> None:
        """Start, wait, stop; raises the first failure of a part after everything was stopped."""
        with self._signals():
            running: list[Part] = []
            try:
                for part in self._parts:
                    if self._stopping.is_set():
                        break
                    part.start()
                    running.append(part)
                else:
                    started()
                    while not self._stopping.wait(LOOK_S):
                        pass  # a signal that the kernel gave to another thread does not wake this one
            finally:
                self._stop(running)
        if self._failure is not None:
            raise self._failure

    def ask_to_stop(self) -> None:
        """Drain and stop; asked again, stop now."""
        self._hurried = self._stopping.is_set()
        self._stopping.set()

    def fail(self, error: BaseException) -> None:
        """A part cannot go on: stop everything; the first failure is the cause that is told."""
        self._failure = self._failure or error
        self._stopping.set()

    def _stop(self, running: Sequence[Part]) -> None:
        deadline_s = self._monotonic_s() + self._drain_s
        for part in reversed(running):
            left_s = 0.0 if self._hurried else max(deadline_s - self._monotonic_s(), 0.0)
            try:
                finished = part.stop(left_s)
            except Exception:
                logging.getLogger(__name__).exception("%s did not stop", part.name)
                continue
            if not finished:
                logging.getLogger(__name__).warning("%s was cut off; the next start goes on", part.name)

    @contextmanager
    def _signals(self) -> Iterator[None]:
        def asked(_number: int, _frame: FrameType | None) -> None:
            self.ask_to_stop()

        before: dict[signal.Signals, Any] = {number: signal.signal(number, asked) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


class Loop:
    """A thread around a `step`: again every so often, or at once when woken. A failed step is logged."""

    def __init__(
        self, name: str, step: Callable[[], object], every_s: float, *, gather_s: float = 0.0
    ) -> None:
        """Make a loop; `gather_s` is how long one that was woken waits for more, unless there is hurry.

        After a long step it is longer, up to `LONGEST_GATHER_S`: others are to have most of the processor.
        """
        self._step = step
        self._every_s = every_s
        self._gather_s = gather_s
        self._woken = threading.Event()
        self._hurried = threading.Event()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin; the first step is taken at once."""
        self._thread.start()

    def wake(self, *, hurry: bool = True) -> None:
        """Take the next step: now, or where there is no hurry once more has been gathered for it."""
        if hurry:
            self._hurried.set()
        self._woken.set()

    def stop(self, within_s: float) -> bool:
        """Take no further step; False when the one in hand did not end in time."""
        self._ended.set()
        self.wake()
        self._thread.join(within_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._ended.is_set():
            self._woken.clear()
            self._hurried.clear()
            if self._ended.is_set():
                return
            began_s = time.monotonic()
            try:
                self._step()
            except Exception:
                logging.getLogger(__name__).exception("a step of %s failed", self._thread.name)
            took_s = time.monotonic() - began_s
            if self._woken.wait(self._every_s) and self._gather_s:
                self._hurried.wait(min(max(self._gather_s, took_s * GATHER_SHARE), LONGEST_GATHER_S))
