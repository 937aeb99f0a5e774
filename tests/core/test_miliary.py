from __future__ import annotations

import pytest
from judged import judged
from patterns import MILIARY, OTHERS, scenes

from millet.core import pattern

SEEDS = range(1000, 1000 + 8 * 6, 8)
"""All in one chest, which takes seconds to grow; the benchmark takes eight chests and hundreds of seeds."""


@pytest.mark.parametrize("kind", [*MILIARY, *OTHERS])
def test_miliary_is_told_from_what_is_taken_for_it(kind):
    """At most one of six wrong: nodules all over both lungs, or few, a cluster, tree-in-bud, vessels."""
    right = [pattern.miliary(judged(scenes(kind, seed))) == (kind in MILIARY) for seed in SEEDS]
    assert sum(right) >= len(right) - 1


def test_the_case_is_definite():
    """220 nodules of 3 mm and a mass, as they are reported: level 3, the mass dominant."""
    case = scenes("case", 1000)
    assert judged(case).level == 3
    assert pattern.dominant(case.nodules).diameter_mm > 40
