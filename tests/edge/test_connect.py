"""Calls over HTTP: a real Chromium, `buf curl` with both protocols, and everything that may be wrong."""

from __future__ import annotations

import asyncio
import http.client
import json
import re
import socket
import struct
import subprocess
import threading
from base64 import b64decode
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import grpc
import pytest
from analyses import analysis, spread
from browsers import chromium
from gates import MemoryGate
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from instances import START_UTC
from prometheus_client import CollectorRegistry
from readers import MemoryReaders
from sites import Site
from worklists import status

from millet.core.analysis import TriageLevel
from millet.core.roles import ROUTES, RPCS, is_rpc
from millet.edge.grpc_api import GrpcServer, GrpcSources
from millet.edge.grpc_api.connect import MOST_BYTES, Connect
from millet.edge.grpc_api.registered import Registered
from millet.edge.telemetry import Telemetry
from millet.edge.web import WebDoor
from millet.edge.web.server import KEEP_ALIVE, _keep_alive
from millet.proto.millet.v1 import analysis_service_pb2 as pb

ROOT = Path(__file__).parents[2]
BUF = ROOT / ".tools" / "node_modules" / ".bin" / "buf"
SERVICE = "/millet.v1.AnalysisService"
SERIES = {"site": "default", "seriesUid": "1.2.826.0.1.1"}
VIEWER = {"authorization": "Bearer viewer-token"}
ORIGIN = "https://viewer.hospital.example"


class Empty(BaseHTTPRequestHandler):
    """A page of another site."""

    def do_GET(self):
        """Answer with nothing."""
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        """Say nothing."""


async def serving(server: GrpcServer) -> None:
    """Start, and wait until it says that it serves: what it depends on is looked at after the start."""
    port = await server.start("127.0.0.1", 0)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        watch = HealthStub(channel).Watch(HealthCheckRequest(), timeout=60)
        while (await watch.read()).status != HealthCheckResponse.SERVING:
            pass
        watch.cancel()


