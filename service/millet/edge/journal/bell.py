"""Rings when work is written, so that who takes it may sleep until then.

DBOS asks each queue again and again; at the pace that a waiting physician deserves, 50 ms, that keeps a
sixth of a core busy with nothing. So it asks once a second, and is woken in between: PostgreSQL notifies
whoever listens at the commit that writes the work; of SQLite one number is looked at, which changes with
every commit of anybody. A ring that is lost costs a second, nothing else.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import closing

import psycopg
import sqlalchemy as sa

CHANNEL = "millet_work"
LOOK_S = 0.05
"""How often SQLite is looked at."""
ATTEND_S = 1.0
"""After a piece of work ended the next may begin as soon as the engine has noticed: it is asked so long."""
AGAIN_S = 1.0
"""Before a listener that lost its database tries again."""
WAITING = """
    SELECT queue_name, max(rowid) FROM workflow_status
    WHERE status IN ('ENQUEUED', 'PENDING') AND status = 'ENQUEUED' AND queue_name IN ({})
    GROUP BY queue_name"""
"""The first condition is that of an index."""

Ring = Callable[[Iterable[str]], None]
"""Takes the names of queues."""


def rousable(stop: threading.Event) -> Ring:
    """Have the threads of queues that sleep on this event wake up before their time.

    They sleep in `stop.wait`, which ends early for the thread of a queue that was rung since it woke last;
    the answer is still whether `stop` is set.
    """
    woken = threading.Condition()
    rings: Counter[str] = Counter()
    heard = threading.local()
    end = stop.set

    def wait(timeout: float | None = None) -> bool:
        name = threading.current_thread().name
        with woken:
            woken.wait_for(lambda: stop.is_set() or rings[name] != vars(heard).get("rings", 0), timeout)
            heard.rings = rings[name]
        return stop.is_set()

    def end_all() -> None:
        end()
        with woken:
            woken.notify_all()

    def ring(queues: Iterable[str]) -> None:
        with woken:
            rings.update(f"queue-worker-{name}" for name in queues)
            woken.notify_all()

    vars(stop).update(wait=wait, set=end_all)
    return ring


class Rousable(list[threading.Event]):
    """The events on which DBOS' threads sleep, each made rousable before anybody sleeps on it."""

    def __init__(self) -> None:
        super().__init__()
        self.rings: list[Ring] = []

    def append(self, event: threading.Event) -> None:
        """One more."""
        self.rings.append(rousable(event))
        super().append(event)


def announce(connection: sa.Connection, queue: str) -> None:
    """Have listeners told of work in a queue, when this transaction is committed."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_notify(CHANNEL, queue)))


class Bell:
    """Waits for work in some queues, and rings. Its threads are started and ended by the owner."""

    def __init__(self, engine: sa.Engine, queues: Iterable[str], rings: Sequence[Ring]) -> None:
        self._engine = engine
        self._queues = frozenset(queues)
        self._rings = rings
        self._stopped = threading.Event()
        self._ended = threading.Event()
        listen = self._listen if engine.dialect.name == "postgresql" else self._look
        self._threads = [
            threading.Thread(target=target, name=name, daemon=True)
            for target, name in ((listen, "bell"), (self._attend, "bell-attend"))
        ]

    def start(self) -> None:
        """Begin to wait."""
        for thread in self._threads:
            thread.start()

    def ended(self) -> None:
        """A piece of work ended here: there is room for the next."""
        self._ended.set()

    def stop(self) -> None:
        """Ring no more."""
        self._stopped.set()
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _ring(self, queues: Collection[str]) -> None:
        for ring in self._rings if queues else ():
            ring(queues)

    def _attend(self) -> None:
        while True:
            self._ended.wait()
            if self._stopped.is_set():
                return
            self._ended.clear()
            until_s = time.monotonic() + ATTEND_S
            while time.monotonic() < until_s and not self._stopped.wait(LOOK_S):
                self._ring(self._queues)

    def _listen(self) -> None:
        """PostgreSQL."""
        url = self._engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        while not self._stopped.is_set():
            try:
                with psycopg.connect(url, autocommit=True, connect_timeout=5) as connection:
                    connection.execute(f"LISTEN {CHANNEL}")
                    self._ring(self._queues)  # for what came while nobody listened
                    while not self._stopped.is_set():
                        for told in connection.notifies(timeout=0.5):
                            self._ring({told.payload} & self._queues)
            except psycopg.Error as error:
                logging.getLogger(__name__).debug("nobody listens for work: %s", type(error).__name__)
                self._stopped.wait(AGAIN_S)

    def _look(self) -> None:
        """SQLite, through a connection of its own: the number tells of the commits of all others."""
        asked = WAITING.format(", ".join("?" * len(self._queues)))
        version, seen = None, set[tuple[str, int]]()
        with closing(sqlite3.connect(self._engine.url.database or "", isolation_level=None)) as connection:
            while not self._stopped.wait(LOOK_S):
                try:
                    (now,) = connection.execute("PRAGMA data_version").fetchone()
                    if now == version:
                        continue
                    version, before = now, seen
                    seen = set(connection.execute(asked, sorted(self._queues)))
                    self._ring({queue for queue, _ in seen - before})
                except sqlite3.Error as error:
                    logging.getLogger(__name__).debug("work is not looked for: %s", type(error).__name__)
                    self._stopped.wait(AGAIN_S)
