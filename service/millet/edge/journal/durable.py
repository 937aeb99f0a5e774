"""Durable work: DBOS behind one class, so that nothing else knows its name.

What was found in experiments, and is held to here: `executor_id` and `application_version` are ours (the
defaults strand a backlog at every build); the serialiser is JSON (the default unpickles what the
database holds); the job is written by the transaction that closes the series; an executor listens to
its own queues and the shared ones only (the default is every queue that anybody ever registered); a
worker that dies and does not come back leaves its jobs PENDING for ever, so each executor keeps a
heartbeat and `reconcile` puts back what has no living owner. Work may run twice; its effects are
idempotent (see the journal).
"""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from typing import Any, NoReturn

import sqlalchemy as sa
from dbos import DBOS, DBOSClient, DBOSConfig, Serializer

from millet.core.doors import USUAL
from millet.edge.journal.base import Job
from millet.edge.journal.bell import Bell, Rousable, announce
from millet.edge.journal.clock import JournalClock
from millet.edge.journal.database import told
from millet.edge.journal.heartbeat import Heart, Watch
from millet.edge.journal.stranded import WORKFLOW, Stranded, Version, queue, queues_of
from millet.errors import Interrupted, StoreError

PROTOCOL = Version(number=1, oldest=1)
POLL_S = 1.0
"""How often each queue is asked; who waits for what is in it is served by the `Bell`."""
MAX_ATTEMPTS = 10
"""Starts of one piece of work, crashes included, before it is given up: a series that kills the process
must not do so for ever."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 60.0
"""After a failure of the store, doubled each time: ten starts take three minutes."""
SUSPECT_S = 20.0
"""What the database says is begun here, and is not, is put back after this long: once may be the moment
between taking it and beginning, or between its end and saying so."""

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

    def __init__(
        self,
        engine: sa.Engine,
        executor_id: str,
        max_attempts: int = MAX_ATTEMPTS,
        clock: JournalClock | None = None,
        version: Version = PROTOCOL,
        titles: Collection[str] = (USUAL,),
    ) -> None:
        self._engine = engine
        self._queues = queues_of(executor_id, titles)
        self._executor_id = executor_id
        self._max_attempts = max_attempts
        self._version = version
        self._give_up: Run | None = None
        self._heart = Heart(engine, executor_id, clock or JournalClock(engine))
        self._watch = Watch(engine)
        self._stranded = Stranded(engine, executor_id, version, titles)
        self._in_hand: set[str] = set()
        self._store_failures: Counter[str] = Counter()
        self._let_go: dict[str, float] = {}
        """What the store stopped, with when it may begin anew."""
        self._suspects: dict[str, float] = {}
        self._others = set[str]()
        """What is to be given up, but by those who have its model."""
        _quiet()
        with told():
            DBOS.migrate(engine.url.render_as_string(hide_password=False))
        self._client = DBOSClient(system_database_engine=engine, serializer=Json(), application_name="millet")

    def enqueue(self, connection: sa.Connection, job: Job) -> None:
        """Write the work in the caller's transaction; twice is once."""
        queue_name = queue(job.urgency, job.analyser, job.model_title)
        announce(connection, queue_name)
        self._client.enqueue_in_transaction(
            connection,
            {
                "queue_name": queue_name,
                "workflow_name": WORKFLOW,
                "workflow_id": _name(job.series_id, job.generation),
                "app_version": str(self._version.number),
            },
            job.series_id,
            job.generation,
        )

    def start(self, run: Run, give_up: Run) -> None:
        """Begin to work: one piece of each queue at a time, first what this executor left when it died.

        Args:
            run: the work; called again when an earlier call did not end.
            give_up: ends work that failed, or killed the process too often; if it raises, the work is
                begun anew a little later.
        """
        self._give_up = give_up
        self._heart.start()
        self._dbos = DBOS(config=_config(self._engine, self._executor_id, self._version))
        self._dbos.background_thread_stop_events = events = Rousable()
        DBOS.workflow(name=WORKFLOW, max_recovery_attempts=self._max_attempts)(self._surviving(run, give_up))
        DBOS.listen_queues(self._queues)
        for name in self._queues:
            self._client.register_queue(name, worker_concurrency=1, polling_interval_sec=POLL_S)
        DBOS.launch()
        self._bell = Bell(self._engine, self._queues, events.rings)
        self._bell.start()

    def reconcile(self) -> Sequence[str]:
        """Strike dead executors off, and put back work that nobody has in hand; call it every second.

        That is the work of executors that are dead, work of older versions, and work of ours that the
        store stopped or that is said to be begun and is not.

        Returns:
            The ids of the work that was put back.
        """
        if struck := self._watch.strike():
            logging.getLogger(__name__).warning("executors are dead: %s", ", ".join(struck))
        put = self._stranded.put_back(self._dropped())
        for name in put:
            self._let_go.pop(name, None)
        self._give_up_exceeded()
        return put

    def stop(self) -> None:
        """Take no more work and let go; work that is interrupted meanwhile stays for the next start."""
        if self._give_up is not None:
            self._bell.stop()
            _destroy(self._dbos)
            self._heart.stop()
            self._give_up = None
        self._client.destroy()

    def _dropped(self) -> Collection[str]:
        now_s = time.monotonic()
        idle = self._stranded.begun_here() - self._in_hand
        self._suspects = {name: self._suspects.get(name, now_s) for name in idle}
        lingering = {name for name, since_s in self._suspects.items() if now_s - since_s > SUSPECT_S}
        due = {name for name, at_s in self._let_go.items() if now_s >= at_s}
        return idle & ((lingering - self._let_go.keys()) | due)

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
                self._store_failed(name, failure)
                self._end(give_up, series_id, generation)
            except Exception:
                logging.getLogger(__name__).exception("an analysis failed")
                self._end(give_up, series_id, generation)
            finally:
                self._in_hand.discard(name)
                self._bell.ended()
            self._store_failures.pop(name, None)

        return analyse

    def _store_failed(self, name: str, failure: StoreError) -> None:
        """A full disk or a busy database may pass: leave the work pending, but not for ever."""
        logging.getLogger(__name__).error("an analysis was stopped by the store", exc_info=failure)
        if self._store_failures[name] + 1 < self._max_attempts:
            self._begin_anew(name)

    def _end(self, give_up: Run, series_id: int, generation: int) -> None:
        try:
            give_up(series_id, generation)
        except Exception:
            logging.getLogger(__name__).exception("a failed analysis could not be ended; it is begun anew")
            self._begin_anew(_name(series_id, generation))

    def _begin_anew(self, name: str) -> NoReturn:
        pause_s = min(FIRST_PAUSE_S * 2 ** self._store_failures[name], LONGEST_PAUSE_S)
        self._store_failures[name] += 1
        self._let_go[name] = time.monotonic() + pause_s
        raise Interrupted

    def _give_up_exceeded(self) -> None:
        spent = DBOS.list_workflows(status="MAX_RECOVERY_ATTEMPTS_EXCEEDED", name=WORKFLOW, load_output=False)
        for one in spent:
            if not one.input or not self._give_up or one.workflow_id in self._others:
                continue
            try:
                self._give_up(*one.input["args"])
            except Interrupted:
                self._others.add(one.workflow_id)
            else:
                DBOS.cancel_workflow(one.workflow_id)


def _name(series_id: int, generation: int) -> str:
    return f"{WORKFLOW}-{series_id}-{generation}"


def _config(engine: sa.Engine, executor_id: str, version: Version) -> DBOSConfig:
    return {
        "name": "millet",
        "system_database_engine": engine,
        "executor_id": executor_id,
        "application_version": str(version.number),
        "serializer": Json(),
        "enable_otlp": False,
        "log_level": "WARNING",
        "run_migrations": False,
    }


def _destroy(dbos: DBOS) -> None:
    """End DBOS, and with it the threads that wait for what another execution makes of their work.

    Such a thread polls its database until that work has an outcome, which after the end nobody here
    makes; Python would wait for it at the exit of the process.
    """
    database = dbos._sys_db  # noqa: SLF001 - no other name leads to who waits
    DBOS.destroy(destroy_registry=True)
    vars(database)["check_workflow_result"] = _interrupt


def _interrupt(*_: Any, **__: Any) -> NoReturn:
    raise Interrupted


def _quiet() -> None:
    """Keep DBOS from adding its own console handler; its warnings reach ours."""
    logger = logging.getLogger("dbos")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    logger.setLevel(logging.WARNING)
