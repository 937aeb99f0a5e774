"""The judgement of a scene of nodules, with all that the service knows of such an exam."""

from __future__ import annotations

from dataclasses import replace

from patterns import Scene

from millet.core import pattern
from millet.core.judgement import Judgement
from millet.core.spreading import spread_of


def judged(scene: Scene) -> Judgement:
    """By the lung's set: zones from the mask, lobes where the chest has them, randomness tested inside it.

    What is not probable is not tested for randomness, which would change neither its level nor the answer.
    """
    nodules, lungs = scene.nodules, scene.chest.lungs
    known = pattern.known_of(lungs)
    lobes = {lobe.value: litres for lobe, litres in scene.lobe_litres}
    known = replace(known, litres={**known.litres, **lobes})
    first = pattern.judgement(nodules, known)
    if first.level < pattern.PROBABLE:
        return first
    tested = spread_of(nodules, lungs, first.level, lobe_litres=scene.lobe_litres).randomness
    return pattern.judgement(nodules, replace(known, randomness=tested))
