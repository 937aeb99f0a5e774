"""One series followed over a real channel, and analyses of any size in messages of a bounded one."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from analyses import analysis, spread
from characters import character
from grpc_bench import Bench
from worklists import status, waiting

from millet.codec import wire
from millet.core.change import Change, Fate, NoduleChange
from millet.core.geometry import PointMm
from millet.ports import Provisional
from millet.proto.millet.v1 import analysis_service_pb2 as pb

MANY = 21_000
MESSAGE_BYTES = 4 * 1024 * 1024
"""What a client takes that says nothing."""


@pytest.fixture
def bench() -> Bench:
    """A server that is not started yet."""
    return Bench()


def large():
    """More nodules than anybody has, each described, each followed from a prior, and many that are gone."""
    nodules = tuple(replace(one, character=character(one)) for one in spread(MANY))
    changes = tuple(
        NoduleChange(
            tracking_uid=f"2.25.{10**30 + n}",
            number=n if n <= MANY else None,
            prior_number=n,
            fate=Fate.STABLE if n <= MANY else Fate.GONE,
            volume_change=0.123456 if n <= MANY else None,
            doubling_days=None,
        )
        for n in range(1, MANY + 1500)
    )
    change = Change(
        prior_series_uid="1.2.3",
        prior_date=None,
        interval_days=100,
        limited=(),
        not_used="",
        nodules=changes,
        gone_share=0.066,
        median_volume_change=0.1,
    )
    return replace(analysis(2), nodules=nodules, change=change)


def provisional(number: int, name: str, *, retracted: bool = False) -> Provisional:
    """Something that was found."""
    place = PointMm(1.0, 2.0, 3.0)
    return Provisional(
        number=number, name=name, centre_mm=place, diameter_mm=4.0, score=0.5, retracted=retracted
    )


def of_series(kind, **facts):
    """A request about the first series."""
    return kind(**{"site": "default", "series_uid": "1.2.826.0.1.1"} | facts)


def test_pages_hold_every_nodule_and_every_change_below_the_message_limit(bench):
    """More than 20,000, described and followed: each page is bounded, and all together are the analysis."""
    many = large()
    key = bench.worklist.put(status(), many).key

    async def test(stub):
        request, pages = of_series(pb.GetAnalysisRequest, page_size=5000), []
        while not pages or request.page_token:
            pages.append(await stub.GetAnalysis(request))
            request.page_token = pages[-1].next_page_token
        assert max(page.ByteSize() for page in pages) < MESSAGE_BYTES * 0.6
        assert {(page.total_nodules, page.total_changes) for page in pages} == {(MANY, MANY + 1499)}
        whole = pages[0].analysis
        for page in pages[1:]:
            whole.nodules.extend(page.analysis.nodules)
            whole.change.nodules.extend(page.analysis.change.nodules)
        assert wire.analysis_from_wire(whole) == bench.worklist.analysis(key)

    bench.run(test)


def test_a_stream_holds_all_of_one_analysis(bench):
    """First what there is one of, then the lists; also where the series is analysed anew in between."""
    many = large()
    key = bench.worklist.put(status(), many).key
    stored = bench.worklist.analysis(key)

    async def test(stub):
        parts, stream = [], stub.StreamAnalysis(of_series(pb.StreamAnalysisRequest))
        async for part in stream:
            parts.append(part)
            bench.worklist.put(status(), replace(analysis(3), generation=2))
        first, *others = parts
        assert (first.total_nodules, first.total_changes) == (MANY, MANY + 1499)
        assert max(part.ByteSize() for part in parts) < MESSAGE_BYTES * 0.6
        assert not any(part.HasField("analysis") for part in others)
        for part in others:
            first.analysis.nodules.extend(part.nodules)
            first.analysis.change.nodules.extend(part.changes)
        assert wire.analysis_from_wire(first.analysis) == stored

    bench.run(test)
    assert bench.handled("StreamAnalysis", "OK") == 1


def test_an_analysis_without_nodules_is_one_message(bench):
    """Nothing follows what there is one of."""
    bench.worklist.put(status(), analysis(0))

    async def test(stub):
        parts = [part async for part in stub.StreamAnalysis(of_series(pb.StreamAnalysisRequest))]
        assert len(parts) == 1
        assert (await stub.GetAnalysis(of_series(pb.GetAnalysisRequest))).next_page_token == ""

    bench.run(test)


def test_a_stream_that_is_cancelled_is_let_go(bench):
    """Its call ends on the server too, and others are answered."""
    bench.worklist.put(status(), large())

    async def test(stub):
        stream = stub.StreamAnalysis(of_series(pb.StreamAnalysisRequest))
        await stream.read()
        stream.cancel()
        while bench.handled("StreamAnalysis", "CANCELLED") != 1:
            await asyncio.to_thread(int)
        assert (await stub.GetAnalysis(of_series(pb.GetAnalysisRequest))).total_nodules == MANY

    bench.run(test)


def test_a_series_is_followed_until_its_analysis_is_committed(bench):
    """Received of how many, windows, what was found and retracted; only the commit is final."""
    line = replace(waiting(1, "receiving"), instances=100, stage="arriving", windows_done=2, windows_total=5)
    key = bench.worklist.put(line).key
    bench.worklist.expected[key] = 400
    bench.worklist.found[key] = [
        provisional(1, "a"),
        provisional(2, "b"),
        provisional(3, "a", retracted=True),
    ]

    async def test(stub):
        watch = stub.WatchSeries(of_series(pb.WatchSeriesRequest))
        first = await watch.read()
        assert (first.series.instances, first.instances_expected, first.series.windows_total) == (100, 400, 5)
        assert (first.series.stage, first.final) == ("arriving", False)
        assert [one.provisional_id for one in first.found] == ["b"]
        assert first.eta_s > 0
        bench.worklist.found[key] += [provisional(4, "c"), provisional(5, "b", retracted=True)]
        bench.worklist.put(replace(line, instances=400, revision=2))
        await asyncio.to_thread(bench.server.wake)
        second = await watch.read()
        assert ([one.provisional_id for one in second.found], list(second.retracted)) == (["c"], ["b"])
        bench.worklist.found[key] = []
        bench.worklist.put(status(1, revision=3, analysed_generation=1), analysis(2))
        await asyncio.to_thread(bench.server.wake)
        last = await watch.read()
        assert (last.final, last.series.nodules, list(last.found)) == (True, 2, [])
        assert not last.HasField("eta_s")

    bench.run(test)


def test_a_watch_of_a_series_resumes_after_what_was_seen(bench):
    """Neither the line nor a provisional nodule comes twice; other series do not come at all."""
    line = replace(waiting(1, "receiving"), instances=10)
    key = bench.worklist.put(line).key
    bench.worklist.found[key] = [provisional(1, "a")]

    async def test(stub):
        seen = await stub.WatchSeries(of_series(pb.WatchSeriesRequest)).read()
        bench.worklist.put(status(7))
        again = stub.WatchSeries(of_series(pb.WatchSeriesRequest, resume_token=seen.resume_token))
        reading = asyncio.ensure_future(again.read())
        bench.worklist.found[key].append(provisional(2, "b"))
        bench.worklist.put(replace(line, revision=8))
        await asyncio.to_thread(bench.server.wake)
        told = await reading
        assert told.series.revision == 8
        assert [one.provisional_id for one in told.found] == ["b"]

    bench.run(test)


def test_a_generation_that_is_not_analysed_yet_is_not_final(bench):
    """Late instances came after an analysis: what it says stands, and more is to come."""
    bench.worklist.put(status(1, state="receiving", generation=2, analysed_generation=1))

    async def test(stub):
        told = await stub.WatchSeries(of_series(pb.WatchSeriesRequest)).read()
        assert (told.final, told.series.nodules) == (False, 2)

    bench.run(test)


def test_a_list_and_a_watch_from_its_token_miss_nothing(bench):
    """What changed since the list comes, and nothing that stood in it."""
    for number in range(1, 4):
        bench.worklist.put(status(number))

    async def test(stub):
        listed = await stub.ListAnalyses(pb.ListAnalysesRequest(page_size=1))
        bench.worklist.put(status(9))
        watch = stub.WatchAnalyses(pb.WatchAnalysesRequest(resume_token=listed.watch_token))
        assert (await watch.read()).series.revision == 9

    bench.run(test)


def test_a_series_that_leaves_the_filter_is_told_to_whoever_asked(bench):
    """By its state; one of another patient is never told."""
    line = bench.worklist.put(waiting(1, "queued"))
    asked = pb.AnalysisFilter(state="queued", patient_id=line.patient_id)

    async def test(stub):
        watch = stub.WatchAnalyses(pb.WatchAnalysesRequest(filter=asked, tell_left=True))
        first = await watch.read()
        assert (first.series.state, first.left) == ("queued", False)
        bench.worklist.put(status(5))
        bench.worklist.put(replace(line, state="analysing", revision=6))
        await asyncio.to_thread(bench.server.wake)
        second = await watch.read()
        assert (second.series.revision, second.left) == (6, True)

    bench.run(test)
