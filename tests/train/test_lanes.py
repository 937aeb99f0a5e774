import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper
from scipy import ndimage

from millet.train import lanes
from millet.train.graph import OPSET, Graph

KERNEL = np.array([0.5, -2.0, 7.0, 3.0, 1.0])
"""Not symmetric, so that a turned one would be seen."""
MISSING = 4


def volume(width):
    """A window of noise (1,1,D,H,W)."""
    return np.random.default_rng(width).normal(size=(1, 1, 9, 11, width)).astype(np.float32)


def run(build, window):
    """What the nodes that `build` adds behind `hu` compute of a window."""
    g = Graph()
    output = build(g)
    names = [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in ("hu", output)]
    names[0] = helper.make_tensor_value_info("hu", TensorProto.FLOAT, [1, 1, "d", "h", "w"])
    graph = helper.make_graph(g.nodes, "test", names[:1], names[1:], g.constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"hu": window})
    return found


def rows(cells):
    """(D,H,16 * blocks) of (1,16,D,H,blocks)."""
    _, count, depth, height, blocks = cells.shape
    return cells[0].transpose(1, 2, 3, 0).reshape(depth, height, blocks * count)


@pytest.mark.parametrize("width", [21, 31, 32, 33, 40, 47])
def test_a_filter_along_x_loses_what_it_is_told_to(width):
    """Whatever the width, all voxels but those missing at both ends, as correlated one by one."""
    window = volume(width)
    found = rows(run(lambda g: lanes.along_x(g, lanes.cut(g, "hu", MISSING), KERNEL, MISSING), window))
    wanted = ndimage.correlate1d(window[0, 0], KERNEL, axis=2)[:, :, MISSING:-MISSING]
    assert found.shape[2] - wanted.shape[2] in range(lanes.LANES)
    np.testing.assert_allclose(found[:, :, : wanted.shape[2]], wanted, atol=1e-5)


@pytest.mark.parametrize("width", [21, 32, 47])
def test_a_filter_along_x_that_loses_nothing_has_zeros_beyond(width):
    """At both ends of each row."""
    window = volume(width)
    found = rows(run(lambda g: lanes.along_x(g, lanes.cut(g, "hu", MISSING), KERNEL), window))
    wanted = ndimage.correlate1d(window[0, 0], KERNEL, axis=2, mode="constant")
    np.testing.assert_allclose(found[:, :, :width], wanted, atol=1e-5)


def test_a_filter_across_x_is_each_plane_by_itself():
    """With zeros around it, or without what lies at the rim."""
    window, kernel = volume(24), np.outer([1.0, 2.0, -1.0], KERNEL)
    wanted = ndimage.correlate(window[0, 0], kernel[:, :, None], mode="constant")
    padded, bare = (
        rows(run(lambda g, p=p: lanes.across_x(g, lanes.cut(g, "hu", MISSING), kernel, padded=p), window))
        for p in (True, False)
    )
    np.testing.assert_allclose(padded[:, :, :24], wanted, atol=1e-5)
    np.testing.assert_allclose(bare[:, :, :24], wanted[1:-1, 2:-2], atol=1e-5)


def test_voxels_are_read_where_they_are():
    """By coordinates, through lanes and blocks."""
    window = volume(37)
    voxels = np.stack(
        [np.arange(9), np.arange(9)[::-1], np.array([0, 1, 15, 16, 17, 30, 31, 32, 36])], axis=1
    )

    def read(g):
        cells = lanes.Volume.of(g, lanes.cut(g, "hu", MISSING))
        return cells.read(cells.places(g.whole(voxels)))

    np.testing.assert_array_equal(run(read, window), window[0, 0][tuple(voxels.T)])
