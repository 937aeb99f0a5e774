"""What is followed: the worklist, and one series while it arrives and is analysed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from time import monotonic

import grpc

from millet.core.eta import Arrival, Windows, eta_s
from millet.core.job import State
from millet.edge.grpc_api import listing
from millet.edge.grpc_api.reading import Reading, key_of
from millet.edge.grpc_api.recent import Change, Recent
from millet.edge.grpc_api.refusals import Refusal, answering, bad
from millet.ports import Provisional, SeriesKey, SeriesStatus, Worklist, WorklistQuery
from millet.proto.millet.v1 import analysis_service_pb2 as pb

ENDED = frozenset({State.ANALYSED, State.NOT_ANALYSED})


class Watching:
    """Streams of changes. `stopping` ends them."""

    def __init__(self, worklist: Worklist, reading: Reading, recent: Recent) -> None:
        self._worklist = worklist
        self._reading = reading
        self._recent = recent
        self.stopping = False

    async def worklist(self, request: pb.WatchAnalysesRequest) -> AsyncIterator[pb.WatchAnalysesResponse]:
        """Each change of a series that matches; raises Refusal."""
        query = listing.query_of(request.filter, limit=0, offset=0)
        is_of = listing.of_what(query)
        seen = await self._resumed(request.resume_token, "watch")
        while not self.stopping:
            rung = self._recent.bell.waiting()
            changed = await self._after(seen)
            for change in changed:
                seen = change.revision
                if not is_of(change.line):
                    continue
                if listing.stands_as(change.line, query):
                    yield change.message
                elif request.tell_left:
                    yield _left(change)
            if not changed:
                await rung.wait()
        raise _stopped()

    async def series(self, request: pb.WatchSeriesRequest) -> AsyncIterator[pb.WatchSeriesResponse]:
        """How one series stands, and what was found in it; raises Refusal."""
        key = key_of(request)
        seen = await self._resumed(request.resume_token, "series")
        told = _number_in(request.resume_token)
        with answering():
            line: SeriesStatus | None = await asyncio.to_thread(self._reading.line, request)
        if line and seen >= line.revision:
            line = None
        follower = _Follower(self._worklist, key, told)
        while not self.stopping:
            rung = self._recent.bell.waiting()
            if line is None and self._recent.touches(key, seen):
                line = await self._line(key, seen)
            if line is None:
                await rung.wait()
                continue
            with answering():
                yield await asyncio.to_thread(follower.told, line)
            seen, line = line.revision, None
        raise _stopped()

    async def _after(self, revision: int) -> Sequence[Change]:
        with answering():
            return await self._recent.after(revision)

    async def _line(self, key: SeriesKey, after: int) -> SeriesStatus | None:
        query = WorklistQuery(site=key.site, series_uid=key.series_uid, after_revision=after, limit=1)
        with answering():
            return next(iter(await asyncio.to_thread(self._worklist.series, query)), None)

    async def _resumed(self, given: str, kind: str) -> int:
        """The revision of a token, which the journal must have reached: journals are not interchangeable."""
        if not given:
            return 0
        _, revision = listing.untoken(given, kind, "resume_token")
        with answering():
            last = await asyncio.to_thread(self._worklist.revision)
        if revision > last:
            why = "resume_token is ahead of this journal; start without one"
            raise Refusal(grpc.StatusCode.OUT_OF_RANGE, "TOKEN_AHEAD", why)
        return revision


def _number_in(given: str) -> int:
    """Of the last provisional nodule that a watch of one series has told."""
    if not given:
        return 0
    mark, _ = listing.untoken(given, "series", "resume_token")
    if (number := listing.number_of(mark)) is None:
        raise bad("resume_token", "resume_token is not one of ours")
    return number


@dataclass(slots=True)
class _Follower:
    """What a watch of one series remembers between two messages."""

    worklist: Worklist
    key: SeriesKey
    number: int
    """Of the last provisional nodule that was told."""
    expected: int | None = None
    since: Windows | None = None

    def told(self, line: SeriesStatus) -> pb.WatchSeriesResponse:
        """The next message. Blocks; raises StoreError."""
        final = State(line.state) in ENDED and line.analysed_generation == line.generation
        new = () if final else self.worklist.provisional(self.key, self.number)
        self.number = max([self.number, *(one.number for one in new)])
        standing = {one.name: one for one in new}
        return pb.WatchSeriesResponse(
            series=listing.status_to_wire(line),
            instances_expected=self._expected(line),
            eta_s=None if State(line.state) in ENDED else self._eta_s(line),
            found=[_found(one) for one in standing.values() if not one.retracted],
            retracted=[one.name for one in standing.values() if one.retracted],
            final=final,
            resume_token=listing.token("series", str(self.number), line.revision),
        )

    def _expected(self, line: SeriesStatus) -> int | None:
        if self.expected is None or self.expected < line.instances:
            self.expected = self.worklist.expected_instances(self.key)
        return self.expected

    def _eta_s(self, line: SeriesStatus) -> float | None:
        now = Windows(stage=line.stage, done=line.windows_done, total=line.windows_total, at_s=monotonic())
        if self.since is None or self.since.stage != now.stage:
            self.since = now
        took = line.last_received_utc - line.first_received_utc
        arrival = Arrival(
            received=line.instances,
            expected=self.expected,
            took_s=took.total_seconds(),
            is_open=State(line.state) is State.RECEIVING,
        )
        return eta_s(arrival, self.since, now)


def _found(one: Provisional) -> pb.ProvisionalNodule:
    place = pb.PointMm(x=one.centre_mm.x, y=one.centre_mm.y, z=one.centre_mm.z)
    return pb.ProvisionalNodule(
        provisional_id=one.name, centre_mm=place, diameter_mm=one.diameter_mm, score=one.score
    )


def _left(change: Change) -> pb.WatchAnalysesResponse:
    made = pb.WatchAnalysesResponse(left=True)
    made.MergeFrom(change.message)
    return made


def _stopped() -> Refusal:
    why = "the service stops; resume with the last token"
    return Refusal(grpc.StatusCode.UNAVAILABLE, "STOPPING", why)
