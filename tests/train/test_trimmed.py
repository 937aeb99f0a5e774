import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from networks import random_net
from onnx import TensorProto, helper
from torch import nn

from millet.train.export import Body
from millet.train.graph import OPSET, Graph
from millet.train.net import HALO
from millet.train.trimmed import Walk


class Ladder(nn.Module):
    """Down two steps and up again, with concatenation, a wide kernel and unlike branches."""

    def __init__(self) -> None:
        super().__init__()
        self.wide = nn.Conv3d(8, 6, 5, padding=2)
        self.down = nn.Conv3d(6, 8, 3, stride=2, padding=1, bias=False)
        self.norm = nn.BatchNorm3d(8)
        self.deep = nn.Sequential(nn.Conv3d(8, 8, 3, stride=2, padding=1), nn.ReLU())
        self.up = nn.ConvTranspose3d(8, 8, 2, stride=2)
        self.last = nn.ConvTranspose3d(16, 6, 2, stride=2)
        self.out = nn.Conv3d(6, 3, 1)

    def forward(self, x):
        """Skip connections at each step."""
        fine = self.wide(x).relu()
        half = torch.relu(self.norm(self.down(fine)))
        deep = self.up(self.deep(half))
        return self.out(self.last(torch.cat([deep, half], dim=1)) + fine)


def run(network, x):
    """The trimmed network's values, and the margins that it tells."""
    g = Graph()
    made = Walk(g).through(network, "x")
    free = [["b", 8, "d", "h", "w"], ["b", "c", "e", "f", "g"]]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in zip(("x", made.name), free, strict=True)
    ]
    graph = helper.make_graph(g.nodes, "walk", [ends[0]], [ends[1]], g.constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0], made


def the_net():
    """The body of the network that is trained."""
    return Body(random_net())


@pytest.mark.parametrize("make", [Ladder, the_net])
@pytest.mark.parametrize("shape", [(20, 24, 28), (36, 20, 20)])
def test_what_is_left_is_the_middle_of_the_padded_network(make, shape):
    """Every value but those that padding would have spoilt, and no layer larger than needed."""
    torch.manual_seed(3)
    network = make().eval()
    x = torch.randn(2, 8, *shape)
    with torch.no_grad():
        whole = network(x.clone()).numpy()
    values, made = run(network, x.numpy())
    assert made.step == 1
    assert values.shape[2:] == tuple(n - made.before - made.after for n in shape)
    middle = tuple(slice(made.before, n - made.after) for n in shape)
    np.testing.assert_allclose(values, whole[:, :, *middle], atol=2e-5)


def test_the_networks_margin_is_less_than_its_halo():
    """Blocks of two voxels are lost before and behind; the halo holds them and a peak's neighbour."""
    _, made = run(the_net(), np.zeros((1, 8, 20, 20, 20), np.float32))
    assert made.before == made.after == (HALO - 2) / 2


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv3d(8, 8, 3),
        nn.Conv3d(8, 8, 3, padding=1, dilation=2),
        nn.InstanceNorm3d(8),
        nn.Conv3d(8, 8, 4, padding=2),
        nn.ConvTranspose3d(8, 8, 2, stride=2),
        nn.MaxPool3d(2),
    ],
    ids=lambda layer: str(layer)[:40],
)
def test_what_is_not_understood_is_refused(layer):
    """A layer whose reach would be guessed is no part of a graph."""
    with pytest.raises(ValueError, match=r"cannot be exported|beyond the resolution"):
        Walk(Graph()).through(nn.Sequential(layer), "x")
