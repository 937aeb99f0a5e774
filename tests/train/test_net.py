"""What the network may look at, and that its parts fit."""

import numpy as np
import torch

from millet.train.net import (
    HALO,
    OUTPUTS,
    STRIDE,
    Net,
    blocks_to_channels,
    channels_to_blocks,
    multiply_adds_per_voxel,
    scaled,
)


def _net() -> Net:
    torch.manual_seed(1)
    net = Net((8, 6, 8)).eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.1 * torch.rand(parameter.shape))
    return net


def test_blocks_become_channels_and_come_back() -> None:
    """Nothing is lost, and the voxel of each channel is the one that export expects."""
    x = torch.rand(2, 1, 4, 6, 8)
    assert torch.equal(channels_to_blocks(blocks_to_channels(x)), x)
    assert blocks_to_channels(x)[0, 5, 1, 1, 1] == x[0, 0, 3, 2, 3]


def test_output_has_the_shape_of_the_window() -> None:
    """A value for each voxel."""
    assert _net()(torch.rand(2, 1, 8, 12, 16)).shape == (2, OUTPUTS, 8, 12, 16)


def test_nothing_beyond_the_halo_changes_a_cell_or_the_neighbours_of_its_peaks() -> None:
    """The halo of the manifest is enough for cores of whole cells."""
    net, side = _net(), 2 * HALO + STRIDE
    near = torch.rand(1, 1, side + 2 * STRIDE, side, side)
    far = near.clone()
    far[:, :, :STRIDE] = torch.rand_like(far[:, :, :STRIDE])
    far[:, :, -STRIDE:] = torch.rand_like(far[:, :, -STRIDE:])
    start = STRIDE + HALO
    with torch.inference_mode():
        one, two = net(near), net(far)
    middle = slice(start - 1, start + STRIDE + 1)
    assert torch.equal(one[:, :, middle], two[:, :, middle])
    assert not torch.equal(one, two)


def test_a_neighbour_in_the_same_window_does_not_change_a_far_answer() -> None:
    """Density cannot change a score."""
    net = _net()
    alone = torch.full((1, 1, 72, 24, 24), -0.7)
    alone[0, 0, 12, 12, 12] = 0.5
    crowd = alone.clone()
    crowd[0, 0, 48::4, ::4, ::4] = 0.5
    with torch.inference_mode():
        assert torch.equal(net(alone)[:, :, :24], net(crowd)[:, :, :24])


def test_scaling_puts_the_range_on_one() -> None:
    """And cuts off what lies outside."""
    assert scaled(torch.tensor([-2000.0, -1000.0, -450.0, 100.0, 900.0])).tolist() == [-1, -1, 0, 1, 1]


def test_multiply_adds_are_those_of_the_layers() -> None:
    """Counted by hooks on a small copy."""
    net, counted = Net((8, 6, 8)), []

    def count(layer: torch.nn.Module, _inputs: object, output: torch.Tensor) -> None:
        weight = layer.weight
        inputs = weight[0].numel() if isinstance(layer, torch.nn.Conv3d) else weight.shape[0]
        counted.append(output.numel() * inputs)

    for layer in net.modules():
        if isinstance(layer, torch.nn.Conv3d | torch.nn.ConvTranspose3d):
            layer.register_forward_hook(count)
    net(torch.rand(1, 1, 16, 16, 16))
    np.testing.assert_allclose(sum(counted) / 16**3, multiply_adds_per_voxel((8, 6, 8)))
