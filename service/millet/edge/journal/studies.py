"""Which series of a study is the best one, kept on the rows of all of them.

Ranked anew, in the same transaction, whenever a series of the study is closed or its analysis is
committed. Callers have bumped the revision before: its row is the first lock of every transaction that
writes, so no two of them rank one study at once, and none waits for another's series.
"""

from __future__ import annotations

import sqlalchemy as sa

from millet.codec import flat
from millet.core.analysis import Analysis
from millet.core.best import Candidate, examined, judge
from millet.edge.journal.database import bump
from millet.edge.journal.tables import series


def closed(connection: sa.Connection, series_id: int, candidate: Candidate) -> None:
    """A series is complete, and this is what its headers say of it."""
    _keep(connection, series_id, candidate)
    _rank(connection, series_id)


def committed(connection: sa.Connection, series_id: int, analysis: Analysis) -> None:
    """An analysis of a series was committed; one of which nothing was kept at closing is left out."""
    query = sa.select(series.c.candidate).where(series.c.id == series_id)
    if document := connection.execute(query).scalar_one():
        _keep(connection, series_id, examined(flat.decode(Candidate, document), analysis))
        _rank(connection, series_id)


def _keep(connection: sa.Connection, series_id: int, candidate: Candidate) -> None:
    here = sa.update(series).where(series.c.id == series_id)
    connection.execute(here.values(candidate=flat.encode(candidate)))


def _rank(connection: sa.Connection, series_id: int) -> None:
    """Put the study's series in order; those that now stand elsewhere are changed series."""
    mine = series.alias()
    rows = connection.execute(
        sa.select(series.c.id, series.c.candidate, series.c.best_series_uid, series.c.best_reason)
        .join(mine, sa.and_(mine.c.site == series.c.site, mine.c.study_uid == series.c.study_uid))
        .where(mine.c.id == series_id, series.c.candidate != "")
    ).all()
    known = {row.id: flat.decode(Candidate, row.candidate) for row in rows}
    standings = judge(list(known.values()))
    for row in rows:
        standing = standings[known[row.id].series_uid]
        if standing != (row.best_series_uid, row.best_reason):
            other = standing.best_series_uid not in {"", known[row.id].series_uid}
            facts = {
                "best_series_uid": standing.best_series_uid,
                "best_reason": standing.reason,
                "is_other": other,
            }
            moved = sa.update(series).where(series.c.id == row.id)
            connection.execute(moved.values(revision=bump(connection), **facts))
