from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from looking import look
from scipy import ndimage

from millet.edge import kserve, models
from millet.edge.kserve import Endpoint, KServeDetector, KServeServer
from millet.edge.onnx_runtime import OnnxRuntimeDetector
from millet.edge.openvino import OpenVinoDetector
from millet.errors import DetectorError, ModelError

MANIFEST, GRAPHS = models.load(models.bundled() / "log/1")
GRAPH = GRAPHS["log"]
MILLET, NETWORKS = models.load(models.bundled() / "millet/1")
NETWORK = NETWORKS["fine"]
HALO = MANIFEST.levels[0].halo_voxels[0]


@contextmanager
def opened(engine, graph):
    """A graph by one of the adapters; the remote one has a server of its own."""
    if engine is not KServeDetector:
        yield engine(graph, threads=1)
        return
    manifest, name = (MANIFEST, "log") if graph is GRAPH else (MILLET, "fine")
    server = KServeServer(kserve.catalogue(manifest, {name: OpenVinoDetector(graph, threads=1)}))
    endpoint = Endpoint(address=f"127.0.0.1:{server.start()}")
    remote = KServeDetector(endpoint, kserve.served_name(manifest, name, "fp32"))
    yield remote
    remote.close()
    server.stop()


@pytest.fixture(
    scope="module",
    params=[OpenVinoDetector, OnnxRuntimeDetector, KServeDetector],
    ids=["openvino", "onnxruntime", "kserve"],
)
def detector(request):
    """Each adapter in turn."""
    with opened(request.param, GRAPH) as found:
        yield found


@pytest.fixture(scope="module", params=[GRAPH, NETWORK], ids=["log", "network"])
def either(request, detector):
    """Each adapter on a graph of one window, and on one of batches."""
    if request.param is GRAPH:
        yield detector
    else:
        with opened(type(detector), NETWORK) as found:
            yield found


def lung(shape=(60, 70, 80)):
    """Noisy lung tissue."""
    noise = ndimage.gaussian_filter(np.random.default_rng(2).normal(size=shape), 0.8)
    return (-860 + 40 * noise / noise.std()).astype(np.float32)


def put(window, centre, radius, hu=40.0):
    """The window with a soft-edged ball."""
    distance = np.sqrt(sum((i - c) ** 2 for i, c in zip(np.indices(window.shape), centre, strict=True)))
    share = 1 / (1 + np.exp((distance - radius) / 0.35))
    return (window * (1 - share) + hu * share).astype(np.float32)


def reported(peaks):
    """Peaks at or above the operating threshold."""
    return np.flatnonzero(peaks.score >= 0.5)


@pytest.mark.parametrize("radius", [2.0, 3.0, 5.0])
def test_a_ball_is_one_peak_in_its_place_with_its_size(detector, radius):
    """One report, within half a voxel, its diameter within a fifth."""
    centre = (30.3, 34.8, 41.1)
    peaks = look(detector, put(lung(), centre, radius))
    (best,) = reported(peaks)
    assert np.abs(peaks.position_voxels[best] - centre).max() < 0.5
    assert peaks.diameter_voxels[best] == pytest.approx(2 * radius, rel=0.2)


def test_vessels_walls_and_forks_are_left_alone(detector):
    """Whatever goes on in two directions is not reported."""
    window = lung()
    z, y, x = np.indices(window.shape)
    tube = np.sqrt((y - 20) ** 2 + (x - 25) ** 2) < 2.5
    branch = (np.sqrt((z - 30) ** 2 + (y - 20 - (x - 25) * 0.7) ** 2) < 2.2) & (x > 25)
    window[tube | branch | (y > 60)] = 40
    window = ndimage.gaussian_filter(window, 0.8)
    peaks = look(detector, window)
    inside = ((peaks.position_voxels > HALO) & (peaks.position_voxels < np.asarray(window.shape) - HALO)).all(
        axis=1
    )
    assert not (inside & (peaks.score >= 0.5)).any()


def test_empty_windows_have_no_peaks(detector):
    """Plain air gives arrays of length nought."""
    peaks = look(detector, np.full((40, 41, 42), -1000, np.float32))
    inside = ((peaks.position_voxels > HALO) & (peaks.position_voxels < 40 - HALO)).all(axis=1)
    assert not inside.any()
    assert peaks.position_voxels.shape[1] == 3


