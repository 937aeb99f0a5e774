"""The remote detector against a real server on loopback, ours and one that knows nothing of detectors."""

import logging
import re
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import grpc
import numpy as np
import onnxruntime
import pytest
import torch
from plain_kserve import TYPES, PlainServer
from ports import free_port

from millet.core.retry import Patience
from millet.edge import kserve, models
from millet.edge.kserve import Endpoint, KServeDetector, KServeServer, Name, Tls
from millet.edge.openvino import OpenVinoDetector
from millet.errors import DetectorError, ModelError, OutOfMemory, SettingsError
from millet.ports import Peaks
from millet.proto.inference import grpc_service_pb2 as pb
from millet.proto.inference.grpc_service_pb2_grpc import GRPCInferenceServiceStub

LOG, LOG_GRAPHS = models.load(models.bundled() / "log/1")
MILLET, MILLET_GRAPHS = models.load(models.bundled() / "millet/1")
_, INT8_GRAPHS = models.load(models.bundled() / "millet/1", "int8")
MODELS = {
    "log": (LOG, "log", LOG_GRAPHS["log"], Name("log-log-fp32", "1")),
    "fine": (MILLET, "fine", MILLET_GRAPHS["fine"], Name("millet-fine-fp32", "1")),
}
FINE = MODELS["fine"][3]
ONCE = Patience(first_s=0.01, longest_s=0.01, give_up_s=0)
TOKEN = "Bearer 5ecret"


@pytest.fixture(scope="module")
def local():
    """The graphs on this CPU."""
    return {key: OpenVinoDetector(graph, threads=1) for key, (_, _, graph, _) in MODELS.items()}


@pytest.fixture(scope="module")
def served(local):
    """What our server serves: both models."""
    return {
        **kserve.catalogue(LOG, {"log": local["log"]}),
        **kserve.catalogue(MILLET, {"fine": local["fine"]}),
    }


@contextmanager
def running(served, **options):
    """Our server on a free port, which is given."""
    server = KServeServer(served, **options)
    port = server.start(port=free_port())
    try:
        yield port
    finally:
        server.stop()


@pytest.fixture(scope="module")
def endpoint(served):
    """Our server, for tests that leave it as it is."""
    with running(served) as port:
        yield Endpoint(address=f"127.0.0.1:{port}")


@contextmanager
def remote(endpoint, name=FINE, **options):
    """A client, closed afterwards."""
    detector = KServeDetector(endpoint, name, **options)
    try:
        yield detector
    finally:
        detector.close()


@contextmanager
def far_from(served, **options):
    """A client of a server of ours, both ended afterwards."""
    with running(served) as port, remote(Endpoint(address=f"127.0.0.1:{port}", **options)) as far:
        yield far


def at(server):
    """The endpoint of a plain server."""
    return Endpoint(address=server.address)


def windows(count=3):
    """The probe, shifted for each window; the last one is empty air."""
    first = kserve.probe_window(MILLET, "fine")
    shifted = [torch.roll(first, 3 * number, 2) for number in range(count - 1)]
    return torch.stack([*shifted, torch.full_like(first, -1000)])


def the_same(found, expected, tolerance=0.0):
    """Whether peaks of one window equal others."""
    return found.score.shape == expected.score.shape and all(
        np.allclose(a, b, rtol=0, atol=tolerance)
        for a, b in zip(found, expected, strict=True)
        if b is not None
    )


class Does:
    """A detector that does what it is told."""

    device, provider, precision = "cpu", "test", "fp32"

    def __init__(self, act):
        self._act = act
        self.proved = False

    def detect(self, windows):
        """Act, but for the server's own first look."""
        acts, self.proved = self.proved, True
        return self._act(windows) if acts else [peaks_of([[1, 1, 1]], 3.0, 0.5) for _ in windows]


def peaks_of(places, diameter, score):
    """Peaks of one size and score."""
    count = len(places)
    return Peaks(
        np.asarray(places, np.float32).reshape(-1, 3),
        np.full(count, diameter, np.float32),
        np.full(count, score, np.float32),
    )


def fine_as(served, detector):
    """Another detector under the name of fine."""
    return {FINE.model: replace(served[FINE.model], detector=detector)}


