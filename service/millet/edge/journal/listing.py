"""Which series a worklist holds and in which order, as conditions and columns of SQL."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from millet.core import canary
from millet.core.analysis import TriageLevel
from millet.edge.journal.reader_tables import acknowledgement
from millet.edge.journal.tables import ORDER, analysis, series
from millet.ports import WorklistQuery

EQUAL = ("site", "issuer", "patient_id", "accession", "sender", "study_uid", "series_uid", "state")
"""Filters that are columns of a series."""
OF_PATIENTS = series.c.site != canary.NAME
"""The canary is in no list that is not asked for its own site."""
URGENT, NOTABLE = ORDER[TriageLevel.URGENT], ORDER[TriageLevel.NOTABLE]


def order(rows: sa.FromClause, query: WorklistQuery) -> Sequence[sa.ColumnElement[Any]]:
    """As an index of the series has it, unless what waits for long is to rise."""
    rank: sa.ColumnElement[Any] = rows.c.triage_order
    if query.aged_before_utc is not None:
        aged = sa.and_(rank > NOTABLE, rows.c.first_received_utc < query.aged_before_utc)
        rank = sa.case((aged, NOTABLE), else_=rank)
    last = [sa.case((seen(rows), 1), else_=0)] if query.acknowledged_last else []
    return [*last, rank, *(rows.c[name] for name in ("is_other", "first_received_utc", "id"))]


def conditions(query: WorklistQuery) -> Sequence[sa.ColumnElement[bool]]:
    """All that has to hold of a series."""
    equal = [series.c[name] == value for name in EQUAL if (value := getattr(query, name))]
    if not query.site:
        equal.append(OF_PATIENTS)
    return [*equal, *_told(query), *_looked_for(query), series.c.revision > query.after_revision]


def seen(rows: sa.FromClause = series) -> sa.ColumnElement[bool]:
    """Whether somebody acknowledged the level as it is, or a more urgent one."""
    said = acknowledgement.alias()
    stands = (said.c.id == rows.c.acknowledgement_id, said.c.triage_order <= rows.c.triage_order)
    return sa.exists().where(*stands).correlate(rows)


def overdue(level: TriageLevel, before_utc: datetime) -> sa.ColumnElement[bool]:
    """Whether a series is of a level that its newest analysis told before a time, and nobody has seen it."""
    one, later = analysis.alias(), analysis.alias()
    newest = sa.select(sa.func.max(later.c.generation)).where(later.c.series_id == one.c.series_id)
    of_newest = (one.c.series_id == series.c.id, one.c.generation == newest.correlate(one).scalar_subquery())
    told = sa.exists().where(*of_newest, one.c.created_utc < before_utc).correlate(series)
    return sa.and_(series.c.triage_order == ORDER[level], told, ~seen())


def _told(query: WorklistQuery) -> Iterator[sa.ColumnElement[bool]]:
    """What the analysis and its readers say."""
    if query.triage is not None:
        yield series.c.triage_order == ORDER[query.triage]
    if query.acknowledged is not None:
        yield seen() if query.acknowledged else ~seen()
    if query.overdue_before_utc is not None:
        yield sa.or_(sa.false(), *(overdue(*each) for each in query.overdue_before_utc.items()))


def _looked_for(query: WorklistQuery) -> Iterator[sa.ColumnElement[bool]]:
    """What somebody looks for."""
    if query.states:
        yield series.c.state.in_(query.states)
    if query.since_utc is not None:
        pressing = sa.and_(series.c.triage_order <= URGENT, ~seen())
        yield sa.or_(series.c.first_received_utc >= query.since_utc, pressing)
    said = [series.c.accession.icontains(query.text, autoescape=True)] if query.text else []
    if query.id_tail:
        said.append(series.c.patient_id.endswith(query.id_tail, autoescape=True))
    if said:
        yield sa.or_(*said)
