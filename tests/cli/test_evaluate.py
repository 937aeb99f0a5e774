"""`millet evaluate` as a shell sees it: figures, pictures, what is kept, and what cannot be read."""

import json
import os
import shutil
import sys

import pytest

from millet import cli
from millet.phantom import dicom, presets

HEADER = "x_mm,y_mm,z_mm,diameter_mm,class"
TRUTH = f"{HEADER},kind\n0,0,0,3,nodule,solid\n10,0,0,6,nodule,ground_glass\n"
FOUND = (
    f"{HEADER},score\n0,0,0.5,3,nodule,0.9\n50,0,0,3,nodule,0.8\n90,0,0,3,nodule,0.7\n10,0,0,5,nodule,0.2\n"
)
IGNORED = f"{HEADER}\n90,0,0,4,nodule\n"
PICTURES = {"froc.png", "counts.png", "sizes.png", "kinds.png"}


@pytest.fixture
def evaluate(monkeypatch, capsys, tmp_path):
    """`millet evaluate CASES --out OUT ...` with the analytic model: exit code, its words, its document."""

    def run(cases, *more, out=tmp_path / "out"):
        for name in [name for name in os.environ if name.startswith("MILLET_")]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("MILLET_MODEL", "log/1")
        monkeypatch.setattr(
            sys, "argv", ["millet", "evaluate", str(cases), "--out", str(out), *map(str, more)]
        )
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said, path = capsys.readouterr(), out / "summary.json"
        document = json.loads(path.read_text()) if path.exists() else None
        return int(ended.value.code or 0), said.out + said.err, document

    return run


@pytest.fixture
def tables(tmp_path):
    """Two cases of tables alone: one with a nodule found, one missed and a false one; one with nothing."""
    for name, truth, found in (("one", TRUTH, FOUND), ("two", HEADER + "\n", f"{HEADER},score\n")):
        folder = tmp_path / "cases" / name
        folder.mkdir(parents=True)
        (folder / "truth.csv").write_text(truth)
        (folder / "found.csv").write_text(found)
    return tmp_path / "cases"


@pytest.fixture(scope="module")
def chest(tmp_path_factory):
    """A small chest with six nodules."""
    folder = tmp_path_factory.mktemp("chest") / "chest"
    scan = presets.Scan(pixel_mm=1.0, slice_mm=2.0)
    dicom.write(presets.make("sparse", nodules=6, seed=5, scale=0.35, scan=scan), folder)
    return folder


def test_a_model_is_judged_once_and_what_it_found_is_kept(chest, tmp_path, evaluate):
    """Three runs: one that computes, one that takes what is kept, one on other bytes that computes anew.

    A case that cannot be read is told, is in no figure, and ends the run with 1; the other goes on.
    """
    cases = tmp_path / "cases"
    shutil.copytree(chest, cases / "chest")
    (cases / "broken").mkdir()
    (cases / "broken" / "truth.csv").write_text(TRUTH)
    code, said, document = evaluate(cases)
    assert code == 1
    assert "broken: no DICOM file" in said
    assert "1 of 2 cases are in no figure" in said
    assert (document["scans"], document["nodules"], [f["name"] for f in document["failed"]]) == (
        1,
        6,
        ["broken"],
    )
    assert document["about"]["model"] == "log/1"
    assert document["sensitivity"]["value"] >= 0.5
    assert {path.name for path in (tmp_path / "out").iterdir()} >= {"froc.csv", *PICTURES}

    kept = tmp_path / "out" / "cases" / "chest" / "found.json"
    again = json.loads(kept.read_text())
    kept.write_text(json.dumps(again | {"found": []}))
    _, _, document = evaluate(cases)
    assert document["sensitivity"]["value"] == 0.0
    assert document["cases"][0]["candidates"] == 0
    assert (tmp_path / "out" / "missed-001.png").exists()

    max((cases / "chest").glob("*.dcm")).unlink()
    _, _, document = evaluate(cases)
    assert document["sensitivity"]["value"] >= 0.5


def test_a_table_of_candidates_is_judged_by_hand(tables, evaluate):
    """One of two found with two false, all lines reported; no model and no series is needed."""
    code, said, document = evaluate(tables, "--found", "found.csv")
    assert code == 0
    assert (document["sensitivity"]["value"], document["false_per_scan"]["value"]) == (1.0, 1.0)
    assert document["about"] == {"table": "found.csv", "operating": "every line of the table"}
    assert "2 scans, 2 nodules" in said


