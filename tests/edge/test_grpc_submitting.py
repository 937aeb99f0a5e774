"""SubmitInstances over real channels, into the reception that every door has."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterable

import grpc
import pytest
from gates import MemoryGate
from google.rpc import error_details_pb2, status_pb2
from grpc_bench import Bench
from grpc_submits import Receiver
from instances import SERIES, ct_dataset, ct_file, file_of, header
from worklists import status

from millet.codec.ct import read_header
from millet.edge.grpc_api import Inward
from millet.edge.grpc_api.refusals import Refusal
from millet.edge.grpc_api.submitting import Submitting
from millet.errors import StoreError
from millet.proto.millet.v1 import analysis_service_pb2, submission_service_pb2
from millet.proto.millet.v1.submission_service_pb2_grpc import SubmissionServiceStub

pb = submission_service_pb2
WAIT_S = 30.0


class Door(Bench):
    """A server that takes instances, and a stub of its service."""

    def __init__(self, receiver: Receiver, **more: object) -> None:
        self.receiver = receiver
        super().__init__(inward=Inward(submissions=receiver.submissions(**more)))

    @property
    def stub(self) -> SubmissionServiceStub:
        """On the channel that is open."""
        return SubmissionServiceStub(self.channel)

    async def submit(self, *requests: pb.SubmitInstancesRequest) -> list[pb.SubmitInstancesResponse]:
        """All answers to what is sent, in its order."""
        answers = [one async for one in self.stub.SubmitInstances(each(requests))]
        return sorted(answers, key=lambda one: one.number)


@pytest.fixture
def receiver() -> Receiver:
    """An empty one."""
    return Receiver()


@pytest.fixture
def door(receiver) -> Door:
    """A server that is not started yet."""
    return Door(receiver)


async def each(requests: Iterable[pb.SubmitInstancesRequest]) -> AsyncIterator[pb.SubmitInstancesRequest]:
    """Requests, one after the other."""
    for one in requests:
        yield one


def whole(data: bytes, **more: object) -> pb.SubmitInstancesRequest:
    """An instance in a message."""
    return pb.SubmitInstancesRequest(data=data, **more)


def pieces(data: bytes, size: int) -> list[pb.SubmitInstancesRequest]:
    """An instance in many."""
    starts = range(0, len(data), size)
    return [whole(data[at : at + size], continues=at + size < len(data)) for at in starts]


def uids(kept: list[bytes]) -> list[str]:
    """What was kept."""
    return [read_header(one).sop_instance_uid for one in kept]


async def to_its_end(call) -> None:
    """Read all that a call answers."""
    while await call.read() is not grpc.aio.EOF:
        pass


async def refused(call) -> tuple[str, str]:
    """The status and the reason with which a call ends."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await to_its_end(call)
    trailing = dict(caught.value.trailing_metadata() or ())
    told = status_pb2.Status.FromString(trailing["grpc-status-details-bin"])
    info = error_details_pb2.ErrorInfo()
    assert told.details[0].Unpack(info)
    return caught.value.code().name, info.reason


@pytest.mark.parametrize("size", [1, 133, 4096, 100_000], ids=str)
def test_instances_are_answered_by_number_and_kept_as_they_came(door, receiver, size):
    """Whole or in pieces of any size: each is accepted with its names, once it is durable."""

    async def test(_stub):
        answers = await door.submit(whole(ct_file(1)), *pieces(ct_file(2), size), whole(ct_file(3)))
        assert [one.number for one in answers] == [1, 2, 3]
        assert all(one.accepted and not one.reason for one in answers)
        assert [one.sop_instance_uid for one in answers] == sorted(uids(receiver.kept()))
        assert {(one.site, one.series_uid, one.study_uid) for one in answers} == {
            ("here", SERIES, header(1).study_uid)
        }
        assert await asyncio.to_thread(receiver.over.acquire, timeout=WAIT_S)

    door.run(test)
    assert sorted(uids(receiver.kept())) == [header(n).sop_instance_uid for n in (1, 2, 3)]
    assert receiver.came == [("GRPC", 0, "")] * 3
    assert receiver.ended == [-1]
    assert door.handled("SubmitInstances", "OK") == 1