def test_a_score_does_not_depend_on_the_window(detector):
    """The same voxels in another window, with other neighbours, score the same."""
    whole = put(put(lung((60, 70, 110)), (30, 34, 40), 2), (30, 34, 90), 5, hu=400)
    part = whole[10:55, 15:60, 20:75]
    a, b = look(detector, whole), look(detector, part)
    first = a.score[np.linalg.norm(a.position_voxels - (30, 34, 40), axis=1).argmin()]
    second = b.score[np.linalg.norm(b.position_voxels - (20, 19, 20), axis=1).argmin()]
    assert first == pytest.approx(second, abs=1e-4)


def test_thousands_of_peaks_are_all_returned(detector):
    """There is no cap in the graph: 1,728 balls are 1,728 reports."""
    window = np.full((132, 132, 132), -860.0)
    window[11::10, 11::10, 11::10] = 22000
    window = np.clip(ndimage.gaussian_filter(window, 1.25), -1000, 100).astype(np.float32)
    assert len(reported(look(detector, window))) >= 12**3


def test_the_same_window_gives_the_same_bits(detector):
    """Detection is deterministic."""
    window = put(lung(), (30, 30, 30), 3)
    for one, two in zip(look(detector, window), look(detector, window), strict=True):
        assert np.array_equal(one, two)


def batch():
    """Windows (3, D, H, W): a small ball, two balls, and none."""
    shape = (40, 44, 48)
    small, none = put(lung(shape), (20, 21, 22), 2), np.full(shape, -1000, np.float32)
    return torch.from_numpy(np.stack([small, put(small, (20, 21, 35), 3), none]))


def same(one, two):
    """The same peaks in the same order."""
    assert len(one) == len(two)
    for these, those in zip(one, two, strict=True):
        for a, b in zip(these[:3], those[:3], strict=True):
            assert a.dtype == b.dtype
            np.testing.assert_allclose(a, b, atol=1e-5)


def test_a_batch_finds_what_its_windows_find_one_at_a_time(either):
    """Each window's own peaks, whatever lies beside it in the batch."""
    windows = batch()
    together = either.detect(windows)
    same(together, [look(either, window) for window in windows.numpy()])
    assert [len(reported(peaks)) for peaks in together] == [1, 2, 0]
    same(either.detect(windows.flip(0)), together[::-1])


def test_windows_may_be_views_of_something_larger(either):
    """Axes turned, parts cut out: only the values count."""
    windows = batch()
    larger = torch.full((4, 48, 50, 44), 7.0)
    larger[1:, :, 2:46, 3:43] = windows.permute(0, 3, 2, 1)
    view = larger[1:, :, 2:46, 3:43].permute(0, 3, 2, 1)
    assert not view.is_contiguous()
    same(either.detect(view), either.detect(windows))


def test_no_windows_have_no_peaks(either):
    """An empty batch is no failure."""
    assert list(either.detect(batch()[:0])) == []


def test_callers_at_once_get_their_own_peaks(either):
    """A detector is thread-safe, as its port says."""
    windows = batch()
    parts = [windows[[n % 3, (n + 1) % 3]] for n in range(6)]
    with ThreadPoolExecutor(3) as callers:
        found = list(callers.map(either.detect, parts))
    for part, peaks in zip(parts, found, strict=True):
        same(peaks, either.detect(part))


def test_both_engines_find_the_same():
    """OpenVINO and ONNX Runtime agree on every peak to a thousandth."""
    window = put(put(lung(), (30, 34, 40), 2), (25, 30, 60), 4)
    a, b = (look(engine(GRAPH), window) for engine in (OpenVinoDetector, OnnxRuntimeDetector))
    assert len(a.score) == len(b.score)
    assert np.allclose(a.position_voxels, b.position_voxels, atol=1e-3)
    assert np.allclose(a.diameter_voxels, b.diameter_voxels, atol=1e-2)
    assert np.allclose(a.score, b.score, atol=1e-3)


@pytest.mark.parametrize("engine", [OpenVinoDetector, OnnxRuntimeDetector])
def test_what_is_no_graph_is_refused(engine):
    """Bytes that are no model are a ModelError."""
    with pytest.raises(ModelError):
        engine(b"no graph")


def test_a_window_that_cannot_be_run_is_a_detector_error(detector):
    """A failure inside the engine keeps its name."""
    with pytest.raises(DetectorError):
        look(detector, np.zeros((40, 40), np.float32))
