"""PullSeries over real channels: what is asked of the desk, and what is told of it."""

from __future__ import annotations

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from grpc_bench import Bench
from grpc_submits import HandDesk

from millet.core.origin import Origin
from millet.edge.grpc_api import Inward
from millet.ports import Asked, PulledSeries, PullEnd, PullOrder, PullState, SeriesName, SeriesQuery
from millet.proto.millet.v1 import submission_service_pb2 as pb
from millet.proto.millet.v1.submission_service_pb2_grpc import SubmissionServiceStub

NAME = SeriesName("1.2", "1.2.3")


class Counter(Bench):
    """A server with a desk."""

    def __init__(self, *archives: str) -> None:
        self.desk = HandDesk(*archives)
        super().__init__(inward=Inward(site="here", pulls=self.desk))

    def pull(self, **fields: object):
        """A call, on the channel that is open."""
        request = pb.PullSeriesRequest(**{"series_uid": NAME.series_uid, "idempotency_key": "a", **fields})
        return SubmissionServiceStub(self.channel).PullSeries(request)


@pytest.fixture
def counter() -> Counter:
    """A server that is not started yet, with one archive."""
    return Counter("pacs")


async def ended(call) -> tuple[str, str, list[object]]:
    """The status, the reason and the other details with which a call ends."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        [_ async for _ in call]
    trailing = dict(caught.value.trailing_metadata() or ())
    told = status_pb2.Status.FromString(trailing["grpc-status-details-bin"])
    info = error_details_pb2.ErrorInfo()
    assert told.details[0].Unpack(info)
    return caught.value.code().name, info.reason, list(told.details[1:])


def test_each_change_is_told_until_all_is_here(counter):
    """How many of how many, and an end without a refusal once it is complete."""

    async def test(_stub):
        call = counter.pull()
        counter.desk.state = PullState((PulledSeries(NAME, 3, 1),), None)
        first = await call.read()
        assert (first.site, first.study_uid, first.series_uid) == ("here", *NAME)
        assert (first.wanted, first.here, first.complete, first.series) == (3, 1, False, 1)
        assert not first.repeated_request
        counter.desk.pulls["a"].stands(PulledSeries(NAME, 3, 3), end=PullEnd.COMPLETE)
        last = await call.read()
        assert (last.here, last.complete) == (3, True)
        assert await call.read() is grpc.aio.EOF

    counter.run(test)
    assert counter.handled("PullSeries", "OK") == 1


def test_what_is_wanted_and_expected_is_ordered(counter):
    """As the request says it, of the only archive where none is named."""
    counter.desk.state = PullState((), PullEnd.COMPLETE)

    async def test(_stub):
        expected = pb.ExpectedOrigin(patient_id="P1", issuer="", study_uid="1.2")
        call = counter.pull(study_uid="1.2", accession="A1", expected=expected)
        assert [one async for one in call] == []

    counter.run(test)
    wanted = SeriesQuery(study_uid="1.2", series_uid="1.2.3", accession="A1")
    expected = Origin(patient_id="P1", issuer="", study_uid="1.2")
    assert counter.desk.pulls["a"].order == PullOrder(archive="pacs", wanted=wanted, expected=expected)


def test_a_request_that_was_made_before_is_told_as_such(counter):
    """Its pull goes on, or is over."""
    counter.desk.answer = Asked.AGAIN
    counter.desk.state = PullState((PulledSeries(NAME, 3, 3),), PullEnd.COMPLETE)

    async def test(_stub):
        assert [one.repeated_request async for one in counter.pull()] == [True]

    counter.run(test)


@pytest.mark.parametrize(
    ("end", "status", "reason"),
    [
        (PullEnd.NO_SERIES, "NOT_FOUND", "NO_SUCH_SERIES"),
        (PullEnd.NOT_EXPECTED, "FAILED_PRECONDITION", "NOT_AS_EXPECTED"),
        (PullEnd.NO_ARCHIVE, "UNAVAILABLE", "ARCHIVE_UNAVAILABLE"),
        (PullEnd.INCOMPLETE, "UNAVAILABLE", "PULL_INCOMPLETE"),
        (PullEnd.FAILED, "UNAVAILABLE", "PULL_FAILED"),
    ],
    ids=str,
)
def test_each_end_has_its_status_and_reason(counter, end, status, reason):
    """After how far it came; fields that differ are named."""
    differing = ("patient_id",) if end is PullEnd.NOT_EXPECTED else ()
    counter.desk.state = PullState((PulledSeries(NAME, 3, 2),), end, "so it is", differing)

    async def test(_stub):
        code, why, more = await ended(counter.pull())
        assert (code, why) == (status, reason)
        named = [detail for detail in more if detail.Is(error_details_pb2.PreconditionFailure.DESCRIPTOR)]
        assert len(named) == len(differing)

    counter.run(test)


@pytest.mark.parametrize(
    ("fields", "status", "reason"),
    [
        ({"series_uid": ""}, "INVALID_ARGUMENT", "INVALID_FIELD"),
        ({"series_uid": "no uid"}, "INVALID_ARGUMENT", "INVALID_REQUEST"),
        ({"series_uid": "", "accession": "A*"}, "INVALID_ARGUMENT", "INVALID_REQUEST"),
        ({"idempotency_key": ""}, "INVALID_ARGUMENT", "INVALID_FIELD"),
        ({"idempotency_key": "x" * 129}, "INVALID_ARGUMENT", "INVALID_FIELD"),
        ({"expected": pb.ExpectedOrigin(patient_id="")}, "INVALID_ARGUMENT", "INVALID_FIELD"),
        ({"expected": pb.ExpectedOrigin(patient_id="P*")}, "INVALID_ARGUMENT", "INVALID_FIELD"),
        ({"expected": pb.ExpectedOrigin(issuer="ISS")}, "INVALID_ARGUMENT", "INVALID_FIELD"),
        ({"archive": "other"}, "NOT_FOUND", "NO_SUCH_ARCHIVE"),
    ],
    ids=["nothing", "no uid", "wildcard", "no key", "long key", "nobody", "anybody", "issuer", "archive"],
)
def test_what_cannot_be_ordered_is_told_at_once(counter, fields, status, reason):
    """And nobody is asked."""

    async def test(_stub):
        assert (await ended(counter.pull(**fields)))[:2] == (status, reason)

    counter.run(test)
    assert counter.desk.pulls == {}


@pytest.mark.parametrize(
    ("asked", "status", "reason"),
    [
        (Asked.OTHER_ORDER, "ALREADY_EXISTS", "KEY_OF_ANOTHER_REQUEST"),
        (Asked.TOO_MANY, "RESOURCE_EXHAUSTED", "TOO_MANY_PULLS"),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_what_the_desk_does_not_take_is_told(counter, asked, status, reason):
    """A key of another request, and too many that wait."""
    counter.desk.answer = asked

    async def test(_stub):
        assert (await ended(counter.pull()))[:2] == (status, reason)

    counter.run(test)


@pytest.mark.parametrize(
    ("archives", "status", "reason"),
    [((), "NOT_FOUND", "NO_SUCH_ARCHIVE"), (("a", "b"), "INVALID_ARGUMENT", "INVALID_FIELD")],
    ids=["none", "two"],
)
def test_an_archive_is_named_unless_there_is_one_only(archives, status, reason):
    """Nobody guesses."""
    counter = Counter(*archives)

    async def test(_stub):
        assert (await ended(counter.pull()))[:2] == (status, reason)

    counter.run(test)


def test_a_stop_ends_the_telling(counter):
    """The pull is asked for again elsewhere, or after the start."""

    async def test(_stub):
        call = counter.pull()
        counter.desk.state = PullState((PulledSeries(NAME, 3, 1),), None)
        await call.read()
        await counter.server.stop(30)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call.read()
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE

    counter.run(test)
