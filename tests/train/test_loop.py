"""Training: it learns, and goes on where it was stopped as if it never had been."""

from dataclasses import replace
from pathlib import Path

import denormals
import numpy as np
import pytest
import torch
from train.chests import chest

from millet.train import loop
from millet.train.calibrate import Scores, scores, threshold
from millet.train.loss import Parts
from millet.train.windows import Recipe

RECIPE = Recipe(side=24, rim=2, most=6, diameter_mm=(3.0, 6.0))


def _plan(steps: int) -> loop.Plan:
    return loop.Plan(seed=3, steps=steps, windows=2, warm_up=5, workers=0, keep_every=2, mean_over=5)


def test_the_loss_falls(tmp_path: Path) -> None:
    """On a chest it knows."""
    told: list[float] = []

    def tell(_step: int, _steps: int, parts: Parts) -> None:
        told.append(float(parts.total.detach()))

    crowded = replace(RECIPE, empty=0.0)
    loop.train([chest()], crowded, replace(_plan(24), rate=4e-3), tmp_path, progress=tell)
    assert len(told) == 24
    assert np.median(told[-6:]) < 0.85 * np.median(told[:6])
    assert list((tmp_path / "curves").glob("events*"))
    assert denormals.count()


def test_an_interrupted_run_ends_where_an_uninterrupted_one_does(tmp_path: Path) -> None:
    """To the last weight."""
    whole = loop.train([chest()], RECIPE, _plan(6), tmp_path / "whole")

    def stop(step: int, _steps: int, _parts: Parts) -> None:
        if step == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        loop.train([chest()], RECIPE, _plan(6), tmp_path / "parts", progress=stop)
    assert loop.load(tmp_path / "parts" / "checkpoint.pt", _plan(6)).step == 4
    again = loop.train([chest()], RECIPE, _plan(6), tmp_path / "parts")
    for one, two in zip(whole.state_dict().values(), again.state_dict().values(), strict=True):
        torch.testing.assert_close(one, two)


def test_settled_norms_keep_their_statistics(tmp_path: Path) -> None:
    """While the weights beside them learn."""
    first = loop.train([chest()], RECIPE, _plan(2), tmp_path / "first")
    plan = replace(_plan(2), settled=True)
    second = loop.train([chest()], RECIPE, plan, tmp_path / "second", start=first)
    for (name, one), two in zip(first.state_dict().items(), second.state_dict().values(), strict=True):
        if "running" in name:
            torch.testing.assert_close(one, two, rtol=0, atol=0)
    assert not torch.equal(first.head.weight, second.head.weight)


def test_scores_tell_nodules_from_the_rest(tmp_path: Path) -> None:
    """Nodules are there only where they were drawn."""
    net = loop.train([chest()], RECIPE, _plan(2), tmp_path)
    told = scores(net, [chest()], RECIPE, seed=9, windows=4, empty=False)
    assert len(told.nodules) == len(told.diameters_mm) > 0
    assert 0 < told.litres < 4 * 0.024**3 * 1000
    empty = scores(net, [chest()], RECIPE, seed=9, windows=4, empty=True)
    assert not len(empty.nodules)


def test_the_threshold_lets_through_as_many_as_allowed() -> None:
    """Never lower than a floor."""
    nothing = np.zeros(0)
    told = Scores(nodules=nothing, diameters_mm=nothing, false=np.asarray([0.9, 0.6, 0.4, 0.3]), litres=2.0)
    assert (told.false >= threshold(told, 0.5)).sum() == 1
    assert (told.false >= threshold(told, 1.0)).sum() == 2
    assert threshold(told, 5.0) == 0.05
