"""What a generation leaves for the next one: a report to refer to, and a level to be compared with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from millet.core.alert import TriageChange, triage_changed
from millet.core.analysis import Analysis, Predecessor, TriageLevel
from millet.core.uids import Making, made_uid
from millet.edge.journal.base import Base
from millet.edge.journal.tables import alert, analysis, made
from millet.ports import Work

REPORT = "sr"


class Alerts(Base):
    """What was raised, for whoever counts."""

    def triage_changes(self) -> Mapping[TriageChange, int]:
        """How many generations changed the triage level of their series, by how."""
        levels = alert.c.triage_before, alert.c.triage_after
        with self._reading() as connection:
            rows = connection.execute(sa.select(*levels, sa.func.count()).group_by(*levels)).all()
        return {
            TriageChange(before=TriageLevel(before), after=TriageLevel(after)): int(number)
            for before, after, number in rows
        }


def predecessor(connection: sa.Connection, series: sa.Row[Any], generation: int) -> Predecessor | None:
    """The newest report of an earlier generation; None where none was made."""
    query = (
        sa.select(
            analysis.c.generation,
            analysis.c.model_digest,
            analysis.c.configuration_digest,
            made.c.sop_instance_uid,
        )
        .join(made, made.c.analysis_id == analysis.c.id)
        .where(analysis.c.series_id == series.id, analysis.c.generation < generation, made.c.kind == REPORT)
        .order_by(analysis.c.generation.desc(), analysis.c.id.desc())
        .limit(1)
    )
    if (before := connection.execute(query).one_or_none()) is None:
        return None
    by = Making(
        site=series.site,
        series_uid=series.series_uid,
        generation=before.generation,
        model_digest=before.model_digest,
        configuration_digest=before.configuration_digest,
    )
    return Predecessor(
        generation=before.generation,
        study_uid=series.study_uid,
        series_uid=made_uid(by, f"{REPORT}-series"),
        sop_instance_uid=before.sop_instance_uid,
    )


def raise_alert(connection: sa.Connection, work: Work, committed: Analysis) -> None:
    """Journal it where the newest generation's level is another one than that of the one before.

    Called once an analysis is inserted. One that ends after a later generation did is passed over: its
    level is not what the worklist shows.
    """
    rows = connection.execute(
        sa.select(analysis.c.generation, analysis.c.triage)
        .where(analysis.c.series_id == work.series_id)
        .order_by(analysis.c.generation.desc(), analysis.c.id.desc())
    ).all()
    if rows[0].generation != work.generation:
        return
    before = next((TriageLevel(row.triage) for row in rows if row.generation < work.generation), None)
    known = sa.select(alert.c.id).where(
        alert.c.series_id == work.series_id, alert.c.generation == work.generation
    )
    change = triage_changed(before, committed.triage.level)
    if change and connection.execute(known).first() is None:
        facts = {"triage_before": change.before, "triage_after": change.after}
        values = {"series_id": work.series_id, "generation": work.generation, **facts}
        connection.execute(sa.insert(alert).values(created_utc=committed.created_utc, **values))
