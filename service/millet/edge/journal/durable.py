"""Durable work: DBOS behind one class, so that nothing else knows its name.

What was found in experiments, and is held to here: `executor_id` and `application_version` are ours (the
defaults strand a backlog at every build); the serialiser is JSON (the default unpickles what the
database holds); the job is written by the transaction that closes the series; a worker that dies and
does not come back leaves its jobs PENDING for ever, so each executor keeps a heartbeat and `reconcile`
puts back what has no living owner. Work may run twice; its effects are idempotent (see the journal).
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from dbos import DBOS, DBOSClient, DBOSConfig, Serializer

from millet.edge.journal.arrivals import ALIVE_S, living
from millet.edge.journal.base import Job
from millet.edge.journal.database import told
from millet.edge.journal.tables import executor
from millet.errors import Interrupted, StoreError

QUEUES = ("analysis", "emergency")
"""By urgency. Each executor has two of its own besides, `NAME@EXECUTOR`, for the series that it followed."""
WORKFLOW = "analyse"
PROTOCOL = "1"
"""Version of the work's arguments and effects; not of the build."""
POLL_S = 0.05
"""Of the executor's own queues: somebody waits for what is in them."""
SHARED_POLL_S = 1.0
"""Of the queues that all executors share: what nobody followed."""
LEASE_S = ALIVE_S
MAX_ATTEMPTS = 10
"""Starts of one piece of work, crashes included, before it is given up: a series that kills the process
must not do so for ever."""

Run = Callable[[int, int], None]
"""Analyse (series, generation). May raise `Interrupted`: the work stays and is taken up again."""


class Json(Serializer):
    """Only ids are kept, and reading them runs nothing."""

    def serialize(self, data: Any) -> str:
        """Arguments, results, and exceptions as their words."""
        return json.dumps(data, default=str)

    def deserialize(self, serialized_data: str) -> Any:
        """What `serialize` wrote."""
        return json.loads(serialized_data)

    def name(self) -> str:
        """The name kept beside each value."""
        return "millet_json"


