"""Work that nobody will do as it stands, and how it is put back where somebody looks.

DBOS starts again what its own process left when it comes back under the same name and version. All else
is ours: what a process that never comes back had in hand or in its own queue, and what an older version
left. It is put back by comparing and setting, in DBOS's own table: of two hosts that find the same work
one moves it, what somebody has taken up meanwhile stays his, the number of its starts goes on counting,
and an emergency stays one. (`DBOS.resume_workflows` does none of these four.)
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from millet.core.doors import USUAL
from millet.edge.journal.arrivals import living
from millet.edge.journal.database import told

QUEUES = ("analysis", "emergency")
"""By urgency. Each executor has two of its own besides, `NAME@EXECUTOR`, for the series that it followed. Of
called titles with a model of their own there are as many again, `NAME#TITLE` and `NAME@EXECUTOR#TITLE`, which
only those ask who have that model."""
WORKFLOW = "analyse"


def queue(urgency: int, executor_id: str = "", model_title: str = USUAL) -> str:
    """The queue of an executor, or the one that all share who have the model."""
    name = QUEUES[min(urgency, len(QUEUES) - 1)]
    name = f"{name}@{executor_id}" if executor_id else name
    return f"{name}#{model_title}" if model_title else name


def queues_of(executor_id: str, titles: Collection[str] = (USUAL,)) -> Sequence[str]:
    """What an executor takes work from: its own queues and the shared ones, of the models that it has."""
    urgencies, whose = range(len(QUEUES)), (executor_id, "")
    return [queue(urgency, one, title) for title in titles for urgency in urgencies for one in whose]


def _parts(queue_name: str | None) -> tuple[str, str, str]:
    """The name of a queue, whose it is, and its title, which may hold any sign."""
    where, _, model_title = (queue_name or "").partition("#")
    name, _, owner = where.partition("@")
    return name, owner, model_title


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """Of the work's arguments and effects; not of the build."""

    number: int
    oldest: int
    """The oldest version whose work is done as if it were of this one."""

    def adopts(self, other: str | None) -> bool:
        """Whether work of another version is to be done by this one; that of a newer one is left to it."""
        return other is None or (other.isdecimal() and self.oldest <= int(other) < self.number)


class Stranded:
    """Looks for stranded work as one executor, and puts it back."""

    def __init__(
        self, engine: sa.Engine, executor_id: str, version: Version, titles: Collection[str] = (USUAL,)
    ) -> None:
        self._engine = engine
        self._asked = queues_of(executor_id, titles)
        self._executor_id = executor_id
        self._version = version
        columns = [sa.column(name, sa.Text) for name in (*_IDENTITY, "name", "application_version")]
        schema = "dbos" if engine.dialect.name == "postgresql" else None
        self._work = sa.table("workflow_status", *columns, schema=schema)

    def begun_here(self) -> frozenset[str]:
        """What this executor has begun, as the database says. Blocks, raises StoreError."""
        ours = self._unfinished("PENDING").where(self._work.c.executor_id == self._executor_id)
        with told(), self._engine.connect() as connection:
            return frozenset(row.workflow_uuid for row in connection.execute(ours))

    def put_back(self, dropped: Collection[str]) -> Sequence[str]:
        """Put back what the dead left, what was dropped here, and what older versions left.

        Args:
            dropped: names of work that this executor began and does no longer.

        Returns:
            The names of what was put back. Blocks, raises StoreError.
        """
        with told(), self._engine.connect() as connection:
            alive = set(connection.execute(living()).scalars())
            found = [*connection.execute(self._begun(alive)), *connection.execute(self._waiting(alive))]
        lost = (row for row in found if self._is_lost(row, alive, dropped))
        return sorted(row.workflow_uuid for row in lost if self._moved(row))

    def _unfinished(self, status: str) -> sa.Select[Any]:
        """The literals let SQLite use the index of what is in flight, whatever has been finished."""
        work = self._work.c
        return (
            sa.select(*work)
            .where(sa.literal_column("status").in_([sa.literal_column(f"'{s}'") for s in _IN_FLIGHT]))
            .where(work.status == sa.literal_column(f"'{status}'"), work.name == WORKFLOW)
        )

    def _begun(self, alive: Iterable[str]) -> sa.Select[Any]:
        others = set(alive) - {self._executor_id}
        return self._unfinished("PENDING").where(self._work.c.executor_id.not_in(sorted(others)))

    def _waiting(self, alive: Iterable[str]) -> sa.Select[Any]:
        """In queues that nobody asks; which models the others have is not known here, so theirs all count."""
        work, whose = self._work.c, sorted({"", *alive} - {self._executor_id})
        others = [queue(urgency, one) for one in whose for urgency in range(len(QUEUES))]
        titled = [work.queue_name.startswith(f"{one}#", autoescape=True) for one in others]
        lost = ~sa.or_(work.queue_name.in_([*others, *self._asked]), *titled)
        other = work.application_version.is_distinct_from(str(self._version.number))
        return self._unfinished("ENQUEUED").where(lost | other)

    def _is_lost(self, row: sa.Row[Any], alive: Collection[str], dropped: Collection[str]) -> bool:
        ours = row.application_version == str(self._version.number)
        if not ours and not self._version.adopts(row.application_version):
            return False
        if row.status == "PENDING":
            return row.executor_id not in alive or row.workflow_uuid in dropped
        _, owner, _ = _parts(row.queue_name)
        left = owner not in alive or owner == self._executor_id
        return bool(left if owner else not ours)

    def _moved(self, row: sa.Row[Any]) -> bool:
        work, (base, _, model_title) = self._work.c, _parts(row.queue_name)
        as_it_was = [work[name].is_not_distinct_from(getattr(row, name)) for name in _IDENTITY]
        put = {
            "status": "ENQUEUED",
            "queue_name": queue(QUEUES.index(base) if base in QUEUES else 0, model_title=model_title),
            "application_version": str(self._version.number),
            "owner_xid": None,
        }
        with told(), self._engine.begin() as connection:
            return connection.execute(sa.update(self._work).where(*as_it_was).values(put)).rowcount > 0


_IN_FLIGHT = ("ENQUEUED", "PENDING")
_IDENTITY = ("workflow_uuid", "status", "queue_name", "executor_id", "owner_xid")
"""What is compared before work is moved: `owner_xid` is new with every start."""
