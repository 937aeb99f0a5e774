import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from networks import random_net
from onnx import numpy_helper

from millet.train.export import peaks_graph
from millet.train.quantise import quantised

SHAPE = (40, 44, 48)
LAYERS = {"Conv", "ConvTranspose"}


@pytest.fixture(scope="module")
def window():
    """Noise of two scales."""
    rng = np.random.default_rng(2)
    coarse = np.kron(rng.normal(0, 250, [n // 4 for n in SHAPE]), np.ones((4, 4, 4)))
    return (rng.normal(-600, 150, SHAPE) + coarse).astype(np.float32)


@pytest.fixture(scope="module")
def graph():
    """A small random network's."""
    torch.set_num_threads(1)
    return peaks_graph(random_net(), name="fine", floor=0.1, hu_range=(-1000.0, 100.0))


@pytest.fixture(scope="module")
def lower(graph, window):
    """In eight bits."""
    return onnx.load_from_string(quantised(graph, [window]))


def layers(model):
    """The network's own, by name."""
    return {node.name: node for node in model.graph.node if node.op_type in LAYERS and node.name}


def makers(model):
    """The node that makes each value."""
    return {name: node for node in model.graph.node for name in node.output}


def test_every_layer_takes_bytes(graph, lower):
    """Values and weights of each, the first and the last too, and biases in whole numbers."""
    made = makers(lower)
    assert layers(lower).keys() == layers(onnx.load_from_string(graph)).keys()
    for layer in layers(lower).values():
        assert [made[name].op_type for name in layer.input] == ["DequantizeLinear"] * len(layer.input)


def test_a_value_is_quantised_once_and_cropped_in_bytes(lower):
    """As many quantisations as there are inputs of layers, and no crop of the network moves fp32."""
    made = makers(lower)
    kinds = [node.op_type for node in lower.graph.node]
    assert kinds.count("QuantizeLinear") == len({layer.input[0] for layer in layers(lower).values()})
    last = list(layers(lower).values())[-1].output[0]
    crops = [node for node in lower.graph.node if node.op_type == "Slice"]
    bodies = [crop for crop in crops if crop.input[0] in made and "bytes" in crop.input[0]]
    assert len(bodies) == 4
    assert all(made[crop.input[0]].op_type == "QuantizeLinear" for crop in bodies)
    assert last not in {node.input[0] for node in lower.graph.node if node.op_type == "QuantizeLinear"}


def test_sums_of_two_products_fit_in_16_bits(lower):
    """Whatever the bytes are, for any two weights of neighbouring channels."""
    values = {one.name: numpy_helper.to_array(one) for one in lower.graph.initializer}
    made = makers(lower)
    for layer in layers(lower).values():
        weights = values[made[layer.input[1]].input[0]].astype(int)
        weights = np.moveaxis(weights, {"Conv": 0, "ConvTranspose": 1}[layer.op_type], 0)
        assert weights.dtype == int
        assert np.abs(weights).max() <= 127
        pairs = weights[:, 0::2] + weights[:, 1::2]
        assert np.abs(pairs).max() * 255 <= 32767
        assert max(np.abs(pairs).max(), np.abs(weights).max()) > 120


def test_the_network_says_nearly_the_same(graph, lower, window):
    """What it gives at every voxel, and most of it within a few hundredths of the range."""

    def raw(model):
        name = list(layers(model).values())[-1].output[0]
        model.graph.output.append(onnx.helper.make_empty_tensor_value_info(name))
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        return session.run([name], {"hu": window[None, None]})[0]

    fine, coarse = raw(onnx.load_from_string(graph)), raw(onnx.load_from_string(lower.SerializeToString()))
    off = np.abs(fine - coarse)
    assert np.quantile(off, 0.99) < 0.05 * np.ptp(fine)
    assert off.max() > 0


def test_ranges_need_a_window(graph):
    """None is no range."""
    with pytest.raises(ValueError, match="no window"):
        quantised(graph, [])
