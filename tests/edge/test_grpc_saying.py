"""Acknowledgements and feedback over a real channel, and how a call is refused."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import grpc
import pytest
from analyses import analysis
from gates import MemoryGate
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, PreconditionFailure, ResourceInfo
from google.rpc.status_pb2 import Status
from grpc_bench import Bench
from worklists import status

from millet.core.analysis import TriageLevel
from millet.core.geometry import PointMm
from millet.core.readers import Opinion, Person, standing
from millet.proto.millet.v1 import analysis_service_pb2 as pb

PID = "PID-000001"


@pytest.fixture
def bench() -> Bench:
    """A server with one analysed series, notable in its first generation."""
    made = Bench()
    line = made.worklist.put(status(1, analysed_generation=1), analysis(2))
    made.readers.levels[line.key] = (1, TriageLevel.NOTABLE)
    return made


def seen(**facts) -> pb.AcknowledgeSeriesRequest:
    """The level as it stands was seen."""
    told = {"generation": 1, "level": pb.TRIAGE_LEVEL_NOTABLE, "person": "Dr Weiß", "idempotency_key": "k1"}
    return pb.AcknowledgeSeriesRequest(**{"site": "default", "series_uid": "1.2.826.0.1.1"} | told | facts)


def judged(**facts) -> pb.GiveFeedbackRequest:
    """A nodule is none."""
    told = {"generation": 1, "opinion": pb.OPINION_REJECTED, "nodule_id": "2.25.1001", "comment": "a vessel"}
    who = {"site": "default", "series_uid": "1.2.826.0.1.1", "person": "Dr Weiß", "idempotency_key": "k1"}
    return pb.GiveFeedbackRequest(**who | told | facts)


async def refused(call) -> tuple[str, dict]:
    """The status of a call that fails, and its details by kind."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    trailing = dict(caught.value.trailing_metadata())
    told = Status.FromString(trailing["grpc-status-details-bin"])
    assert told.code == caught.value.code().value[0]
    assert told.message == caught.value.details()
    assert PID not in str(told)
    found = {}
    for packed in told.details:
        for kind in (ErrorInfo, BadRequest, PreconditionFailure, ResourceInfo):
            if packed.Is(kind.DESCRIPTOR):
                found[kind] = kind.FromString(packed.value)
    assert found[ErrorInfo].domain == "millet.v1"
    return caught.value.code().name, found


def test_a_level_is_acknowledged_and_taken_back(bench):
    """By the person who is named, at the server's time; each request once."""

    async def test(stub):
        made = await stub.AcknowledgeSeries(seen())
        assert (made.series.series_uid, made.repeated_request) == ("1.2.826.0.1.1", False)
        assert (await stub.AcknowledgeSeries(seen())).repeated_request
        (kept,) = bench.said()
        assert (kept.by, kept.level) == (Person(name="Dr Weiß", recognised=False), TriageLevel.NOTABLE)
        back = pb.WithdrawAcknowledgementRequest(
            site="default",
            series_uid="1.2.826.0.1.1",
            generation=1,
            level=pb.TRIAGE_LEVEL_NOTABLE,
            person="Ben",
            idempotency_key="k2",
        )
        assert not (await stub.WithdrawAcknowledgement(back)).repeated_request
        assert [one.withdrawn for one in bench.said()] == [False, True]

    bench.run(test)
    assert bench.handled("AcknowledgeSeries", "OK") == 2
    assert bench.handled("WithdrawAcknowledgement", "OK") == 1


def test_what_is_no_more_urgent_in_the_study_is_seen_and_taken_back_with_it(bench):
    """As at the page: the calmer series is, the more urgent one is not."""
    calm, worse = (replace(bench.key, series_uid=f"1.2.826.0.1.{number}") for number in (2, 3))
    bench.readers.levels |= {calm: (1, TriageLevel.UNFLAGGED), worse: (1, TriageLevel.URGENT)}

    def standing_of(key) -> TriageLevel | None:
        counts = standing(bench.readers.acknowledgements(key))
        return counts and counts.level

    async def test(stub):
        await stub.AcknowledgeSeries(seen())
        assert (standing_of(calm), standing_of(worse)) == (TriageLevel.UNFLAGGED, None)
        told = {"generation": 1, "level": pb.TRIAGE_LEVEL_NOTABLE, "person": "Ben", "idempotency_key": "k2"}
        of = {"site": "default", "series_uid": "1.2.826.0.1.1"}
        await stub.WithdrawAcknowledgement(pb.WithdrawAcknowledgementRequest(**of, **told))
        assert [standing_of(key) for key in (bench.key, calm)] == [None, None]

    bench.run(test)


