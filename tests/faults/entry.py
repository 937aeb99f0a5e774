"""The test's way into `millet`: the same program, with a clock and points of death from outside.

`PYTHONPATH=service:tests python -m faults.entry PAGE [MUTATION,...] -- serve --config FILE` is
`millet serve --config FILE` under a `Control` page. Nothing of this is known to the product.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from faults.control import POINTS, Control
from sqlalchemy.ext.compiler import compiles


def be_millet(page: Path, mutations: Sequence[str], arguments: Sequence[str]) -> None:
    """Become `millet ARGUMENTS` under a page. Returns or exits as that does."""
    control = Control(page)
    _wrong_clock(control)
    _points_of_death(control)
    for name in mutations:
        MUTATIONS[name]()
    from millet.cli import main

    sys.argv = ["millet", *arguments]
    main()


def _wrong_clock(control: Control) -> None:
    """The host's time of day may be wrong; hours may pass, for the host and for the database alike."""
    true_monotonic_s, true_time_s = time.monotonic, time.time

    def utc() -> datetime:
        return datetime.now(UTC) + timedelta(seconds=control.wall_s + control.passed_s)

    def monotonic_s() -> float:
        return true_monotonic_s() + control.passed_s

    time.time = lambda: true_time_s() + control.wall_s  # pynetdicom and DBOS ask it
    from millet.edge.journal.clock import JournalClock, now_utc

    true_init = JournalClock.__init__

    def init(self: JournalClock, engine: Any) -> None:
        true_init(self, engine, utc, monotonic_s)

    JournalClock.__init__ = init  # type: ignore[method-assign]  # the clock of this process alone

    @compiles(now_utc, "sqlite")
    def sqlite(element: now_utc, _compiler: Any, **_: Any) -> str:
        ahead_s = control.passed_s - element.ago_s
        return f"strftime('%Y-%m-%d %H:%M:%f000', 'now', '{ahead_s:+f} seconds')"

    @compiles(now_utc, "postgresql")
    def postgresql(element: now_utc, _compiler: Any, **_: Any) -> str:
        ahead_s = control.passed_s - element.ago_s
        return f"(clock_timestamp() AT TIME ZONE 'UTC' + interval '{ahead_s:f} seconds')"


def _points_of_death(control: Control) -> None:
    from sqlalchemy.engine.default import DefaultDialect

    places: dict[str, Sequence[tuple[Any, str]]] = {
        "sync": [(os, "fsync"), (os, "fdatasync")],
        "rename": [(os, "replace"), (os, "rename"), (os, "unlink"), (os, "ftruncate")],
        "write": [(os, name) for name in ("write", "writev", "pwrite", "pwritev", "splice")],
        "send": [(socket.socket, name) for name in ("send", "sendall", "sendmsg")],
        "commit": [(DefaultDialect, "do_commit")],
    }
    for point, owners in places.items():
        for owner, name in owners:
            if hasattr(owner, name):
                setattr(owner, name, _mortal(getattr(owner, name), control, POINTS.index(point)))


def _mortal(true: Callable[..., Any], control: Control, point: int) -> Callable[..., Any]:
    """The same call, with a place to die before and after it."""

    def guarded(*arguments: Any, **named: Any) -> Any:
        control.passes(point)
        answer = true(*arguments, **named)
        control.passes(point)
        return answer

    return guarded


def _nothing_is_flushed() -> None:
    """A receiver that says "stored" of what lies in memory."""
    os.fsync = os.fdatasync = lambda _descriptor: None


MUTATIONS: dict[str, Callable[[], None]] = {
    "no-sync": _nothing_is_flushed,
}
"""Ways to break the product on purpose: a harness that does not notice proves nothing."""


if __name__ == "__main__":
    at = sys.argv.index("--")
    be_millet(Path(sys.argv[1]), sys.argv[2:at], sys.argv[at + 1 :])