def test_a_threshold_reports_less(tables, evaluate):
    """From .5 on one nodule of two is found; the curve still has all."""
    _, said, document = evaluate(tables, "--found", "found.csv", "--threshold", "0.5", "--bins", "2,4")
    assert document["sensitivity"]["value"] == 0.5
    assert document["froc"][-1]["value"] == 1.0
    assert [(b["name"], b["hits"], b["n"]) for b in document["by_size"]] == [
        ("2-4 mm", 1, 1),
        (">= 4 mm", 0, 1),
    ]
    assert "one: no pictures of what was missed: no DICOM file" in said


def test_marks_to_be_ignored_lie_beside_the_truth(tables, evaluate):
    """What lies on one is no false finding."""
    (tables / "one" / "ignore.csv").write_text(IGNORED)
    _, _, document = evaluate(tables, "--found", "found.csv")
    assert document["false_per_scan"]["value"] == 0.5
    assert document["cases"][0]["ignored"] == 1


def test_one_case_folder_is_enough(tables, evaluate):
    """The folder that holds the truth is itself the case."""
    code, _, document = evaluate(tables / "one", "--found", "found.csv")
    assert (code, [case["name"] for case in document["cases"]]) == (0, ["one"])


def test_what_was_missed_is_pictured_and_old_sheets_go(chest, tmp_path, evaluate):
    """Six missed nodules on one sheet; when all are found none is left."""
    cases = tmp_path / "cases"
    shutil.copytree(chest, cases / "chest")
    truth = (cases / "chest" / "truth.csv").read_text().splitlines()
    table = cases / "chest" / "found.csv"
    table.write_text(f"{HEADER},score\n")
    code, _, _ = evaluate(cases, "--found", "found.csv")
    assert (code, [p.name for p in (tmp_path / "out").glob("missed-*")]) == (0, ["missed-001.png"])
    rows = [",".join([*line.split(",")[:5], "0.9"]) for line in truth[1:]]
    table.write_text("\n".join([f"{HEADER},score", *rows]))
    _, _, document = evaluate(cases, "--found", "found.csv")
    assert document["sensitivity"]["value"] == 1.0
    assert list((tmp_path / "out").glob("missed-*")) == []


@pytest.mark.parametrize(
    ("file", "text", "reason"),
    [
        ("found.csv", None, "no found.csv"),
        ("found.csv", TRUTH, "found.csv: a line without a score"),
        ("found.csv", f"{HEADER},score\n0,0,0,3,nodule,high\n", "found.csv: line 2"),
        ("found.csv", f"{HEADER},score\n0,0,0,3,nodule,nan\n", "found.csv: line 2"),
        ("truth.csv", None, "no truth.csv"),
        ("truth.csv", "x,y\n1,2\n", "truth.csv: columns missing"),
        ("truth.csv", f"{HEADER}\n0,0,0,wide,nodule\n", "truth.csv: line 2"),
        ("truth.csv", f"{HEADER}\n0,0,0,3,nodule\ninf,0,0,3,nodule\n", "truth.csv: line 3"),
        ("truth.csv", f"{HEADER}\n0,0,0,-3,nodule\n", "diameters 0 or more"),
    ],
)
def test_a_case_that_cannot_be_read_is_told_and_the_others_go_on(tables, evaluate, file, text, reason):
    """Its table, the line and what is wrong; exit status 1, and figures of the rest."""
    (tables / "one" / file).unlink()
    if text is not None:
        (tables / "one" / file).write_text(text)
    code, said, document = evaluate(tables, "--found", "found.csv")
    assert (code, document["scans"]) == (1, 1)
    assert reason in said
    assert "1 of 2 cases are in no figure" in said
    assert "Traceback" not in said


def test_no_case_is_one_line(tmp_path, evaluate):
    """A folder that is not there, and one that is empty: nothing is written."""
    (tmp_path / "empty").mkdir()
    for folder, reason in (("nowhere", "is no folder"), ("empty", "no case in")):
        code, said, document = evaluate(tmp_path / folder)
        assert (code, document) == (1, None)
        assert reason in said
        assert len(said.strip().splitlines()) == 1


@pytest.mark.parametrize("bins", ["", "a,b", "3,2", "2,2"])
def test_wrong_bins_are_wrong_use(tables, evaluate, bins):
    """Told before anything is read."""
    code, said, document = evaluate(tables, "--found", "found.csv", "--bins", bins)
    assert (code, document) == (2, None)
    assert "bins" in said