def test_one_that_is_refused_costs_the_others_nothing(door, receiver):
    """Each has its reason, and the status that C-STORE would have given; what comes behind it is taken."""
    unnamed = ct_dataset(4)
    del unnamed.SeriesInstanceUID
    report = file_of(ct_dataset(5, sop_class="1.2.840.10008.5.1.4.1.1.88.22"))

    async def test(_stub):
        answers = await door.submit(
            whole(b"no DICOM at all" * 20),
            whole(b""),
            whole(file_of(unnamed)),
            whole(report),
            *pieces(ct_file(6) + bytes(1_000_000), 200_000),
            whole(ct_file(7)),
            whole(ct_file(8)[:-10], continues=True),
        )
        told = [(one.number, one.reason, one.dicom_status, one.retryable) for one in answers]
        assert told == [
            (1, "NOT_DICOM", 0xC000, False),
            (2, "NOT_DICOM", 0xC000, False),
            (3, "NOT_DICOM", 0xC000, False),
            (4, "CLASS_NOT_TAKEN", 0x0122, False),
            (5, "TOO_LARGE", 0xA700, False),
            (6, "", 0, False),
            (7, "INCOMPLETE", 0xC000, True),
        ]
        assert all(bool(one.reason_text) != one.accepted for one in answers)

    door.run(test)
    assert uids(receiver.kept()) == [header(7).sop_instance_uid]


def test_a_duplicate_is_accepted(door, receiver):
    """As often as it comes."""

    async def test(_stub):
        answers = await door.submit(whole(ct_file(1)), whole(ct_file(1)))
        assert [one.accepted for one in answers] == [True, True]

    door.run(test)
    assert len(set(receiver.kept())) == 1


@pytest.mark.parametrize(
    ("expected", "differing"),
    [
        ({"patient_id": "P1", "study_uid": header(1).study_uid, "accession": "A1", "issuer": ""}, []),
        ({"patient_id": "P2", "accession": "A2"}, ["patient_id", "accession"]),
        ({"study_uid": "1.2.3"}, ["study_uid"]),
        ({"issuer": "ISS"}, ["issuer"]),
    ],
    ids=["all", "patient", "study", "issuer"],
)
def test_an_instance_of_another_patient_or_study_is_refused(door, receiver, expected, differing):
    """The expectation of the first message holds for all of them; the fields that differ are named."""

    async def test(_stub):
        origin = pb.ExpectedOrigin(**expected)
        answers = await door.submit(whole(ct_file(1), expected=origin), whole(ct_file(2)))
        assert [list(one.differing) for one in answers] == [differing] * 2
        assert {one.reason for one in answers} == {"NOT_AS_EXPECTED" if differing else ""}
        assert all(value not in one.reason_text for one in answers for value in expected.values() if value)

    door.run(test)
    assert len(receiver.kept()) == (0 if differing else 2)


def test_an_instance_that_takes_long_holds_up_no_other(door, receiver):
    """Those behind it are answered before it."""
    held = receiver.held = threading.Event()

    async def test(_stub):
        async def requests():
            yield whole(ct_file(1))
            assert await asyncio.to_thread(receiver.waits.acquire, timeout=WAIT_S)
            yield whole(ct_file(2))
            yield whole(ct_file(3))

        call = door.stub.SubmitInstances(requests())
        assert sorted([(await call.read()).number, (await call.read()).number]) == [2, 3]
        held.set()
        assert (await call.read()).number == 1
        assert await call.read() is grpc.aio.EOF

    door.run(test)
    assert len(receiver.kept()) == 3


def test_what_cannot_be_kept_now_may_come_again(door, receiver):
    """A full disk and a store that fails are told as such; the next instance may be taken again."""

    async def test(_stub):
        receiver.spool.full = True
        (answer,) = await door.submit(whole(ct_file(1)))
        assert (answer.reason, answer.dicom_status, answer.retryable) == ("NO_ROOM", 0xA700, True)
        receiver.spool.full = False
        receiver.error = StoreError("the store is away")
        (answer,) = await door.submit(whole(ct_file(1)))
        assert (answer.reason, answer.retryable) == ("STORE_UNAVAILABLE", True)
        receiver.error = ValueError("PID-000001")
        (answer,) = await door.submit(whole(ct_file(1)))
        assert (answer.reason, answer.dicom_status, answer.retryable) == ("FAILED", 0x0110, True)
        assert "PID" not in answer.reason_text
        receiver.error = None
        assert [one.accepted for one in await door.submit(whole(ct_file(1)))] == [True]

    door.run(test)