@pytest.mark.parametrize("key", MODELS)
def test_a_remote_graph_finds_what_the_local_one_finds(endpoint, local, key):
    """Bit for bit, whatever lies in the other windows of the batch, and nothing where nothing is."""
    with remote(endpoint, MODELS[key][3]) as far:
        found, expected = far.detect(windows()), local[key].detect(windows())
    assert [the_same(a, b) for a, b in zip(found, expected, strict=True)] == [True] * 3
    assert max(found[0].score) > 0.5
    assert not found[2].score.size or max(found[2].score) < 0.5


@pytest.mark.parametrize("manner", [{}, {"typed": True}, {"columns": True}], ids=["raw", "typed", "columns"])
@pytest.mark.parametrize(("key", "requests"), [("log", 3), ("fine", 1)])
def test_a_graph_on_a_foreign_server_is_used_as_its_shape_allows(local, key, requests, manner):
    """A graph without batches gets a window a request, one with them all at once; the peaks are the same."""
    *_, graph, name = MODELS[key]
    with PlainServer({name.model: graph}, **manner) as server, remote(at(server), name) as far:
        found = far.detect(windows())
        assert server.shapes == [[3 // requests, 1, *windows().shape[1:]]] * requests
    for one, other in zip(found, local[key].detect(windows()), strict=True):
        assert the_same(one, other, 1e-3)


def test_a_request_never_holds_more_than_it_may(local):
    """Windows that are too much for one request go in several, and come back in their order."""
    with PlainServer({FINE.model: MILLET_GRAPHS["fine"]}) as server:
        where = replace(at(server), request_bytes=2 * windows()[0].nbytes)
        with remote(where) as far:
            found = far.detect(windows())
    assert [shape[0] for shape in server.shapes] == [2, 1]
    for one, other in zip(found, local["fine"].detect(windows()), strict=True):
        assert the_same(one, other, 1e-3)


def test_no_windows_have_no_peaks(endpoint):
    """Nothing is sent for nothing."""
    with remote(endpoint) as far:
        assert list(far.detect(torch.zeros((0, 48, 48, 48)))) == []


def test_the_provider_tells_where_and_by_what(endpoint):
    """Host, port and platform, so that every analysis names the machine."""
    with remote(endpoint) as far:
        assert far.provider == f"KServe v2 at {endpoint.address} (OpenVINO CPU)"
        assert (far.device, far.precision) == ("cpu", "fp32")


@pytest.mark.parametrize(
    "name", [Name("millet-coarse-fp32", "1"), Name("millet-fine-fp32", "2")], ids=["model", "version"]
)
def test_a_model_that_is_not_there_is_refused(endpoint, name):
    """By our server with a status, by others with a plain no: a ModelError that names host and model."""
    with PlainServer({FINE.model: MILLET_GRAPHS["fine"]}) as server:
        for where in (endpoint, at(server)):
            with pytest.raises(ModelError, match=f"{name.model}/{name.version} at {where.address}"):
                KServeDetector(where, name)


@pytest.mark.parametrize(
    ("alter", "says"),
    [
        (lambda told: setattr(told.inputs[0], "name", "image"), "inputs are image"),
        (lambda told: setattr(told.inputs[0], "datatype", "FP16"), "hu FP16"),
        (lambda told: told.inputs[0].shape.pop(), "input is hu"),
        (lambda told: told.inputs[0].shape.__setitem__(4, 96), "input is hu"),
        (lambda told: told.inputs[0].shape.__setitem__(0, 8), "input is hu"),
        (lambda told: told.outputs.pop(0), "no output position_voxels"),
        (lambda told: setattr(told.outputs[2], "datatype", "INT64"), "not score FP32"),
        (lambda told: told.outputs[0].shape.__setitem__(1, 4), "position_voxels FP32 .*not position_voxels"),
    ],
    ids=["name", "type", "sides", "fixed", "batch", "missing", "score", "four-columns"],
)
def test_a_model_that_is_no_detector_is_refused(alter, says):
    """Before anything is sent to it: its metadata do not fit."""
    with PlainServer({FINE.model: MILLET_GRAPHS["fine"]}) as server:
        server.alter_metadata = alter
        with pytest.raises(ModelError, match=says):
            KServeDetector(at(server), FINE)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (grpc.StatusCode.NOT_FOUND, ModelError),
        (grpc.StatusCode.UNKNOWN, ModelError),
        (grpc.StatusCode.PERMISSION_DENIED, DetectorError),
    ],
)
def test_what_keeps_a_model_from_us_is_told_from_what_keeps_it_from_all(status, kind):
    """A model that the server does not know is a mistake in the settings; a closed door may open."""
    with PlainServer({FINE.model: MILLET_GRAPHS["fine"]}) as server:
        server.refuse = (status, "no")
        with pytest.raises(kind, match=f"at {server.address}: {status.name}: no"):
            KServeDetector(at(server), FINE)


