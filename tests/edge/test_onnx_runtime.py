import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import onnxruntime
import pytest
import torch

from millet.edge import models
from millet.edge.onnx_runtime import OnnxRuntimeDetector, TensorRt, detector, devices, providers
from millet.errors import DetectorError, ModelError

CPU, CUDA, TENSORRT = providers.CPU, providers.CUDA, providers.TENSORRT
LOG = models.load(models.bundled() / "log/1")[1]["log"]
NETWORK = models.load(models.bundled() / "millet/1")[1]["fine"]
BOUNDS = TensorRt(least=(1, 32, 32, 32), usual=(2, 96, 96, 96), most=(8, 216, 216, 216))


@pytest.fixture
def machine(monkeypatch):
    """A machine by the providers that ONNX Runtime has and the devices that torch sees."""

    def make(held, gpus):
        monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: held)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)

    return make


@pytest.mark.parametrize(
    ("held", "gpus", "found"),
    [([CUDA, CPU], 2, ("cuda:0", "cuda:1")), ([CUDA, CPU], 0, ()), ([CPU], 2, ())],
)
def test_a_device_counts_if_torch_and_onnx_runtime_both_have_it(machine, held, gpus, found):
    """Windows are torch's, the graph is ONNX Runtime's."""
    machine(held, gpus)
    assert devices() == found


@pytest.mark.parametrize(
    ("held", "gpus", "device", "tensorrt", "told"),
    [
        ([CPU], 0, "cuda", None, f"no {CUDA}, only {CPU}"),
        ([CUDA, CPU], 1, "cuda", BOUNDS, f"no {TENSORRT}, only {CUDA}, {CPU}"),
        ([CUDA, CPU], 2, "cuda:2", None, "no cuda:2 for .*: cuda:0, cuda:1"),
        ([CUDA, CPU], 1, "tpu", None, "no tpu for .*: cuda:0"),
        ([CUDA, CPU], 0, "cuda", None, "no cuda:0 .* none, since torch"),
        ([TENSORRT, CUDA, CPU], 1, "cpu", BOUNDS, "TensorRT does not run on the CPU"),
    ],
)
def test_what_is_not_there_is_refused_by_name(machine, held, gpus, device, tensorrt, told):
    """With what there is instead; nothing falls back to it."""
    machine(held, gpus)
    with pytest.raises(ModelError, match=told):
        OnnxRuntimeDetector(NETWORK, device=device, tensorrt=tensorrt)


def test_tensorrt_takes_no_int8(machine):
    """Its 8 bit values have a sign, those of our graphs have none."""
    machine([TENSORRT, CUDA, CPU], 1)
    with pytest.raises(ModelError, match="int8"):
        OnnxRuntimeDetector(NETWORK, precision="int8", device="cuda", tensorrt=BOUNDS)


def test_cuda_alone_is_the_first_device(machine):
    """A device goes by its whole name from then on."""
    machine([CUDA, CPU], 2)
    assert str(providers.checked("cuda", None, "fp32")) == "cuda:0"
    assert str(providers.checked("cuda:1", None, "fp32")) == "cuda:1"


def session():
    """The network in a session on the CPU, which tells who got what."""
    return detector._session(NETWORK, [(CPU, {})], 1)


def test_a_graph_that_the_cpu_got_is_not_taken_for_cudas():
    """By the real record of a session whose nodes are all on the CPU."""
    nodes = providers.assigned(session())
    assert set(nodes) == {CPU}
    assert nodes[CPU]["Conv"] > 10
    assert providers.taken(nodes, CPU) == CPU
    with pytest.raises(ModelError, match=rf"{CUDA} did not take all .* \d+ Conv, "):
        providers.taken(nodes, CUDA)


NET = Counter(Conv=15, Relu=12, MaxPool=1, NonZero=2)


