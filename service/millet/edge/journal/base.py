"""What the parts of the journal share: the engine, one transaction, and who is told after it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import sqlalchemy as sa

from millet.core.doors import USUAL
from millet.core.language import Language
from millet.edge.journal.database import bump, told


class Job(NamedTuple):
    """An analysis that is to be made."""

    series_id: int
    generation: int
    urgency: int = 0
    analyser: str = ""
    """Who followed the series while it came, and has most of the work done."""
    model_title: str = USUAL
    """The called title whose own model analyses it."""


Enqueue = Callable[[sa.Connection, Job], None]
"""Makes an analysis durable work, in the caller's transaction."""


class Base:
    """One database, and callables that are told after each commit."""

    def __init__(self, engine: sa.Engine, enqueue: Enqueue, language: Language = Language.ENGLISH) -> None:
        self._engine = engine
        self._enqueue = enqueue
        self._language = language
        self._watchers: list[Callable[[], None]] = []

    def watch(self, changed: Callable[[], None]) -> None:
        """Have a callable told after each commit of this process that somebody may wait for.

        It must be quick and not raise. Nobody waits for one slice more or one window more: of those, dozens
        a second, whoever wants to know asks now and then.
        """
        self._watchers.append(changed)

    @contextmanager
    def _writing(self, *, awaited: bool = True) -> Iterator[sa.Connection]:
        """One transaction, which somebody may wait for. Raises StoreError."""
        with told(), self._engine.begin() as connection:
            if connection.dialect.name == "sqlite":  # which would lock at the first write, after the reads
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection
        for changed in self._watchers if awaited else ():
            changed()

    @contextmanager
    def _changing(self, *, awaited: bool = True) -> Iterator[tuple[sa.Connection, int]]:
        """One transaction that changes a series, with the revision it makes; one after the other.

        Another series that changes in it takes a revision of its own (`bump`): a watcher that was cut off
        between two changes resumes at the second, which it could not tell from the first.
        """
        with self._writing(awaited=awaited) as connection:
            yield connection, bump(connection)

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        with told(), self._engine.connect() as connection:
            yield connection