def test_a_server_that_is_not_ready_is_no_model_error():
    """It may be later."""
    with PlainServer({FINE.model: MILLET_GRAPHS["fine"]}) as server:
        server.ready = False
        with pytest.raises(DetectorError, match="not ready"):
            KServeDetector(at(server), FINE)


def score_of(answer, raw):
    """Other bytes for the scores."""
    answer.raw_output_contents[[output.name for output in answer.outputs].index("score")] = raw(
        answer.raw_output_contents[2]
    )


@pytest.mark.parametrize(
    ("alter", "says"),
    [
        (lambda answer: setattr(answer, "model_name", "other"), "'other'"),
        (lambda answer: answer.raw_output_contents.pop(), "3 raw contents for 4"),
        (lambda answer: (answer.outputs.pop(), answer.raw_output_contents.pop()), "window is missing"),
        (lambda answer: score_of(answer, lambda raw: raw[:-4]), "score has"),
        (lambda answer: score_of(answer, lambda raw: raw[:-1]), "no whole number"),
        (lambda answer: score_of(answer, lambda raw: b"\x00\x00\xc0\x7f" * (len(raw) // 4)), "not finite"),
        (lambda answer: setattr(answer.outputs[2], "datatype", "BYTES"), "BYTES"),
        (lambda answer: setattr(answer.outputs[3], "name", "score"), "window is missing"),
        (
            lambda answer: answer.raw_output_contents.__setitem__(
                3, answer.raw_output_contents[3][:-8] + b"\7" + bytes(7)
            ),
            "none of 1 windows",
        ),
    ],
    ids=["model", "parts", "missing", "short", "cut", "nan", "type", "twice", "window"],
)
def test_an_answer_that_makes_no_sense_is_no_clean_result(alter, says):
    """Truncated, misnamed or impossible peaks are a DetectorError, never fewer peaks."""
    with PlainServer({FINE.model: MILLET_GRAPHS["fine"]}) as server, remote(at(server)) as far:
        server.alter_answer = alter
        with pytest.raises(DetectorError, match=says):
            far.detect(windows(2)[:1])


@pytest.mark.parametrize(
    ("status", "details", "kind"),
    [
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "", OutOfMemory),
        (
            grpc.StatusCode.INTERNAL,
            "onnx runtime error 6: Failed to allocate memory for requested",
            OutOfMemory,
        ),
        (grpc.StatusCode.INTERNAL, "CUDA failure 700: an illegal memory access", DetectorError),
        (grpc.StatusCode.NOT_FOUND, "unloaded", DetectorError),
    ],
)
def test_only_a_want_of_memory_asks_for_fewer_windows(status, details, kind):
    """The batcher halves on OutOfMemory alone; Triton gives ONNX Runtime's as INTERNAL."""
    with PlainServer({FINE.model: MILLET_GRAPHS["fine"]}) as server, remote(at(server)) as far:
        server.refuse = (status, details)
        with pytest.raises(
            DetectorError, match=f"millet-fine-fp32/1 at {server.address}: {status.name}"
        ) as caught:
            far.detect(windows())
        assert type(caught.value) is kind


def test_our_server_tells_want_of_memory_from_failure(served):
    """RESOURCE_EXHAUSTED and INTERNAL, and the client turns them back into what they were."""
    for raised in (OutOfMemory("full"), DetectorError("broken")):

        def fail(_, raised=raised):
            raise raised

        with far_from(fine_as(served, Does(fail))) as far:
            with pytest.raises(DetectorError, match=str(raised)) as caught:
                far.detect(windows())
            assert type(caught.value) is type(raised)


def test_a_server_that_is_gone_is_given_up(served):
    """After its patience, with host and model in the error; nobody waits for good."""
    waits = []
    server = KServeServer(served)
    patience = Patience(first_s=0.01, longest_s=0.02, give_up_s=0.5)
    where = Endpoint(address=f"127.0.0.1:{server.start()}", patience=patience)
    ended = threading.Event()
    with remote(where, pause=lambda s: (waits.append(s), ended.wait(s))) as far:
        server.stop()
        with pytest.raises(DetectorError, match=f"millet-fine-fp32/1 at {where.address}: UNAVAILABLE"):
            far.detect(windows())
        assert waits
    with pytest.raises(DetectorError, match="UNAVAILABLE"):
        KServeDetector(replace(where, patience=ONCE), FINE)


def test_a_server_that_comes_back_is_found_again(served, local):
    """What is asked while it is away is answered once it is there."""
    first, second, ended = KServeServer(served), KServeServer(served), threading.Event()
    port = first.start(port=free_port())
    waits = []

    def pause(wait_s):
        if not waits:
            second.start(port=port)
        waits.append(wait_s)
        ended.wait(wait_s)

    try:
        with remote(Endpoint(address=f"127.0.0.1:{port}"), pause=pause) as far:
            first.stop()
            (found,) = far.detect(windows()[:1])
        assert waits
        assert the_same(found, local["fine"].detect(windows()[:1])[0])
    finally:
        second.stop()


def test_a_server_that_does_not_answer_runs_into_the_deadline(served):
    """A call has an end, and is not tried again: the windows may be what hangs it."""
    hang = threading.Event()
    calls = []

    def wait(windows):
        calls.append(windows)
        hang.wait(30)
        return [peaks_of([], 1, 1)]

    with far_from(fine_as(served, Does(wait)), timeout_s=2) as far:
        with pytest.raises(DetectorError, match="DEADLINE_EXCEEDED"):
            far.detect(windows()[:1])
        hang.set()
    assert len(calls) == 1


def test_a_closed_detector_says_so(endpoint):
    """Closing is final, and twice is once."""
    with remote(endpoint) as far:
        far.close()
        with pytest.raises(DetectorError, match="given up"):
            far.detect(windows())


def test_two_threads_ask_at_once(served, local):
    """Both requests are under way together, and each gets its own peaks."""
    both = threading.Barrier(2)

    def together(given):
        both.wait(20)
        return local["fine"].detect(given)

    with far_from(fine_as(served, Does(together))) as far, ThreadPoolExecutor(2) as pool:
        found = list(pool.map(far.detect, (windows()[:1], windows()[1:2])))
    for one, other in zip(found, local["fine"].detect(windows()), strict=False):
        assert the_same(one[0], other)


def test_messages_of_any_size_pass(served):
    """A window and its peaks may each be larger than gRPC's usual 4 MB; none is lost."""
    places = np.random.default_rng(0).uniform(0, 100, (300_000, 3))
    with far_from(fine_as(served, Does(lambda _: [peaks_of(places, 3.0, 0.5)]))) as far:
        (found,) = far.detect(torch.zeros((1, 110, 110, 110)))
    assert np.array_equal(found.position_voxels, places.astype(np.float32))


def test_the_pyramid_of_a_box_detector_comes_along(served):
    """A server sees at its start that the graph tells it."""

    class Boxes:
        device, provider, precision = "cpu", "test", "fp32"

        def detect(self, windows):
            return [peaks_of([[1, 2, 3]] * 2, 5.0, 0.7)._replace(pyramid=np.array([0, 2])) for _ in windows]

    with far_from(fine_as(served, Boxes())) as far:
        found = far.detect(windows())
    assert [peaks.pyramid.tolist() for peaks in found] == [[0, 2]] * 3


def hu(shape=(1, 1, 48, 56, 64), datatype="FP32", name="hu", **more):
    """An input as the protocol writes it."""
    return pb.ModelInferRequest.InferInputTensor(name=name, datatype=datatype, shape=shape, **more)


def asked(**more):
    """A request of the fine graph."""
    return pb.ModelInferRequest(model_name=FINE.model, **more)


ZEROS = bytes(4 * 48 * 56 * 64)


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        (asked(), "one input is hu"),
        (asked(inputs=[hu(name="image")], raw_input_contents=[ZEROS]), "one input is hu"),
        (asked(inputs=[hu(datatype="FP64")], raw_input_contents=[ZEROS]), "FP64"),
        (asked(inputs=[hu(shape=(1, 48, 56, 64))], raw_input_contents=[ZEROS]), "not FP32"),
        (asked(inputs=[hu(shape=(1, 1, 0, 56, 64))], raw_input_contents=[b""]), "not FP32"),
        (asked(inputs=[hu(shape=(-1, 1, -48, 56, 64))], raw_input_contents=[ZEROS]), "not FP32"),
        (asked(inputs=[hu(shape=(256, 1, 1, 1, 1))], raw_input_contents=[bytes(4 * 256)]), "below"),
        (asked(inputs=[hu()], raw_input_contents=[ZEROS[4:]]), "172031 values"),
        (asked(inputs=[hu()], raw_input_contents=[ZEROS[1:]]), "no whole number"),
        (asked(inputs=[hu()], raw_input_contents=[ZEROS, ZEROS]), "2 raw contents for 1"),
        (asked(inputs=[hu()]), "0 values"),
        (
            asked(
                inputs=[hu(contents=pb.InferTensorContents(fp32_contents=[1]))], raw_input_contents=[ZEROS]
            ),
            "both raw and typed",
        ),
        (
            asked(
                inputs=[hu()],
                raw_input_contents=[ZEROS],
                outputs=[pb.ModelInferRequest.InferRequestedOutputTensor(name="mask")],
            ),
            "no output mask",
        ),
    ],
)
def test_a_request_that_does_not_fit_is_an_invalid_argument(endpoint, request_, says):
    """The server says what is wrong with it, and runs nothing."""
    with grpc.insecure_channel(endpoint.address) as channel, pytest.raises(grpc.RpcError) as caught:
        GRPCInferenceServiceStub(channel).ModelInfer(request_)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert says in caught.value.details()