@pytest.fixture(scope="module")
def site():
    """One process that answers gRPC and HTTP, behind a gate, with a series of three nodules."""
    made, gate = Site(), MemoryGate()
    line = made.worklist.put(status(1, analysed_generation=1), analysis(3))
    made.readers = MemoryReaders({line.key: (1, TriageLevel.NOTABLE)})
    made.registry = CollectorRegistry()
    sources = GrpcSources(
        worklist=made.worklist,
        readers=made.readers,
        ready=dict,
        telemetry=Telemetry(made.registry, "0.1.0"),
        utc=lambda: START_UTC,
    )
    made.grpc, made.gate = GrpcServer(sources, gate=gate, poll_s=0.02), gate
    made.elsewhere = ThreadingHTTPServer(("127.0.0.1", 0), Empty)
    thread = threading.Thread(target=made.elsewhere.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    origins = (ORIGIN, f"http://127.0.0.1:{made.elsewhere.server_port}")
    made.start(WebDoor(gate=gate, origins=origins), calls=made.grpc.calls)
    made.wait(serving(made.grpc))
    yield made
    made.wait(made.grpc.stop(0))
    made.stop()
    made.elsewhere.shutdown()
    made.elsewhere.server_close()
    thread.join()


@pytest.fixture
def line(site):
    """A connection that is closed afterwards."""
    made = http.client.HTTPConnection("127.0.0.1", site.port, timeout=30)
    yield made
    made.close()


def sent(line, path, body=b"{}", method="POST", kind="application/json", **headers):
    """One request: status, headers and body."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    line.request(method, path, body, {"content-type": kind, **VIEWER, **named})
    answer = line.getresponse()
    told = {name.lower(): value for name, value in answer.getheaders()}
    return SimpleNamespace(status=answer.status, headers=told, body=answer.read())


def called(line, method, request, **headers):
    """One call in JSON, of the first service."""
    return sent(line, f"{SERVICE}/{method}", json.dumps(request).encode(), **headers)


def framed(content: bytes, flags: int = 0) -> bytes:
    """An envelope."""
    return struct.pack(">BI", flags, len(content)) + content


def frames(body: bytes) -> list[tuple[int, bytes]]:
    """The envelopes of an answer."""
    found = []
    while body:
        flags, size = struct.unpack_from(">BI", body)
        found.append((flags, body[5 : 5 + size]))
        body = body[5 + size :]
    return found


def next_frame(answer) -> tuple[int, dict]:
    """The next envelope of a stream in JSON."""
    flags, size = struct.unpack(">BI", answer.read(5))
    return flags, json.loads(answer.read(size))


def refused(answer) -> tuple[str, str]:
    """Code and reason of an error."""
    told = json.loads(answer.body)
    return told["code"], told["details"][0]["debug"]["reason"] if "details" in told else ""


def test_a_single_call_is_json_for_json(site, line):
    """What gRPC answers, with a name for the request and nothing that may be kept."""
    answer = called(line, "GetAnalysis", {**SERIES, "pageSize": 2}, x_request_id="mine")
    told = json.loads(answer.body)
    assert (answer.status, told["totalNodules"], len(told["analysis"]["nodules"])) == (200, 3, 2)
    assert answer.headers["content-type"] == "application/json"
    assert (answer.headers["x-request-id"], answer.headers["cache-control"]) == ("mine", "no-store")
    assert "access-control-allow-origin" not in answer.headers


def test_a_single_call_is_protobuf_for_protobuf(line):
    """The same bytes as over gRPC, without an envelope."""
    request = pb.GetAnalysisRequest(site="default", series_uid=SERIES["seriesUid"]).SerializeToString()
    answer = sent(line, f"{SERVICE}/GetAnalysis", request, kind="application/proto")
    assert answer.headers["content-type"] == "application/proto"
    assert pb.GetAnalysisResponse.FromString(answer.body).total_nodules == 3


def test_a_stream_comes_in_envelopes_and_says_how_it_ended(line):
    """Messages first, then what would be the status."""
    body = framed(json.dumps(SERIES).encode())
    answer = sent(line, f"{SERVICE}/StreamAnalysis", body, kind="application/connect+json; charset=utf-8")
    (first, head), (second, rest), (last, end) = frames(answer.body)
    assert (answer.status, first, second, last) == (200, 0, 0, 2)
    assert json.loads(head)["totalNodules"] == len(json.loads(rest)["nodules"]) == 3
    assert json.loads(end) == {}


def test_a_stream_that_is_refused_says_so_in_its_end(line):
    """There is no other status than 200."""
    body = framed(json.dumps({**SERIES, "seriesUid": "9"}).encode())
    answer = sent(line, f"{SERVICE}/StreamAnalysis", body, kind="application/connect+json")
    ((flags, end),) = frames(answer.body)
    assert (answer.status, flags, json.loads(end)["error"]["code"]) == (200, 2, "not_found")


def test_a_watch_tells_a_change_while_it_is_open_and_ends_with_its_reader(site, line):
    """A commit is a message; when the reader goes, nobody watches any more."""
    body = framed(b"{}")
    kind = {"content-type": "application/connect+json", **VIEWER}
    line.request("POST", f"{SERVICE}/WatchAnalyses", body, kind)
    answer = line.getresponse()
    assert next_frame(answer)[1]["series"]["seriesUid"] == SERIES["seriesUid"]
    assert watchers(site) == 1
    site.put(status(7, state="receiving"))
    site.grpc.wake()
    flags, change = next_frame(answer)
    assert (flags, change["series"]["state"], bool(change["resumeToken"])) == (0, "receiving", True)
    answer.close()
    line.close()
    site.wait(nobody_watches(site))


def test_a_reader_that_never_reads_holds_up_nobody(site, line):
    """It holds what fits into its connection; others are answered, and it is let go when it goes."""
    many = replace(analysis(2), nodules=tuple(spread(60_000)))
    key = site.worklist.put(status(9), many).key
    body = framed(json.dumps({"site": key.site, "seriesUid": key.series_uid}).encode())
    head = f"POST {SERVICE}/StreamAnalysis HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: {len(body)}\r\n"
    head += "content-type: application/connect+json\r\nauthorization: Bearer viewer-token\r\n\r\n"
    with socket.socket() as lazy:
        lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # else the kernel may take it all
        lazy.connect(("127.0.0.1", site.port))
        lazy.sendall(head.encode() + body)
        assert lazy.recv(12) == b"HTTP/1.1 200"
        for _ in range(20):
            assert called(line, "GetAnalysis", SERIES).status == 200
        assert not streams(site)
    site.wait(let_go(site))


def streams(site) -> float | None:
    """How many streams were let go before their end."""
    return site.registry.get_sample_value(
        "millet_grpc_handled_total", {"method": "StreamAnalysis", "code": "CANCELLED"}
    )


async def let_go(site) -> None:
    """Return when one was."""
    while not streams(site):
        await asyncio.to_thread(int)


def test_a_stream_ends_with_its_deadline(line):
    """Whatever came before, the end says why."""
    kind = {"kind": "application/connect+json", "connect_timeout_ms": "200"}
    answer = sent(line, f"{SERVICE}/WatchAnalyses", framed(b"{}"), **kind)
    flags, end = frames(answer.body)[-1]
    assert (flags, json.loads(end)["error"]["code"]) == (2, "deadline_exceeded")


def test_a_caller_that_is_silent_is_asked_after():
    """By the kernel, at every connection: a watch of a page whose machine is gone ends."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        _keep_alive(listener)
        with socket.create_connection(listener.getsockname()), listener.accept()[0] as accepted:
            assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            idle_s = accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)
            assert idle_s == KEEP_ALIVE["TCP_KEEPIDLE"]


