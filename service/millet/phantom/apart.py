"""The canary's chest, drawn by a process that ends with it: `python -m millet.phantom.apart`.

Drawing takes torch and 400 MB, and holds the interpreter's lock. What a service needs of it for months is
0.5 MB of values. The process ends, too, when whoever asked for the chest is gone or takes it no longer.
"""

from __future__ import annotations

import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from millet.core.canary import Planted
from millet.errors import ServiceError
from millet.phantom import canary

if TYPE_CHECKING:
    from millet.phantom.spec import Phantom

COMMAND = (sys.executable, "-m", "millet.phantom.apart")
LIMIT_S = 80.0
"""It takes some three seconds; on a machine that is busy with other things, ten times that. Whoever waits
for one that fails and tries then itself is done within the time that its delivery is held."""
_PASSED_ON = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "LANG")
_ALONE = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
_ANYWHERE = {"OPENBLAS_CORETYPE": "Prescott"}
"""What every x86-64 processor has: with the roundings of other kernels vessels grow elsewhere, and with them
nodules, and another machine compares what this one has sent."""


class Apart:
    """The chest, drawn when it is first asked for and kept. An `app.canary.Drawn`; threads may share it."""

    def __init__(self, command: Sequence[str] = COMMAND, limit_s: float = LIMIT_S) -> None:
        self._command = tuple(command)
        self._limit_s = limit_s
        self._chest: Phantom | None = None
        self._drawing = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._stopped = False

    def instances(self, number: int) -> Sequence[bytes]:
        """See `canary.instances`. Raises ServiceError."""
        return canary.instances(self._drawn(), number)

    def planted(self) -> Sequence[Planted]:
        """See `canary.planted`. Raises ServiceError."""
        return canary.planted(self._drawn())

    def stop(self) -> None:
        """End the process that draws, if one does; none is begun after that."""
        self._stopped = True
        if process := self._process:
            process.kill()

    def _drawn(self) -> Phantom:
        with self._drawing:
            if self._chest is None:
                self._chest = self._draw()
            return self._chest

    def _draw(self) -> Phantom:
        try:
            ours, theirs = socket.socketpair()
            with ours, theirs, _started(self._command, theirs) as process:
                self._process = process
                written = self._written(process)
        except OSError as error:
            raise ServiceError(f"the phantom cannot be drawn: {error.strerror}") from error
        finally:
            self._process = None
        chest: Phantom = pickle.loads(written)  # noqa: S301 - our own module has written it
        return chest

    def _written(self, process: subprocess.Popen[bytes]) -> bytes:
        """What it has written once it has ended well."""
        if self._stopped:
            process.kill()
        try:
            written, said = process.communicate(timeout=self._limit_s)
        except subprocess.TimeoutExpired as late:
            process.kill()
            raise ServiceError(f"the phantom was not drawn within {self._limit_s:g} s") from late
        if self._stopped:
            raise ServiceError("the phantom is not drawn any more: the service stops")
        if process.returncode:
            raise ServiceError(f"the phantom was not drawn: {_why(process.returncode, said)}")
        return written


def _started(command: Sequence[str], owner: socket.socket) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - our own module
        command,
        stdin=owner.fileno(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={name: os.environ[name] for name in _PASSED_ON if name in os.environ} | _ALONE | _ANYWHERE,
        start_new_session=True,
    )


def _why(status: int, said: bytes) -> str:
    """The last line that it said, else how it ended."""
    if status < 0:
        return signal.Signals(-status).name
    return said.decode(errors="replace").strip().rpartition("\n")[2] or f"exit status {status}"


def _end_with_owner() -> None:
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)


def main() -> None:
    """Draw it for whoever holds the other end of standard input."""
    Path("/proc/self/oom_score_adj").write_text("1000", "ascii")  # its owner is worth more than it
    threading.Thread(target=_end_with_owner, daemon=True).start()
    sys.stdout.buffer.write(pickle.dumps(canary.draw()))


if __name__ == "__main__":
    main()
