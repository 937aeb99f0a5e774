import sys

import pytest

from millet import cli

FINDINGS = "seriesuid,coordX,coordY,coordZ,diameter_mm\n"
CANDIDATES = "seriesuid,coordX,coordY,coordZ,probability\n"
FILES = {
    "annotations": FINDINGS + "a,0,0,0,6\nb,0,0,0,6\n",
    "excluded": FINDINGS + "a,50,0,0,-1\n",
    "series": "a\nb\n",
    "candidates": CANDIDATES + "a,1,0,0,0.9\na,53,0,0,0.8\nb,90,0,0,0.7\n",
}


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """`millet evaluate-luna16` on these files, some replaced: exit code, what it printed, its error."""

    def done(*more, **files):
        arguments = ["millet", "evaluate-luna16"]
        for name, text in (FILES | files).items():
            path = tmp_path / f"{name}.csv"
            path.write_text(text)
            arguments += [f"--{name}", str(path)]
        monkeypatch.setattr(sys, "argv", [*arguments, *more])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return ended.value.code, said.out, said.err

    return done


def test_it_prints_seven_sensitivities_and_their_mean(run):
    """One of two nodules before any false positive; the counts and the absence of a cap are told."""
    code, out, _ = run()
    assert code == 0
    assert out.splitlines()[1:3] == [".500 .500 .500 .500 .500 .500 .500", "CPM .500"]
    assert "2 scans, 2 nodules, 1 of them hit; 3 candidates (no limit a scan): 1 on nodules" in out
    assert "1 on excluded findings, 1 false" in out


def test_a_cap_and_intervals_are_told(run):
    """How many the cap cut, and how many draws the intervals are from."""
    _, out, _ = run("--most-per-scan", "1", "--bootstrap", "50")
    assert "at most 1 a scan kept, 1 cut by it" in out
    assert "95 % intervals over scans, 50 draws" in out
    assert "CPM .500 (.000-1.000)" in out


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"candidates": CANDIDATES + "c,1,2,3,0.5\n"}, "candidates.csv: line 2, column seriesuid: series c"),
        ({"annotations": FINDINGS + "a,1,2,3,big\n"}, "annotations.csv: line 2, column diameter_mm: 'big'"),
        ({"excluded": ""}, "excluded.csv: line 1: there is no header, the file is empty"),
        ({"annotations": FINDINGS}, "annotations.csv: no nodule"),
        ({"candidates": CANDIDATES + "a," + "1" * 200_000}, "candidates.csv: field larger than"),
    ],
    ids=["series", "number", "empty", "no nodule", "no table"],
)
def test_a_mistake_is_one_line_with_its_file(files, says, run):
    """A non-zero exit, no figures."""
    code, out, err = run(**files)
    assert (code, out) == (1, "")
    assert says in err
    assert len(err.splitlines()) == 1


def test_annotations_of_other_series_are_told(run):
    """A fold may be judged with the whole reference, and says that it was."""
    _, out, _ = run(series="a\n", candidates=CANDIDATES + "a,1,0,0,0.9\n")
    assert "1 findings are of series that are not listed" in out
