"""The time of the database, which all hosts that share a journal go by.

A host's clock may be minutes wrong, and may jump. So whatever two hosts compare, a heartbeat with a lease
or the time of a next try with now, is told by the one clock that they share.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from millet.edge.journal.database import told
from millet.edge.journal.tables import Utc


class now_utc(FunctionElement[datetime]):  # noqa: N801 - a function of SQL
    """The database's clock at this moment, not at the beginning of the transaction; or some time ago."""

    type = Utc()
    inherit_cache = False

    def __init__(self, ago_s: float = 0.0) -> None:
        super().__init__()
        self.ago_s = ago_s


@compiles(now_utc, "sqlite")
def _sqlite(element: now_utc, _compiler: Any, **_: Any) -> str:
    return f"strftime('%Y-%m-%d %H:%M:%f000', 'now', '-{element.ago_s:f} seconds')"


@compiles(now_utc, "postgresql")
def _postgresql(element: now_utc, _compiler: Any, **_: Any) -> str:
    return f"(clock_timestamp() AT TIME ZONE 'UTC' - interval '{element.ago_s:f} seconds')"


class JournalClock:
    """A `Clock` that tells the database's time without asking at each look.

    `measure` asks; between two looks this host's monotonic clock counts on, so that a jump of the host's
    time of day changes nothing.
    """

    def __init__(
        self,
        engine: sa.Engine,
        host_utc: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """Measure at once. Raises StoreError."""
        self._engine = engine
        self._host_utc = host_utc
        self.monotonic_s = monotonic_s
        self.skew_s = 0.0
        """This host's clock minus the database's, as it was measured last."""
        self._anchor = (0.0, datetime.min.replace(tzinfo=UTC))
        self.measure()

    def measure(self) -> float:
        """Ask the database for its time; returns the skew in s. Blocks, raises StoreError."""
        with told(), self._engine.connect() as connection:
            before_s, before = self.monotonic_s(), self._host_utc()
            there = connection.execute(sa.select(now_utc())).scalar_one()
            half_s = (self.monotonic_s() - before_s) / 2
        self._anchor = (before_s + half_s, there)
        self.skew_s = (before - there).total_seconds() + half_s
        return self.skew_s

    def utc(self) -> datetime:
        """The database's time."""
        measured_s, there = self._anchor
        return there + timedelta(seconds=self.monotonic_s() - measured_s)
