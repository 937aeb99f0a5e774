"""What archives are asked to send for comparison only: rows of which receivers and analysers both know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa

from millet.edge.journal.base import Base
from millet.edge.journal.tables import errand
from millet.ports import Errand, SeriesName, Wanted

ASKED_AT_ONCE = 1000
"""Paths in one question."""


class Errands(Base):
    """An `ErrandLog`."""

    def begin_errand(self, asked: Errand) -> None:
        """From now on these instances are taken; see `ports.ErrandLog`."""
        facts = {
            "name": asked.name,
            "site": asked.site,
            **asked.series._asdict(),
            "most_bytes": asked.most_bytes,
            "until_utc": asked.until_utc,
        }
        rows = [{**facts, "sop_instance_uid": uid} for uid in sorted(asked.sop_instance_uids)]
        with self._writing(awaited=False) as connection:
            connection.execute(sa.insert(errand), rows)

    def wanted(self, site: str, sop_instance_uid: str, now_utc: datetime) -> Wanted | None:
        """Whether an instance is waited for; see `ports.ErrandLog`."""
        columns = errand.c.study_uid, errand.c.series_uid, errand.c.most_bytes, errand.c.path
        query = sa.select(*columns).where(*_waiting(site, sop_instance_uid, now_utc)).order_by(errand.c.path)
        with self._reading() as connection:
            first = connection.execute(query.limit(1)).one_or_none()
        if first is None:
            return None
        return Wanted(SeriesName(first.study_uid, first.series_uid), first.most_bytes, bool(first.path))

    def came(self, site: str, sop_instance_uid: str, path: str, now_utc: datetime) -> bool:
        """It lies there; see `ports.ErrandLog`."""
        here = *_waiting(site, sop_instance_uid, now_utc), errand.c.path == ""
        with self._writing(awaited=False) as connection:
            return bool(connection.execute(sa.update(errand).where(*here).values(path=path)).rowcount)

    def paths_of(self, name: str) -> Mapping[str, str]:
        """What has come of an errand; see `ports.ErrandLog`."""
        query = sa.select(errand.c.sop_instance_uid, errand.c.path)
        with self._reading() as connection:
            rows = connection.execute(query.where(errand.c.name == name, errand.c.path != ""))
            return {row.sop_instance_uid: row.path for row in rows}

    def end_errand(self, name: str, overdue_utc: datetime) -> Sequence[str]:
        """Forget it, and what is overdue; see `ports.ErrandLog`."""
        over = sa.or_(errand.c.name == name, errand.c.until_utc < overdue_utc)
        with self._writing(awaited=False) as connection:
            gone = connection.execute(sa.delete(errand).where(over).returning(errand.c.path)).scalars().all()
            paths = sorted({path for path in gone if path})
            needed = [
                path
                for at in range(0, len(paths), ASKED_AT_ONCE)
                for path in _needed(connection, paths[at : at + ASKED_AT_ONCE])
            ]
        return sorted(set(paths).difference(needed))


def _waiting(site: str, sop_instance_uid: str, now_utc: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    named = errand.c.site == site, errand.c.sop_instance_uid == sop_instance_uid
    return *named, errand.c.until_utc >= now_utc


def _needed(connection: sa.Connection, paths: Sequence[str]) -> Sequence[str]:
    """Those of them that another errand came upon, too."""
    return connection.execute(sa.select(errand.c.path).where(errand.c.path.in_(paths))).scalars().all()
