"""Our RetinaNet against MONAI's."""

import monai_reference
import pytest
import torch
from bundles import network

from millet.train.retinanet import RetinaNet, Shape

SMALL = Shape(widen_factor=0.125, channels=16)


@pytest.mark.parametrize("shape", [Shape(), SMALL], ids=["as the bundle", "small"])
def test_names_and_sizes_of_all_weights_are_monais(shape):
    """A state of MONAI's network fits ours strictly, and the other way round."""
    ours, theirs = RetinaNet(shape), monai_reference.network(shape)
    sizes = {name: tuple(value.shape) for name, value in ours.state_dict().items()}
    assert sizes == {name: tuple(value.shape) for name, value in theirs.state_dict().items()}
    ours.load_state_dict(theirs.state_dict(), strict=True)


def test_the_bundles_network_has_its_21_million_weights():
    """20.9 million numbers under 190 names, as MONAI builds it."""
    state = RetinaNet(Shape()).state_dict()
    assert len(state) == 190
    assert sum(value.numel() for value in state.values()) == 20_912_877


@pytest.mark.parametrize("sides", [(16, 16, 8), (32, 48, 24)])
def test_equal_weights_say_the_same_bit_for_bit(sides):
    """Every map of every pyramid level, on windows of several sizes."""
    ours = network(SMALL, bias=-1.0)
    theirs = monai_reference.network(SMALL)
    theirs.load_state_dict(ours.state_dict(), strict=True)
    x = torch.rand(1, 1, *sides, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        logits, codes = ours(x)
        said = theirs(x)
    for mine, other in zip(logits + codes, said["classification"] + said["box_regression"], strict=True):
        assert torch.equal(mine, other)
    assert [tuple(m.shape[2:]) for m in logits] == [
        tuple(side // step for side, step in zip(sides, strides, strict=True)) for strides in SMALL.strides
    ]
