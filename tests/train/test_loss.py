"""The loss: no ceiling on nodules, equal weight for each, blind where nothing is judged."""

import numpy as np
import pytest
import torch

from millet.train.loss import Batch, batch, judge
from millet.train.net import LOG_DIAMETER_PRIOR, OFFSET_REACH, channels_to_blocks
from millet.train.windows import Window


def _window(positions: list[tuple[float, float, float]], diameter: float = 3.0, side: int = 16) -> Window:
    return Window(
        np.full((side,) * 3, -850.0, np.float32),
        np.ones((side,) * 3, np.bool_),
        np.asarray(positions, np.float32).reshape(-1, 3),
        np.full(len(positions), diameter, np.float32),
    )


def _answer(wanted: Batch, logit: float = 12.0) -> torch.Tensor:
    """The raw output of a network that knows everything."""
    raw = torch.zeros(len(wanted.blocks), 40, *wanted.blocks.shape[2:])
    raw[:, :8] = torch.where(wanted.heat == 1.0, logit, -logit)
    b, sub, z, y, x = wanted.near.unbind(1)
    for axis in range(3):
        raw[b, 8 * (axis + 1) + sub, z, y, x] = torch.atanh(
            (wanted.place[:, axis] / OFFSET_REACH).clamp(-0.999, 0.999)
        )
    raw[b, 32 + sub, z, y, x] = wanted.size
    return raw


def test_the_right_answer_costs_next_to_nothing() -> None:
    """But for the small penalty of a finite logit."""
    wanted = batch([_window([(5.2, 6.4, 7.9), (9.0, 9.0, 4.1)]), _window([])])
    assert wanted.nodules == 2
    parts = judge(_answer(wanted), wanted)
    assert float(parts.found + parts.false + parts.size) < 1e-3


def test_heat_is_one_in_the_voxel_of_the_centre_only() -> None:
    """Neighbours are forgiven, not wanted."""
    wanted = batch([_window([(5.2, 6.4, 7.9)])])
    heat = channels_to_blocks(wanted.heat)[0, 0]
    assert (heat == 1).nonzero().tolist() == [[5, 6, 8]]


def test_each_nodule_costs_the_same_however_many_there_are() -> None:
    """Six or sixty-four."""
    few = [(4.0, 4.0, 4.0 + 4 * k) for k in range(3)] + [(8.0, 4.0, 4.0 + 4 * k) for k in range(3)]
    many = [(2.0 + 4 * i, 2.0 + 4 * j, 2.0 + 4 * k) for i in range(4) for j in range(4) for k in range(4)]
    costs = []
    for places in (few, many):
        wanted = batch([_window(places)])
        raw = _answer(wanted)
        raw[:, :8] = torch.where(wanted.heat == 1.0, -1.0, raw[:, :8])
        costs.append(float(judge(raw, wanted).found))
    assert costs[0] == pytest.approx(costs[1], rel=1e-5)


def test_what_is_not_judged_costs_nothing() -> None:
    """Unjudged voxels are neither nodules nor errors."""
    example = _window([(5.0, 6.0, 7.0)])
    example.judged[:] = False
    wanted = batch([example])
    parts = judge(torch.full((1, 40, 8, 8, 8), 5.0), wanted)
    assert wanted.nodules == 0
    assert float(parts.found + parts.false) == 0


def test_size_and_place_are_learned_as_they_will_be_read() -> None:
    """In voxels, from the voxel to the centre."""
    wanted = batch([_window([(5.25, 6.0, 7.0)], diameter=4.0)])
    here = (wanted.place - torch.tensor([0.25, 0.0, 0.0])).abs().sum(1).argmin()
    assert float(wanted.place[here, 0]) == pytest.approx(0.25)
    assert float(wanted.size[here]) == pytest.approx(np.log(4.0) - LOG_DIAMETER_PRIOR)
