"""The journal as readers write in it: who has seen what, and what they think of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

import sqlalchemy as sa

from millet.core.analysis import TriageLevel
from millet.core.geometry import PointMm
from millet.core.readers import Acknowledgement, Feedback, Opinion, Person, Stand, with_it
from millet.edge.journal.base import Base
from millet.edge.journal.database import bump
from millet.edge.journal.reader_tables import acknowledgement, feedback
from millet.edge.journal.tables import ORDER, UNTOLD, analysis, series
from millet.ports import About, Acknowledged, SeriesKey, Taken

T = TypeVar("T")
WITH = "\t"
"""Between a key and the series that it is said of too: no caller's key holds one."""
_Values = dict[str, Any]


class Readers(Base):
    """A `ReaderLog`."""

    def acknowledge(self, about: About, said: Acknowledgement) -> Acknowledged:
        """A person has seen the newest analysis, or takes that back; see `ports.ReaderLog`."""
        with self._changing() as (connection, revision):
            if before := _before(connection, acknowledgement, about, _acknowledged(said)):
                return Acknowledged(before)
            if (row := _series(connection, about.key)) is None:
                return Acknowledged(Taken.NO_SERIES)
            stand = _stand(connection, row)
            if said.withdrawn and stand.seen is None:
                return Acknowledged(Taken.NOTHING)
            if _meant(stand, said) != (said.generation, said.level):
                return Acknowledged(Taken.CHANGED)
            _say(connection, row, about, said, revision)
            return Acknowledged(Taken.NEW, _say_with_it(connection, row, stand, about, said))

    def give_feedback(self, about: About, said: Feedback) -> Taken:
        """A person has said what they think of a nodule; see `ports.ReaderLog`."""
        values = _opined(said)
        with self._changing(awaited=False) as (connection, _):
            if before := _before(connection, feedback, about, values):
                return before
            if (row := _series(connection, about.key)) is None:
                return Taken.NO_SERIES
            if _stand(connection, row).generation != said.generation:
                return Taken.CHANGED
            _write(connection, feedback, _about(about, row) | values | {"at_utc": said.at_utc})
            return Taken.NEW

    def acknowledgements(self, key: SeriesKey) -> Sequence[Acknowledgement]:
        """All of a series, oldest first."""
        return self._said(acknowledgement, key, acknowledgement_of)

    def feedback(self, key: SeriesKey) -> Sequence[Feedback]:
        """All of a series, oldest first."""
        return self._said(feedback, key, _feedback)

    def told_utc(self, key: SeriesKey, generation: int) -> datetime | None:
        """When the level of a generation was told; None for one that has no analysis."""
        of = series.c.site == key.site, series.c.series_uid == key.series_uid
        query = (
            sa.select(sa.func.max(analysis.c.created_utc))
            .join(series, series.c.id == analysis.c.series_id)
            .where(*of, analysis.c.generation == generation)
        )
        with self._reading() as connection:
            found: datetime | None = connection.execute(query).scalar_one()
            return found

    def _said(self, table: sa.Table, key: SeriesKey, made: Callable[[Mapping[str, Any]], T]) -> Sequence[T]:
        of = series.c.site == key.site, series.c.series_uid == key.series_uid
        query = (
            sa.select(table).join(series, series.c.id == table.c.series_id).where(*of).order_by(table.c.id)
        )
        with self._reading() as connection:
            return [made(dict(row)) for row in connection.execute(query).mappings()]


def acknowledgement_of(row: Mapping[str, Any]) -> Acknowledgement:
    """A row of the table as it was said."""
    return Acknowledgement(
        by=_person(row),
        at_utc=row["at_utc"],
        generation=row["generation"],
        level=TriageLevel(row["triage"]) if row["triage"] else None,
        withdrawn=row["withdrawn"],
    )


def _feedback(row: Mapping[str, Any]) -> Feedback:
    missed = row["opinion"] == Opinion.MISSED
    return Feedback(
        by=_person(row),
        at_utc=row["at_utc"],
        generation=row["generation"],
        opinion=Opinion(row["opinion"]),
        nodule_id=row["nodule_id"],
        place_mm=PointMm(row["x_mm"], row["y_mm"], row["z_mm"]) if missed else None,
        comment=row["comment"],
    )


