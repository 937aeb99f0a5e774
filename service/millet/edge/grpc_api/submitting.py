"""SubmitInstances: while some instances are made durable, the next is read.

Theory of operation. A task of the event loop reads messages and hands them, a few at a time, to lanes:
threads of the call's own, each with a reception and so with a segment of the spool; there are the more of
them the longer the disk takes, as if the caller had opened as many associations. Answers go out as they come.
Nobody waits for another: a disk that is slow, or a caller who does not read, is not read from, and where
nothing goes on for a while the place is given to somebody else. However a call ends, its threads end with
what they have in hand, so that nobody else ever touches their receptions.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import closing, suppress
from contextvars import copy_context
from typing import Any, NamedTuple

import grpc

from millet.core.origin import Origin
from millet.edge.grpc_api.arriving import RETRYABLE, Arriving, Fate, Submissions
from millet.edge.grpc_api.refusals import Refusal, failed, not_offered, stopped
from millet.proto.millet.v1 import submission_service_pb2 as pb

log = logging.getLogger(__name__)

LANES = 4
"""Instances of a call that are written at once; more bring nothing on one disk."""
AHEAD = 8
"""Messages of a call that were read and are not written, or not answered."""


class _Piece(NamedTuple):
    """What a lane is given."""

    number: int
    data: bytes
    last: bool
    expected: Origin


class _Lane:
    """One instance after the other."""

    def __init__(self) -> None:
        self.pieces: queue.SimpleQueue[_Piece | None] = queue.SimpleQueue()
        self.waiting = 0
        """Pieces that were given and are not done; of the event loop."""

    def give(self, piece: _Piece) -> None:
        """One more."""
        self.waiting += 1
        self.pieces.put(piece)


class Submitting:
    """The calls that are open. `stop` ends them; all but the threads' work happens on the event loop."""

    def __init__(self, to: Submissions | None) -> None:
        self._to = to
        self._open: set[_Call] = set()
        self._stopping = False

    async def submit(
        self, requests: AsyncIterator[pb.SubmitInstancesRequest]
    ) -> AsyncIterator[pb.SubmitInstancesResponse]:
        """An answer to each instance; raises Refusal."""
        if self._to is None:
            raise not_offered()
        if self._stopping:
            raise stopped()
        if len(self._open) >= self._to.most:
            raise _too_many()
        call = _Call(self._to, lambda: self._open.discard(call))
        self._open.add(call)
        try:
            call.begin(requests)
            async for answer in call.answers():
                yield answer
        finally:
            call.end()

    def stop(self) -> None:
        """End every call once what it has in hand is done."""
        self._stopping = True
        for call in tuple(self._open):
            call.end(stopped())