class DurableWork:
    """The queue of analyses in the journal's own database. One per process, as DBOS is."""

    def __init__(self, engine: sa.Engine, executor_id: str, max_attempts: int = MAX_ATTEMPTS) -> None:
        self._engine = engine
        self._executor_id = executor_id
        self._max_attempts = max_attempts
        self._give_up: Run | None = None
        self._in_hand: set[str] = set()
        self._store_failures: Counter[str] = Counter()
        self._suspects: frozenset[str] = frozenset()
        _quiet()
        with told():
            DBOS.migrate(engine.url.render_as_string(hide_password=False))
        self._client = DBOSClient(system_database_engine=engine, serializer=Json(), application_name="millet")

    def enqueue(self, connection: sa.Connection, job: Job) -> None:
        """Write the work in the caller's transaction; twice is once."""
        self._client.enqueue_in_transaction(
            connection,
            {
                "queue_name": _queue(job.urgency, job.analyser),
                "workflow_name": WORKFLOW,
                "workflow_id": _name(job.series_id, job.generation),
                "app_version": PROTOCOL,
            },
            job.series_id,
            job.generation,
        )

    def start(self, run: Run, give_up: Run, now_utc: datetime) -> None:
        """Begin to work: one piece of each urgency at a time, first what this executor left when it died.

        Args:
            run: the work; called again when an earlier call did not end.
            give_up: ends work that failed, or killed the process too often; if it raises, the work is
                begun anew a little later.
            now_utc: for the first heartbeat.
        """
        self._give_up = give_up
        self._beat(now_utc)
        DBOS(config=_config(self._engine, self._executor_id))
        DBOS.workflow(name=WORKFLOW, max_recovery_attempts=self._max_attempts)(self._surviving(run, give_up))
        for urgency in range(len(QUEUES)):
            for executor_id, poll_s in ((self._executor_id, POLL_S), ("", SHARED_POLL_S)):
                name = _queue(urgency, executor_id)
                self._client.register_queue(name, worker_concurrency=1, polling_interval_sec=poll_s)
        DBOS.launch()

    def reconcile(self, now_utc: datetime) -> Sequence[str]:
        """Heartbeat, and put back work that nobody has in hand; call every few seconds.

        That is the work of executors that are dead, and work of ours that was seen twice to be pending
        and not in hand: once may be the moment between taking it and beginning.

        Returns:
            The ids of the work that was put back.
        """
        self._beat(now_utc)
        living = self._living(now_utc)
        pending = DBOS.list_workflows(status="PENDING", name=WORKFLOW, load_input=False, load_output=False)
        dropped = {one.workflow_id for one in pending if one.executor_id == self._executor_id} - self._in_hand
        orphaned = {one.workflow_id for one in pending if one.executor_id not in living}
        stranded = sorted(orphaned | (dropped & self._suspects) | self._left_by_the_dead(living))
        self._suspects = frozenset(dropped)
        if stranded:
            DBOS.resume_workflows(stranded, queue_name=_queue(0, ""))
        self._give_up_exceeded()
        return stranded

    def stop(self) -> None:
        """Take no more work and let go; work that is interrupted meanwhile stays for the next start."""
        if self._give_up is not None:
            DBOS.destroy(destroy_registry=True)
            self._give_up = None
        self._client.destroy()

    def _surviving(self, run: Run, give_up: Run) -> Run:
        """The work as the engine runs it: a failure is given up, `Interrupted` leaves the work pending.

        A failure of the store is a failure only after as many starts as a crash is allowed.
        """

        def analyse(series_id: int, generation: int) -> None:
            name = _name(series_id, generation)
            self._in_hand.add(name)
            try:
                run(series_id, generation)
            except StoreError as failure:
                self._begin_anew(name, failure)
                _give_up(give_up, series_id, generation)
            except Exception:
                logging.getLogger(__name__).exception("an analysis failed")
                _give_up(give_up, series_id, generation)
            finally:
                self._in_hand.discard(name)

        return analyse

    def _begin_anew(self, name: str, failure: StoreError) -> None:
        """A full disk or a busy database may pass: leave the work pending, but not for ever."""
        self._store_failures[name] += 1
        logging.getLogger(__name__).error("an analysis was stopped by the store", exc_info=failure)
        if self._store_failures[name] < self._max_attempts:
            raise Interrupted
        del self._store_failures[name]

    def _left_by_the_dead(self, living: set[str]) -> set[str]:
        """What waits in a queue that nobody asks any more."""
        waiting = DBOS.list_workflows(status="ENQUEUED", name=WORKFLOW, load_input=False, load_output=False)
        owners = {one.workflow_id: (one.queue_name or "").partition("@")[2] for one in waiting}
        return {name for name, owner in owners.items() if owner and owner not in living}

    def _give_up_exceeded(self) -> None:
        spent = DBOS.list_workflows(status="MAX_RECOVERY_ATTEMPTS_EXCEEDED", name=WORKFLOW, load_output=False)
        for one in spent:
            if one.input and self._give_up:
                self._give_up(*one.input["args"])
                DBOS.cancel_workflow(one.workflow_id)

    def _beat(self, now_utc: datetime) -> None:
        mine = executor.c.executor_id == self._executor_id
        with told(), self._engine.begin() as connection:
            beaten = connection.execute(sa.update(executor).where(mine).values(heartbeat_utc=now_utc))
            if not beaten.rowcount:
                first = {"executor_id": self._executor_id, "heartbeat_utc": now_utc}
                connection.execute(sa.insert(executor).values(first))

    def _living(self, now_utc: datetime) -> set[str]:
        with told(), self._engine.connect() as connection:
            return {str(row.executor_id) for row in connection.execute(living(now_utc))}


def _give_up(give_up: Run, series_id: int, generation: int) -> None:
    try:
        give_up(series_id, generation)
    except Exception:
        logging.getLogger(__name__).exception("a failed analysis could not be ended; it is begun anew")
        raise Interrupted from None


def _queue(urgency: int, executor_id: str) -> str:
    name = QUEUES[min(urgency, len(QUEUES) - 1)]
    return f"{name}@{executor_id}" if executor_id else name


def _name(series_id: int, generation: int) -> str:
    return f"{WORKFLOW}-{series_id}-{generation}"


def _config(engine: sa.Engine, executor_id: str) -> DBOSConfig:
    return {
        "name": "millet",
        "system_database_engine": engine,
        "executor_id": executor_id,
        "application_version": PROTOCOL,
        "serializer": Json(),
        "enable_otlp": False,
        "log_level": "WARNING",
        "run_migrations": False,
    }


def _quiet() -> None:
    """Keep DBOS from adding its own console handler; its warnings reach ours."""
    logger = logging.getLogger("dbos")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    logger.setLevel(logging.WARNING)