@pytest.mark.parametrize(
    ("nodes", "wanted", "told"),
    [
        ({CUDA: NET}, CUDA, CUDA),
        ({CUDA: NET, CPU: Counter(Shape=1, Sub=1)}, CUDA, CUDA),
        (
            {CUDA: NET, CPU: Counter(Shape=1, NonMaxSuppression=2)},
            CUDA,
            f"{CUDA} and {CPU} for 2 NonMaxSuppression",
        ),
        ({TENSORRT: NET}, TENSORRT, TENSORRT),
        ({TENSORRT: NET, CUDA: Counter(GatherND=13)}, TENSORRT, f"{TENSORRT} and {CUDA}"),
    ],
)
def test_the_provider_names_everybody_who_runs_a_part(nodes, wanted, told):
    """Shape arithmetic on the CPU is no part of it."""
    assert providers.taken(nodes, wanted) == told


@pytest.mark.parametrize(
    ("nodes", "wanted", "told"),
    [
        ({CUDA: NET, CPU: Counter(MaxPool=1, Shape=2)}, CUDA, "CPU got 1 MaxPool$"),
        ({CUDA: NET}, TENSORRT, f"{TENSORRT} took nothing of the graph; {CUDA} did"),
        ({TENSORRT: Counter(Add=30), CUDA: NET}, TENSORRT, "took nothing"),
        ({}, CUDA, "nobody did"),
    ],
)
def test_a_provider_that_did_not_take_the_voxels_is_refused(nodes, wanted, told):
    """Be it that the CPU got a part, or that another provider got all."""
    with pytest.raises(ModelError, match=told):
        providers.taken(nodes, wanted)


def test_cuda_runs_in_full_precision_on_the_stream_that_it_is_given():
    """TF32 would be a third precision that nobody asked for."""
    ((name, options),) = providers.asked(torch.device("cuda:1"), 4711, None, "fp32")
    assert name == CUDA
    assert options["device_id"] == "1"
    assert options["user_compute_stream"] == "4711"
    assert options["use_tf32"] == "0"


@pytest.mark.parametrize(("precision", "half"), [("fp32", "False"), ("fp16", "True")])
def test_tensorrt_gets_bounds_and_cuda_the_rest(precision, half):
    """One stream for both; the peaks are kept from TensorRT; no folder, no file."""
    (first, engine), (second, cuda) = providers.asked(torch.device("cuda:0"), 4711, BOUNDS, precision)
    assert (first, second) == (TENSORRT, CUDA)
    assert engine["user_compute_stream"] == cuda["user_compute_stream"] == "4711"
    assert engine["trt_profile_min_shapes"] == "hu:1x1x32x32x32"
    assert engine["trt_profile_opt_shapes"] == "hu:2x1x96x96x96"
    assert engine["trt_profile_max_shapes"] == "hu:8x1x216x216x216"
    assert engine["trt_fp16_enable"] == half
    assert "NonZero" in engine["trt_op_types_to_exclude"].split(",")
    assert not [key for key in engine if "cache" in key]


def test_the_operators_that_tensorrt_does_not_get_are_not_the_networks():
    """What is left to it is a network in one piece; the peaks left to it are too few to be one."""
    (_, engine), _ = providers.asked(torch.device("cuda:0"), 1, BOUNDS, "fp32")
    kept = set(engine["trt_op_types_to_exclude"].split(","))
    nodes = [n.op_type for part in session().get_provider_graph_assignment_info() for n in part.get_nodes()]
    last = nodes.index("MaxPool")
    assert not kept & set(nodes[: last + 1])
    assert last + 1 > int(engine["trt_min_subgraph_size"])
    assert "NonZero" in nodes[last:]


def test_engines_are_kept_where_they_are_told_to_be(tmp_path):
    """Below the state directory, if given."""
    kept = TensorRt(least=BOUNDS.least, usual=BOUNDS.usual, most=BOUNDS.most, engines=tmp_path)
    (_, engine), _ = providers.asked(torch.device("cuda:0"), 1, kept, "fp32")
    assert (engine["trt_engine_cache_enable"], engine["trt_engine_cache_path"]) == ("True", str(tmp_path))


def test_bounds_go_from_small_to_large():
    """On every side, and never from nought."""
    for wrong in ((1, 32, 97, 32), (0, 32, 32, 32)):
        with pytest.raises(ValueError, match="small to large"):
            TensorRt(least=wrong, usual=BOUNDS.usual, most=BOUNDS.most)


