"""The instances behind an analysis, for somebody who wants to see them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from millet.codec import header as header_codec
from millet.edge.journal.base import Base
from millet.edge.journal.tables import analysis, instance, series
from millet.ports import SeriesKey, StoredSlice


class Slices(Base):
    """A `ports.SliceLog`."""

    def slices(self, key: SeriesKey) -> Sequence[StoredSlice]:
        """All that the newest analysis was made of; see `ports.SliceLog`."""
        with self._reading() as connection:
            return [_stored(row) for row in connection.execute(_of(key).order_by(instance.c.id))]

    def slice(self, key: SeriesKey, sop_instance_uid: str) -> StoredSlice | None:
        """One of them."""
        query = _of(key).where(instance.c.sop_instance_uid == sop_instance_uid).limit(1)
        with self._reading() as connection:
            row = connection.execute(query).first()
        return None if row is None else _stored(row)


def _of(key: SeriesKey) -> sa.Select[Any]:
    """What came later is no part of it yet."""
    newest = sa.select(sa.func.max(analysis.c.generation)).where(analysis.c.series_id == series.c.id)
    return (
        sa.select(instance.c.path, instance.c.header)
        .join(series, series.c.id == instance.c.series_id)
        .where(series.c.site == key.site, series.c.series_uid == key.series_uid)
        .where(instance.c.generation <= newest.scalar_subquery())
    )


def _stored(row: sa.Row[Any]) -> StoredSlice:
    return StoredSlice(row.path, header_codec.decode(row.header))
