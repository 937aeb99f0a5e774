"""The gRPC server, asked over a real channel."""

import asyncio
import base64
from collections.abc import Awaitable, Callable
from dataclasses import replace

import grpc
import pytest
from analyses import analysis, spread
from grpc_bench import Bench
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from worklists import status, waiting

from millet.codec import wire
from millet.core.analysis import TriageLevel
from millet.edge.grpc_api.listing import filter_mark
from millet.proto.millet.v1 import analysis_service_pb2 as pb

SERVICE = "millet.v1.AnalysisService"


@pytest.fixture
def bench() -> Bench:
    """A server that is not started yet."""
    return Bench()


async def refused(call: Awaitable[object]) -> tuple[str, str]:
    """The status of a call that fails."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.code().name, caught.value.details()


async def until(holds: Callable[[], bool]) -> None:
    """Let the event loop turn until a condition holds; the caller bounds the time."""
    while not holds():
        await asyncio.to_thread(int)


def test_an_analysis_of_any_size_comes_whole_in_pages_below_the_message_limit(bench):
    """20,000 nodules pass a channel with gRPC's usual 4 MB limit; each page states the total."""
    many = replace(analysis(2), nodules=tuple(spread(20_000)))
    key = bench.worklist.put(status(), many).key

    async def test(stub):
        request = pb.GetAnalysisRequest(site=key.site, series_uid=key.series_uid, page_size=9999)
        nodules, sizes = [], []
        while not sizes or request.page_token:
            page = await stub.GetAnalysis(request)
            assert page.total_nodules == 20_000
            nodules += page.analysis.nodules
            sizes.append(len(page.analysis.nodules))
            request.page_token = page.next_page_token
        assert sizes == [5000] * 4
        del page.analysis.nodules[:]
        page.analysis.nodules.extend(nodules)
        assert wire.analysis_from_wire(page.analysis) == bench.worklist.analysis(key)

    bench.run(test)
    assert bench.handled("GetAnalysis", "OK") == 4


def test_a_page_of_an_older_analysis_is_not_mixed_with_a_newer_one(bench):
    """When the series is analysed anew between two pages, the reader is told to start again."""
    key = bench.worklist.put(status(), analysis(4)).key

    async def test(stub):
        request = pb.GetAnalysisRequest(site=key.site, series_uid=key.series_uid, page_size=2)
        request.page_token = (await stub.GetAnalysis(request)).next_page_token
        bench.worklist.put(status(), replace(analysis(4), generation=2))
        assert (await refused(stub.GetAnalysis(request)))[0] == "ABORTED"

    bench.run(test)


@pytest.mark.parametrize(
    ("request_", "code", "says"),
    [
        (pb.GetAnalysisRequest(site="default", series_uid="9.9"), "NOT_FOUND", "no such series"),
        (pb.GetAnalysisRequest(site="other", series_uid="1.2.826.0.1.1"), "NOT_FOUND", "no such series"),
        (pb.GetAnalysisRequest(site="default", series_uid="1.2.826.0.1.2"), "NOT_FOUND", "it is queued"),
        (pb.GetAnalysisRequest(series_uid="9.9"), "INVALID_ARGUMENT", "both required"),
        (
            pb.GetAnalysisRequest(site="default", series_uid="1.2.826.0.1.1", page_size=-1),
            "INVALID_ARGUMENT",
            "page_size must not be negative, not -1",
        ),
        (
            pb.GetAnalysisRequest(site="default", series_uid="1.2.826.0.1.1", page_token="bm8="),
            "INVALID_ARGUMENT",
            "page_token is not one of ours",
        ),
    ],
    ids=["unknown", "other-site", "not-yet", "no-site", "negative", "foreign-token"],
)
def test_a_get_that_cannot_be_answered_says_why(bench, request_, code, says):
    """The status tells a program, the sentence tells a person."""
    bench.worklist.put(status(1), analysis(2))
    bench.worklist.put(waiting(2, "queued"))

    async def test(stub):
        got, details = await refused(stub.GetAnalysis(request_))
        assert got == code
        assert says in details

    bench.run(test)
    assert bench.handled("GetAnalysis", code) == 1


