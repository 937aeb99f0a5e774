"""A series' way as a trace, at a real OpenTelemetry receiver."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from concurrent import futures
from contextlib import contextmanager

import grpc
import pydicom
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as otlp
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as otlp_grpc
from opentelemetry.proto.trace.v1 import trace_pb2
from peers import free_port, storescu, until

from millet.core.trace import trace_of

STAGES = {"read", "lungs", "detect", "measure", "report"}


class Collector(otlp_grpc.TraceServiceServicer):
    """What was sent to it, and by whom."""

    def __init__(self) -> None:
        self.got: list[otlp.ExportTraceServiceRequest] = []
        self._lock = threading.Lock()

    def Export(self, request, context):  # noqa: N802 - the rpc's name
        """Take spans."""
        with self._lock:
            self.got.append(request)
        return otlp.ExportTraceServiceResponse()

    def spans(self) -> list[tuple[str, trace_pb2.Span]]:
        """Every span with the process that sent it."""
        with self._lock:
            return [
                (_facts(part.resource.attributes)["service.instance.id"], span)
                for request in self.got
                for part in request.resource_spans
                for scope in part.scope_spans
                for span in scope.spans
            ]


def _facts(attributes) -> Mapping[str, str]:
    return {one.key: one.value.string_value for one in attributes}


@contextmanager
def collecting() -> Iterator[tuple[Collector, str]]:
    """A receiver on a free port of loopback."""
    collector, server = Collector(), grpc.server(futures.ThreadPoolExecutor(2))
    otlp_grpc.add_TraceServiceServicer_to_server(collector, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield collector, f"http://127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


def test_one_trace_from_the_association_to_the_report(millet, small_case, tmp_path):
    """Two processes tell of one series; every span has its parent, its time, and nothing of the patient."""
    header = pydicom.dcmread(next(small_case.glob("*.dcm")), stop_before_pixels=True)
    wanted = trace_of("default", str(header.SeriesInstanceUID), 1)
    with collecting() as (collector, url):
        shared = {"state_dir": str(tmp_path / "state"), "traces_to": url}
        receiver = millet(roles=["receive", "api"], **shared)
        worker = millet(roles=["analyse", "deliver", "api"], slot=1, **shared)
        storescu(small_case, receiver.dicom_port)
        receiver.ended(str(header.SeriesInstanceUID))

        def reported() -> list[tuple[str, trace_pb2.Span]] | None:
            spans = [one for one in collector.spans() if one[1].trace_id.hex() == wanted]
            sent = [_facts(span.attributes).get("millet.kind") for _, span in spans if span.name == "deliver"]
            return spans if "sr" in sent and any(span.name == "series" for _, span in spans) else None

        spans = until("the report is told of", reported, 60, receiver.process)
        assert (receiver.terminate(), worker.terminate()) == (0, 0)
        everything = b"".join(one.SerializeToString() for one in collector.got)
    named = {span.name for _, span in spans}
    assert {"series", "association", "assemble", "queue", "analyse", "deliver", *STAGES} <= named
    assert len({process for process, _ in spans}) == 2
    numbers = {span.span_id: span.name for _, span in spans}
    for _, span in spans:
        parent = "analyse" if span.name in STAGES | {"second-reader"} else "series"
        assert numbers.get(span.parent_span_id) == (None if span.name == "series" else parent)
        assert 0 < span.start_time_unix_nano <= span.end_time_unix_nano
    (root,) = [span for _, span in spans if span.name == "series"]
    (association,) = [span for _, span in spans if span.name == "association"]
    assert root.start_time_unix_nano == association.start_time_unix_nano
    secrets = (
        "PatientName",
        "PatientID",
        "PatientBirthDate",
        "AccessionNumber",
        "StudyInstanceUID",
        "SeriesInstanceUID",
    )
    assert [one for one in secrets if str(header[one].value).encode() in everything] == []
    lines = [json.loads(line) for line in worker.log.read_text().splitlines() if line.startswith("{")]
    assert {line["trace"] for line in lines if line.get("message") == "analysis committed"} == {wanted}


def test_a_collector_that_is_away_is_nobodys_loss(millet, small_case):
    """The series goes its way, and a stop is a stop."""
    service = millet(traces_to=f"http://127.0.0.1:{free_port()}")
    storescu(small_case, service.dicom_port)
    header = pydicom.dcmread(next(small_case.glob("*.dcm")), stop_before_pixels=True)
    assert service.ended(str(header.SeriesInstanceUID)).state == "analysed"
    assert service.terminate() == 0


@pytest.mark.parametrize("fault", [True, False])
def test_a_try_that_failed_is_a_failed_span(millet, small_case, fault):
    """A destination where nobody listens is told as an error of its own kind, a folder as none."""
    header = pydicom.dcmread(next(small_case.glob("*.dcm")), stop_before_pixels=True)
    to = f"PACS@127.0.0.1:{free_port()}" if fault else "folder"
    with collecting() as (collector, url):
        service = millet(traces_to=url, destination=to)
        storescu(small_case, service.dicom_port)
        wanted = trace_of("default", str(header.SeriesInstanceUID), 1)

        def tried() -> list[trace_pb2.Span] | None:
            return [
                s for _, s in collector.spans() if s.name == "deliver" and s.trace_id.hex() == wanted
            ] or None

        told = until("a delivery is told of", tried, 200, service.process)
    failed = {one.status.code == trace_pb2.Status.STATUS_CODE_ERROR for one in told}
    assert failed == {fault}
    assert {_facts(one.attributes)["millet.error"] for one in told} == ({"DeliveryError"} if fault else {""})
