"""The exam as a whole, once its nodules are measured: spread, pattern, criteria, guidelines, triage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from millet.core import guidelines, triage
from millet.core import pattern as patterns
from millet.core.analysis import Analysis
from millet.core.criteria import CriteriaSet
from millet.core.ground import reference_places
from millet.core.lesion import Images
from millet.core.lobes import Lobes
from millet.core.lungs import LungMask
from millet.core.nodule import Nodule
from millet.core.series import SliceHeader
from millet.core.spread import Spread
from millet.core.spreading import Fissures, spread_of


def judged(
    base: Analysis,
    headers: Sequence[SliceHeader],
    mask: LungMask,
    lobes: Lobes,
    images: Images,
    further: Sequence[CriteriaSet],
) -> Analysis:
    """Judge an analysis that holds all that was found; see the modules of `core` for the rules."""
    nodules = base.nodules
    known = replace(patterns.known_of(mask), images=images)
    if lobes.complete:
        named = {lobe.value: litres for lobe, litres in lobes.litres.items()}
        known = replace(known, litres={**known.litres, **named})
    spread = _spread(nodules, mask, lobes, patterns.judgement(nodules, known).level)
    known = replace(known, randomness=spread.randomness)
    told = patterns.judgements(nodules, known, further)
    pattern = replace(patterns.judge(nodules, known), miliary=patterns.miliary(told[0]))
    analysis = replace(base, pattern=pattern, judgements=told, spread=spread)
    analysis = replace(analysis, advice=guidelines.advise(guidelines.subject_of(analysis, headers)))
    exam = triage.Exam(nodules=nodules, pattern=pattern, effusions=base.effusions, remarks=analysis.remarks)
    return replace(analysis, triage=triage.judge(exam))


def _spread(nodules: Sequence[Nodule], mask: LungMask, lobes: Lobes, level: int) -> Spread:
    """Volumes of lobes are told where all five were told apart, distances to the fissures that were found."""
    if lobes.right is None and lobes.left is None:
        return spread_of(nodules, mask, level)
    centres = np.asarray([nodule.centre_mm for nodule in nodules], float).reshape(-1, 3)
    fissures = Fissures(
        nodules_mm=lobes.fissure_mm(centres), places_mm=lobes.fissure_mm(reference_places(mask))
    )
    litres = tuple(lobes.litres.items()) if lobes.complete else ()
    return spread_of(nodules, mask, level, lobe_litres=litres, fissures=fissures)
