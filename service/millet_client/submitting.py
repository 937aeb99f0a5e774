"""Instances that are submitted, over as many calls as it takes.

Theory of operation. gRPC asks for messages in a thread of its own, while the caller reads answers. What was
sent and has no last word yet is kept; when a call ends before that, it is sent again by the next one, before
anything new. A thread of a call that is over may still wait for the caller's next instance: it leaves that to
the next call. A call begins with an instance, so that none waits for what may take minutes to come.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import count
from pathlib import Path
from typing import NamedTuple

import grpc

from millet.proto.millet.v1 import submission_service_pb2 as pb
from millet_client.errors import Incomplete, Unavailable, error_of

PIECE_BYTES = 4 * 2**20 - 2**10
"""The most that the contract takes in a message."""
STALLED = "STALLED"
"""The reason with which a call ends in which nothing went on."""

Instance = bytes | Path
"""A DICOM file (PS3.10): its bytes, or where it lies."""
Call = Callable[[Iterator[pb.SubmitInstancesRequest]], Iterator[pb.SubmitInstancesResponse]]


class RefusedForNow(Unavailable):
    """Some instances may be accepted later, and nothing else is left."""

    def __init__(self, answers: list[pb.SubmitInstancesResponse]) -> None:
        self.answers = answers
        """What was last said of each, in their order."""
        super().__init__("instances are refused for now", reason=answers[0].reason)


class _One(NamedTuple):
    """An instance, and which it is of the submission, from 1."""

    number: int
    instance: Instance


class _Sent:
    """What a call sent and has no last word of, by the call's own count."""

    def __init__(self) -> None:
        self.open: dict[int, _One] = {}
        self._count = 0

    def add(self, one: _One) -> None:
        """The next."""
        self._count += 1
        self.open[self._count] = one


class Submission:
    """Instances in their order; `answers` gives the last word on each once.

    Args:
        call: begins a call with the requests of an iterator.
        instances: asked for the next one in threads of gRPC's, never in two at once.
        expected: what all of them are taken for.
    """

    def __init__(self, call: Call, instances: Iterable[Instance], expected: pb.ExpectedOrigin | None) -> None:
        self._call = call
        self._rest = map(_One, count(1), instances)
        self._expected = expected
        self._again: deque[_One] = deque()
        self._refused: dict[int, pb.SubmitInstancesResponse] = {}
        self._broken: Exception | None = None
        self._now = _Sent()
        """Of the call that is made now; those of before are over."""
        self._asking, self._switching = threading.Lock(), threading.Lock()

    def answers(self) -> Iterator[pb.SubmitInstancesResponse]:
        """Those of one call after the other, by the submission's count; to be called again where it raises.

        Raises grpc.RpcError where a call failed, RefusedForNow, Incomplete where the service left out an
        answer, and whatever the iterator or a file raised, once what was sent before it is answered.
        """
        while (sent := self._begun()).open:
            yield from self._answered(sent)
            if self._broken:
                break
            if sent.open:
                raise self._left(sent)
        if self._broken:
            raise self._broken

    def _begun(self) -> _Sent:
        """The next call, with an instance; empty where there is none."""
        sent = _Sent()
        with self._switching:
            self._now = sent
        self._next(sent)
        return sent

    def _answered(self, sent: _Sent) -> Iterator[pb.SubmitInstancesResponse]:
        """The last words of a call; what else it sent is sent again."""
        try:
            for answer in self._call(self._requests(sent)):
                if self._is_last(answer, sent):
                    yield answer
        except grpc.RpcError as failed:
            if sent.open or error_of(failed).reason != STALLED:
                raise
        finally:
            with self._switching:
                self._now = _Sent()
            self._again.extend(sent.open.values())

    def _is_last(self, answer: pb.SubmitInstancesResponse, sent: _Sent) -> bool:
        """Whether an answer is the last word on its instance; it gets the submission's number."""
        call_number, answer.number = answer.number, sent.open[answer.number].number
        if answer.retryable:
            self._refused[answer.number] = answer
            return False
        self._refused.pop(answer.number, None)
        del sent.open[call_number]
        return True

    def _left(self, sent: _Sent) -> Unavailable | Incomplete:
        """Why instances are left when a call ended well."""
        numbers = sorted(one.number for one in sent.open.values())
        if not self._refused.keys() >= set(numbers):
            return Incomplete("not every instance was answered")
        return RefusedForNow([self._refused[number] for number in numbers])

    def _requests(self, sent: _Sent) -> Iterator[pb.SubmitInstancesRequest]:
        """What a call sends; in gRPC's thread, which would swallow an error."""
        one: _One | None = sent.open[1]
        expected = self._expected
        try:
            while one is not None:
                yield from _pieces(one.instance, expected)
                one, expected = self._next(sent), None
        except Exception as error:  # noqa: BLE001 - it is the caller's own, and is raised in its thread
            self._broken = error

    def _next(self, sent: _Sent) -> _One | None:
        """One more for a call; None where there is none, or the call is over."""
        with self._asking:
            one = self._again.popleft() if self._again else next(self._rest, None)
            if one is None:
                return None
            with self._switching:
                if sent is self._now:
                    sent.add(one)
                    return one
            self._again.append(one)
            return None


def _pieces(instance: Instance, expected: pb.ExpectedOrigin | None) -> Iterator[pb.SubmitInstancesRequest]:
    """The messages of an instance. Raises OSError."""
    data = instance if isinstance(instance, bytes) else instance.read_bytes()
    for start in range(0, max(len(data), 1), PIECE_BYTES):
        end = start + PIECE_BYTES
        yield pb.SubmitInstancesRequest(
            data=data[start:end], continues=end < len(data), expected=None if start else expected
        )