def test_a_broken_stream_keeps_what_was_answered(door, receiver):
    """Its caller is gone in the middle of an instance: that one is dropped, the place is free again."""

    async def test(_stub):
        going_on = asyncio.Event()

        async def requests():
            yield whole(ct_file(1))
            yield whole(ct_file(2)[:200], continues=True)
            await going_on.wait()

        call = door.stub.SubmitInstances(requests())
        assert (await call.read()).accepted
        call.cancel()
        assert await asyncio.to_thread(receiver.over.acquire, timeout=WAIT_S)
        assert [one.accepted for one in await door.submit(whole(ct_file(3)))] == [True]

    door.run(test)
    assert uids(receiver.kept()) == [header(n).sop_instance_uid for n in (1, 3)]
    assert receiver.ended == [-1, -2]


def test_a_deadline_ends_the_call_and_its_source(door, receiver):
    """The caller's own: what was accepted until then is kept."""

    async def test(_stub):
        async def requests():
            yield whole(ct_file(1))
            await asyncio.Event().wait()

        await door.channel.channel_ready()  # which is not of the call's own time
        call = door.stub.SubmitInstances(requests(), timeout=5.0)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await to_its_end(call)
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert await asyncio.to_thread(receiver.over.acquire, timeout=WAIT_S)

    door.run(test)
    assert receiver.ended == [-1]


def test_so_many_callers_at_once_and_no_more(receiver):
    """The next one is told to come again, and may."""
    door = Door(receiver, most=1)

    async def test(_stub):
        going_on = asyncio.Event()

        async def requests():
            yield whole(ct_file(1))
            await going_on.wait()

        call = door.stub.SubmitInstances(requests())
        assert (await call.read()).accepted
        other = door.stub.SubmitInstances(each([whole(ct_file(2))]))
        assert await refused(other) == ("RESOURCE_EXHAUSTED", "TOO_MANY_CALLS")
        going_on.set()
        assert await call.read() is grpc.aio.EOF
        assert await asyncio.to_thread(receiver.over.acquire, timeout=WAIT_S)
        assert [one.accepted for one in await door.submit(whole(ct_file(2)))] == [True]

    door.run(test)


def test_a_call_without_a_thread_takes_no_place(receiver):
    """It is told to come again, its source is over, and the next call is taken."""
    door = Door(receiver, most=1)

    async def test(_stub):
        async def requests():
            await asyncio.Event().wait()
            yield whole(ct_file(1))

        await door.channel.channel_ready()
        usual = threading.stack_size(1 << 46)  # of which there is no room for one
        try:
            assert await refused(door.stub.SubmitInstances(requests())) == (
                "RESOURCE_EXHAUSTED",
                "TOO_MANY_CALLS",
            )
        finally:
            threading.stack_size(usual)
        assert receiver.ended == [-1]
        assert [one.accepted for one in await door.submit(whole(ct_file(1)))] == [True]

    door.run(test)


def test_an_error_of_ours_ends_the_call_and_gives_its_place_away(receiver):
    """Nobody waits for answers that do not come; the source is over, and the next call is taken."""
    door = Door(receiver, most=1)

    async def test(_stub):
        receiver.lost = True
        going_on = asyncio.Event()

        async def requests():
            yield whole(ct_file(1))
            await going_on.wait()

        assert await refused(door.stub.SubmitInstances(requests())) == ("INTERNAL", "FAILED")
        assert await asyncio.to_thread(receiver.over.acquire, timeout=WAIT_S)
        receiver.lost = False
        assert [one.accepted for one in await door.submit(whole(ct_file(2)))] == [True]

    door.run(test)
    assert receiver.ended == [-1, -2]


def test_a_call_that_does_not_go_on_gives_its_place_away(receiver):
    """Nothing comes: the call ends."""
    door = Door(receiver, most=1, silence_s=0.3)

    async def test(_stub):
        async def requests():
            await asyncio.Event().wait()
            yield whole(ct_file(1))

        assert await refused(door.stub.SubmitInstances(requests())) == ("ABORTED", "STALLED")
        assert await asyncio.to_thread(receiver.over.acquire, timeout=WAIT_S)

    door.run(test)


