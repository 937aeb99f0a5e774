from dataclasses import replace

from reports import REFUSED, analysis

from millet.codec.disclosure import disclosure
from millet.core.judgement import Judgement, Standing


def _judgement(name):
    return Judgement(
        criteria=name, version="2", organ="lung", standing=Standing.PROPOSAL, source="", level=0,
        meaning="", conditions=(),
    )  # fmt: skip


def test_it_says_what_every_object_has_to_say():
    """Unverified, unreviewed, for research; software, model, criteria, configuration; what was looked at."""
    said = " ".join(disclosure(analysis()))
    for words in (
        "AI result, not reviewed",
        "Unverified",
        "Research use only",
        "Millet 0.1.0",
        "model log 1",
        "criteria pattern 1",
        "configuration cdcdcdcdcdcd",
        "4.75 l (right 2.50, left 2.25)",
        "Not assessed: lymph nodes, bones",
    ):
        assert words in said


def test_criteria_that_judged_are_named():
    """Each set with its version, in a stable order."""
    judged = replace(analysis(), judgements=(_judgement("lung-miliary"), _judgement("brain-ct")))
    assert "criteria brain-ct 2, lung-miliary 2," in " ".join(disclosure(judged))


def test_what_was_not_analysed_is_said():
    """A refused series has no lung that was looked at."""
    assert "No lung was analysed." in disclosure(analysis(remarks=[REFUSED]))