def test_a_store_that_fails_is_unavailable_and_its_error_text_stays_inside(bench):
    """Each call answers UNAVAILABLE, and works again when the store does."""
    key = bench.worklist.put(status(), analysis(2)).key
    get = pb.GetAnalysisRequest(site=key.site, series_uid=key.series_uid)

    async def test(stub):
        bench.worklist.broken = True
        for call in (stub.GetAnalysis(get), stub.ListAnalyses(pb.ListAnalysesRequest())):
            code, details = await refused(call)
            assert code == "UNAVAILABLE"
            assert "PID" not in details
        watch = stub.WatchAnalyses(pb.WatchAnalysesRequest())
        assert (await refused(watch.read()))[0] == "UNAVAILABLE"
        bench.worklist.broken = False
        assert (await stub.GetAnalysis(get)).total_nodules == 2

    bench.run(test)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("site", "north"),
        ("issuer", "OTHER"),
        ("patient_id", "PID-000002"),
        ("accession", "ACC0002"),
        ("sender", "CT9"),
        ("study_uid", "1.9"),
        ("series_uid", "1.2.3"),
        ("triage", pb.TRIAGE_LEVEL_CRITICAL),
    ],
)
def test_list_and_watch_filter_by_each_field(bench, field, value):
    """Each filter finds the one series that has the value, listed and watched alike."""
    other = {"issuer": "OTHER", "sender": "CT9", "study_uid": "1.9", "triage": TriageLevel.CRITICAL}
    odd = status(2, **other)
    odd = bench.worklist.put(replace(odd, key=replace(odd.key, site="north", series_uid="1.2.3")))
    bench.worklist.put(status(1))
    asked = pb.AnalysisFilter(**{field: value})

    async def test(stub):
        listed = await stub.ListAnalyses(pb.ListAnalysesRequest(filter=asked))
        assert [line.series_uid for line in listed.series] == [odd.key.series_uid]
        first = await stub.WatchAnalyses(pb.WatchAnalysesRequest(filter=asked)).read()
        assert first.series == listed.series[0]

    bench.run(test)


def test_the_list_comes_in_pages_in_the_order_of_the_worklist(bench):
    """Pages of two hold seven series once each, most urgent first, and the last names no next one."""
    for number, level in enumerate([*TriageLevel, TriageLevel.URGENT, TriageLevel.NOTABLE]):
        bench.worklist.put(status(number + 1, triage=level))

    async def test(stub):
        request, seen = pb.ListAnalysesRequest(page_size=2), []
        while not seen or request.page_token:
            page = await stub.ListAnalyses(request)
            seen += [line.triage for line in page.series]
            request.page_token = page.next_page_token
        assert seen == sorted(seen, reverse=True)
        assert len(seen) == 7

    bench.run(test)


def test_a_page_token_does_not_work_with_another_filter(bench):
    """Changing the filter between two pages is a mistake that is named."""
    for number in range(3):
        bench.worklist.put(status(number + 1))

    async def test(stub):
        page = await stub.ListAnalyses(pb.ListAnalysesRequest(page_size=1))
        other = pb.ListAnalysesRequest(
            filter=pb.AnalysisFilter(site="north"), page_token=page.next_page_token
        )
        assert await refused(stub.ListAnalyses(other)) == (
            "INVALID_ARGUMENT",
            "page_token belongs to another filter",
        )

    bench.run(test)


def test_a_line_of_the_worklist_says_everything(bench):
    """Identifiers, names in any script, times, state and reason arrive as they are."""
    line = status(
        3, patient_name="王^小东=山田^太郎=김^희중", reason_code="gantry-tilt", state="not-analysed"
    )
    bench.worklist.put(line)

    async def test(stub):
        (got,) = (await stub.ListAnalyses(pb.ListAnalysesRequest())).series
        assert got.patient_name == line.patient_name
        assert (got.reason_code, got.reason_text) == ("gantry-tilt", "Tilted gantry")
        assert wire.time_from_wire(got.last_received_time) == line.last_received_utc
        assert (got.nodules, got.revision, got.state) == (2, 3, "not-analysed")

    bench.run(test)


def test_a_watcher_sees_what_is_there_and_then_each_change(bench):
    """The series of the start come first, a commit announced by `wake` comes next."""
    bench.worklist.put(status(1))

    async def test(stub):
        watch = stub.WatchAnalyses(pb.WatchAnalysesRequest())
        assert (await watch.read()).series.revision == 1
        bench.worklist.put(status(2))
        await asyncio.to_thread(bench.server.wake)
        assert (await watch.read()).series.revision == 2
        bench.worklist.put(status(3))  # announced by nobody: another process committed it
        assert (await watch.read()).series.revision == 3

    bench.run(test)


