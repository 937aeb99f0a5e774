"""Which exams there are of a patient, by rows and first headers; and what became of looking for a prior."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from millet.codec import header as header_codec
from millet.core.analysis import Outcome
from millet.core.prior import Facts
from millet.edge.journal.arrivals import UNDER_WAY
from millet.edge.journal.base import Base
from millet.edge.journal.tables import analysis, instance, prior, reading, series
from millet.ports import PatientExams, SeriesKey, UnderWay

_FACTS = ("id", "series_uid", "study_uid", "patient_id", "issuer", "birth_date", "sex", "study_date")


class PatientPriors(Base):
    """A `ports.PriorLog`, and the first and last method of a `ports.Priors`."""

    def exams(self, key: SeriesKey) -> PatientExams | None:
        """What a series may be compared with; see `ports.Priors`."""
        with self._reading() as connection:
            mine = _series().where(series.c.site == key.site, series.c.series_uid == key.series_uid)
            row = connection.execute(mine).one_or_none()
            if row is None:
                return None
            rows = connection.execute(_others(row, key.site)).all() if row.patient_id else ()
        return PatientExams(own=_facts(row), others=[_read(other) for other in rows])

    def paths(self, key: SeriesKey) -> Sequence[str]:
        """Where the instances lay of its newest analysis; see `ports.Priors`."""
        mine = (series.c.site == key.site, series.c.series_uid == key.series_uid)
        newest = sa.select(sa.func.max(analysis.c.generation)).where(analysis.c.series_id == series.c.id)
        query = sa.select(instance.c.path).join(series, instance.c.series_id == series.c.id)
        upto = instance.c.generation <= newest.correlate(series).scalar_subquery()
        with self._reading() as connection:
            return connection.execute(query.where(*mine, upto).order_by(instance.c.id)).scalars().all()

    def under_way(self, analyser: str) -> Sequence[UnderWay]:
        """What an analyser follows; see `ports.PriorLog`."""
        columns = [series.c[name] for name in ("id", "generation", "site", "series_uid", "model_title")]
        mine = series.c.analyser == analyser, series.c.state.in_(UNDER_WAY)
        with self._reading() as connection:
            rows = connection.execute(sa.select(*columns).where(*mine).order_by(series.c.id)).all()
        return [
            UnderWay(number, made, SeriesKey(site=site, series_uid=uid), title)
            for number, made, site, uid, title in rows
        ]

    def prior(self, series_id: int, generation: int) -> str | None:
        """What a generation is compared with; see `ports.PriorLog`."""
        with self._reading() as connection:
            return connection.execute(_settled(series_id, generation)).scalar_one_or_none()

    def keep_prior(self, series_id: int, generation: int, document: str) -> str:
        """Settle it; see `ports.PriorLog`."""
        facts = {"series_id": series_id, "generation": generation, "document": document}
        with self._writing(awaited=False) as connection:
            connection.execute(sa.select(series.c.id).where(series.c.id == series_id).with_for_update())
            before = connection.execute(_settled(series_id, generation)).scalar_one_or_none()
            if before is None:
                connection.execute(sa.insert(prior).values(facts))
        return document if before is None else before

    def reading(self, key: SeriesKey, by: str) -> str | None:
        """What was read for comparison only; see `ports.PriorLog`."""
        with self._reading() as connection:
            return connection.execute(_read_by(key, by)).scalar_one_or_none()

    def keep_reading(self, key: SeriesKey, by: str, document: str) -> None:
        """Keep it; see `ports.PriorLog`."""
        facts = {"site": key.site, "series_uid": key.series_uid, "read_by": by, "document": document}
        with self._writing(awaited=False) as connection:
            if connection.execute(_read_by(key, by)).first() is None:
                connection.execute(sa.insert(reading).values(facts))


def _settled(series_id: int, generation: int) -> sa.Select[str]:
    here = prior.c.series_id == series_id, prior.c.generation == generation
    return sa.select(prior.c.document).where(*here)


def _read_by(key: SeriesKey, by: str) -> sa.Select[str]:
    here = reading.c.site == key.site, reading.c.series_uid == key.series_uid, reading.c.read_by == by
    return sa.select(reading.c.document).where(*here)


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
    analysed = row.outcome in {Outcome.FINDINGS, Outcome.NONE_FOUND}
    return _facts(row).read_by(row.model_digest, analysed=analysed)


def _facts(row: sa.Row[Any]) -> Facts:
    """The series' own columns say whose it is; its header, when and how it was taken."""
    own = {name: getattr(row, name) for name in _FACTS if name not in {"id", "study_date"}}
    known = Facts(**own, date=row.study_date)
    if not row.header:
        return known
    taken = Facts.of(header_codec.decode(row.header))
    return replace(
        known,
        date=taken.date or known.date,
        time=taken.time,
        kernel=taken.kernel,
        slice_mm=taken.slice_mm,
        origin=taken.origin,
    )
