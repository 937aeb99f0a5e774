from __future__ import annotations

from dataclasses import fields, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millet.codec import criteria_toml
from millet.core.criteria import CriteriaSet
from millet.core.criteria_sets import BUNDLED
from millet.core.digest import configuration, judging
from millet.core.judgement import Standing
from millet.core.language import Language
from millet.core.manifest import Manifest
from millet.core.pattern import PROPOSAL
from millet.edge import models

MANIFEST = models.manifest(models.find(models.bundled(), "log/1"))


def bundled() -> Manifest:
    """The manifest of the model that comes with Millet."""
    return models.manifest(models.find(models.bundled(), "log/1"))


def with_rule(criteria: CriteriaSet, level: int, at: int, **changed) -> CriteriaSet:
    """A set with one rule of one level changed."""
    levels = list(criteria.levels)
    rules = list(levels[level].rules)
    rules[at] = replace(rules[at], **changed)
    levels[level] = replace(levels[level], rules=tuple(rules))
    return replace(criteria, levels=tuple(levels))


def places(criteria: CriteriaSet) -> list[tuple[int, int]]:
    """Where its rules are."""
    return [(n, at) for n, level in enumerate(criteria.levels) for at in range(len(level.rules))]


def test_whatever_changes_a_result_changes_the_digest():
    """A threshold, a criterion, a further set, a language and the version each make another configuration."""
    manifest = bundled()
    first = configuration(manifest, PROPOSAL, "1")
    others = {
        configuration(replace(manifest, candidate_floor=0.5), PROPOSAL, "1"),
        configuration(manifest, with_rule(PROPOSAL, 0, 0, threshold=49.0), "1"),
        configuration(manifest, PROPOSAL, "2"),
        configuration(manifest, PROPOSAL, "1", further=BUNDLED[1:]),
        configuration(manifest, PROPOSAL, "1", language=Language.GERMAN),
    }
    assert configuration(bundled(), PROPOSAL, "1") == first
    assert configuration(manifest, PROPOSAL, "1", language=Language.ENGLISH) == first
    assert len(others | {first}) == 6


@settings(deadline=None)
@given(st.data())
def test_another_threshold_is_another_object(data):
    """Any change of any number of any rule of any set changes the digest; read back unchanged, none does."""
    criteria = data.draw(st.sampled_from(BUNDLED))
    level, at = data.draw(st.sampled_from(places(criteria)))
    rule = criteria.levels[level].rules[at]
    threshold = data.draw(st.floats(-1e6, rule.upper or 1e6).filter(lambda value: value != rule.threshold))
    changed = with_rule(criteria, level, at, threshold=threshold)
    own = configuration(MANIFEST, criteria, "1")
    assert configuration(MANIFEST, changed, "1") != own
    written = criteria_toml.decode(criteria_toml.encode(changed))
    assert configuration(MANIFEST, written, "1") == configuration(MANIFEST, changed, "1")
    assert configuration(MANIFEST, criteria_toml.decode(criteria_toml.encode(criteria)), "1") == own


@pytest.mark.parametrize("name", [one.name for one in fields(CriteriaSet)])
def test_no_part_of_a_set_is_left_out(name):
    """Not its version, not its texts, not its levels."""
    other = {
        "standing": Standing.PUBLISHED,
        "levels": PROPOSAL.levels[:2],
        "reported": PROPOSAL.reported[:1],
        "dominant": replace(PROPOSAL.dominant, ratio=4.0),
        "modality": "MR",
    }
    changed = replace(PROPOSAL, **{name: other.get(name, "other")})
    assert configuration(MANIFEST, changed, "1") != configuration(MANIFEST, PROPOSAL, "1")


def test_whatever_changes_a_judgement_changes_its_digest():
    """A threshold, a set, a modality, the version, the language; a set without a modality is what it was."""
    own = replace(PROPOSAL, identifier="own")
    others = {
        judging(BUNDLED, "1", Language.ENGLISH),
        judging(BUNDLED, "2", Language.ENGLISH),
        judging(BUNDLED, "1", Language.GERMAN),
        judging((*BUNDLED, own), "1", Language.ENGLISH),
        judging((*BUNDLED, replace(own, modality="CT")), "1", Language.ENGLISH),
        judging((with_rule(PROPOSAL, 0, 0, threshold=49.0), *BUNDLED[1:]), "1", Language.ENGLISH),
    }
    assert len(others) == 6
