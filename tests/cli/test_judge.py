"""`millet judge`, as a shell sees it."""

from __future__ import annotations

import json

import foreign_reports
import pytest
from brains import brain
from pydicom import dcmread
from typer.testing import CliRunner

from millet import cli
from millet.codec import criteria_toml
from millet.core.criteria_sets import BRAIN_MILIARY_MR
from millet.errors import ServiceError


@pytest.fixture
def judge(tmp_path):
    """`millet judge REPORT ...` of a report that meets the criteria for MR; its series lies in `series`."""
    (tmp_path / "series").mkdir()
    for number, encoded in enumerate(foreign_reports.MR):
        (tmp_path / "series" / f"{number}.dcm").write_bytes(encoded)
    report = tmp_path / "report.dcm"
    report.write_bytes(foreign_reports.of(brain({3: 20, 9: 20})))

    def run(*arguments):
        done = CliRunner().invoke(
            cli.app(["judge", "demo"]), ["judge", str(report), *map(str, arguments)], env={}
        )
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == 0, done.output
        return done.output

    return run


def test_the_judgement_is_told_and_written(judge, tmp_path):
    """In sentences, and as an SR."""
    told = judge(tmp_path / "series", "--out", tmp_path / "judged.dcm")
    assert "40 of 40 lesions of report" in told
    assert "level 1, miliary metastasis by these criteria." in told
    assert "images-with-20 2, asked >= 2: holds (published)" in told
    assert "criteria for CT, an exam by MR" in told
    assert "Unverified. Research use only." in told
    made = dcmread(tmp_path / "judged.dcm")
    assert (made.SOPClassUID, made.SeriesNumber) == ("1.2.840.10008.5.1.4.1.1.88.34", 9911)


def test_json_holds_every_condition(judge):
    """And what could not be evaluated, as null."""
    told = json.loads(judge("--json", "--modality", "mr"))
    mr = told["judgements"][0]
    assert (told["organ"], told["modality"], told["lesions"], told["judged"]) == ("brain", "MR", 40, 40)
    observed = {one["name"]: (one["observed"], one["threshold"], one["standing"]) for one in mr["conditions"]}
    assert observed["images-with-20"] == (None, 2.0, "published")
    assert observed["bilateral"] == (2.0, 2.0, "published")


def test_a_sites_own_sets_are_judged(judge, tmp_path):
    """Those of a folder, beside ours."""
    (tmp_path / "sets").mkdir()
    own = criteria_toml.encode(BRAIN_MILIARY_MR).replace("brain-miliary-mr", "brain-north")
    (tmp_path / "sets" / "own.toml").write_text(own)
    told = json.loads(judge(tmp_path / "series", "--json", "--criteria", tmp_path / "sets"))
    levels = {one["criteria"]: one["level"] for one in told["judgements"]}
    assert levels == {"brain-miliary-mr": 1, "brain-miliary-ct": 0, "brain-north": 1}


def test_what_cannot_be_judged_has_a_reason(judge):
    """One line."""
    with pytest.raises(ServiceError, match="is not judged: no criteria for the organ 'knee'"):
        judge("--organ", "knee")
