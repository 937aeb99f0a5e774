"""The instances behind an analysis, for somebody who wants to see them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from millet.codec import header as header_codec
from millet.edge.journal.base import Base
from millet.edge.journal.tables import analysis, instance, segment, series
from millet.ports import SeriesKey, StoredSlice


class Slices(Base):
    """A `ports.SliceLog`."""

    def slices(self, key: SeriesKey) -> Sequence[StoredSlice]:
        """All that the newest analysis was made of; see `ports.SliceLog`."""
        with self._reading() as connection:
            rows = connection.execute(_of(key).order_by(instance.c.id)).all()
            return _stored(connection, rows)

    def slice(self, key: SeriesKey, sop_instance_uid: str) -> StoredSlice | None:
        """One of them."""
        query = _of(key).where(instance.c.sop_instance_uid == sop_instance_uid).limit(1)
        with self._reading() as connection:
            found = _stored(connection, connection.execute(query).all())
        return found[0] if found else None


def _of(key: SeriesKey) -> sa.Select[Any]:
    """What came later is no part of it yet."""
    newest = sa.select(sa.func.max(analysis.c.generation)).where(analysis.c.series_id == series.c.id)
    return (
        sa.select(instance.c.path, instance.c.header)
        .join(series, series.c.id == instance.c.series_id)
        .where(series.c.site == key.site, series.c.series_uid == key.series_uid)
        .where(instance.c.generation <= newest.scalar_subquery())
    )


def _stored(connection: sa.Connection, rows: Sequence[sa.Row[Any]]) -> Sequence[StoredSlice]:
    """What is no longer in a segment that we know of was removed."""
    names = {row.path: row.path.partition("@")[0] for row in rows}
    known = sa.select(segment.c.name).where(segment.c.name.in_(set(names.values())))
    there = set(connection.execute(known).scalars())
    return [
        StoredSlice(row.path if names[row.path] in there else "", header_codec.decode(row.header))
        for row in rows
    ]
