"""The worklist as a whole: how much waits, since when, and what nobody acknowledged in time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import sqlalchemy as sa

from millet.core.analysis import TriageLevel
from millet.core.job import State
from millet.edge.journal.base import Base
from millet.edge.journal.jobs import WORKABLE
from millet.edge.journal.listing import OF_PATIENTS, overdue
from millet.edge.journal.tables import series
from millet.ports import Overview


class Board(Base):
    """A `ports.Board`."""

    def overview(self, overdue_before_utc: Mapping[TriageLevel, datetime]) -> Overview:
        """How the worklist stands; see `ports.Board`."""
        number = sa.select(sa.func.count()).select_from(series).where(OF_PATIENTS)
        late = {level: number.where(overdue(level, when)) for level, when in overdue_before_utc.items()}
        newest = sa.select(sa.func.max(series.c.revision))
        waits = sa.select(sa.func.count(), sa.func.min(series.c.closed_utc))
        with self._reading() as connection:
            waiting, since = connection.execute(waits.where(OF_PATIENTS, series.c.state.in_(WORKABLE))).one()
            return Overview(
                revision=int(connection.execute(newest).scalar() or 0),
                waiting=waiting,
                waiting_since_utc=since,
                failed=int(connection.execute(number.where(series.c.state == State.PARKED)).scalar_one()),
                overdue={level: int(connection.execute(one).scalar_one()) for level, one in late.items()},
            )
