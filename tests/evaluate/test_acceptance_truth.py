"""A site's table of what is true of its studies."""

import pytest

from millet.core.analysis import TriageLevel
from millet.evaluate.acceptance.truth import Told, read

URGENT = TriageLevel.URGENT


def test_positive_and_negative_are_said_in_several_ways():
    """Any case, and semicolons as spreadsheets of half of Europe write them."""
    truth = read("\ufeffAccession;Truth\nA1;positive\n\nA2;No\nA3;1\n", URGENT)
    assert (truth.by, truth.kind) == ("accession", "truth")
    assert {name: told.positive for name, told in truth.told.items()} == {"A1": True, "A2": False, "A3": True}


@pytest.mark.parametrize(("count", "positive"), [("0", False), ("9", False), ("10", True), ("300", True)])
def test_a_count_is_positive_from_the_number_that_was_asked_for(count, positive):
    """And not before it."""
    told = read(f"study_uid,count\n1.2.3,{count}", URGENT, 10).told["1.2.3"]
    assert (told.positive, told.count) == (positive, int(count))


@pytest.mark.parametrize(
    ("level", "positive"), [("unflagged", False), ("notable", False), ("urgent", True), ("Critical", True)]
)
def test_a_readers_level_is_positive_from_the_alert_on(level, positive):
    """As the service's own is an alert from there on."""
    told = read(f"level,accession\n{level},A1", URGENT).told["A1"]
    assert told == Told(positive=positive, words=f"level {level.lower()}")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "line 1: no header"),
        ("accession,truth", "no study in it"),
        ("accession,truth,reader\nA1,yes,Smith", "line 1: unknown column 'reader'"),
        (
            "accession,study_uid,truth\nA1,1.2,yes",
            "line 1: columns accession, study_uid, truth; expected one of",
        ),
        ("accession\nA1", "line 1: columns accession; expected one of"),
        ("accession,truth,truth\nA1,yes,no", "column 'truth' is there twice"),
        ("accession,truth\nA1,perhaps", "line 2, column truth: 'perhaps' is neither positive nor negative"),
        ("accession,truth\nA1,yes\nA1,no", "line 3: its study is in the table twice"),
        ("accession,truth\n,yes", "line 2: no accession"),
        ("accession,truth\nA1", "line 2: 1 cells under 2 columns"),
        ("accession,count\nA1,3", "say with --positive-from"),
        (f"accession,truth\n{'A' * 200_000},yes", "line 2: field larger than field limit"),
        (
            "accession,level\nA1,not-assessed",
            "'not-assessed' is none of unflagged, notable, urgent, critical",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_line(text, why):
    """Nothing is guessed, neither of a column nor of a word."""
    with pytest.raises(ValueError, match=why):
        read(text, URGENT)


@pytest.mark.parametrize("count", ["-1", "3.5", "many"])
def test_a_count_is_a_whole_number(count):
    """Else it is refused."""
    with pytest.raises(ValueError, match="is no number of nodules"):
        read(f"accession,count\nA1,{count}", URGENT, 1)