def test_a_client_of_another_make_is_served(endpoint, local):
    """Typed contents, one output of its choice, its id, what ran it, and what the server says of itself."""
    window = windows()[0]
    contents = pb.InferTensorContents(fp32_contents=window.ravel().tolist())
    only = pb.ModelInferRequest.InferRequestedOutputTensor(name="score")
    with grpc.insecure_channel(endpoint.address) as channel:
        stub = GRPCInferenceServiceStub(channel)
        answer = stub.ModelInfer(asked(id="7", inputs=[hu(contents=contents)], outputs=[only]))
        assert stub.ServerLive(pb.ServerLiveRequest()).live
        assert stub.ServerMetadata(pb.ServerMetadataRequest()).name == "millet"
        with pytest.raises(grpc.RpcError) as caught:
            stub.ModelMetadata(pb.ModelMetadataRequest(name="nobody"))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert (answer.id, answer.model_version, [o.name for o in answer.outputs]) == ("7", "1", ["score"])
    expected = local["fine"].detect(window[None])[0].score
    assert np.array_equal(np.frombuffer(answer.raw_output_contents[0], "<f4"), expected)
    told = {name: parameter.string_param for name, parameter in answer.parameters.items()}
    digest = next(g.digest for g in MILLET.graphs if (g.name, g.precision) == ("fine", "fp32"))
    assert told == {"graph_digest": digest, "precision": "fp32", "provider": "OpenVINO CPU"}