def test_how_far_an_analysis_has_come_is_listed_and_watched(bench):
    """Stage and windows while a series arrives and is analysed; nothing of it where none is under way."""
    at_work = replace(waiting(1, "analysing"), stage="detect", windows_done=3, windows_total=7, urgency=1)
    bench.worklist.put(at_work)
    bench.worklist.put(status(2))

    async def test(stub):
        found = {line.revision: line for line in (await stub.ListAnalyses(pb.ListAnalysesRequest())).series}
        told = {n: (line.stage, line.windows_done, line.windows_total) for n, line in found.items()}
        assert told == {1: ("detect", 3, 7), 2: ("", 0, 0)}
        assert [found[n].emergency for n in (1, 2)] == [True, False]
        watch = stub.WatchAnalyses(pb.WatchAnalysesRequest())
        assert [(await watch.read()).series for _ in range(2)] == [found[1], found[2]]
        bench.worklist.put(replace(at_work, windows_done=4, revision=3))
        await asyncio.to_thread(bench.server.wake)
        line = (await watch.read()).series
        assert (line.stage, line.windows_done, line.windows_total) == ("detect", 4, 7)

    bench.run(test)


def test_the_best_series_and_a_changed_level_are_listed(bench):
    """Which series of a study to open first and why, and what a level was before late instances came."""
    best = "1.2.826.0.1.1"
    told = {"best_series_uid": best, "triage_before": TriageLevel.UNFLAGGED}
    bench.worklist.put(status(1, best_reason="best of 2: thin slices", **told))
    bench.worklist.put(status(2, best_series_uid=best, best_reason="the best one: thin slices"))
    bench.worklist.put(status(3))

    async def test(stub):
        found = {line.revision: line for line in (await stub.ListAnalyses(pb.ListAnalysesRequest())).series}
        assert [found[n].best_of_study for n in (1, 2, 3)] == [True, False, False]
        assert [found[n].best_series_uid for n in (1, 2, 3)] == [best, best, ""]
        assert found[2].best_reason == "the best one: thin slices"
        levels = pb.TRIAGE_LEVEL_UNFLAGGED, pb.TRIAGE_LEVEL_UNSPECIFIED
        assert [found[n].triage_before for n in (1, 2)] == list(levels)

    bench.run(test)


def test_what_did_not_reach_its_destination_is_listed(bench):
    """Reports that wait, that were given up, and that an operator dismissed, each apart."""
    bench.worklist.put(status(1, deliveries_pending=1, deliveries_dead=2, deliveries_dismissed=3))

    async def test(stub):
        (line,) = (await stub.ListAnalyses(pb.ListAnalysesRequest())).series
        assert (line.deliveries_pending, line.deliveries_dead, line.deliveries_dismissed) == (1, 2, 3)

    bench.run(test)


def test_a_watch_resumes_where_it_was_left(bench):
    """With the last token a new watch begins with the first change that was not seen."""
    for number in range(1, 4):
        bench.worklist.put(status(number))

    async def test(stub):
        seen = await stub.WatchAnalyses(pb.WatchAnalysesRequest()).read()
        again = stub.WatchAnalyses(pb.WatchAnalysesRequest(resume_token=seen.resume_token))
        assert [(await again.read()).series.revision for _ in range(2)] == [2, 3]

    bench.run(test)


@pytest.mark.parametrize(
    ("token", "code"),
    [("rubbish", "INVALID_ARGUMENT"), ("d2F0Y2g6OjkwMDA=", "OUT_OF_RANGE")],
    ids=["foreign", "of a later journal"],
)
def test_a_resume_token_that_cannot_be_honoured_is_refused(bench, token, code):
    """Nobody waits for ever on a token of another journal."""
    bench.worklist.put(status(1))

    async def test(stub):
        watch = stub.WatchAnalyses(pb.WatchAnalysesRequest(resume_token=token))
        assert (await refused(watch.read()))[0] == code

    bench.run(test)


@pytest.mark.parametrize("number", [str(10**30), "9" * 5000, "\u0661", "-1", "1_0"])
def test_a_token_of_a_caller_s_own_making_is_refused(bench, number):
    """Be it in a number that no journal has: INVALID_ARGUMENT that names the field."""
    bench.worklist.put(status(1))

    def token(*parts: str) -> str:
        return base64.urlsafe_b64encode(":".join(parts).encode()).decode()

    async def test(stub):
        page = token("series", filter_mark(pb.AnalysisFilter()), number)
        told = token("series", number, "0")
        watch = pb.WatchSeriesRequest(site="default", series_uid="1.2.826.0.1.1", resume_token=told)
        for call, field in (
            (stub.ListAnalyses(pb.ListAnalysesRequest(page_token=page)), "page_token"),
            (
                stub.WatchAnalyses(pb.WatchAnalysesRequest(resume_token=token("watch", "", number))).read(),
                "resume_token",
            ),
            (stub.WatchSeries(watch).read(), "resume_token"),
        ):
            assert await refused(call) == ("INVALID_ARGUMENT", f"{field} is not one of ours")

    bench.run(test)


