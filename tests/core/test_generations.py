from __future__ import annotations

from dataclasses import replace

import pytest
from analyses import nodule, spread
from hypothesis import given
from hypothesis import strategies as st

from millet.core.generations import named
from millet.core.geometry import PointMm


def moved(one, by_mm, **facts):
    """The same nodule, elsewhere."""
    return replace(one, centre_mm=PointMm(one.centre_mm.x + by_mm, *one.centre_mm[1:]), **facts)


@pytest.mark.parametrize(("by_mm", "kept"), [(0.0, True), (1.4, True), (1.7, False)])
def test_a_nodule_that_lies_where_it_lay_keeps_its_name(by_mm, kept):
    """Near its place; further away it is another one, with a name of its own."""
    (now,) = named([moved(nodule(1), by_mm, tracking_uid="2.25.9", nodule_id="2.25.9")], [nodule(1)])
    assert (now.nodule_id == now.tracking_uid == "2.25.1001") is kept
    assert (now.nodule_id == "2.25.9") is not kept


def test_a_large_one_may_move_by_half_its_diameter():
    """Late slices move the middle of what they cut."""
    mass = replace(nodule(1), diameter_mm=40.0)
    (now,) = named([moved(mass, 15.0, tracking_uid="2.25.9", nodule_id="2.25.9")], [mass])
    assert now.nodule_id == "2.25.1001"


def test_a_name_is_that_of_the_first_generation_whatever_a_prior_study_calls_it():
    """The tracking UID may come from a prior study; the ID does not."""
    followed = replace(nodule(1), tracking_uid="2.25.77")
    assert followed.nodule_id == "2.25.1001"
    (now,) = named([moved(nodule(1), 0.5, tracking_uid="2.25.9", nodule_id="2.25.9")], [followed])
    assert now.nodule_id == "2.25.1001"


def test_names_go_to_the_nearest_and_to_one_each():
    """Of two that lie near one place the nearer has the name; none is given twice."""
    near, far = (
        moved(nodule(1), by, tracking_uid=uid, nodule_id=uid)
        for by, uid in ((0.2, "2.25.8"), (0.9, "2.25.9"))
    )
    assert [one.nodule_id for one in named([far, near], [nodule(1)])] == ["2.25.9", "2.25.1001"]


@given(st.permutations(range(40)))
def test_the_order_of_either_changes_nothing(order):
    """2 mm apart or on top of each other, each keeps its own name."""
    before = spread(40, seed=3)
    now = [replace(before[n], tracking_uid=f"2.25.{n}", nodule_id=f"2.25.{n}") for n in order]
    assert [one.nodule_id for one in named(now, before)] == [before[n].nodule_id for n in order]


def test_nothing_before_changes_nothing():
    """And nothing now is nothing."""
    assert named([nodule(1)], []) == (nodule(1),)
    assert named([], [nodule(1)]) == ()
