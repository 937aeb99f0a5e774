"""A small worker that asks an archive about series, so that nobody who receives ever waits for one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from millet.core.asking import Answer, due, says
from millet.core.assembler import ArchiveSays, Arrival, Waits
from millet.errors import ServiceError

MOST_WAITING = 1000
"""Questions that wait at most; a series beyond them is judged without an archive, as where there is none."""


class Named(NamedTuple):
    """A series, as archives know it."""

    study_uid: str
    series_uid: str


Count = Callable[[Named], int | None]
"""How many instances the archive holds; None where it does not know. Blocks; raises ServiceError."""
Pull = Callable[[Named], None]
"""Have the archive send what it holds. Blocks or not; raises ServiceError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A series that might be asked about."""

    series_id: int
    arrival: Arrival
    waits: Waits


class Asking:
    """Questions to one archive, and its answers. `says` never blocks; one thread of its own calls `step`."""

    def __init__(
        self,
        count: Count,
        monotonic_s: Callable[[], float],
        pull: Pull | None = None,
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        self._count = count
        self._pull = pull
        self._monotonic_s = monotonic_s
        self._wake = wake
        self._lock = threading.Lock()
        self._waiting: dict[int, Question] = {}
        self._asked: int | None = None
        """The series that is being asked about."""
        self._answers: dict[int, tuple[Answer, ...]] = {}

    def says(self, question: Question, now_s: float) -> ArchiveSays:
        """What is known of a series by now; where it is time to ask, it will be asked."""
        series_id, arrival = question.series_id, question.arrival
        with self._lock:
            answers = self._answers.get(series_id, ())
            on_its_way = series_id in self._waiting or series_id == self._asked
            full = len(self._waiting) >= MOST_WAITING
            ask = not (on_its_way or full) and bool(arrival.headers)
            if ask := ask and due(arrival, answers, now_s, question.waits):
                self._waiting[series_id] = question
        if ask:
            self._wake()
        return says(arrival, answers)

    def forget(self, series_id: int) -> None:
        """A series is closed."""
        with self._lock:
            self._waiting.pop(series_id, None)
            self._answers.pop(series_id, None)
            if self._asked == series_id:
                self._asked = None

    def step(self) -> None:
        """Ask all questions that wait, one after the other; no answer is an answer, too.

        Raises ServiceError where the archive cannot be made to send; what else waits is asked next time.
        """
        while (question := self._next()) is not None:
            header = question.arrival.headers[0]
            named, asked_s = Named(header.study_uid, header.series_uid), self._monotonic_s()
            held = self._ask(named)
            with self._lock:
                if self._asked is None:  # closed meanwhile: nobody wants to know
                    continue
                self._asked = None
                before = self._answers.get(question.series_id, ())
                self._answers[question.series_id] = (*before, Answer(asked_s=asked_s, instances=held))
            if self._pull and held is not None and held > len(question.arrival.headers):
                self._pull(named)

    def _next(self) -> Question | None:
        with self._lock:
            if not self._waiting:
                return None
            series_id = next(iter(self._waiting))
            self._asked = series_id
            return self._waiting.pop(series_id)

    def _ask(self, named: Named) -> int | None:
        try:
            return self._count(named)
        except ServiceError:
            return None