def watchers(site) -> float | None:
    """How many watch."""
    return site.registry.get_sample_value("millet_grpc_watchers")


async def nobody_watches(site) -> None:
    """Return when all streams have ended."""
    while watchers(site):
        await asyncio.to_thread(int)


@pytest.mark.parametrize(
    ("request_", "headers", "expected"),
    [
        ({"site": "default", "seriesUid": "9"}, {}, (404, "not_found", "NO_SUCH_SERIES")),
        ({"site": "default"}, {}, (400, "invalid_argument", "INVALID_FIELD")),
        ({**SERIES, "pageToken": "x"}, {}, (400, "invalid_argument", "INVALID_FIELD")),
        ({**SERIES, "expectd": {}}, {}, (400, "invalid_argument", "INVALID_FIELD")),
        ({**SERIES, "pageSize": "many"}, {}, (400, "invalid_argument", "INVALID_FIELD")),
        (SERIES, {"connect_timeout_ms": "soon"}, (400, "invalid_argument", "MALFORMED")),
        (SERIES, {"connect_timeout_ms": "12345678901"}, (400, "invalid_argument", "MALFORMED")),
        (SERIES, {"connect_protocol_version": "2"}, (400, "invalid_argument", "MALFORMED")),
        (SERIES, {"content_encoding": "gzip"}, (501, "unimplemented", "")),
        (SERIES, {"connect_timeout_ms": "0"}, (504, "deadline_exceeded", "")),
        (SERIES, {"authorization": "Bearer wrong"}, (401, "unauthenticated", "UNAUTHENTICATED")),
        (SERIES, {"authorization": ""}, (401, "unauthenticated", "UNAUTHENTICATED")),
        (
            {**SERIES, "expected": {"patientId": "other"}},
            {},
            (400, "failed_precondition", "NOT_AS_EXPECTED"),
        ),
    ],
)
def test_a_refusal_has_the_code_and_the_reason_that_grpc_has(line, request_, headers, expected):
    """With the HTTP status of the protocol."""
    answer = called(line, "GetAnalysis", request_, **headers)
    assert (answer.status, *refused(answer)) == expected


