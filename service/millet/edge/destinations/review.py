"""A worklist of Unified Procedure Steps: each notification makes, changes or cancels a task (PS3.4 CC).

Over DIMSE: the requests over DICOMweb (UPS-RS) are not understood in the same way by the servers that there
are, from how a new task is named to where a cancellation is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial

from pydicom.dataset import Dataset
from pynetdicom.association import Association
from pynetdicom.presentation import build_context

from millet.codec import notice, workitem
from millet.codec.notice import Told
from millet.codec.workitem import UPS_PULL, UPS_PUSH, Task
from millet.core import refusal, review
from millet.core.notification import Change
from millet.core.review import Outcome
from millet.edge.destinations.answers import judge
from millet.edge.destinations.associating import Line, answer
from millet.edge.destinations.limit import Limit
from millet.errors import DeliveryError
from millet.ports import Delivery

REQUEST_CANCEL = 2
"""Action type of N-ACTION (PS3.4 CC.2.2)."""

Images = Callable[[Delivery], Iterable[tuple[str, str]]]
"""SOP Class and Instance UIDs of the series that a message is about."""


class ReviewDestination:
    """A `Destination`. Thread-safe."""

    def __init__(self, line: Line, task: Task, images: Images, limit_s: float = 300.0) -> None:
        self._line = line
        self._task = task
        self._images = images
        self.limit_s = limit_s

    def deliver(self, delivery: Delivery, encoded: bytes) -> None:
        """Have the worklist say what a notification says; see `ports.Destination`."""
        try:
            told = notice.read_one(encoded)
        except ValueError as error:
            raise DeliveryError(f"it cannot be made a task: {error}", retryable=False) from None
        with self._requests(told) as ask:
            if told.change is Change.WITHDRAWN:
                for sequence in review.earlier(told.sequence):
                    ask.cancel(sequence)
                return
            sequence, outcome = _changed(ask, told)
            between = sequence < told.sequence - 1
            if review.needs_another(told.change, outcome, others_between=between):
                ask.create(self._images(delivery))

    @contextmanager
    def _requests(self, told: Told) -> Iterator[_Requests]:
        contexts = [build_context(UPS_PUSH), build_context(UPS_PULL)]
        with Limit(self.limit_s) as limit, self._line.association(contexts, limit) as association:
            accepted = {str(one.abstract_syntax) for one in association.accepted_contexts}
            if accepted != {UPS_PUSH, UPS_PULL}:
                raise DeliveryError("the destination keeps no such worklist", retryable=False)
            yield _Requests(association, limit, told, self._task)


class _Requests:
    """What is asked about one study."""

    def __init__(self, association: Association, limit: Limit, told: Told, task: Task) -> None:
        self._association = association
        self._limit = limit
        self._told = told
        self._task = task

    def create(self, images: Iterable[tuple[str, str]]) -> None:
        dataset = workitem.created(self._told, self._task, images)
        self._ask(partial(self._association.send_n_create, dataset, UPS_PUSH, self._uid(self._told.sequence)))

    def change(self, sequence: int) -> Outcome:
        dataset = workitem.changed(self._told, self._task)
        send = partial(self._association.send_n_set, dataset, UPS_PUSH, self._uid(sequence))
        return self._ask(partial(send, meta_uid=UPS_PULL))

    def cancel(self, sequence: int) -> Outcome:
        dataset = workitem.cancelled(self._told, self._task)
        send = partial(self._association.send_n_action, dataset, REQUEST_CANCEL, UPS_PUSH)
        return self._ask(partial(send, self._uid(sequence)))

    def _uid(self, sequence: int) -> str:
        return review.task_uid(self._told.recipient, self._told.reference, sequence)

    def _ask(self, send: Callable[[], tuple[Dataset, Dataset | None]]) -> Outcome:
        status = answer(lambda: send()[0], self._limit)
        if (outcome := review.of_dimse(status)) is not None:
            return outcome
        judge(refusal.of_dimse(status), f"0x{status:04X}")
        return Outcome.DONE


def _changed(ask: _Requests, told: Told) -> tuple[int, Outcome]:
    """Which message made the newest task that a study has, and what became of that; 0 where it has none."""
    outcomes = ((sequence, ask.change(sequence)) for sequence in review.earlier(told.sequence))
    return next((one for one in outcomes if one[1] is not Outcome.UNKNOWN), (0, Outcome.UNKNOWN))