def test_a_call_that_is_ended_before_it_is_read_gives_its_place_away(receiver):
    """Its thread ends and its source is told, also where no message was looked for yet."""

    async def test():
        calls = Submitting(receiver.submissions(most=1))
        answers = calls.submit(each([whole(ct_file(1))]))
        first = asyncio.create_task(anext(answers))
        await asyncio.sleep(0)  # it begins, and its reader is due
        calls.stop()
        with pytest.raises(Refusal, match="the service stops"):
            await asyncio.wait_for(first, WAIT_S)
        assert await asyncio.to_thread(receiver.over.acquire, timeout=WAIT_S)

    asyncio.run(test())
    assert receiver.kept() == []
    assert receiver.ended == [-1]


def test_who_reads_no_answer_is_not_read_from(receiver):
    """A caller who only sends holds little, and loses its place."""
    door = Door(receiver, most=1, silence_s=0.3)

    async def test(_stub):
        async def requests():
            while True:
                yield whole(b"no DICOM")

        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.http2.bdp_probe", 0)]
        async with grpc.aio.insecure_channel(f"127.0.0.1:{door.port}", options=options) as deaf:
            call = SubmissionServiceStub(deaf).SubmitInstances(requests())
            assert await asyncio.to_thread(receiver.over.acquire, timeout=WAIT_S)
            call.cancel()

    door.run(test)


def test_what_is_no_message_ends_its_call_alone(door, receiver):
    """A clear status; what was taken before it stays, and a watcher beside it hears on."""

    async def test(stub):
        door.worklist.put(status(1))
        watch = stub.WatchAnalyses(analysis_service_pb2.WatchAnalysesRequest())
        assert (await watch.read()).series.revision == 1

        async def requests():
            yield whole(ct_file(1)).SerializeToString()
            yield b"\xff\xff\xff"

        call = door.channel.stream_stream("/millet.v1.SubmissionService/SubmitInstances")(requests())
        assert pb.SubmitInstancesResponse.FromString(await call.read()).accepted
        assert await refused(call) == ("INVALID_ARGUMENT", "MALFORMED")
        long = door.stub.SubmitInstances(each([whole(bytes(5_000_000))]))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await long.read()
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        door.worklist.put(status(2))
        door.server.wake()
        assert (await watch.read()).series.revision == 2

    door.run(test)
    assert len(receiver.kept()) == 1


def test_a_stop_answers_what_was_read(door, receiver):
    """And then says so; what was not answered may be sent to another."""
    held = receiver.held = threading.Event()

    async def test(_stub):
        async def requests():
            yield whole(ct_file(1))
            await asyncio.Event().wait()

        call = door.stub.SubmitInstances(requests())
        assert await asyncio.to_thread(receiver.waits.acquire, timeout=WAIT_S)
        stopping = asyncio.create_task(door.server.stop(WAIT_S))
        await asyncio.sleep(0)
        held.set()
        assert (await call.read()).accepted
        assert await refused(call) == ("UNAVAILABLE", "STOPPING")
        await stopping

    door.run(test)


def test_a_process_that_does_not_receive_says_so():
    """Neither call is offered there."""
    bench = Bench()

    async def test(_stub):
        stub = SubmissionServiceStub(bench.channel)
        submit = stub.SubmitInstances(each([whole(ct_file(1))]))
        assert await refused(submit) == ("UNIMPLEMENTED", "NOT_OFFERED")
        pull = stub.PullSeries(pb.PullSeriesRequest(series_uid="1.2", idempotency_key="a"))
        assert await refused(pull) == ("UNIMPLEMENTED", "NOT_OFFERED")

    bench.run(test)


def test_who_may_only_read_may_not_submit(door, receiver):
    """Submitting is for operators; a pull is for readers."""
    door.behind(MemoryGate())

    async def test(_stub):
        def shown(token):
            return (("authorization", f"Bearer {token}"),)

        call = door.stub.SubmitInstances(each([whole(ct_file(1))]), metadata=shown("reader-token"))
        assert await refused(call) == ("PERMISSION_DENIED", "ROLE_DENIED")
        call = door.stub.SubmitInstances(each([whole(ct_file(1))]), metadata=shown("ops-token"))
        assert [one.accepted async for one in call] == [True]
        request = pb.PullSeriesRequest(series_uid="1.2", idempotency_key="a")
        pull = door.stub.PullSeries(request, metadata=shown("viewer-token"))
        assert await refused(pull) == ("PERMISSION_DENIED", "ROLE_DENIED")
        pull = door.stub.PullSeries(request, metadata=shown("reader-token"))
        assert await refused(pull) == ("UNIMPLEMENTED", "NOT_OFFERED")

    door.run(test)