class _Call:
    """One call: a task that reads, lanes that write, answers to whoever asked."""

    def __init__(self, to: Submissions, ended: Callable[[], None]) -> None:
        """Make one; `ended` is called on the loop, when nothing is in hand any more."""
        self._to = to
        self._ended = ended
        self._number = to.number()
        self._loop = asyncio.get_running_loop()
        self._answers: asyncio.Queue[pb.SubmitInstancesResponse | None] = asyncio.Queue()
        self._room = asyncio.Semaphore(AHEAD)
        self._reader: asyncio.Task[None] | None = None
        self._lanes: list[_Lane] = []
        self._lock = threading.Lock()
        self._running = 0
        self._why: Refusal | None = None
        self._left = False

    def begin(self, requests: AsyncIterator[pb.SubmitInstancesRequest]) -> None:
        """Read from now on; raises Refusal."""
        try:
            self._add_lane()
        except RuntimeError as error:
            raise _too_many() from error
        self._reader = asyncio.create_task(self._read(requests))
        self._reader.add_done_callback(self._read_over)

    async def answers(self) -> AsyncIterator[pb.SubmitInstancesResponse]:
        """Until the call is over; then raises the Refusal that ended it, if one did."""
        while (answer := await self._answers.get()) is not None:
            yield answer
            self._room.release()
        if self._why:
            raise self._why

    def end(self, why: Refusal | None = None) -> None:
        """Read no more; without a reason nobody is there to be answered, and what was read is dropped."""
        self._why = self._why or why
        self._left = self._left or why is None
        if self._reader:
            self._reader.cancel()

    async def _read(self, requests: AsyncIterator[pb.SubmitInstancesRequest]) -> None:
        expected, sent, lane = None, 0, None
        try:
            async with asyncio.timeout(self._to.silence_s) as silence:
                async for request in requests:
                    expected = expected or origin(request.expected)
                    await self._room.acquire()
                    if lane is None:
                        lane, sent = self._free_lane(), sent + 1
                    lane.give(_Piece(sent, request.data, last=not request.continues, expected=expected))
                    lane = lane if request.continues else None
                    silence.reschedule(self._loop.time() + self._to.silence_s)
        except TimeoutError:
            self._why = Refusal(grpc.StatusCode.ABORTED, "STALLED", "the call did not go on; call again")
        except Refusal as refusal:
            self._why = refusal
        except grpc.aio.BaseError:  # the call is over
            self._left = True

    def _read_over(self, _reader: asyncio.Task[None]) -> None:
        """The lanes end with what they have; also where the task was ended before it began."""
        for one in self._lanes:
            one.pieces.put(None)

    def _free_lane(self) -> _Lane:
        """Who has nothing to do, or else least."""
        lane = min(self._lanes, key=lambda one: one.waiting)
        if lane.waiting and len(self._lanes) < LANES:
            with suppress(RuntimeError):  # no more threads are to be had: those that run do it
                return self._add_lane()
        return lane

    def _add_lane(self) -> _Lane:
        """One more, which runs. Raises RuntimeError where it cannot."""
        lane = _Lane()
        context = copy_context()  # in which the log finds the name of the request
        thread = threading.Thread(target=context.run, args=(self._run, lane), name="submit", daemon=True)
        with self._lock:
            self._running += 1
        try:
            thread.start()
        except RuntimeError:
            self._gone()
            raise
        self._lanes.append(lane)
        return lane

    def _run(self, lane: _Lane) -> None:
        """A lane's thread; where it fails the call ends."""
        try:
            with closing(Arriving(self._to, self._number)) as arriving:
                self._write(lane, arriving)
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller must not wait for answers
            log.error("submitting failed: %s", type(error).__name__)  # noqa: TRY400 - its words may quote data
            self._tell(self.end, failed())
        finally:
            self._gone()

    def _write(self, lane: _Lane, arriving: Arriving) -> None:
        """All that a lane is given is answered, unless nobody is there any more."""
        number = 0
        while (piece := lane.pieces.get()) is not None:
            number = piece.number
            fate = None if self._left else arriving.take(piece.data, piece.expected, last=piece.last)
            self._tell(self._done, lane, fate and answer(fate, number, self._to.source.site))
        if not self._left and (fate := arriving.broken_off()):
            self._tell(self._answers.put_nowait, answer(fate, number, self._to.source.site))

    def _gone(self) -> None:
        """A lane ended, or did not begin; with the last one the call is over."""
        with self._lock:
            self._running -= 1
            is_last = not self._running
        if is_last:
            try:
                self._to.ended(self._number)
            finally:
                self._tell(self._over)

    def _done(self, lane: _Lane, told: pb.SubmitInstancesResponse | None) -> None:
        """A piece is written, or dropped; there is room for another once its answer is taken."""
        lane.waiting -= 1
        if told is None:
            self._room.release()
        else:
            self._answers.put_nowait(told)

    def _over(self) -> None:
        self._answers.put_nowait(None)
        self._ended()

    def _tell(self, what: Callable[..., None], *given: Any) -> None:
        with suppress(RuntimeError):  # the process ends, and its loop is closed
            self._loop.call_soon_threadsafe(what, *given)


def _too_many() -> Refusal:
    why = "as many callers as are taken are submitting; try again"
    return Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_CALLS", why)


def origin(given: pb.ExpectedOrigin) -> Origin:
    """What a request expects."""
    return Origin(**{one.name: value for one, value in given.ListFields()})


def answer(fate: Fate, number: int, site: str) -> pb.SubmitInstancesResponse:
    """What became of an instance, as the contract says it."""
    return pb.SubmitInstancesResponse(
        number=number,
        accepted=not fate.reason,
        site=site,
        study_uid=fate.names.study_uid,
        series_uid=fate.names.series_uid,
        sop_instance_uid=fate.names.sop_instance_uid,
        reason=fate.reason,
        reason_text=fate.why,
        retryable=fate.reason in RETRYABLE,
        differing=fate.differing,
        dicom_status=fate.status,
    )
