"""Decoders as processes, as many as slices are decoded at once.

Theory of operation. A slice is given to a process that is free; its code and its values cross in memory
that both see, so that a slice costs two copies and two short messages. A process that dies is replaced and
the slice is given to a fresh one, once, since somebody else may have killed it. What dies twice, or takes
too much time, is a verdict on the slice: its series ends with a stated reason, and nothing more of that
series is decoded here, so that a series made of such slices does not keep the processes from others.
"""

from __future__ import annotations

import mmap
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import ExitStack, suppress

import numpy as np

from millet.codec.decoders import Bits, Coded
from millet.core.language import phrase
from millet.core.reasons import Reason
from millet.edge.decoding import wire
from millet.errors import StoreError, UnfitSeries

COMMAND = (sys.executable, "-m", "millet.edge.decoding.child")
ANSWER_S = 60.0
"""Until a process that neither answers nor computes is given up; one that computes ends itself sooner."""
TRIES = 2
REMEMBERED = 1024
LARGE_BYTES = 1 << 24
"""Shared memory of a slice that is given back when it is done: slices of 512 squared keep theirs."""
_PASSED_ON = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "LANG")
_ALONE = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
_KEEPS = dict.fromkeys(("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"), str(LARGE_BYTES))
"""Memory of one slice serves the next: to have it mapped anew each time takes a tenth of a JPEG-LS slice."""


class _Died(Exception):  # noqa: N818 - named for what happened
    """A process ended, or had to be ended, over a slice."""

    def __init__(self, how: str, *, late: bool) -> None:
        self.late = late
        super().__init__(how)


class Decoders:
    """Processes that decode, begun when they are first needed. `decode` is a `Decode`."""

    def __init__(self, most: int, command: Sequence[str] = COMMAND, answer_s: float = ANSWER_S) -> None:
        self._command = tuple(command)
        self._answer_s = answer_s
        self._places: queue.LifoQueue[_Process | None] = queue.LifoQueue()
        for _ in range(most):
            self._places.put(None)
        self._condemned: OrderedDict[str, str] = OrderedDict()
        self._lock = threading.Lock()

    def decode(self, coded: Coded) -> Bits:
        """The stored values of a slice; see `codec.decoders.Decode`. Blocks while no process is free."""
        if before := self._condemned.get(coded.series_uid):
            raise UnfitSeries(Reason.PIXELS_UNREADABLE, before)
        how = ""
        for _ in range(TRIES):
            try:
                return self._tried(coded)
            except _Died as death:
                (how,) = death.args
                if death.late:
                    break
        self._condemn(coded.series_uid, how)
        raise UnfitSeries(Reason.PIXELS_UNREADABLE, how)

    def stop(self) -> None:
        """End every process; nothing may be decoding."""
        places = self._places.qsize()
        for process in [self._places.get() for _ in range(places)]:
            if process:
                process.end()
            self._places.put(None)

    @property
    def pids(self) -> frozenset[int]:
        """Of the processes that are free now."""
        return frozenset(process.pid for process in list(self._places.queue) if process)

    def _tried(self, coded: Coded) -> Bits:
        process = self._places.get()
        try:
            process = process or _Process(self._command)
            return process.decode(coded, self._answer_s)
        except _Died:
            process = None
            raise
        finally:
            self._places.put(process)

    def _condemn(self, series_uid: str, how: str) -> None:
        with self._lock:
            self._condemned[series_uid] = how
            while len(self._condemned) > REMEMBERED:
                self._condemned.popitem(last=False)


def _started(command: Sequence[str], *passed: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - our own module
        [*command, *map(str, passed)],
        pass_fds=passed,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=_environment(),
        start_new_session=True,
    )


def _environment() -> dict[str, str]:
    """No secret of ours among it."""
    return {name: os.environ[name] for name in _PASSED_ON if name in os.environ} | _ALONE | _KEEPS


class _Process:
    """One decoder."""

    def __init__(self, command: Sequence[str]) -> None:
        try:
            with ExitStack() as undo:
                self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                undo.enter_context(self._line)
                with theirs, os.fdopen(os.memfd_create("millet-decoder"), "r+b") as memory:
                    memory.truncate(wire.MEMORY_BYTES)
                    self._memory = undo.enter_context(mmap.mmap(memory.fileno(), wire.MEMORY_BYTES))
                    self._process = _started(command, theirs.fileno(), memory.fileno())
                undo.pop_all()
        except OSError as error:
            raise StoreError(f"a decoder cannot be started: {error.strerror}") from error

    @property
    def pid(self) -> int:
        return self._process.pid

    def decode(self, coded: Coded, answer_s: float) -> Bits:
        self._memory[: len(coded.code)] = coded.code
        self._line.settimeout(answer_s)
        try:
            self._line.send(wire.request(coded))
            record = self._line.recv(wire.RECORD_BYTES)
        except TimeoutError as error:
            self._process.kill()
            self.end()
            raise _Died(phrase("pixels.late", limit_s=answer_s), late=True) from error
        except OSError as error:
            raise self._death() from error
        if not record:
            raise self._death()
        if verdict := wire.answered(record):
            raise verdict
        return self._values(coded)

    def _values(self, coded: Coded) -> Bits:
        found = np.frombuffer(self._memory, coded.kind, coded.rows * coded.columns, wire.PIXELS_AT).copy()
        if coded.pixel_bytes > LARGE_BYTES:
            self._memory.madvise(mmap.MADV_REMOVE)
        return found.reshape(coded.rows, coded.columns)

    def _death(self) -> _Died:
        self.end()
        status = self._process.returncode
        if -status == signal.SIGPROF:
            return _Died(phrase("pixels.slow", limit_s=wire.CPU_S), late=True)
        how = signal.Signals(-status).name if status < 0 else f"exit status {status}"
        return _Died(phrase("pixels.died", how=how), late=False)

    def end(self) -> None:
        """End it, if it has not ended, and give back what it had."""
        self._line.close()
        with suppress(BufferError):
            self._memory.close()
        try:
            self._process.wait(1.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
