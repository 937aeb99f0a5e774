import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from threading import Barrier
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from millet.edge import models
from millet.edge.onnx_runtime import OnnxRuntimeDetector, detector, devices, providers
from millet.errors import DetectorError

LOG = models.load(models.bundled() / "log/1")[1]["log"]
NETWORK = models.load(models.bundled() / "millet/1")[1]["fine"]


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
    seen, run = [], detector._Lane.run
    spied = lambda lane, windows, names: seen.append(len(windows)) or run(lane, windows, names)  # noqa: E731 - one line
    monkeypatch.setattr(detector._Lane, "run", spied)
    one = OnnxRuntimeDetector(graph, threads=1)
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
    with one._lane() as lane:
        run = lane.session.run_with_iobinding
    monkeypatch.setattr(lane, "stream", stream)
    monkeypatch.setattr(lane.session, "run_with_iobinding", lambda bound: seen.append("run") or run(bound))
    one.detect(torch.full((2, 32, 32, 32), -900.0))
    assert seen == ["wait for torch", "run", "end"]


def test_as_many_batches_run_at_once_as_there_are_streams(monkeypatch):
    """Two are seen inside their runs together, never three; a run that fails gives its stream back."""
    both, inside, most = Barrier(2, timeout=60), set(), []
    run = detector._Lane.run

    def met(lane, windows, names):
        inside.add(lane)
        most.append(len(inside))
        both.wait()
        try:
            return run(lane, windows, names)
        finally:
            inside.discard(lane)

    one = OnnxRuntimeDetector(NETWORK, threads=1, streams=2)
    for wrong in torch.zeros(3, 1, 33, 40):
        with pytest.raises(DetectorError):
            one.detect(wrong)
    monkeypatch.setattr(detector._Lane, "run", met)
    windows = torch.full((2, 32, 32, 32), -900.0)
    with ThreadPoolExecutor(4) as callers:
        found = list(callers.map(one.detect, [windows] * 8))
    assert max(most) == 2
    assert [len(peaks) for peaks in found] == [2] * 8


def test_a_detector_without_a_stream_is_a_mistake():
    """It would wait for ever."""
    with pytest.raises(ValueError, match="at least one stream"):
        OnnxRuntimeDetector(NETWORK, streams=0)


def test_peaks_are_shared_out_in_whatever_order_they_come():
    """Each to its window, in the order that it had."""
    found = {
        "position_voxels": np.arange(12, dtype=np.float32).reshape(4, 3),
        "diameter_voxels": np.arange(4, dtype=np.float32),
        "score": np.arange(4, dtype=np.float32) / 4,
        "window": np.asarray([2, 0, 2, 0]),
    }
    shared = detector._shared(found, 3)
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
        assert (one.provider, one.device) == (providers.CUDA, device)
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
def test_streams_of_one_device_run_beside_each_other():
    """Two streams, four callers."""
    one = OnnxRuntimeDetector(NETWORK, device="cuda", streams=2)
    with ThreadPoolExecutor(4) as callers:
        found = list(callers.map(lambda n: one.detect(balls(2, n).to("cuda:0")), range(12)))
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
