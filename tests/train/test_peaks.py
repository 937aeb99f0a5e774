import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from millet.edge import openvino
from millet.train import peaks
from millet.train.graph import OPSET, Graph

FLOOR = 2.0


def built():
    """A graph from volumes (B, 1, D, H, W) to the (N, 3) voxels of peaks and where their volumes begin."""
    g = Graph()
    size = g.op("Shape", "x", start=2, end=5)
    depth, height, width = (
        g.op("Slice", size, *(g.constant([v], np.int64) for v in (axis, axis + 1))) for axis in range(3)
    )
    plane, one = g.op("Mul", height, width), g.constant([1], np.int64)
    strides = g.unsqueezed(g.op("Concat", plane, width, one, axis=0), 1)
    field = peaks.Field(
        values=g.op("Reshape", "x", g.constant([-1], np.int64)),
        last=g.op("Sub", size, one),
        along=lambda voxel: g.op("Mul", voxel, strides),
    )
    most = g.op("MaxPool", "x", kernel_shape=[2] * 3, strides=[2] * 3, ceil_mode=1)
    place = g.op("Transpose", g.op("NonZero", g.op("Greater", most, g.constant(FLOOR))), perm=[1, 0])
    start = g.op("Mul", g.columns(place, 0, 1), g.op("Mul", depth, plane))
    voxel, start = peaks.peaks(g, field, g.columns(place, 2, 5), start)
    ends = [g.op("Identity", value, name=name) for value, name in ((voxel, "voxel"), (start, "start"))]
    graph = helper.make_graph(
        g.nodes,
        "peaks",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["b", 1, "d", "h", "w"])],
        [helper.make_tensor_value_info(name, TensorProto.INT64, ["n", "k"]) for name in ends],
        g.constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString()


def onnx_runtime(graph, x):
    """The outputs by ONNX Runtime."""
    return onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"]).run(None, {"x": x})


def open_vino(graph, x):
    """The outputs by OpenVINO."""
    core = openvino._core()  # the one of this process
    found = core.compile_model(core.read_model(graph), "CPU")([x])
    return found["voxel"], found["start"]


def peaks_of(volume):
    """The voxels of the peaks, one by one and by their definition, without those of a first plane."""
    found = []
    for voxel in np.argwhere(volume > FLOOR):
        near = {}
        for step in np.ndindex(3, 3, 3):
            other = voxel + step - 1
            if (other >= 0).all() and (other < volume.shape).all():
                near[step] = volume[tuple(other)]
        own = near.pop((1, 1, 1))
        highest = all(v < own if step < (1, 1, 1) else v <= own for step, v in near.items())
        if highest and voxel.min() > 0:
            found.append(tuple(voxel))
    return found


@pytest.fixture(scope="module", params=[onnx_runtime, open_vino], ids=["onnxruntime", "openvino"])
def run(request):
    """Each engine in turn."""
    graph = built()
    return lambda x: request.param(graph, x)


@pytest.mark.parametrize("shape", [(8, 10, 12), (9, 7, 11), (2, 2, 2)])
@pytest.mark.parametrize("levels", [4, 12, 1000])
def test_peaks_are_those_of_the_definition_plateaus_and_all(run, shape, levels):
    """Few levels make many equal neighbours: of those the first is the peak, in each volume of a batch."""
    rng = np.random.default_rng(levels)
    x = rng.integers(0, levels, (3, 1, *shape)).astype(np.float32)
    voxel, start = run(x)
    told = [(int(s) // x[0].size, *map(int, v)) for v, s in zip(voxel, start[:, 0], strict=True)]
    assert sorted(told) == sorted((n, *v) for n in range(3) for v in peaks_of(x[n, 0]))


def test_nothing_above_the_floor_is_nothing(run):
    """Two tables without rows."""
    voxel, start = run(np.full((1, 1, 6, 6, 6), FLOOR, np.float32))
    assert voxel.shape == (0, 3)
    assert start.shape == (0, 1)


def test_a_field_of_peaks_is_told_whole(run):
    """One voxel in eight of a volume is a peak, each told once."""
    x = np.zeros((1, 1, 40, 40, 40), np.float32)
    x[..., 1::2, 1::2, 1::2] = np.random.default_rng(0).permutation(8000).reshape(20, 20, 20) + 3
    voxel, _ = run(x)
    assert sorted(map(tuple, voxel.tolist())) == sorted(peaks_of(x[0, 0]))
