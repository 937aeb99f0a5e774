"""What the parts of the journal share: the engine, one transaction, and who is told after it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from millet.edge.journal.database import told

Enqueue = Callable[[sa.Connection, int, int], None]
"""Makes the analysis of (series, generation) durable work, in the caller's transaction."""


class Base:
    """One database, and callables that are told after each commit."""

    def __init__(self, engine: sa.Engine, enqueue: Enqueue) -> None:
        self._engine = engine
        self._enqueue = enqueue
        self._watchers: list[Callable[[], None]] = []

    def watch(self, changed: Callable[[], None]) -> None:
        """Have a callable told after each commit of this process; it must be quick and not raise."""
        self._watchers.append(changed)

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        """One transaction. Raises StoreError."""
        with told(), self._engine.begin() as connection:
            if connection.dialect.name == "sqlite":  # which would lock at the first write, after the reads
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection
        for changed in self._watchers:
            changed()

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        with told(), self._engine.connect() as connection:
            yield connection
