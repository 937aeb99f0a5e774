"""Which exams there are of a patient, by the rows of the series and their first headers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from millet.codec import header as header_codec
from millet.core.analysis import Outcome
from millet.core.prior import Facts
from millet.edge.journal.base import Base
from millet.edge.journal.tables import analysis, instance, series
from millet.ports import PatientExams, SeriesKey

_FACTS = ("id", "series_uid", "study_uid", "patient_id", "issuer", "birth_date", "sex", "study_date")


class PatientPriors(Base):
    """The first method of a `ports.Priors`."""

    def exams(self, key: SeriesKey) -> PatientExams | None:
        """What a series may be compared with; see `ports.Priors`."""
        with self._reading() as connection:
            mine = _series().where(series.c.site == key.site, series.c.series_uid == key.series_uid)
            row = connection.execute(mine).one_or_none()
            if row is None:
                return None
            rows = connection.execute(_others(row, key.site)).all() if row.patient_id else ()
        return PatientExams(own=_facts(row), others=[_read(other) for other in rows])


def _series(*more: sa.ColumnElement[Any]) -> sa.Select[Any]:
    """Series with the header of the first instance that came of each."""
    first = sa.select(sa.func.min(instance.c.id)).where(instance.c.series_id == series.c.id)
    facts = [series.c[name] for name in _FACTS]
    joined = series.outerjoin(instance, instance.c.id == first.correlate(series).scalar_subquery())
    return sa.select(*facts, instance.c.header, *more).select_from(joined)


def _others(row: sa.Row[Any], site: str) -> sa.Select[Any]:
    """The analysed series of whoever has the same ID, with their newest analyses."""
    other = analysis.alias()
    newest = (
        sa.select(other.c.id)
        .where(other.c.series_id == series.c.id)
        .order_by(other.c.generation.desc(), other.c.id.desc())
        .limit(1)
        .correlate(series)
        .scalar_subquery()
    )
    same = (series.c.site == site, series.c.issuer == row.issuer, series.c.patient_id == row.patient_id)
    found = _series(analysis.c.model_digest, analysis.c.outcome).join(analysis, analysis.c.id == newest)
    return found.where(*same, series.c.id != row.id).order_by(series.c.study_date.desc(), series.c.id.desc())


def _read(row: sa.Row[Any]) -> Facts:
    analysed = row.outcome != Outcome.NOT_ANALYSED
    return _facts(row).read_by(row.model_digest, analysed=analysed)


def _facts(row: sa.Row[Any]) -> Facts:
    """The series' own columns say whose it is; its header, when and how it was taken."""
    own = {name: getattr(row, name) for name in _FACTS if name not in {"id", "study_date"}}
    known = Facts(**own, date=row.study_date)
    if not row.header:
        return known
    taken = Facts.of(header_codec.decode(row.header))
    return replace(
        known, date=taken.date or known.date, time=taken.time, kernel=taken.kernel, slice_mm=taken.slice_mm
    )
