"""What the service itself says it has: its journal by plain SQL, its stores by their own readers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import sqlalchemy as sa

from millet.edge.store import LogSpool, ObjectFolder

ENDED = frozenset({"analysed", "not-analysed"})
DONE, DEAD = "done", "dead"


class SeriesLine(NamedTuple):
    """A series as the journal has it."""

    series_uid: str
    state: str
    generation: int


class InstanceLine(NamedTuple):
    """An instance as the journal has it."""

    series_uid: str
    sop_instance_uid: str
    generation: int
    path: str


class AnalysisLine(NamedTuple):
    """A committed outcome."""

    series_uid: str
    generation: int
    outcome: str


class ReportLine(NamedTuple):
    """An object that is to reach a destination, once for each."""

    series_uid: str
    generation: int
    kind: str
    sop_instance_uid: str
    """Of a message, which has none, its `message_name`."""
    path: str
    state: str


@dataclass(frozen=True, kw_only=True)
class Books:
    """The journal at one moment."""

    series: Sequence[SeriesLine] = ()
    instances: Sequence[InstanceLine] = ()
    analyses: Sequence[AnalysisLine] = ()
    reports: Sequence[ReportLine] = ()

    @property
    def states(self) -> Mapping[str, str]:
        """The state of each series."""
        return {line.series_uid: line.state for line in self.series}


_SERIES = "SELECT series_uid, state, generation FROM series"
_INSTANCES = """
    SELECT series.series_uid, instance.sop_instance_uid, instance.generation, instance.path
    FROM instance JOIN series ON instance.series_id = series.id ORDER BY instance.id"""
_ANALYSES = """
    SELECT series.series_uid, analysis.generation, analysis.outcome
    FROM analysis JOIN series ON analysis.series_id = series.id ORDER BY analysis.id"""
_REPORTS = """
    SELECT series.series_uid, analysis.generation, object.kind, object.sop_instance_uid, object.path,
           delivery.state
    FROM delivery JOIN object ON delivery.object_id = object.id
    JOIN analysis ON object.analysis_id = analysis.id JOIN series ON analysis.series_id = series.id
    ORDER BY delivery.id"""


def read(url: str) -> Books:
    """The books of a journal, in one transaction. Raises SQLAlchemyError where there is none yet."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:

        def lines(query: str) -> list[sa.Row]:
            return list(connection.execute(sa.text(query)))

        return Books(
            series=[SeriesLine(*row) for row in lines(_SERIES)],
            instances=[InstanceLine(*row) for row in lines(_INSTANCES)],
            analyses=[AnalysisLine(*row) for row in lines(_ANALYSES)],
            reports=[_report(*row) for row in lines(_REPORTS)],
        )


def message_name(series_uid: str, kind: str, generation: int | str) -> str:
    """What a message is told apart by."""
    return f"{series_uid}/{kind}-{generation}"


def _report(series_uid: str, generation: int, kind: str, uid: str, path: str, state: str) -> ReportLine:
    name = uid or message_name(series_uid, kind, generation)
    return ReportLine(series_uid, generation, kind, name, path, state)


class Stores:
    """The bytes that the journal's paths stand for, read as the service itself reads them."""

    def __init__(self, state: Path) -> None:
        self._spool = LogSpool(state / "spool", "ledger")
        self._objects = ObjectFolder(state / "objects")

    def instance(self, path: str) -> bytes:
        """A received instance as a file. Raises StoreError."""
        return self._spool.read(path)

    def report(self, path: str) -> bytes:
        """An object of ours as a file. Raises StoreError."""
        return self._objects.read(path)