def test_the_worklist_tells_who_has_seen_it_and_is_filtered_by_that(bench):
    """Also by state; a level that rose since is not acknowledged."""
    by = Person(name="Dr Weiß", recognised=True)
    made = bench.acknowledged(by, TriageLevel.UNFLAGGED)
    bench.worklist.put(status(2, acknowledgement=made, triage=TriageLevel.UNFLAGGED, state="queued"))
    bench.worklist.put(status(3, acknowledgement=made, triage=TriageLevel.URGENT))

    async def numbers(stub, **asked):
        listed = await stub.ListAnalyses(pb.ListAnalysesRequest(filter=pb.AnalysisFilter(**asked)))
        return {line.revision: line for line in listed.series}

    async def test(stub):
        assert (await numbers(stub, acknowledged=True)).keys() == {2}
        assert (await numbers(stub, acknowledged=False)).keys() == {1, 3}
        assert (await numbers(stub, state="queued")).keys() == {2}
        lines = await numbers(stub)
        told = lines[2].acknowledgement
        assert (told.by.name, told.by.recognised, told.level) == ("Dr Weiß", True, pb.TRIAGE_LEVEL_UNFLAGGED)
        assert [lines[n].risen_since_acknowledged for n in (1, 2, 3)] == [False, False, True]
        assert not lines[1].HasField("acknowledgement")

    bench.run(test)


def test_feedback_is_given_and_listed(bench):
    """On a nodule by its ID, and where one was missed; page by page."""
    missed = {"opinion": pb.OPINION_MISSED, "nodule_id": "", "place_mm": pb.PointMm(x=-40.5, y=2, z=-100)}

    async def test(stub):
        assert not (await stub.GiveFeedback(judged())).repeated_request
        assert (await stub.GiveFeedback(judged())).repeated_request
        await stub.GiveFeedback(judged(idempotency_key="k2", **missed))
        assert [one.opinion for one in bench.readers.feedback(bench.key)] == [
            Opinion.REJECTED,
            Opinion.MISSED,
        ]
        request = pb.ListFeedbackRequest(site="default", series_uid="1.2.826.0.1.1", page_size=1)
        first = await stub.ListFeedback(request)
        request.page_token = first.next_page_token
        second = await stub.ListFeedback(request)
        (one,), (other,) = first.feedback, second.feedback
        assert (one.nodule_id, one.comment, one.by.name) == ("2.25.1001", "a vessel", "Dr Weiß")
        assert PointMm(other.place_mm.x, other.place_mm.y, other.place_mm.z) == PointMm(-40.5, 2.0, -100.0)
        assert second.next_page_token == ""

    bench.run(test)


@pytest.mark.parametrize(
    ("call", "request_", "code", "reason"),
    [
        ("AcknowledgeSeries", seen(series_uid="9.9"), "NOT_FOUND", "NO_SUCH_SERIES"),
        ("AcknowledgeSeries", seen(level=pb.TRIAGE_LEVEL_URGENT), "FAILED_PRECONDITION", "CHANGED_SINCE"),
        ("AcknowledgeSeries", seen(generation=2), "FAILED_PRECONDITION", "CHANGED_SINCE"),
        ("AcknowledgeSeries", seen(generation=-1), "INVALID_ARGUMENT", "INVALID_FIELD"),
        ("AcknowledgeSeries", seen(generation=0), "INVALID_ARGUMENT", "INVALID_REQUEST"),
        ("AcknowledgeSeries", seen(level=99), "INVALID_ARGUMENT", "INVALID_FIELD"),
        ("AcknowledgeSeries", seen(person=""), "INVALID_ARGUMENT", "INVALID_FIELD"),
        ("AcknowledgeSeries", seen(person="x" * 101), "INVALID_ARGUMENT", "INVALID_FIELD"),
        ("AcknowledgeSeries", seen(idempotency_key=""), "INVALID_ARGUMENT", "INVALID_FIELD"),
        ("AcknowledgeSeries", seen(site=""), "INVALID_ARGUMENT", "INVALID_FIELD"),
        ("GiveFeedback", judged(nodule_id="2.25.7"), "NOT_FOUND", "NO_SUCH_NODULE"),
        ("GiveFeedback", judged(nodule_id=""), "INVALID_ARGUMENT", "INVALID_REQUEST"),
        ("GiveFeedback", judged(opinion=0), "INVALID_ARGUMENT", "INVALID_FIELD"),
        ("GiveFeedback", judged(generation=2), "FAILED_PRECONDITION", "CHANGED_SINCE"),
        ("GiveFeedback", judged(comment="x" * 501), "INVALID_ARGUMENT", "INVALID_REQUEST"),
        ("WithdrawAcknowledgement", None, "FAILED_PRECONDITION", "NOT_ACKNOWLEDGED"),
    ],
)
def test_what_cannot_be_kept_is_refused_with_its_reason(bench, call, request_, code, reason):
    """A status, a stable reason, and which field; never a value."""
    back = {"generation": 1, "level": pb.TRIAGE_LEVEL_NOTABLE, "person": "Ben", "idempotency_key": "k"}
    of = {"site": "default", "series_uid": "1.2.826.0.1.1"}

    async def test(stub):
        asked = request_ or pb.WithdrawAcknowledgementRequest(**of, **back)
        got, details = await refused(getattr(stub, call)(asked))
        assert (got, details[ErrorInfo].reason) == (code, reason)
        if reason == "INVALID_FIELD":
            assert details[BadRequest].field_violations[0].field
        if code == "NOT_FOUND":
            assert details[ResourceInfo].resource_type.startswith("millet.v1.")

    bench.run(test)
    assert bench.readers.said == []


