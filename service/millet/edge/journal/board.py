"""The worklist as a whole: how much waits, since when, and what nobody acknowledged in time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime

import sqlalchemy as sa

from millet.core.analysis import TriageLevel
from millet.core.job import State
from millet.edge.journal.base import Base
from millet.edge.journal.jobs import WORKABLE
from millet.edge.journal.listing import OF_PATIENTS, overdue, seen
from millet.edge.journal.tables import ORDER, series
from millet.ports import Overview

_LEVEL_OF = {order: level for level, order in ORDER.items()}


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

    def flagged(self, since_utc: datetime) -> Mapping[tuple[TriageLevel, bool], int]:
        """How many studies that came since have a level of notable or more, acknowledged and not.

        A study's level is the highest of its series; it is acknowledged once all of those that have it are.
        """
        rows = (
            sa.select(series.c.site, series.c.study_uid, series.c.triage_order, seen().label("seen"))
            .where(OF_PATIENTS, series.c.first_received_utc >= since_utc)
            .where(series.c.triage_order <= ORDER[TriageLevel.NOTABLE])
            .subquery()
        )
        study = rows.c.site, rows.c.study_uid
        top = sa.select(*study, sa.func.min(rows.c.triage_order).label("level")).group_by(*study).subquery()
        same = sa.and_(*(rows.c[name] == top.c[name] for name in ("site", "study_uid")))
        ours = sa.and_(same, rows.c.triage_order == top.c.level)
        known = sa.func.min(sa.case((rows.c.seen, 1), else_=0))
        query = sa.select(top.c.level, known).select_from(top.join(rows, ours)).group_by(*study, top.c.level)
        with self._reading() as connection:
            return Counter(
                (_LEVEL_OF[level], bool(all_seen)) for level, all_seen in connection.execute(query)
            )
