"""Many short lives: one process imports everything once, and forks a process of the service at each start.

Importing takes 5 to 7 s, a fork and the start that follows it under 1 s; hundreds of seeds with several
restarts each are feasible only so. A fork shares with its siblings what was imported, and nothing else:
the program that it runs, and its death, are those of a process of its own.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG = 1


_C = ctypes.CDLL(None)


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent ends."""
    _C.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Child:
    """One process of the service."""

    def __init__(self) -> None:
        self.pid = 0
        self.born = threading.Event()
        self.ended = threading.Event()
        self.status = 0
        """As `os.waitstatus_to_exitcode` has it: negative for a signal."""

    @property
    def alive(self) -> bool:
        """Whether it runs, stopped or not."""
        return not self.ended.is_set()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if it is still there."""
        if self.alive:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL, and wait until it has gone."""
        self.signal(signal.SIGKILL)
        if not self.ended.wait(30):
            raise TimeoutError(f"process {self.pid} does not die")


class Nursery:
    """The parent of all processes of the service; from outside."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "faults.nursery"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=die_with_parent,  # noqa: PLW1509 - no thread runs yet
        )
        self._children: dict[int, Child] = {}
        self._unborn: list[Child] = []
        self._asking = threading.Lock()
        assert self._process.stdout is not None
        if not self._process.stdout.readline():
            raise RuntimeError("the nursery did not start")
        threading.Thread(target=self._listen, daemon=True).start()

    def start(self, page: Path, mutations: Sequence[str], arguments: Sequence[str], log: Path) -> Child:
        """Start `millet ARGUMENTS` under a page; what it says is appended to a log."""
        child = Child()
        asked = {"page": str(page), "mutations": mutations, "arguments": arguments, "log": str(log)}
        assert self._process.stdin is not None
        with self._asking:
            self._unborn.append(child)
            self._process.stdin.write(json.dumps(asked) + "\n")
            self._process.stdin.flush()
        if not child.born.wait(30):
            raise TimeoutError("the nursery does not answer")
        return child

    def close(self) -> None:
        """End it, and with it every child."""
        self._process.kill()
        self._process.wait()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            told: dict[str, int] = json.loads(line)
            if "status" not in told:
                child = self._unborn.pop(0)
                child.pid = told["pid"]
                self._children[child.pid] = child
                child.born.set()
            else:
                child = self._children.pop(told["pid"])
                child.status = told["status"]
                child.ended.set()


def _inside() -> None:
    """Import, then fork at each line that comes, and tell of each end."""
    import openvino  # noqa: F401 - what the children need
    import psycopg  # noqa: F401 - likewise
    from faults.entry import be_millet

    import millet.cli.serve
    import millet.edge.openvino  # noqa: F401 - likewise

    reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(writing)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    _tell({"ready": 1})
    heard = b""
    while True:
        ready = select.select([0, reading], [], [])[0]
        if reading in ready:
            with suppress(BlockingIOError):
                os.read(reading, 4096)
            _reap()
        if 0 in ready:
            if not (more := os.read(0, 65536)):
                return
            *lines, heard = (heard + more).split(b"\n")
            for line in lines:
                _fork(json.loads(line), be_millet, (reading, writing))


def _reap() -> None:
    with suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            _tell({"pid": pid, "status": os.waitstatus_to_exitcode(status)})


def _fork(asked: dict[str, Any], be_millet: Any, ours: Sequence[int]) -> None:
    sys.stdout.flush()
    if pid := os.fork():
        _tell({"pid": pid})
        return
    status = 1
    try:
        die_with_parent()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for descriptor in (0, *ours):
            os.close(descriptor)
        os.setsid()
        os.open(os.devnull, os.O_RDONLY)
        log = os.open(asked["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        os.dup2(log, 1)
        os.dup2(log, 2)
        be_millet(Path(asked["page"]), asked["mutations"], asked["arguments"])
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - it would go on as a second parent
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _tell(what: dict[str, int]) -> None:
    os.write(1, (json.dumps(what) + "\n").encode())


if __name__ == "__main__":
    _inside()
