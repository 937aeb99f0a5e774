from __future__ import annotations

from dataclasses import replace

from millet.core.digest import configuration
from millet.core.manifest import Manifest
from millet.core.pattern import PROPOSAL
from millet.edge import models


def bundled() -> Manifest:
    """The manifest of the model that comes with Millet."""
    return models.manifest(models.find(models.bundled(), "log/1"))


def test_whatever_changes_a_result_changes_the_digest():
    """A threshold, a criterion and the software's version each make another configuration."""
    manifest = bundled()
    first = configuration(manifest, PROPOSAL, "1")
    others = {
        configuration(replace(manifest, candidate_floor=0.5), PROPOSAL, "1"),
        configuration(manifest, replace(PROPOSAL, possible_more_than=49), "1"),
        configuration(manifest, PROPOSAL, "2"),
    }
    assert configuration(bundled(), PROPOSAL, "1") == first
    assert len(others | {first}) == 4
