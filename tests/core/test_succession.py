from __future__ import annotations

import pytest

from millet.core.succession import replaced


@pytest.mark.parametrize(
    ("before", "gone"),
    [
        ({}, ""),
        ({"a": ""}, ""),
        ({"a": "", "b": "a", "c": "b"}, "ab"),
        ({"a": "b", "b": "a", "c": ""}, ""),
        ({"a": "c", "b": "a", "c": "b", "d": "a"}, "a"),
        ({"a": "b", "b": "a", "c": "b"}, "b"),
        ({"b": "ax", "c": "x"}, ""),
    ],
    ids=[
        "none",
        "one",
        "a line",
        "each other",
        "a ring and one after it",
        "a pair and one after it",
        "absent",
    ],
)
def test_a_later_document_replaces_those_before_it(before, gone):
    """Unless it is named by them, too; who is not here is not replaced."""
    assert replaced({uid: set(olds) for uid, olds in before.items()}) == set(gone)


def test_many_that_name_all_before_them_are_soon_told():
    """As a writer that copies the list each time would."""
    uids = [str(number) for number in range(1000)]
    assert replaced({uid: set(uids[:place]) for place, uid in enumerate(uids)}) == set(uids[:-1])
