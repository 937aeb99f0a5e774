from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from millet.codec import flat


@dataclass(frozen=True)
class Plain:
    """A value as columns keep them."""

    name: str
    weights: tuple[float, ...] = ()
    known: bool = True


def test_a_value_comes_back_as_it_was():
    """Numbers, text and tuples survive the way through JSON."""
    there = Plain(name="Müller", weights=(0.5, 2.0), known=False)
    assert flat.decode(Plain, flat.encode(there)) == there


def test_older_and_newer_documents_are_read():
    """What is younger than the document has its default; what the value no longer has is passed over."""
    assert flat.decode(Plain, json.dumps({"name": "a", "gone": 3})) == Plain(name="a")


@pytest.mark.parametrize("document", ["{}", "{", "[1]"])
def test_a_damaged_document_is_refused(document):
    """Never half a value."""
    with pytest.raises(ValueError, match=r".+"):
        flat.decode(Plain, document)