def test_a_port_that_is_taken_is_said(served, endpoint):
    """Two servers never share one."""
    with pytest.raises(OSError, match="cannot listen"):
        KServeServer(served).start(port=int(endpoint.address.rpartition(":")[2]))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """Key and self-signed certificate of loopback."""
    folder = tmp_path_factory.mktemp("tls")
    key, made = folder / "key.pem", folder / "certificate.pem"
    curve = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=millet"
    command = ["openssl", "req", "-x509", *curve.split(), "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command, "-keyout", key, "-out", made], check=True, capture_output=True)
    return Tls(roots=made, certificate=made, key=key)


def test_windows_travel_encrypted_and_both_ends_are_checked(served, local, certificate):
    """With root and certificate it works; without either of them, or in plain, it does not."""
    with running(served, tls=certificate) as port:
        where = Endpoint(address=f"127.0.0.1:{port}", tls=certificate, patience=ONCE)
        with remote(where) as far:
            (found,) = far.detect(windows()[:1])
        for tls in (None, Tls(), Tls(roots=certificate.roots)):
            with pytest.raises(DetectorError, match="UNAVAILABLE"):
                KServeDetector(replace(where, tls=tls), FINE)
    assert the_same(found, local["fine"].detect(windows()[:1])[0])


def test_headers_are_sent_and_never_shown():
    """A bearer token reaches the server; neither the endpoint's text nor an error has it."""
    with PlainServer({FINE.model: MILLET_GRAPHS["fine"]}) as server:
        where = replace(at(server), headers={"authorization": TOKEN})
        with remote(where) as far:
            far.detect(windows()[:1])
            server.refuse = (grpc.StatusCode.PERMISSION_DENIED, "no")
            with pytest.raises(DetectorError) as caught:
                far.detect(windows()[:1])
    assert ("authorization", TOKEN) in server.headers
    assert "5ecret" not in f"{where!r} {far} {caught.value} {far.provider}"


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ({"address": "https://gpu:8001"}, "host:port"),
        ({"address": "user:5ecret@gpu:8001"}, "host:port"),
        ({"address": "gpu"}, "host:port"),
        ({"address": "gpu:1", "timeout_s": 0}, "timeout_s 0"),
        ({"address": "gpu:1", "headers": {"Authorization": TOKEN}}, "lower-case"),
        ({"address": "gpu:1", "headers": {"authorization": f"{TOKEN}\n"}}, "printable"),
    ],
)
def test_a_wrong_endpoint_is_refused(facts, says):
    """At once, and its secrets stay out of the message."""
    with pytest.raises(SettingsError, match=says) as caught:
        Endpoint(**facts)
    assert "5ecret" not in str(caught.value)


