import pytest

from millet.evaluate import luna16_tables

NUMBERS = {"a": 0, "b": 1}
FINDINGS = "seriesuid,coordX,coordY,coordZ,diameter_mm\n"
CANDIDATES = "seriesuid,coordX,coordY,coordZ,probability\n"


@pytest.mark.parametrize("text", ["a\nb\n", "seriesuid\na\nb\n", "a\r\nb\r\n\r\n"])
def test_series_are_numbered_in_their_order(text):
    """With a header or without, blank lines passed over."""
    assert luna16_tables.series(text) == NUMBERS


def test_columns_are_found_by_name():
    """In any order, among others."""
    text = "probability,other,coordZ,coordY,coordX,seriesuid\n0.5,?,3,2,1,b\n"
    points = luna16_tables.candidates(text, NUMBERS).points
    assert points.scan.tolist() == [1]
    assert points.centre_mm.tolist() == [[1, 2, 3]]
    assert points.value.tolist() == [0.5]


def test_no_candidates_is_a_table():
    """A header alone: a detector that found nothing."""
    assert len(luna16_tables.candidates(CANDIDATES, NUMBERS).points) == 0


def test_annotations_of_other_series_are_counted_and_left():
    """One fold is judged with the reference of all ten."""
    table = luna16_tables.findings(FINDINGS + "a,1,2,3,4\nz,1,2,3,4\n", NUMBERS)
    assert (len(table.points), table.elsewhere) == (1, 1)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "line 1: there is no header, the file is empty"),
        ("seriesuid,coordX,coordY\n", "line 1: no column coordZ, probability"),
        (CANDIDATES + "a,1,2,3,0.5\nz,1,2,3,0.5\n", "line 3, column seriesuid: series z is not in the list"),
        (CANDIDATES + "a,1,left,3,0.5\n", "line 2, column coordY: 'left' is no number"),
        (CANDIDATES + "a,1,2,3,nan\n", "line 2, column probability: 'nan' is no number"),
        (CANDIDATES + "a,1,2\n", "line 2, column coordZ: nothing there"),
        (CANDIDATES + "a,1,2,3,\n", "line 2, column probability: nothing there"),
    ],
    ids=["empty", "column", "series", "word", "nan", "short", "blank"],
)
def test_a_mistake_is_told_with_its_line_and_column(text, says):
    """Nothing is guessed, nothing is passed over."""
    with pytest.raises(ValueError, match=says):
        luna16_tables.candidates(text, NUMBERS)


@pytest.mark.parametrize(
    ("text", "says"), [("\n", "the file is empty"), ("a\nb\na\n", "line 3.*a is listed twice")]
)
def test_a_list_of_series_holds_each_once(text, says):
    """And at least one."""
    with pytest.raises(ValueError, match=says):
        luna16_tables.series(text)
