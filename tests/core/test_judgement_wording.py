from __future__ import annotations

from dataclasses import replace

from brains import brain

from millet.core.brought import Brought, judgements, sets_for
from millet.core.criteria import evaluate
from millet.core.criteria_sets import BRAIN_MILIARY_MR
from millet.core.judgement_wording import conditions, verdict
from millet.core.language import Language

MET = evaluate(BRAIN_MILIARY_MR, brain({3: 20, 9: 20}))


def test_a_level_is_told_with_its_conditions():
    """With what stands behind it."""
    assert verdict(MET).startswith("brain-miliary-mr bashour-2020 (brain; published: Bashour et al.")
    assert verdict(MET).endswith(": level 1, miliary metastasis by these criteria.")
    assert "brain-miliary-mr bashour-2020: bilateral 2, asked >= 2: holds (published)" in list(
        conditions(MET)
    )
    assert "beidseits" in " ".join(conditions(MET, Language.GERMAN))


def test_a_level_below_what_is_not_known_is_told():
    """It was reached; what lies above it is not evaluated."""
    partly = replace(MET, not_evaluated="not known: more")
    assert verdict(partly).endswith(
        "level 1, miliary metastasis by these criteria; above it not evaluated, not known: more."
    )
    assert verdict(replace(partly, level=0)).endswith(": not evaluated, not known: more.")


def test_what_was_left_out_doubts_only_what_it_could_change():
    """A highest level that is reached stays; below it, what could not be judged is named beside the rest."""
    sets = sets_for("brain")[:1]
    (met,) = judgements(Brought(exam=brain({3: 20, 9: 20}), left_out=5), sets)
    assert (met.level, met.not_evaluated) == (1, "")
    (unmet,) = judgements(Brought(exam=brain({3: 20, 9: 19}, images=None), left_out=1), sets)
    assert unmet.not_evaluated == (
        "not known: images-with-20 (the images' positions); 1 of 40 lesions could not be judged"
    )