@pytest.mark.parametrize(
    "windows",
    [torch.zeros(1, 32, 32, 32, dtype=torch.float64), torch.zeros(1, 32, 32, 32, device="meta")],
    ids=["double", "elsewhere"],
)
def test_memory_of_another_kind_is_never_read(windows):
    """A window is bound by its address, so its type and place are asked first."""
    with pytest.raises(DetectorError, match="not float32 on cpu"):
        OnnxRuntimeDetector(NETWORK, threads=1).detect(windows)


@pytest.mark.parametrize(("graph", "runs"), [(NETWORK, [3]), (LOG, [1, 1, 1])], ids=["network", "log"])
def test_windows_run_at_once_where_the_graph_tells_them_apart(monkeypatch, graph, runs):
    """One run for all, else one for each."""
    one, seen = OnnxRuntimeDetector(graph, threads=1), []
    run = one._run
    monkeypatch.setattr(one, "_run", lambda windows, names: seen.append(len(windows)) or run(windows, names))
    assert len(one.detect(torch.full((3, 32, 32, 32), -900.0))) == 3
    assert seen == runs


def test_a_run_waits_for_torch_and_ends_before_it_returns(monkeypatch):
    """The order of calls, of a stream that only writes them down; the `gpu` tests have a real one."""
    seen = []
    stream = SimpleNamespace(
        wait_stream=lambda other: seen.append(f"wait for {other}"), synchronize=lambda: seen.append("end")
    )
    monkeypatch.setattr(torch.cuda, "device", lambda place: nullcontext())
    monkeypatch.setattr(torch.cuda, "current_stream", lambda place: "torch")
    one = OnnxRuntimeDetector(NETWORK, threads=1)
    run = one._session.run_with_iobinding
    monkeypatch.setattr(one, "_stream", stream)
    monkeypatch.setattr(one._session, "run_with_iobinding", lambda bound: seen.append("run") or run(bound))
    one.detect(torch.full((2, 32, 32, 32), -900.0))
    assert seen == ["wait for torch", "run", "end"]


def test_peaks_are_shared_out_in_whatever_order_they_come():
    """Each to its window, in the order that it had."""
    found = {
        "position_voxels": np.arange(12, dtype=np.float32).reshape(4, 3),
        "diameter_voxels": np.arange(4, dtype=np.float32),
        "score": np.arange(4, dtype=np.float32) / 4,
        "window": np.asarray([2, 0, 2, 0]),
    }
    shared = OnnxRuntimeDetector(NETWORK, threads=1)._shared(found, 3)
    assert [peaks.diameter_voxels.tolist() for peaks in shared] == [[1, 3], [], [0, 2]]
    assert [peaks.position_voxels.shape for peaks in shared] == [(2, 3), (0, 3), (2, 3)]


@pytest.mark.parametrize(
    "text",
    [
        "bfc_arena.cc:360 Failed to allocate memory for requested buffer of size 24918016",
        "Available memory of 1024 is smaller than requested bytes of 4096",
        "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.11 GiB",
        "CUDA failure 2: out of memory ; GPU=0 ; expr=cudaMalloc((void**)&p, size)",
        "CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED ; GPU=0",
        "CUDNN_FE failure 4: CUDNN_STATUS_ALLOC_FAILED",
        "[TensorRT] Error Code 2: OutOfMemory (Requested size was 2415919104 bytes.)",
        "std::bad_alloc",
    ],
)
def test_lack_of_memory_is_known_by_what_is_said(text):
    """Fewer windows at once may do; so it has a name of its own."""
    assert detector.is_exhausted(RuntimeError(text))


@pytest.mark.parametrize(
    "text", ["Got invalid dimensions for input: hu", "CUDNN_STATUS_EXECUTION_FAILED", "CUDA failure 700"]
)
def test_other_failures_are_not_lack_of_memory(text):
    """Halving the batch would not help."""
    assert not detector.is_exhausted(RuntimeError(text))


