from __future__ import annotations

import json

import exams
import numpy as np
import pytest

from millet.codec import lung_outline as codec
from millet.core.lung_outline import Outline, outline


@pytest.fixture(scope="module")
def lungs():
    """The surface of both lungs."""
    return outline(exams.made(5).prior.lungs)


def test_an_outline_reads_back_to_a_tenth_of_a_millimetre(lungs):
    """In few bytes, and the same for the same values."""
    written = codec.encode(lungs, exams.CONDITIONS)
    found, conditions = codec.decode(written)
    assert conditions == exams.CONDITIONS
    assert np.abs(found.points_mm - lungs.points_mm).max() <= 0.0501
    assert np.abs(found.outward - lungs.outward).max() < 0.02
    assert np.array_equal(found.side, lungs.side)
    assert len(written) < 20_000
    assert codec.encode(found, conditions) == codec.encode(*codec.decode(written))


def test_no_lungs_read_back_as_none():
    """An empty outline is an outline."""
    found, _ = codec.decode(codec.encode(Outline.nothing(), exams.CONDITIONS))
    assert found.points_mm.shape == found.outward.shape == (0, 3)


@pytest.mark.parametrize(
    "damage", [{"schema": 2}, {"points": [[1, 2]]}, {"side": [1]}, {"conditions": {}}, {"points": None}]
)
def test_a_damaged_document_is_refused(lungs, damage):
    """Never guessed at."""
    document = json.loads(codec.encode(lungs, exams.CONDITIONS)) | damage
    with pytest.raises(ValueError, match=r"."):
        codec.decode(json.dumps(document).encode())


@pytest.mark.parametrize("document", [b"", b"{", b"[]", b"\xff"])
def test_what_is_no_document_is_refused(document):
    """A truncated object among them."""
    with pytest.raises(ValueError, match=r"."):
        codec.decode(document)
