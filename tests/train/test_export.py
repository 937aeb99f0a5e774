import denormals
import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from looking import look
from networks import Voxels, eager, random_net, within

from millet.edge.onnx_runtime import OnnxRuntimeDetector
from millet.edge.openvino import OpenVinoDetector
from millet.train.export import peaks_graph
from millet.train.net import HALO, STRIDE
from millet.train.quantise import quantised

FLOOR = 0.1
HU_RANGE = (-1000.0, 100.0)
SHAPE = (52, 56, 64)


def made(net, **options):
    """The network's graph."""
    return peaks_graph(net, name="fine", floor=FLOOR, hu_range=HU_RANGE, **options)


@pytest.fixture(scope="module")
def window():
    """Noise of many scales, partly beyond the range of HU."""
    rng = np.random.default_rng(1)
    coarse = np.kron(rng.normal(0, 250, [n // 4 for n in SHAPE]), np.ones((4, 4, 4)))
    return (rng.normal(-600, 150, SHAPE) + coarse).astype(np.float32)


@pytest.fixture(scope="module")
def graph():
    """A small random network's."""
    torch.set_num_threads(1)
    return made(random_net())


@pytest.fixture(
    scope="module", params=[OpenVinoDetector, OnnxRuntimeDetector], ids=["openvino", "onnxruntime"]
)
def engine(request):
    """Each adapter in turn."""
    return lambda graph, precision="fp32": request.param(graph, precision=precision, threads=1)


def same(one, two, tolerance):
    """Peak by peak."""
    assert len(one.score) == len(two.score) > 20
    for a, b in zip(one[:3], two[:3], strict=True):
        np.testing.assert_allclose(a, b, atol=tolerance)


def test_the_graph_finds_what_torch_finds(engine, graph, window):
    """In the core of a window every peak of the padded network, at its place, of its size and score."""
    found = within(look(engine(graph), window), SHAPE, HALO)
    same(found, within(eager(random_net(), window, FLOOR), SHAPE, HALO), 1e-4)


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_an_engine_leaves_the_arithmetic_of_its_caller_alone(engine, graph, precision, window):
    """Denormal numbers count before, and after."""
    assert denormals.count()
    look(engine(graph if precision == "fp32" else quantised(graph, [window]), precision), window)
    assert denormals.count()


def test_windows_that_begin_at_whole_cells_change_nothing(engine, graph, window):
    """Peaks of a core are the same in any window that has its halo."""
    detector = engine(graph)
    start = np.asarray((STRIDE, 2 * STRIDE, 3 * STRIDE))
    part = window[tuple(slice(a, None) for a in start)]
    inner = within(look(detector, part), part.shape, HALO)
    moved = inner.position_voxels + start
    outer = within(look(detector, window), SHAPE, HALO)
    kept = (np.rint(outer.position_voxels) >= start + HALO).all(axis=1)
    same(inner._replace(position_voxels=moved), type(outer)(*(v[kept] for v in outer[:3])), 1e-5)


def test_ten_thousand_peaks_are_all_told_once(engine):
    """No cap, no cut: 22 x 22 x 21 bright voxels are as many peaks at their places."""
    hu = np.full((68, 68, 64), -1000, np.float32)
    places = np.stack(np.meshgrid(*(np.arange(1, 3 * n, 3) for n in (22, 22, 21)), indexing="ij"), -1)
    places = places.reshape(-1, 3)[:10_000]
    hu[tuple(places.T)] = np.random.default_rng(0).uniform(-300, 90, len(places))
    found = look(engine(made(Voxels())), hu)
    assert len(found.score) == 10_000
    assert {tuple(p) for p in np.rint(found.position_voxels).astype(int)} == {tuple(p) for p in places}
    assert np.all(found.diameter_voxels == pytest.approx(3.0))


def test_equal_neighbours_are_one_peak_and_saturated_ones_are_told_apart(engine):
    """A plateau of exactly equal heat is its first voxel; of two scores of 1 the larger logit is the peak."""
    hu = np.full((24, 24, 24), -1000, np.float32)
    hu[4, 4, 4:6] = hu[10:13, 10:13, 10:13] = 0
    hu[18, 18, 18], hu[18, 18, 19] = 80, 90
    found = look(engine(made(Voxels())), hu)
    places = sorted(tuple(p) for p in np.rint(found.position_voxels).astype(int))
    assert places == [(4, 4, 4), (10, 10, 10), (18, 18, 19)]
    assert np.all(found.score == 1)


def test_a_window_without_peaks_gives_nothing(engine):
    """Arrays of length nought, of the right shape."""
    found = look(engine(made(Voxels())), np.full((16, 16, 16), -1000, np.float32))
    assert found.position_voxels.shape == (0, 3)
    assert found.score.shape == found.diameter_voxels.shape == (0,)


def test_a_batch_tells_which_window_each_peak_lies_in(graph, window):
    """Two windows at once give what each gives alone."""
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    both = np.stack([window, window[::-1, ::-1]])[:, None]
    names = ("position_voxels", "diameter_voxels", "score", "window")
    together = dict(zip(names, session.run(names, {"hu": both}), strict=True))
    for number in range(2):
        alone = session.run(names[:3], {"hu": both[number : number + 1]})
        for name, values in zip(names, alone, strict=False):
            np.testing.assert_allclose(together[name][together["window"] == number], values, atol=1e-5)


def near(found, wanted):
    """For each peak that is wanted, the difference of score of the one found at its voxel; none if none."""
    scores = {
        tuple(v): s for v, s in zip(np.rint(found.position_voxels).astype(int), found.score, strict=True)
    }
    voxels = np.rint(wanted.position_voxels).astype(int)
    told = [(scores.get(tuple(v)), s) for v, s in zip(voxels, wanted.score, strict=True)]
    return np.asarray([abs(a - b) for a, b in told if a is not None]), len(voxels)


@pytest.mark.parametrize(("precision", "off", "lost"), [("fp16", 0.01, 0.01), ("int8", 0.1, 0.1)])
def test_less_precision_finds_nearly_the_same(engine, graph, window, precision, off, lost):
    """Half precision changes scores by less than a hundredth, eight bits of a random network by a tenth."""
    lower = made(random_net(), half=True) if precision == "fp16" else quantised(graph, [window])
    wanted = within(look(engine(graph), window), SHAPE, HALO)
    detector = engine(lower, precision)
    differences, count = near(within(look(detector, window), SHAPE, HALO), wanted)
    assert detector.precision == precision
    assert count - len(differences) <= lost * count
    assert np.quantile(differences, 0.95) < off


def test_what_computes_in_eight_bits_says_so(graph, window):
    """And what does not, does not."""
    lower = quantised(graph, [window])
    assert OpenVinoDetector(lower, precision="int8", threads=1).provider == "OpenVINO CPU"
    assert "fp32" in OpenVinoDetector(graph, precision="int8", threads=1).provider


def test_a_provider_tells_what_it_computes_in_instead():
    """A CPU has no half precision: it is computed in fp32, and said."""
    half = made(random_net(), half=True)
    assert OpenVinoDetector(half, precision="fp16", threads=1).provider == "OpenVINO CPU computing in fp32"
    told = OnnxRuntimeDetector(half, precision="fp16", threads=1).provider
    assert told == "CPUExecutionProvider computing in fp32"


def test_nothing_in_the_graph_can_cut_a_list_short_or_look_beyond_the_halo(graph):
    """No node that ranks, suppresses, normalises or pools over the window; the largest is taken of few."""
    made = onnx.load_from_string(graph).graph
    constants = {one.name: onnx.numpy_helper.to_array(one).tolist() for one in made.initializer}
    assert not {node.op_type for node in made.node} & {
        "TopK",
        "NonMaxSuppression",
        "InstanceNormalization",
        "GlobalAveragePool",
        "Softmax",
    }
    reductions = [node for node in made.node if node.op_type.startswith("Reduce")]
    assert {str(constants[node.input[1]]) for node in reductions} == {"[1]"}  # corners or neighbours


def test_the_same_network_makes_the_same_bytes(graph):
    """A digest can be looked up again."""
    assert made(random_net()) == graph