@pytest.mark.parametrize("body", [b"", b"[1]", b"{", b'"\xff"', b"[" * 100_000, b'{"site": "A", "site": 3}'])
def test_what_is_no_json_is_malformed(line, body):
    """Empty, cut, not UTF-8, nested without end, twice: the server goes on."""
    answer = sent(line, f"{SERVICE}/GetAnalysis", body)
    assert (answer.status, refused(answer)[0]) == (400, "invalid_argument")
    assert called(line, "GetAnalysis", SERIES).status == 200


def test_what_is_no_message_is_malformed(line):
    """Bytes that protobuf cannot read, envelopes that are cut, doubled or compressed."""
    answer = sent(line, f"{SERVICE}/GetAnalysis", b"\xff\xff", kind="application/proto")
    assert (answer.status, *refused(answer)) == (400, "invalid_argument", "MALFORMED")
    good = json.dumps(SERIES).encode()
    for body in (b"", framed(good)[:-1], framed(good) * 2, framed(good, 1)):
        answer = sent(line, f"{SERVICE}/StreamAnalysis", body, kind="application/connect+json")
        ((_, end),) = frames(answer.body)
        assert json.loads(end)["error"]["code"] == "invalid_argument"


def test_details_are_what_grpc_carries_and_name_no_value(line):
    """The bytes of google.rpc's messages, in base64 without padding."""
    answer = called(line, "GetAnalysis", {**SERIES, "pageToken": "secret-value"})
    told = json.loads(answer.body)
    info, field = told["details"]
    assert [one["type"] for one in told["details"]] == ["google.rpc.ErrorInfo", "google.rpc.BadRequest"]
    assert ErrorInfo.FromString(_bytes(info)).reason == "INVALID_FIELD"
    assert BadRequest.FromString(_bytes(field)).field_violations[0].field == "page_token"
    assert "secret-value" not in answer.body.decode()


def test_a_wrong_field_is_named_in_the_message(line):
    """Whoever sees nothing but `message` knows what to mend; the value is not told."""
    answers = [
        called(line, "GetAnalysis", {**SERIES, **wrong}) for wrong in ({"expectd": {}}, {"pageSize": "x"})
    ]
    assert [json.loads(answer.body)["message"] for answer in answers] == [
        "expectd: the message has no such field",
        "pageSize: the value is none of this field",
    ]


def _bytes(detail: dict) -> bytes:
    return b64decode(detail["value"] + "=" * (-len(detail["value"]) % 4))


