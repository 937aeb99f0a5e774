"""The journal as notifications see it: who must hear of a study, and what they were told.

Theory of operation. The commit of an analysis marks its study, for each recipient, with its revision, in the
same transaction. What is told is noted together with its delivery in another one, which clears the mark: a
crash in between leaves the mark, and a study that was marked again meanwhile is looked at again. So nothing
is told twice, and nothing is forgotten.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import groupby
from typing import Any

import sqlalchemy as sa

from millet.core import canary
from millet.core.analysis import TriageLevel
from millet.core.notification import Ground, Standing, highest
from millet.edge.journal.base import Base
from millet.edge.journal.clock import now_utc
from millet.edge.journal.outgoing import Topic, keep, send
from millet.edge.journal.tables import analysis, delivery, instance, made, series
from millet.edge.journal.tables import recipient as recipients
from millet.ports import Delivery, Due, ImageReference, KeptObject, Message, Settled

NOT_COUNTED = "urgent-%"
"""Kinds of messages that the ceiling does not know of."""


class Notices(Base):
    """A `ports.NoticeLog`."""

    def due(self, recipient: str) -> Sequence[Due]:
        """The studies that are due; see `ports.NoticeLog`."""
        with self._reading() as connection:
            rows = connection.execute(_levels(recipient)).all()
        return [_due(list(study)) for _, study in groupby(rows, lambda row: (row.site, row.study_uid))]

    def sent(self, recipient: str, within_s: float) -> int:
        """How many messages were made within a time; see `ports.NoticeLog`."""
        with self._reading() as connection:
            now = connection.execute(sa.select(now_utc())).scalar_one()
            query = (
                sa.select(sa.func.count())
                .select_from(delivery.join(made, delivery.c.object_id == made.c.id))
                .where(delivery.c.destination == recipient, made.c.kind.not_like(NOT_COUNTED))
                .where(delivery.c.created_utc > now - timedelta(seconds=within_s))
            )
            return int(connection.execute(query).scalar_one())

    def settle(self, recipient: str, settled: Sequence[Settled], message: Message | None) -> bool:
        """Note what a recipient knows; see `ports.NoticeLog`."""
        with self._changing() as (connection, _):
            if not all(connection.execute(_unchanged(recipient, one)).first() for one in settled):
                return False
            for one in settled:
                facts = {"level": one.level or "", "told": one.due.standing.told + one.is_news, "revision": 0}
                connection.execute(sa.update(recipients).where(*_study(recipient, one)).values(facts))
            if message is not None:
                kept = KeptObject(kind=message.kind, path=message.path)
                object_id = keep(connection, settled[0].due.analysis_id, kept)
                send(connection, object_id, recipient, [_topic(one.due.standing) for one in settled])
            return True

    def images(self, about: Delivery) -> Sequence[ImageReference]:
        """The instances of a message's series; see `ports.NoticeLog`."""
        of = series.c.site == about.site, series.c.series_uid == about.series_uid
        names = instance.c.sop_class_uid, instance.c.sop_instance_uid
        query = sa.select(*names).join(series, series.c.id == instance.c.series_id).where(*of).distinct()
        with self._reading() as connection:
            return [ImageReference(*row) for row in connection.execute(query.order_by(names[1]))]


def concern(connection: sa.Connection, row: sa.Row[Any], names: Sequence[str], revision: int) -> None:
    """Something was committed of a series' study, of which these must hear; of the canary nobody does."""
    for name in names if row.site != canary.NAME else ():
        study = {"site": row.site, "study_uid": row.study_uid, "destination": name}
        here = [recipients.c[column] == value for column, value in study.items()]
        marked = connection.execute(sa.update(recipients).where(*here).values(revision=revision))
        if not marked.rowcount:
            connection.execute(sa.insert(recipients).values(**study, revision=revision))


def written(grounds: Sequence[Ground]) -> str:
    """As a column of an analysis."""
    return json.dumps([[one.code, one.words] for one in grounds], ensure_ascii=False) if grounds else ""


def _levels(name: str) -> sa.Select[Any]:
    """Each series of the studies that are due, by its newest analysis."""
    other = analysis.alias()
    newest = (
        sa.select(other.c.id)
        .where(other.c.series_id == series.c.id)
        .order_by(other.c.generation.desc(), other.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    mine = sa.and_(series.c.site == recipients.c.site, series.c.study_uid == recipients.c.study_uid)
    joined = recipients.join(series, mine).join(analysis, analysis.c.id == newest)
    order = [recipients.c[column] for column in ("revision", "site", "study_uid")]
    return (
        sa.select(
            *(recipients.c[column] for column in ("site", "study_uid", "level", "told", "revision")),
            *(series.c[column] for column in ("series_uid", "accession", "patient_id", "issuer")),
            analysis.c.id.label("analysis_id"),
            analysis.c.triage,
            analysis.c.grounds,
        )
        .select_from(joined)
        .where(recipients.c.destination == name, recipients.c.revision > 0)
        .order_by(*order, series.c.is_other, series.c.id)
    )


def _due(rows: Sequence[sa.Row[Any]]) -> Due:
    level = highest(TriageLevel(row.triage) for row in rows)
    decides = next(row for row in rows if row.triage == level)
    standing = Standing(
        site=decides.site,
        study_uid=decides.study_uid,
        series_uid=decides.series_uid,
        accession=decides.accession,
        patient_id=decides.patient_id,
        issuer=decides.issuer,
        before=TriageLevel(decides.level) if decides.level else None,
        told=decides.told,
        level=level,
        grounds=tuple(_grounds(decides.grounds)),
    )
    return Due(standing=standing, revision=decides.revision, analysis_id=decides.analysis_id)


def _topic(standing: Standing) -> Topic:
    """A study of a message, with the message's number as the recipient reads it."""
    return Topic(standing.site, standing.study_uid, standing.told + 1)


def _grounds(document: str) -> Iterator[Ground]:
    yield from (Ground(code=code, words=words) for code, words in json.loads(document or "[]"))


def _study(name: str, one: Settled) -> list[sa.ColumnElement[bool]]:
    standing = one.due.standing
    values = {"site": standing.site, "study_uid": standing.study_uid, "destination": name}
    return [recipients.c[column] == value for column, value in values.items()]


def _unchanged(name: str, one: Settled) -> sa.Select[tuple[int]]:
    """A study's row, where nobody told of it and nothing was committed since it was read."""
    mark = recipients.c.revision
    return sa.select(mark).where(*_study(name, one), mark == one.due.revision)