def test_a_certificate_that_cannot_be_read_is_named(tmp_path):
    """A setting that is wrong, not a server that is away."""
    with pytest.raises(SettingsError, match=r"none\.pem"):
        KServeDetector(Endpoint(address="127.0.0.1:1", tls=Tls(roots=tmp_path / "none.pem")), FINE)


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("1", Name("m-fine-int8", "1")),
        ("12", Name("m-fine-int8", "12")),
        ("0.6.8", Name("m-0.6.8-fine-int8", "1")),
    ],
)
def test_a_served_name_tells_model_graph_precision_and_version(version, expected):
    """And suits Triton, whose versions are whole numbers."""
    assert kserve.served_name(replace(MILLET, name="m", version=version), "fine", "int8") == expected


@pytest.mark.parametrize("key", MODELS)
def test_a_graph_that_is_the_local_one_is_proved(local, key):
    """On another engine, on a server that tells no digest, within a thousandth."""
    manifest, graph, encoded, name = MODELS[key]
    with PlainServer({name.model: encoded}) as server:
        kserve.connect(at(server), manifest, graph, "fp32", local[key]).close()


@pytest.mark.parametrize(
    "impostor",
    [LOG_GRAPHS["log"], MILLET_GRAPHS["coarse"], INT8_GRAPHS["fine"]],
    ids=["another-model", "another-graph", "another-precision"],
)
def test_another_graph_behind_the_name_is_refused(local, impostor):
    """Whatever it is called, and although its metadata fit."""
    refusal = pytest.raises(ModelError, match="is another graph")
    with PlainServer({FINE.model: impostor}) as server, refusal:
        kserve.connect(at(server), MILLET, "fine", "fp32", local["fine"])


