"""Who lives: each executor says so every few seconds, and whoever finds one silent strikes it off.

Theory of operation. A row of the table `executor` is a living process. Its heartbeat is written with the
database's clock by a thread of its own, so that no long step of the work delays it. A row whose heartbeat
is older than the lease, by that same clock, is only suspected: it is struck when this observer has seen
the very same heartbeat for some beats more by its own monotonic clock. So neither a clock that jumps, the
database's included, nor a database that was away takes the living for dead. It is struck only if it
still has that heartbeat: two observers strike it once, and who beats meanwhile stays. A process that was
frozen and goes on writes its row anew; what it still has in hand was given to others, and of two commits
the first wins.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime

import sqlalchemy as sa

from millet.edge.journal.clock import JournalClock, now_utc
from millet.edge.journal.database import told
from millet.edge.journal.tables import executor
from millet.errors import StoreError

BEAT_S = 2.0
LEASE_S = 9.0
"""An executor that was not heard of for this long is suspected to be dead."""
CONFIRM_S = 3.0
"""It is dead if nothing is heard for this long after that: more than a beat, so that a clock that jumped
or a database that was away is told from a death."""


class Heart:
    """Says that an executor lives. Its thread is started and ended by the owner."""

    def __init__(
        self, engine: sa.Engine, executor_id: str, clock: JournalClock, every_s: float = BEAT_S
    ) -> None:
        self._engine = engine
        self._executor_id = executor_id
        self._clock = clock
        self._every_s = every_s
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def beat(self) -> None:
        """Write the heartbeat, and the skew of this host's clock as it is now. Blocks, raises StoreError."""
        facts = {"heartbeat_utc": now_utc(), "skew_s": self._clock.measure()}
        mine = executor.c.executor_id == self._executor_id
        with told(), self._engine.begin() as connection:
            beaten = connection.execute(sa.update(executor).where(mine).values(facts))
            if not beaten.rowcount:
                first = {"executor_id": self._executor_id, **facts}
                connection.execute(sa.insert(executor).values(first))

    def start(self) -> None:
        """Beat once, then go on in a thread. Raises StoreError when the first fails."""
        self.beat()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Beat no more; the row stays, for whoever comes back under the same name."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        failed = False
        while not self._stopped.wait(self._every_s):
            try:
                self.beat()
                failed = False
            except StoreError as failure:
                if not failed:
                    logging.getLogger(__name__).warning("no heartbeat: %s", failure)
                failed = True


class Watch:
    """Finds executors that are silent, and strikes them off."""

    def __init__(self, engine: sa.Engine, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._monotonic_s = monotonic_s
        self._suspects: dict[tuple[str, datetime], float] = {}
        """By name and last heartbeat: when that was first seen to be too old."""

    def strike(self) -> Sequence[str]:
        """Strike who is dead; returns the names. Call it every second or so. Blocks, raises StoreError."""
        silent = sa.select(executor.c.executor_id, executor.c.heartbeat_utc).where(
            executor.c.heartbeat_utc < now_utc(ago_s=LEASE_S)
        )
        with told(), self._engine.connect() as connection:
            found = {(row.executor_id, row.heartbeat_utc) for row in connection.execute(silent)}
        now_s = self._monotonic_s()
        self._suspects = {one: self._suspects.get(one, now_s) for one in found}
        dead = [one for one, since_s in self._suspects.items() if now_s - since_s >= CONFIRM_S]
        return [name for name, heartbeat in dead if self._struck(name, heartbeat)]

    def _struck(self, name: str, heartbeat: datetime) -> bool:
        it = executor.c.executor_id == name, executor.c.heartbeat_utc == heartbeat
        with told(), self._engine.begin() as connection:
            return connection.execute(sa.delete(executor).where(*it)).rowcount > 0