def test_a_watcher_that_does_not_read_harms_nobody(bench):
    """While one watcher reads nothing of 5,000 lines, another gets them all and calls are answered."""
    for number in range(1, 5001):
        bench.worklist.put(status(number, description="x" * 200))

    async def test(stub):
        slow = stub.WatchAnalyses(pb.WatchAnalysesRequest())
        await slow.read()
        quick = stub.WatchAnalyses(pb.WatchAnalysesRequest())
        revisions = [(await quick.read()).series.revision for _ in range(5000)]
        assert revisions == list(range(1, 5001))
        assert len((await stub.ListAnalyses(pb.ListAnalysesRequest())).series) == 100
        slow.cancel()

    bench.run(test)


def test_a_deadline_ends_a_watch_on_both_sides(bench):
    """The caller gets DEADLINE_EXCEEDED, and the server forgets the watcher."""

    async def test(stub):
        watch = stub.WatchAnalyses(pb.WatchAnalysesRequest(), timeout=0.2)
        assert (await refused(watch.read()))[0] == "DEADLINE_EXCEEDED"
        await until(lambda: bench.registry.get_sample_value("millet_grpc_watchers") == 0)

    bench.run(test)


def test_a_stop_ends_watchers_with_a_status_that_asks_them_to_resume(bench):
    """A watcher is told UNAVAILABLE, not left hanging."""

    async def test(stub):
        bench.worklist.put(status(1))
        watch = stub.WatchAnalyses(pb.WatchAnalysesRequest())
        await watch.read()
        reading = asyncio.ensure_future(refused(watch.read()))
        await bench.server.stop(5)
        assert (await reading)[0] == "UNAVAILABLE"

    bench.run(test)


def test_health_serves_only_while_everything_is_ready(bench):
    """The health service follows `ready`, for the server and for the service."""

    async def health(serving: int) -> None:
        stub = health_pb2_grpc.HealthStub(bench.channel)
        for name in ("", SERVICE):
            request = health_pb2.HealthCheckRequest(service=name)
            while (await stub.Check(request)).status != serving:
                pass

    async def test(_stub):
        await health(health_pb2.HealthCheckResponse.SERVING)
        bench.reasons = {"journal": "", "model": "not loaded yet"}
        await health(health_pb2.HealthCheckResponse.NOT_SERVING)

    bench.run(test)


def test_a_watch_outlives_a_journal_that_was_away(bench):
    """While the journal fails the health says so; when it is back, changes go on."""
    bench.worklist.put(status(1))

    async def test(stub):
        watch = stub.WatchAnalyses(pb.WatchAnalysesRequest())
        await watch.read()
        check = health_pb2_grpc.HealthStub(bench.channel).Check
        for broken in (False, True):
            bench.worklist.broken = broken
            wanted = "NOT_SERVING" if broken else "SERVING"
            serving = health_pb2.HealthCheckResponse.ServingStatus.Value(wanted)
            while (await check(health_pb2.HealthCheckRequest())).status != serving:
                pass
        bench.worklist.broken = False
        bench.worklist.put(status(2))
        assert (await watch.read()).series.revision == 2

    bench.run(test)


def test_reflection_names_the_service(bench):
    """A tool can ask the server what it offers."""

    async def test(_stub):
        stub = reflection_pb2_grpc.ServerReflectionStub(bench.channel)
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        call = stub.ServerReflectionInfo(iter([request]))
        answer = await call.read()
        assert SERVICE in {service.name for service in answer.list_services_response.service}

    bench.run(test)


def test_a_taken_port_is_an_error_that_names_it(bench):
    """Two servers never share a port in silence."""

    async def test():
        taken = await bench.server.start("127.0.0.1", 0)
        with pytest.raises(OSError, match=str(taken)):
            await Bench().server.start("127.0.0.1", taken)
        await bench.server.stop(0)

    asyncio.run(test())


def test_a_call_has_a_name_and_a_time(bench):
    """The one that the caller gave, or one of ours where that is none; refusals too."""

    async def test(stub):
        call = stub.ListAnalyses(pb.ListAnalysesRequest(), metadata=(("x-request-id", "viewer-7"),))
        assert dict(await call.initial_metadata())["x-request-id"] == "viewer-7"
        await call
        other = stub.GetAnalysis(pb.GetAnalysisRequest(), metadata=(("x-request-id", "a b"),))
        assert len(dict(await other.initial_metadata())["x-request-id"]) == 32
        assert (await refused(other))[0] == "INVALID_ARGUMENT"

    bench.run(test)
    for method in ("ListAnalyses", "GetAnalysis"):
        taken = bench.registry.get_sample_value("millet_grpc_handling_seconds_count", {"method": method})
        assert taken == 1
