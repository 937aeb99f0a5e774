"""The judgement of a scene of nodules, with all that the service knows of such an exam."""

from __future__ import annotations

from dataclasses import replace

from patterns import Scene

from millet.core import pattern
from millet.core.judgement import Judgement
from millet.core.spreading import spread_of


def judged(scene: Scene) -> Judgement:
    """By the lung's set: zones from the mask, lobes where the chest has them, randomness tested inside it."""
    nodules, lungs = scene.nodules, scene.chest.lungs
    known = pattern.known_of(lungs)
    lobes = {lobe.value: litres for lobe, litres in scene.lobe_litres}
    spread = spread_of(nodules, lungs, 0, lobe_litres=scene.lobe_litres)
    known = replace(known, litres={**known.litres, **lobes}, randomness=spread.randomness)
    return pattern.judgement(nodules, known)