def test_a_message_that_is_too_long_is_refused_by_what_it_says_and_by_what_it_is(line):
    """4 MB, as over gRPC; neighbours are answered as before."""
    for body in (b" " * (MOST_BYTES + 1), iter([b" " * (MOST_BYTES // 4)] * 5)):
        answer = sent(line, f"{SERVICE}/GetAnalysis", body)
        assert (answer.status, refused(answer)[0]) == (429, "resource_exhausted")
        line.close()
    padded = json.dumps(SERIES).encode().ljust(MOST_BYTES)
    assert sent(line, f"{SERVICE}/GetAnalysis", padded).status == 200


@pytest.mark.parametrize(
    "method", [f"{SERVICE}/DeleteAll", "/millet.v2.Other/Get", "/grpc.reflection.v1alpha.ServerReflection/X"]
)
def test_a_method_that_does_not_exist_is_unimplemented(line, method):
    """Of our service, of another, of one that is for gRPC alone."""
    answer = sent(line, method)
    assert (answer.status, refused(answer)[0]) == (501, "unimplemented")


def test_streams_and_single_calls_are_made_with_their_own_types(line):
    """The error says which; a type of neither is 415, another verb 405."""
    answer = called(line, "WatchAnalyses", {})
    assert (answer.status, refused(answer)[0]) == (501, "unimplemented")
    assert b"application/connect+json" in answer.body
    answer = sent(line, f"{SERVICE}/GetAnalysis", framed(b"{}"), kind="application/connect+json")
    assert json.loads(frames(answer.body)[0][1])["error"]["code"] == "unimplemented"
    answer = sent(line, f"{SERVICE}/GetAnalysis", kind="text/plain")
    assert (answer.status, "application/connect+proto" in answer.headers["accept-post"]) == (415, True)
    assert sent(line, f"{SERVICE}/GetAnalysis", b"", method="GET").status == 405


def test_a_viewer_reads_and_a_reader_says(site, line):
    """Roles are those of gRPC, and a key stands for one request whichever door it comes by."""
    said = {**SERIES, "generation": 1, "level": "TRIAGE_LEVEL_NOTABLE", "person": "Dr Weiss"}
    said |= {"idempotencyKey": "browser-1"}
    answer = called(line, "AcknowledgeSeries", said)
    assert (answer.status, *refused(answer)) == (403, "permission_denied", "ROLE_DENIED")
    reader = {"authorization": "Bearer reader-token"}
    first, again = (json.loads(called(line, "AcknowledgeSeries", said, **reader).body) for _ in range(2))
    assert ("repeatedRequest" in first, again["repeatedRequest"]) == (False, True)
    assert len(site.readers.said) == 1
    assert ("reader", f"{SERVICE}/AcknowledgeSeries", SERIES["seriesUid"]) in site.gate.given
    asked = site.gate.asked[-1]
    assert (asked.door, asked.shown.address, asked.what) == (
        "http",
        "127.0.0.1",
        f"{SERVICE}/AcknowledgeSeries",
    )


def test_other_origins_may_call_where_they_are_named(line):
    """A preflight, and the answer that a page may read; nothing of it for pages, and for no other origin."""
    asks = {"origin": ORIGIN, "access_control_request_method": "POST", "sec_fetch_site": "cross-site"}
    may = sent(line, f"{SERVICE}/GetAnalysis", b"", method="OPTIONS", **asks)
    assert (may.status, may.headers["access-control-allow-origin"]) == (204, ORIGIN)
    assert "connect-timeout-ms" in may.headers["access-control-allow-headers"]
    answer = called(line, "GetAnalysis", SERIES, origin=ORIGIN, sec_fetch_site="cross-site")
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (200, ORIGIN)
    strange = {**asks, "origin": "https://elsewhere.example"}
    for method in ("OPTIONS", "POST"):
        answer = sent(line, f"{SERVICE}/GetAnalysis", method=method, **strange)
        assert (answer.status, "access-control-allow-origin" in answer.headers) == (403, False)
    assert "access-control-allow-origin" not in sent(line, "/", b"", method="GET", **asks).headers


def test_no_path_of_a_page_is_taken_for_a_call():
    """And every call is one."""
    assert [route for route in ROUTES if is_rpc(route)] == []
    assert all(is_rpc(method) for method in RPCS)
    strange = ["/static/nv.umd.js", "/studies/1.2.840", "/series/a.b/1.2", "/a.B/", "//a.b", "/a.b/c/d"]
    assert [path for path in strange if is_rpc(path)] == []


def test_health_is_told_to_everybody(line):
    """A single look, and a stream of a service that writes by its context."""
    none = {"authorization": ""}
    answer = sent(line, "/grpc.health.v1.Health/Check", **none)
    assert json.loads(answer.body) == {"status": "SERVING"}
    headers = {"content-type": "application/connect+json"}
    line.request("POST", "/grpc.health.v1.Health/Watch", framed(b"{}"), headers)
    assert next_frame(line.getresponse()) == (0, {"status": "SERVING"})


def test_more_calls_than_are_taken_at_once_are_told_to_come_later():
    """The bound of gRPC; whoever is within it is answered."""

    async def asked(most: int) -> dict:
        told = []
        scope = {"type": "http", "method": "POST", "path": f"{SERVICE}/Nothing", "state": {"shown": None}}
        scope["headers"] = [(b"content-type", b"application/json")]

        async def send(message) -> None:
            told.append(message)

        await Connect(Registered([]), most_calls=most)(scope, None, send)
        return json.loads(told[1]["body"])

    assert asyncio.run(asked(0))["code"] == "resource_exhausted"
    assert asyncio.run(asked(1))["code"] == "unimplemented"


class Heard:
    """Calls of one method that came whole, and a way to send it requests piece by piece."""

    def __init__(self, **bounds: int) -> None:
        self.heard: list[str] = []
        registered = Registered([])
        registered.add_generic_rpc_handlers([self._handlers()])
        self.calls = Connect(registered, **bounds)

    def _handlers(self) -> grpc.GenericRpcHandler:
        async def hear(request, _context) -> pb.GetAnalysisResponse:
            self.heard.append(request.series_uid)
            return pb.GetAnalysisResponse()

        handler = grpc.unary_unary_rpc_method_handler(hear, pb.GetAnalysisRequest.FromString)
        return grpc.method_handlers_generic_handler(SERVICE[1:], {"GetAnalysis": handler})

    async def sent(self, receive) -> int:
        """The status of an answer."""
        told = []
        scope = {"type": "http", "method": "POST", "path": f"{SERVICE}/GetAnalysis", "state": {"shown": None}}
        scope["headers"] = [(b"content-type", b"application/proto")]

        async def send(message) -> None:
            told.append(message)

        await self.calls(scope, receive, send)
        return told[0]["status"]


def coming(*pieces: dict):
    """An ASGI `receive` of these messages, and of silence after them."""
    rest = iter(pieces)

    async def receive() -> dict:
        if (one := next(rest, None)) is None:
            await asyncio.Event().wait()
        return one

    return receive


def piece(body: bytes, *, more: bool) -> dict:
    """A part of a request."""
    return {"type": "http.request", "body": body, "more_body": more}


def test_a_request_that_is_cut_off_is_not_carried_out():
    """What came of it may be a message, with less in it than its caller meant."""
    heard = Heard()
    whole = pb.GetAnalysisRequest(series_uid="1.2").SerializeToString()
    cut = coming(piece(whole, more=True), {"type": "http.disconnect"})
    assert (asyncio.run(heard.sent(cut)), heard.heard) == (499, [])
    assert asyncio.run(heard.sent(coming(piece(whole, more=False)))) == 200
    assert heard.heard == ["1.2"]


def test_requests_that_are_coming_in_hold_no_more_than_there_is_room_for():
    """Whoever comes too late is told so, small requests are answered all the same, and room is given back."""
    large, small = (pb.GetAnalysisRequest(series_uid="1" * size).SerializeToString() for size in (50_000, 5))

    async def test() -> list[int]:
        heard, filled, rest = Heard(most_held=len(large)), asyncio.Event(), asyncio.Event()

        async def slow() -> dict:
            if filled.is_set():
                await rest.wait()
                return {"type": "http.disconnect"}
            filled.set()
            return piece(large, more=True)

        first = asyncio.create_task(heard.sent(slow))
        await filled.wait()
        told = [await heard.sent(coming(piece(one, more=False))) for one in (large, small)]
        rest.set()
        told.append(await first)
        return [*told, *[await heard.sent(coming(piece(large, more=False))) for _ in range(3)]]

    assert asyncio.run(test()) == [429, 200, 499, 200, 200, 200]


def buf(site, method: str, request: dict, *options: str, token: str = "viewer-token"):
    """`buf curl` at the HTTP port."""
    if not BUF.is_file():
        pytest.skip("buf is not installed (tools/buf.sh)")
    command = [BUF, "curl", "--schema", ROOT / "proto", *options, "-H", f"authorization: Bearer {token}"]
    url = f"http://127.0.0.1:{site.port}{method}"
    return subprocess.run(
        [*command, "-d", json.dumps(request), url], check=False, capture_output=True, text=True, timeout=120
    )


@pytest.mark.buf
@pytest.mark.parametrize("protocol", ["connect", "grpcweb"])
def test_buf_curl_calls_streams_and_is_refused(site, protocol):
    """A client of another make: the messages, and the codes it makes its exit status of."""
    spoken = ("--protocol", protocol)
    one = buf(site, f"{SERVICE}/GetAnalysis", SERIES, *spoken)
    assert json.loads(one.stdout)["totalNodules"] == 3, one.stderr
    many = buf(site, f"{SERVICE}/StreamAnalysis", SERIES, *spoken)
    assert re.search(r'"totalNodules":\s*3\b', many.stdout), many.stderr
    for request, token, code in (
        ({**SERIES, "seriesUid": "9"}, "viewer-token", grpc.StatusCode.NOT_FOUND),
        (SERIES, "wrong", grpc.StatusCode.UNAUTHENTICATED),
    ):
        for method in ("GetAnalysis", "StreamAnalysis"):
            refused = buf(site, f"{SERVICE}/{method}", request, *spoken, token=token)
            assert refused.returncode == code.value[0] << 3, refused.stderr
            assert "google.rpc.ErrorInfo" in refused.stderr, refused.stderr


SHOWN = re.findall(r"```js\n(.*?)```", (ROOT / "docs/reference/browsers.md").read_text("utf-8"), re.DOTALL)
"""What the page of the documents shows: both functions, and what to do with an error."""
WATCH = """async () => {
    const told = [];
    for await (const one of stream("WatchAnalyses", {})) {
        told.push(one.series.seriesUid);
        if (one.series.seriesUid === "1.2.826.0.1.8") return told;
        window.watching = true;
    }
}"""
REFUSED = """async method => {
    const request = {site: "default", seriesUid: "9"};
    try {
        if (method === "StreamAnalysis") for await (const one of stream(method, request)) return one;
        return await call(method, request);
    } catch (error) {
        return [error.code, error.details[0].debug.reason];
    }
}"""


@pytest.fixture(scope="module")
def page(site):
    """A page of another site, in a real browser, with the functions of the documents."""
    with chromium() as browser:
        made = browser.new_page()
        made.goto(f"http://127.0.0.1:{site.elsewhere.server_port}/")
        code = SHOWN[0].replace("http://127.0.0.1:8080", site.url).replace("TOKEN", "viewer-token")
        made.add_script_tag(content=code)
        yield made


def test_a_page_in_a_browser_calls_and_hears_as_the_documents_show(site, page):
    """Chromium sends a preflight, reads an answer, and hears of a change while its stream is open."""
    found = page.evaluate("call('GetAnalysis', {site: 'default', seriesUid: '1.2.826.0.1.1'})")
    assert found["totalNodules"] == 3
    assert [page.evaluate(REFUSED, method) for method in ("GetAnalysis", "StreamAnalysis")] == [
        ["not_found", "NO_SUCH_SERIES"]
    ] * 2
    page.evaluate(f"window.told = ({WATCH})(); 0")
    page.wait_for_function("window.watching", timeout=60_000)
    site.put(status(8, state="receiving"))
    site.grpc.wake()
    assert page.evaluate("window.told")[-1] == "1.2.826.0.1.8"


def test_a_page_of_a_site_that_is_not_named_reads_nothing(site, page):
    """The browser keeps the answer from it."""
    page.goto(f"http://localhost:{site.elsewhere.server_port}/")
    asks = f"fetch('{site.url}{SERVICE}/ListAnalyses', {{method: 'POST', body: '{{}}'}}).catch(String)"
    assert "Failed to fetch" in page.evaluate(asks)
