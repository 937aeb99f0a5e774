from __future__ import annotations

from dataclasses import replace

import exams
import pytest

from millet.core.analysis import Lungs
from millet.core.comparable import Compared, limits, reading
from millet.edge import models

SAME = Compared(
    model_digest="ab" * 32,
    count_reliable=True,
    lungs=Lungs(right_l=2.5, left_l=2.0),
    conditions=exams.CONDITIONS,
)


def other(**conditions):
    """The same, taken or read otherwise."""
    return replace(SAME, conditions=replace(exams.CONDITIONS, **conditions))


@pytest.mark.parametrize(
    ("prior", "codes"),
    [
        (SAME, ()),
        (replace(SAME, model_digest="cd" * 32), ("model",)),
        (replace(SAME, conditions=None), ("model",)),
        (other(reading="2" * 64), ("threshold",)),
        (replace(SAME, count_reliable=False), ("count",)),
        (other(kernel="B40f"), ()),
        (other(kernel="B70f"), ("kernel",)),
        (other(slice_mm=1.5), ()),
        (other(slice_mm=2.0), ("thickness",)),
        (other(cut_at_base=True), ("coverage",)),
        (other(cut_at_top=True), ("coverage",)),
        (replace(SAME, lungs=Lungs(right_l=2.2, left_l=1.75)), ()),
        (replace(SAME, lungs=Lungs(right_l=2.0, left_l=1.5)), ("inspiration",)),
        (replace(SAME, lungs=Lungs(right_l=3.2, left_l=1.3)), ("inspiration",)),
        (replace(SAME, lungs=None), ("inspiration",)),
        (replace(other(kernel="B70f", slice_mm=5.0), model_digest=""), ("model", "kernel", "thickness")),
    ],
)
def test_what_differs_is_said(prior, codes):
    """By its code, in the same order whichever of the two is the prior."""
    assert limits(SAME, prior) == limits(prior, SAME) == codes


def test_another_threshold_is_another_reading():
    """Equal for equal manifests only."""
    manifest = models.manifest(models.find(models.bundled(), "log/1"))
    lower = replace(manifest.levels[0], threshold=manifest.levels[0].threshold / 2)
    assert reading(manifest) == reading(replace(manifest))
    assert reading(manifest) != reading(replace(manifest, levels=(lower, *manifest.levels[1:])))