def test_a_graph_of_another_digest_is_refused_at_start_and_later(served, local):
    """Our server names the digest in every answer: a graph exchanged while we run is noticed too."""
    other = {FINE.model: replace(served[FINE.model], digest="0" * 64)}
    with running(served) as port:
        where = Endpoint(address=f"127.0.0.1:{port}")
        far = kserve.connect(where, MILLET, "fine", "fp32", local["fine"])
    exchanged = KServeServer(other)
    exchanged.start(port=port)
    try:
        for graph in (local["fine"], None):
            with pytest.raises(ModelError, match="digest 0000"):
                kserve.connect(where, MILLET, "fine", "fp32", graph)
        with pytest.raises(DetectorError, match="digest 0000"):
            far.detect(windows())
    finally:
        far.close()
        exchanged.stop()


@pytest.mark.parametrize("field", ["position_voxels", "diameter_voxels", "score"])
def test_the_proof_is_as_sharp_as_it_says(local, field):
    """Half a thousandth off is the same graph, two thousandths are another; so is a peak more."""
    window = kserve.probe_window(MILLET, "fine")
    (found,) = local["fine"].detect(window[None])

    def changed(by, scale=1.0):
        detector = Does(lambda _: [found._replace(**{field: getattr(found, field) * scale + by})])
        detector.proved = True
        return detector

    relative = field == "diameter_voxels"
    near, off = (changed(0, 1 + e) if relative else changed(e) for e in (5e-4, 2e-3))
    kserve.verify(local["fine"], near, window)
    with pytest.raises(ModelError, match="another graph"):
        kserve.verify(local["fine"], off, window)


def test_a_peak_more_is_another_graph(local):
    """What the remote one adds counts as well as what it lacks."""
    window = kserve.probe_window(MILLET, "fine")
    (found,) = local["fine"].detect(window[None])
    more = Does(
        lambda _: [
            Peaks(
                *(
                    np.concatenate([a, b])
                    for a, b in zip(found[:3], peaks_of([[5, 5, 5]], 3, 0.9)[:3], strict=True)
                )
            )
        ]
    )
    more.proved = True
    with pytest.raises(ModelError, match="lacks 0 and has 1"):
        kserve.verify(local["fine"], more, window)


def test_a_graph_that_finds_nothing_proves_nothing(local):
    """Two graphs that are both blind on the probe may differ on everything else."""
    blind = Does(lambda windows: [peaks_of([], 1, 1) for _ in windows])
    blind.proved = True
    with pytest.raises(ModelError, match="finds nothing"):
        kserve.verify(blind, blind, kserve.probe_window(MILLET, "fine"))


def test_without_the_local_graph_a_server_without_digests_is_believed_and_that_is_said(endpoint, caplog):
    """A warning names host and model; the digest that our server tells is proof enough."""
    with PlainServer({FINE.model: MILLET_GRAPHS["fine"]}) as server, caplog.at_level(logging.WARNING):
        kserve.connect(endpoint, MILLET, "fine", "fp32", None).close()
        assert not caplog.text
        kserve.connect(at(server), MILLET, "fine", "fp32", None).close()
    assert f"millet-fine-fp32/1 at {server.address} is not proved" in caplog.text


def test_a_graph_that_the_manifest_has_not_is_refused(endpoint):
    """Before anybody is asked."""
    with pytest.raises(ModelError, match="no graph middle"):
        kserve.connect(endpoint, MILLET, "middle", "fp32", None)


@pytest.mark.parametrize("key", MODELS)
def test_the_documented_triton_configuration_is_the_graphs_own(key):
    """Triton loads a graph only where names, types and sides are exactly those of the file."""
    *_, graph, name = MODELS[key]
    text = (Path(__file__).parents[2] / "docs/how-to/remote-detector.md").read_text("utf-8")
    (block,) = (
        b for b in re.findall(r"```protobuf\n(.*?)```", text, re.DOTALL) if f'name: "{name.model}"' in b
    )
    pattern = r'name: "(\w+)" data_type: TYPE_(\w+) dims: \[ ([-\d, ]+) \]'
    documented = {n: (kind, sides.split(", ")) for n, kind, sides in re.findall(pattern, block)}
    session = onnxruntime.InferenceSession(graph)
    tensors = [*session.get_inputs(), *session.get_outputs()]
    assert documented == {
        t.name: (TYPES[t.type], [str(side) if isinstance(side, int) else "-1" for side in t.shape])
        for t in tensors
    }
    assert "max_batch_size: 0\n" in block