_STARVED = """
import resource, sys
from pathlib import Path
import torch
from millet.edge.onnx_runtime import OnnxRuntimeDetector
from millet.errors import OutOfMemory
detector = OnnxRuntimeDetector(Path(sys.argv[1]).read_bytes(), threads=1)
windows = torch.full((8, 64, 64, 64), -900.0)
pages = int(Path("/proc/self/statm").read_text().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + 30_000_000,) * 2)
try:
    detector.detect(windows)
except OutOfMemory as error:
    print(len(detector.detect(windows[:1, :32, :32, :32])), "window after", error)
"""


def test_an_engine_without_memory_says_so_and_goes_on_with_less():
    """A process that may not grow: eight windows are too many, a small one is not."""
    path = models.bundled() / "millet/1/fine.fp32.onnx"
    told = subprocess.run(
        [sys.executable, "-c", _STARVED, str(path)], capture_output=True, text=True, check=True
    )
    assert told.stdout.startswith("1 window after ONNX Runtime failed on windows (8, 64, 64, 64)")


def near_the_cpus(found, windows):
    """Every peak that is clearly above the floor lies where the CPU's lies, and the other way round."""
    for one, two in zip(found, OnnxRuntimeDetector(NETWORK).detect(windows.cpu()), strict=True):
        for these, those in ((one, two), (two, one)):
            sure = np.flatnonzero(these.score >= 0.2)
            assert len(sure) > 5
            for n in sure:
                away = np.abs(those.position_voxels - these.position_voxels[n]).max(axis=1)
                assert away.min() < 0.05
                assert those.score[away.argmin()] == pytest.approx(these.score[n], abs=0.01)


def balls(count, seed=0):
    """Windows (N, 64, 64, 64) of noisy lung, each with eight balls somewhere else; on the host."""
    rng = np.random.default_rng(seed)
    windows = -860 + 40 * rng.normal(size=(count, 64, 64, 64))
    for number, *corner in np.ndindex(count, 2, 2, 2):
        centre = 16 + 32 * np.asarray(corner) + rng.uniform(-4, 4, 3)
        z, y, x = (i - c for i, c in zip(np.indices((64, 64, 64)), centre, strict=True))
        share = 1 / (1 + np.exp((np.sqrt(z**2 + y**2 + x**2) - rng.uniform(2, 4)) / 0.35))
        windows[number] += 900 * share
    return torch.from_numpy(windows.astype(np.float32))


@pytest.mark.gpu
def test_cuda_takes_the_network_and_finds_what_the_cpu_finds():
    """On each device."""
    for device in devices():
        one = OnnxRuntimeDetector(NETWORK, device=device)
        assert (one.provider, one.device) == (CUDA, device)
        near_the_cpus(one.detect(balls(3).to(device)), balls(3))


@pytest.mark.gpu
def test_windows_that_torch_is_still_writing_are_waited_for():
    """Much work is queued before the windows are written; the graph must not read them earlier."""
    one, wanted = OnnxRuntimeDetector(NETWORK, device="cuda"), balls(2).to("cuda:0")
    near_the_cpus(one.detect(wanted), wanted)
    for _ in range(5):
        late, busy = torch.full_like(wanted, -1000), torch.randn(4096, 4096, device="cuda:0")
        for _ in range(20):
            busy = torch.tanh(busy @ busy)
        late.copy_(wanted + 0 * busy.mean())
        near_the_cpus(one.detect(late), wanted)


@pytest.mark.gpu
def test_detectors_of_one_device_run_beside_each_other():
    """Two streams, four callers."""
    both = [OnnxRuntimeDetector(NETWORK, device="cuda") for _ in range(2)]
    with ThreadPoolExecutor(4) as callers:
        found = list(callers.map(lambda n: both[n % 2].detect(balls(2, n).to("cuda:0")), range(12)))
    for number, peaks in enumerate(found):
        near_the_cpus(peaks, balls(2, number))


@pytest.mark.gpu
def test_a_batch_that_no_gpu_holds_is_lack_of_memory():
    """And one window goes through afterwards."""
    one = OnnxRuntimeDetector(NETWORK, device="cuda")
    few = balls(1).to("cuda:0")
    with pytest.raises(DetectorError) as failure:
        one.detect(few.expand(2**20, -1, -1, -1))
    assert type(failure.value).__name__ == "OutOfMemory"
    near_the_cpus(one.detect(few), few)
