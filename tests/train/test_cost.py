import numpy as np
import pytest
from networks import Voxels, random_net

from millet.edge import models
from millet.train.cost import multiply_adds
from millet.train.export import peaks_graph
from millet.train.net import HALO, multiply_adds_per_voxel
from millet.train.quantise import quantised

SHAPE = (64, 64, 80)
OPTIONS = {"name": "fine", "floor": 0.1, "hu_range": (-1000.0, 100.0)}


def test_a_single_layer_costs_its_weights_at_every_block():
    """Eight channels to forty, and voxels to blocks."""
    blocks = 32 * 32 * 40
    assert multiply_adds(peaks_graph(Voxels(), **OPTIONS), SHAPE) == blocks * (8 * 40 + 64)


def test_a_trimmed_network_costs_less_than_a_padded_one_and_more_than_its_core():
    """What is trimmed lies in the halo."""
    per_voxel = multiply_adds_per_voxel((8, 8, 12))
    cost = multiply_adds(peaks_graph(random_net(), **OPTIONS), SHAPE)
    core = np.prod(np.asarray(SHAPE) - 2 * HALO)
    assert core * per_voxel < cost < 0.9 * np.prod(SHAPE) * per_voxel


def test_eight_bits_are_as_many_multiplications():
    """Precision changes what an operation costs, not how many there are."""
    graph = peaks_graph(random_net(), **OPTIONS)
    lower = quantised(graph, [np.full(SHAPE, -800, np.float32)])
    assert multiply_adds(lower, SHAPE) == multiply_adds(graph, SHAPE)


def test_any_graph_of_ours_can_be_counted():
    """The analytic detector's too."""
    _, graphs = models.load(models.bundled() / "log/1")
    assert multiply_adds(graphs["log"], (64, 64, 64)) > 0
    with pytest.raises(ValueError, match="shape"):
        multiply_adds(graphs["log"], (0, 64, 64))
