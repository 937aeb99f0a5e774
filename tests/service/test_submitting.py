"""The running service, instances that are streamed to it over gRPC, and what becomes of them."""

from __future__ import annotations

import itertools
import queue
import subprocess
from collections.abc import Iterator

import grpc
import pytest
from buf_curl import need_buf, only_call
from instances import SERIES, ct_file
from peers import Millet, until

from millet.edge.journal import Commitments, journal_url, open_engine
from millet.proto.millet.v1 import analysis_service_pb2, submission_service_pb2
from millet.proto.millet.v1.analysis_service_pb2_grpc import AnalysisServiceStub
from millet.proto.millet.v1.submission_service_pb2_grpc import SubmissionServiceStub
from millet_client import Client

pb = submission_service_pb2
MANY = 400


@pytest.fixture
def receiver(tmp_path):
    """A service that receives and answers, and analyses nothing."""
    service = Millet(tmp_path / "millet", {"roles": ["receive", "api"], "gap_wait_s": 600.0})
    yield service
    service.kill()


def channel_to(service) -> grpc.Channel:
    """A new connection."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    return grpc.insecure_channel(f"127.0.0.1:{service.grpc_port}", options)


def whole(numbers, series_uid=SERIES) -> Iterator[pb.SubmitInstancesRequest]:
    """Instances, one a message."""
    for number in numbers:
        yield pb.SubmitInstancesRequest(data=ct_file(number, series_uid))


def kept(service, uids: set[str]) -> set[str]:
    """Those of them that the journal of a service knows as durable."""
    engine = open_engine(journal_url("", service.folder / "state"))
    try:
        return set(Commitments(engine, lambda *_: None).kept("default", uids))
    finally:
        engine.dispose()


def test_a_series_is_submitted_and_watched_while_others_send_nonsense(receiver):
    """A watcher sees it grow to its last instance, whatever else comes over the same port."""
    with channel_to(receiver) as channel, channel_to(receiver) as other:
        stub = SubmissionServiceStub(channel)
        answers = list(stub.SubmitInstances(whole([1]), timeout=60))
        assert [(one.accepted, one.site, one.series_uid) for one in answers] == [(True, "default", SERIES)]

        def listed():
            return [one for one in receiver.series() if one.series_uid == SERIES] or None

        until("the series is listed", listed, 60, receiver.process)
        request = analysis_service_pb2.WatchSeriesRequest(site="default", series_uid=SERIES)
        watch = AnalysisServiceStub(channel).WatchSeries(request, timeout=120)
        assert next(watch).series.instances == 1
        bad = other.stream_stream("/millet.v1.SubmissionService/SubmitInstances")
        with pytest.raises(grpc.RpcError, match="INVALID_ARGUMENT"):
            list(bad(iter([b"\xff\xff"]), timeout=60))
        noise = SubmissionServiceStub(other).SubmitInstances(iter([pb.SubmitInstancesRequest(data=b"noise")]))
        assert [one.reason for one in noise] == ["NOT_DICOM"]
        assert all(one.accepted for one in stub.SubmitInstances(whole(range(2, 13)), timeout=60))
        assert next(told for told in watch if told.series.instances == 12).series.sender == "GRPC"
        watch.cancel()


@pytest.mark.buf
def test_the_documented_command_submits_a_folder(receiver, tmp_path):
    """With the real `buf curl`, through reflection."""
    need_buf()
    (tmp_path / "series").mkdir()
    for number in (1, 2, 3):
        (tmp_path / "series" / f"{number}.dcm").write_bytes(ct_file(number))
    command = only_call("SubmitInstances").typed({"50051": str(receiver.grpc_port)})
    done = subprocess.run(
        ["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout.count('"accepted": true')) == (0, 3), done.stderr


def test_what_was_accepted_is_there_after_a_kill(receiver):
    """Killed while instances stream in: the next life journals all that was answered."""
    more, accepted = queue.SimpleQueue(), set()
    with channel_to(receiver) as channel:
        call = SubmissionServiceStub(channel).SubmitInstances(iter(more.get, None), timeout=120)
        for one in whole(range(1, MANY)):
            more.put(one)
        for one in itertools.islice(call, MANY // 8):
            accepted.add(one.sop_instance_uid)
        receiver.kill()
        with pytest.raises(grpc.RpcError):
            accepted.update(one.sop_instance_uid for one in call)
        more.put(None)
    receiver.start()
    until("all is journalled", lambda: kept(receiver, accepted) == accepted or None, 60, receiver.process)


def test_a_stop_tells_the_callers_and_loses_nothing(receiver):
    """A caller who has more hears that the service stops; what it was answered is there."""
    more = queue.SimpleQueue()
    with channel_to(receiver) as channel:
        call = SubmissionServiceStub(channel).SubmitInstances(iter(more.get, None), timeout=120)
        for one in whole([1, 2]):
            more.put(one)
        accepted = {one.sop_instance_uid for one in itertools.islice(call, 2)}
        assert receiver.terminate() == 0
        with pytest.raises(grpc.RpcError) as caught:
            next(call)
        more.put(None)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    receiver.start()
    until("all is journalled", lambda: kept(receiver, accepted) == accepted or None, 60, receiver.process)


def test_a_client_goes_on_when_the_service_is_killed_and_comes_back(receiver):
    """Every instance is answered once, and all are there, though some were in hand when it was killed."""

    def scanner():
        for number in range(1, 41):
            if number == 20:
                receiver.kill()
                receiver.start()
            yield ct_file(number)

    with Client(f"127.0.0.1:{receiver.grpc_port}", tls=None, timeout_s=120.0) as millet:
        answers = list(millet.submit(scanner()))
    assert sorted(one.number for one in answers if one.accepted) == list(range(1, 41))
    uids = {one.sop_instance_uid for one in answers}
    until("all is journalled", lambda: kept(receiver, uids) == uids or None, 60, receiver.process)
