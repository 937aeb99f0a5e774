"""Whether a series is complete, asked with all that is known: its sender's habits, an archive's answer.

Beside the rules of `core.assembler` this keeps what they need and what is learned from their outcome:
series that were closed lately (what comes of them afterwards was waited for too short), and questions to
the archive that are on their way. One thread calls `judge` and `ended`; any may say what `came_late`.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field, replace

from millet.core.assembler import Arrival, ClosedBy, Waits, closed, looks_whole
from millet.core.habits import Observation, Rhythm
from millet.core.stated import Stated, stated
from millet.flow.asking import Asking, Question
from millet.flow.senders import Senders
from millet.ports import Habits, Sender

REMEMBERED = 1000
"""Closed series that are remembered, to learn which senders come back with more of one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coming:
    """A series that is being received."""

    series_id: int
    sender: Sender | None
    """None where it is not known: a series that was taken up after a restart."""
    arrival: Arrival
    rhythm: Rhythm = field(default_factory=Rhythm)
    carriers: frozenset[int] = frozenset()
    """All associations that carried an instance of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ended:
    sender: Sender
    by: ClosedBy
    last_instance_s: float
    carriers: frozenset[int]


class Completion:
    """Says when a series is complete, and learns."""

    def __init__(self, waits: Waits, habits: Habits | None = None, asking: Asking | None = None) -> None:
        self._waits = waits
        self._senders = Senders(waits, habits)
        self._asking = asking
        self._lately: OrderedDict[int, _Ended] = OrderedDict()
        self._late: deque[tuple[int, Sender, int | None, float]] = deque()
        """Told since, and not learned from yet."""

    def judge(self, coming: Coming, now_s: float) -> ClosedBy | None:
        """By what it is complete, or None while it is to be waited for."""
        while self._late:
            self._learn_late(*self._late.popleft())
        arrival, waits = coming.arrival, self._waits
        if sender := coming.sender:
            habit, waits = self._senders.habit(sender), self._senders.waits(sender)
            returns = arrival.may_return or habit.comes_back
            arrival = replace(arrival, may_return=returns, trusts_counts=habit.trusts_counts)
        by = closed(arrival, now_s, waits)
        if self._asking is None or by not in {None, ClosedBy.QUIET, ClosedBy.GAP_TIMEOUT}:
            return by
        asked = replace(arrival, archive=self._asking.says(_question(coming, arrival, waits), now_s))
        return closed(asked, now_s, waits)

    def ended(self, coming: Coming, by: ClosedBy) -> None:
        """It was closed: learn from it, and remember it for what may come late."""
        if self._asking is not None:
            self._asking.forget(coming.series_id)
        if (sender := coming.sender) is None:
            return
        self._senders.learn(sender, Observation(rhythm=coming.rhythm, count_held=_held(coming, by)))
        self._lately[coming.series_id] = _Ended(
            sender=sender,
            by=by,
            last_instance_s=coming.arrival.last_instance_s,
            carriers=coming.carriers,
        )
        if len(self._lately) > REMEMBERED:
            self._lately.popitem(last=False)

    def came_late(self, series_id: int, sender: Sender, association: int | None, now_s: float) -> None:
        """Something new came of a series that was not open; one never closed here teaches nothing."""
        self._late.append((series_id, sender, association, now_s))

    def _learn_late(self, series_id: int, sender: Sender, association: int | None, now_s: float) -> None:
        before = self._lately.pop(series_id, None)
        if before is None or before.sender != sender:
            return
        gap_s, same = now_s - before.last_instance_s, association in before.carriers
        failed = False if before.by is ClosedBy.COUNT else None
        seen = Observation(rhythm=Rhythm().after(gap_s, came_back=not same), count_held=failed, late=True)
        self._senders.learn(sender, seen)


def _held(coming: Coming, by: ClosedBy) -> bool | None:
    """Whether what was stated came; a count that a series with holes falls short of may well be right."""
    says = stated(coming.arrival.headers)
    if says is Stated.REACHED:
        return True
    complete = by is ClosedBy.ARCHIVE or (by is ClosedBy.QUIET and looks_whole(coming.arrival))
    return False if says is Stated.SHORT and complete else None


def _question(coming: Coming, arrival: Arrival, waits: Waits) -> Question:
    return Question(series_id=coming.series_id, arrival=arrival, waits=waits)
