from __future__ import annotations

import pytest
from analyses import analysis

from millet.codec import tables
from millet.core.geometry import PointMm
from millet.core.nodule import NoduleClass

HEADER = "x_mm,y_mm,z_mm,diameter_mm,class,score\n"


def test_nodules_are_written_highest_score_first():
    """The table has the stable columns and falls in score."""
    text = tables.scored(reversed(analysis(3).nodules))
    lines = text.splitlines()
    assert lines[0] + "\n" == HEADER
    assert lines[1] == "-60.000,10.000,-100.000,3.12,nodule,0.9890"
    scores = [mark.score for mark in tables.read(text)]
    assert scores == sorted(scores, reverse=True)


def test_truth_has_a_kind_and_no_score():
    """A table of truth reads back as marks of their kind, without a score."""
    mark = tables.Mark(
        centre_mm=PointMm(1.5, -2.0, 3.0), diameter_mm=41.5, nodule_class=NoduleClass.MASS, kind="part_solid"
    )
    text = tables.truth([mark])
    assert text == "x_mm,y_mm,z_mm,diameter_mm,class,kind\n1.500,-2.000,3.000,41.50,mass,part_solid\n"
    assert tables.read(text) == (mark,)


def test_a_truth_without_kinds_is_solid():
    """The tables of before, which name no kind, still read."""
    (mark,) = tables.read("x_mm,y_mm,z_mm,diameter_mm,class\n1.5,-2,3,4,nodule\n")
    assert (mark.kind, mark.score) == ("solid", None)


@pytest.mark.parametrize(
    ("text", "says"),
    [("a,b\n1,2\n", "columns missing"), (HEADER + "1,2,x,3,nodule,0.5\n", "line 2")],
    ids=["columns", "number"],
)
def test_a_wrong_table_says_where(text, says):
    """The error names the missing columns or the line."""
    with pytest.raises(ValueError, match=says):
        tables.read(text)