def _person(row: Mapping[str, Any]) -> Person:
    return Person(name=row["person"], recognised=row["recognised"])


def _before(connection: sa.Connection, table: sa.Table, about: About, values: _Values) -> Taken | None:
    """What a request with this key was, compared by all but its time; None for a new one."""
    asked = (
        sa.select(series.c.series_uid, *(table.c[name] for name in values))
        .join(series, series.c.id == table.c.series_id)
        .where(table.c.site == about.key.site, table.c.request == about.request)
    )
    if (row := connection.execute(asked).one_or_none()) is None:
        return None
    same = tuple(row) == (about.key.series_uid, *values.values())
    return Taken.AGAIN if same else Taken.OTHER_REQUEST


def _series(connection: sa.Connection, key: SeriesKey) -> sa.Row[Any] | None:
    asked = sa.select(series).where(series.c.site == key.site, series.c.series_uid == key.series_uid)
    return connection.execute(asked.with_for_update()).one_or_none()


def _stand(connection: sa.Connection, of: sa.Row[Any]) -> Stand:
    """Its newest analysis, as the worklist shows it, and the acknowledgement that counts."""
    newest = (
        sa.select(analysis.c.generation, analysis.c.triage)
        .where(analysis.c.series_id == of.id)
        .order_by(analysis.c.generation.desc(), analysis.c.id.desc())
        .limit(1)
    )
    seen = sa.select(acknowledgement).where(acknowledgement.c.id == of.acknowledgement_id)
    made = connection.execute(newest).one_or_none()
    said = connection.execute(seen).mappings().one_or_none()
    return Stand(
        generation=made.generation if made else 0,
        level=TriageLevel(made.triage) if made else None,
        seen=acknowledgement_of(dict(said)) if said else None,
    )


def _meant(stand: Stand, said: Acknowledgement) -> tuple[int, TriageLevel | None]:
    """The generation and level that can be seen, or taken back."""
    of = stand.seen if said.withdrawn and stand.seen else stand
    return of.generation, of.level


def _say(
    connection: sa.Connection, of: sa.Row[Any], about: About, said: Acknowledgement, revision: int
) -> None:
    values = _about(about, of) | _acknowledged(said) | {"at_utc": said.at_utc}
    number = _write(connection, acknowledgement, values)
    stands = {"acknowledgement_id": None if said.withdrawn else number, "revision": revision}
    connection.execute(sa.update(series).where(series.c.id == of.id).values(stands))


def _say_with_it(
    connection: sa.Connection, of: sa.Row[Any], stand: Stand, about: About, said: Acknowledgement
) -> Sequence[tuple[SeriesKey, Acknowledgement]]:
    """Of the other series of the study; what `of` stood as before is `stand`."""
    study = series.c.site == of.site, series.c.study_uid == of.study_uid, series.c.study_uid != ""
    others = sa.select(series).where(*study, series.c.id != of.id).order_by(series.c.id).with_for_update()
    told = []
    for row in connection.execute(others).all():
        if one := with_it(said, stand, _stand(connection, row)):
            key = SeriesKey(site=row.site, series_uid=row.series_uid)
            request = f"{about.request}{WITH}{row.series_uid}"
            _say(connection, row, About(key, request), one, bump(connection))
            told.append((key, one))
    return told


def _about(about: About, of: sa.Row[Any]) -> _Values:
    return {"series_id": of.id, "site": about.key.site, "request": about.request}


def _write(connection: sa.Connection, table: sa.Table, values: _Values) -> int:
    return int(connection.execute(sa.insert(table).values(values).returning(table.c.id)).scalar_one())


def _acknowledged(said: Acknowledgement) -> _Values:
    return {
        "person": said.by.name,
        "recognised": said.by.recognised,
        "generation": said.generation,
        "triage": said.level or "",
        "triage_order": UNTOLD if said.level is None else ORDER[said.level],
        "withdrawn": said.withdrawn,
    }


def _opined(said: Feedback) -> _Values:
    x_mm, y_mm, z_mm = said.place_mm or (None, None, None)
    return {
        "person": said.by.name,
        "recognised": said.by.recognised,
        "generation": said.generation,
        "opinion": said.opinion,
        "nodule_id": said.nodule_id,
        "x_mm": x_mm,
        "y_mm": y_mm,
        "z_mm": z_mm,
        "comment": said.comment,
    }