def test_a_key_is_not_used_twice(bench):
    """Another request under the same key is told so, and nothing is kept of it."""

    async def test(stub):
        await stub.AcknowledgeSeries(seen())
        got, details = await refused(stub.AcknowledgeSeries(seen(person="Ben")))
        assert (got, details[ErrorInfo].reason) == ("ALREADY_EXISTS", "KEY_OF_ANOTHER_REQUEST")

    bench.run(test)
    assert len(bench.readers.said) == 1


@pytest.mark.parametrize(
    ("expected", "wrong"),
    [
        ({"patient_id": PID, "issuer": "HOSP", "study_uid": "1.2.826.0.1", "accession": "ACC0001"}, []),
        ({"patient_id": "PID-000002"}, ["patient_id"]),
        ({"patient_id": PID, "study_uid": "1.9", "accession": ""}, ["study_uid", "accession"]),
    ],
    ids=["as expected", "another patient", "another study, no accession"],
)
def test_a_series_of_another_patient_or_study_is_refused(bench, expected, wrong):
    """By every call about one series, before anything is told or kept; the fields are named, no value is."""
    of = {"site": "default", "series_uid": "1.2.826.0.1.1", "expected": pb.Expected(**expected)}

    async def test(stub):
        calls = [
            stub.GetAnalysis(pb.GetAnalysisRequest(**of)),
            stub.StreamAnalysis(pb.StreamAnalysisRequest(**of)).read(),
            stub.WatchSeries(pb.WatchSeriesRequest(**of)).read(),
            stub.ListFeedback(pb.ListFeedbackRequest(**of)),
            stub.AcknowledgeSeries(seen(**of)),
            stub.GiveFeedback(judged(**of)),
        ]
        for call in calls:
            if not wrong:
                await call
                continue
            got, details = await refused(call)
            assert (got, details[ErrorInfo].reason) == ("FAILED_PRECONDITION", "NOT_AS_EXPECTED")
            assert [one.subject for one in details[PreconditionFailure].violations] == wrong

    bench.run(test)
    assert len(bench.readers.said) == (0 if wrong else 2)


def test_whom_the_door_recognised_need_not_be_named(bench):
    """A reader's token: its name is kept as recognised; one that is given beside it is not."""
    bench.behind(MemoryGate())
    reader = (("authorization", "Bearer reader-token"),)
    viewer = (("authorization", "Bearer viewer-token"),)

    async def test(stub):
        await stub.AcknowledgeSeries(seen(person=""), metadata=reader)
        await stub.AcknowledgeSeries(seen(idempotency_key="k2"), metadata=reader)
        assert [one.by for one in bench.said()] == [
            Person(name="reader", recognised=True),
            Person(name="Dr Weiß", recognised=False),
        ]
        got, details = await refused(stub.AcknowledgeSeries(seen(idempotency_key="k3"), metadata=viewer))
        assert (got, details[ErrorInfo].reason) == ("PERMISSION_DENIED", "ROLE_DENIED")
        got, details = await refused(stub.AcknowledgeSeries(seen(idempotency_key="k3")))
        assert (got, details[ErrorInfo].reason) == ("UNAUTHENTICATED", "UNAUTHENTICATED")

    bench.run(test)


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"\xff" * 64, "INVALID_ARGUMENT"),
        (b"\x0a\xff\xff\xff\x7f" + b"x" * 9, "INVALID_ARGUMENT"),
        (b"x" * 5_000_000, "RESOURCE_EXHAUSTED"),
    ],
    ids=["no message", "a cut message", "too large"],
)
def test_a_message_that_is_none_or_too_large_is_refused_and_nobody_else_notices(bench, sent, code, caplog):
    """GRPC's own statuses for them; a watcher on the same channel goes on."""

    async def test(stub):
        watch = stub.WatchAnalyses(pb.WatchAnalysesRequest())
        await watch.read()
        raw = bench.channel.unary_unary("/millet.v1.AnalysisService/GetAnalysis")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await raw(sent)
        assert caught.value.code().name == code
        assert caplog.records == []
        bench.worklist.put(status(2))
        await asyncio.to_thread(bench.server.wake)
        assert (await watch.read()).series.revision == 2

    bench.run(test)
