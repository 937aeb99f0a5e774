from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from pydicom.uid import UID
from reports import PROVENANCE, analysis

from millet.core.uids import derived_uid, object_uid


@given(st.text(), st.lists(st.text(), max_size=4))
def test_a_derived_uid_is_valid_and_the_same_each_time(kind, parts):
    """Equal arguments give one valid UID of at most 64 characters."""
    uid = derived_uid(kind, *parts)
    assert uid == derived_uid(kind, *parts)
    assert UID(uid).is_valid
    assert uid.startswith("2.25.")
    assert len(uid) <= 64


def test_parts_do_not_run_into_each_other():
    """Where one part ends and the next begins is part of the name."""
    assert derived_uid("a", "bc", "d") != derived_uid("a", "b", "cd") != derived_uid("ab", "c", "d")


def test_an_object_is_named_by_what_made_it_and_not_by_when():
    """Site, series, generation, model and configuration change the UID; time and findings do not."""
    base = analysis()
    changes = [
        {"site": "other"},
        {"series_uid": "1.2.3"},
        {"generation": 2},
        {"provenance": replace(PROVENANCE, model_digest="00")},
        {"provenance": replace(PROVENANCE, configuration_digest="00")},
    ]
    uids = {object_uid(replace(base, **change), "sr") for change in [{}, *changes]}
    assert len(uids) == 6
    assert object_uid(replace(base, not_assessed=()), "sr") == object_uid(base, "sr")
    assert object_uid(base, "seg") != object_uid(base, "sr")
