"""`millet accept` as a shell sees it: a site's studies in shadow, its report, and what verifies it."""

import csv
import json
import re
import shutil
import stat

import pytest
from instances import ct_dataset, file_of
from pydicom.uid import MRImageStorage
from typer.testing import CliRunner

from millet import cli
from millet.core.uids import derived_uid
from millet.edge import signing
from millet.errors import ServiceError
from millet.phantom import dicom, presets

TRUTH = "accession;truth\nA1;positive\nB1;negative\nC1;positive\nX9;negative\n"
SECRETS = ("DOE", "PID-", "19680214", "A1", "B1", "C1", "X9", "20260105", "MP0000")
"""Of patients and their studies; no word of them goes into a report."""


@pytest.fixture(scope="module")
def phantom():
    """A small chest with 90 nodules."""
    scan = presets.Scan(pixel_mm=1.0, slice_mm=2.0)
    return presets.make("miliary", nodules=90, seed=5, scale=0.3, scan=scan)


@pytest.fixture(scope="module")
def root(phantom, tmp_path_factory):
    """A: two series of one study, deep below. B: another patient, scanner and kernel. C: slices missing.

    Beside them an MR study, a DICOMDIR, a text, a file that is broken, and an empty folder.
    """
    made = tmp_path_factory.mktemp("site")
    thick = {"SliceThickness": "4", "SeriesInstanceUID": derived_uid("thick")}
    write(made / "DICOM" / "PA0" / "ST0" / "SE0", phantom, "A")
    write(made / "DICOM" / "PA0" / "ST0" / "SE1", phantom, "A", lambda number: number % 2, **thick)
    other = {"Manufacturer": "ACME <b>", "ManufacturerModelName": "Two", "ConvolutionKernel": "B60f"}
    write(made / "flat", phantom, "B", **other)
    write(made / "flat", phantom, "C", lambda number: not 10 < number < 16)
    mr = ct_dataset(1, "1.2.5", MRImageStorage)
    mr.StudyInstanceUID = "1.2.55"
    (made / "mr.dcm").write_bytes(file_of(mr))
    (made / "DICOMDIR").write_bytes(b"\0" * 128 + b"DICM\2\0\2\0UI\x14\x001.2.840.10008.1.3.10\0")
    (made / "broken.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 99)
    (made / "notes.txt").write_text("nothing")
    (made / "empty").mkdir()
    return made


def write(folder, phantom, whose, kept=lambda _number: True, **tags):
    """The phantom as a series of somebody's, or some of its slices."""
    folder.mkdir(parents=True, exist_ok=True)
    mine = {
        "AccessionNumber": f"{whose}1",
        "PatientID": f"PID-{whose}",
        "PatientName": f"DOE^{whose}",
        "StudyInstanceUID": derived_uid("study", whose),
        "SeriesInstanceUID": derived_uid("series", whose),
        "FrameOfReferenceUID": derived_uid("frame", whose),
        **tags,
    }
    for number, dataset in enumerate(dicom.datasets(phantom)):
        if not kept(number):
            continue
        for keyword, value in mine.items():
            setattr(dataset, keyword, value)
        dataset.SOPInstanceUID = derived_uid("instance", mine["SeriesInstanceUID"], str(number))
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.save_as(folder / f"{whose}{number:03d}", enforce_file_format=True)


class Site:
    """Runs the command with the key and the configuration of one site."""

    def __init__(self, folder):
        self.folder = folder
        self.truth = folder / "truth.csv"
        self.truth.write_text(TRUTH)

    def run(self, *arguments, **settings):
        """What it says; its failure is raised."""
        env = {"MILLET_MODEL": "log/1", "MILLET_STATE_DIR": str(self.folder / "state"), **settings}
        asked = ["accept", *map(str, arguments)]
        done = CliRunner().invoke(cli.app(["accept", "demo"]), asked, env=env)
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == 0, done.output
        return done.output

    def accept(self, root, out, *more):
        """Its words, and the document that is signed."""
        said = self.run(root, "--out", out, "--truth", self.truth, "--prevalence", "0.02", *more)
        return said, json.loads((out / "acceptance.json").read_text())["signed"]["report"]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """One site of all tests here."""
    return Site(tmp_path_factory.mktemp("config"))


@pytest.fixture(scope="module")
def first(site, root):
    """Its first run: the folder, the words, the document."""
    out = root / "report"
    return out, *site.accept(root, out)


@pytest.fixture
def copy(first, tmp_path):
    """The report of the first run, to be changed."""
    return shutil.copytree(first[0], tmp_path / "copy")


def test_every_study_ends_in_a_figure(first):
    """Three studies of CT: two raise an alert, one is not analysed, with its reason."""
    _, _, found = first
    assert (found["studies"]["patients"], found["studies"]["series"], len(found["cases"])) == (3, 4, 3)
    assert found["studies"]["studies_by_reason"] == {"missing-slices": 1}
    assert found["studies"]["alerts"] | {"value": 1.0, "n": 2} == found["studies"]["alerts"]
    assert found["studies"]["closed_by"] == {"geometry": 3, "gap-timeout": 1}
    files = found["run"]["files"]
    assert sorted(files.values())[:4] == [1, 1, 1, 1]
    assert (len(files), found["run"]["studies_not_taken"]) == (5, 1)
    scanners = {one["name"]: one["analysed"] for one in found["groups"]["scanner"]}
    assert scanners == {"Millet Analytic chest": 1, "ACME <b> Two": 1}
    assert [one["name"] for one in found["groups"]["kernel"]] == ["G10 (usual)", "B60f (sharp)"]
    assert (found["run"]["repeated"], found["run"]["repeated_alike"]) == (1, 1)


def test_it_is_held_against_the_truth(first):
    """One right alert, one that the site calls wrong, one positive study that was not analysed."""
    _, said, found = first
    cells = found["truth"]["accuracy"]["confusion"]
    assert cells == {"true_alerts": 1, "false_alerts": 1, "missed": 0, "true_silences": 0}
    assert found["truth"]["sensitivity_of_all"]["value"] == 0.5
    sorts = [(one["sort"], one["told"]) for one in found["truth"]["disagreements"]]
    assert sorts == [("not analysed", "positive"), ("alert", "negative")]
    assert "miliary" in found["truth"]["disagreements"][1]["said"]
    assert "In the table, but no study of the cases: 1 line." in found["caveats"]
    assert "Could not be read, and in no study: 1 file." in found["caveats"]
    assert "of 1,000 such studies, 20 of them positive" in said.lower()


def test_no_patient_data_is_in_the_report(first, root):
    """Nor on the screen, nor in what is kept; which study is which stays in a file of its owner's."""
    out, said, found = first
    shown = [said, (out / "acceptance.json").read_text(), (out / "acceptance.html").read_text()]
    uids = [derived_uid(what, whose) for what in ("study", "series") for whose in "ABC"]
    for text in shown:
        words = re.sub(r"[0-9a-f]{64}|[\w+/]{43,}=*", "", text)
        assert [secret for secret in (*SECRETS, *uids, str(root / "flat")) if secret in words] == []
    private = [out / name for name in ("cases.csv", "left-out.csv", "unknown.csv")]
    assert {stat.S_IMODE(path.stat().st_mode) for path in private} == {0o600}
    assert stat.S_IMODE((out / "state").stat().st_mode) == 0o700
    rows = list(csv.DictReader(private[0].read_text().splitlines()))
    assert [row["accession"] for row in sorted(rows, key=lambda row: row["accession"])] == ["A1", "B1", "C1"]
    assert {int(row["study"]): row["digest"] for row in rows} == {
        one["case"]: one["digest"] for one in found["cases"]
    }
    assert "broken.dcm" in private[1].read_text()
    assert "X9" in private[2].read_text()


def test_the_same_cases_have_the_same_result(first, site, root, tmp_path):
    """In another folder, side by side, from the first file on; with another key nothing can be linked."""
    _, _, before = first
    _, again = site.accept(root, tmp_path / "again", "--jobs", "2", "--repeats", "0")
    for name in ("cases_digest", "results_digest", "truth_digest"):
        assert again["run"][name] == before["run"][name]
    assert (again["cases"], again["in_place"]) == (before["cases"], before["in_place"])
    shutil.copytree(tmp_path / "again" / "state", tmp_path / "other" / "state")
    _, other = site.accept(root, tmp_path / "other", "--repeats", "0", "--key", tmp_path / "other.pem")
    assert not {one["digest"] for one in other["cases"]} & {one["digest"] for one in before["cases"]}


def test_a_run_that_was_cut_off_goes_on(copy, site, root):
    """What was done is taken as it was kept; what is damaged or not there is done."""
    kept = sorted((copy / "state").glob("*.json"))
    for path, change in ((kept[0], {"scanner": "kept"}), (kept[1], {"scanner": "kept"})):
        path.write_text(json.dumps(json.loads(path.read_text()) | change))
    kept[2].unlink()
    kept[3].write_text("{")
    _, found = site.accept(root, copy, "--repeats", "0")
    stood = [json.loads(path.read_text())["scanner"] == "kept" for path in kept]
    assert stood == [True, True, False, False]
    assert found["studies"]["series"] == 4


def test_a_report_is_verified(first, site):
    """Signature, page, key, model and configuration."""
    said = site.run("--verify", first[0] / "acceptance.json")
    assert "signature: good" in said
    assert "page: as it was written" in said
    assert "that of " in said
    assert "in place: the model and the configuration of the report" in said


def test_a_key_that_is_not_there_verifies_nothing(first, site, tmp_path):
    """Whoever names a key wants it compared with."""
    with pytest.raises(ServiceError, match="there is no key"):
        site.run("--verify", first[0] / "acceptance.json", "--key", tmp_path / "typo.pem")


def test_another_truth_is_another_report(copy, site, root, tmp_path):
    """Rows that are turned round cannot be passed off as the same table."""
    before = json.loads((copy / "acceptance.json").read_text())["signed"]["report"]["run"]
    turned = tmp_path / "turned.csv"
    swap = {"positive": "negative", "negative": "positive"}
    words = re.sub("positive|negative", lambda word: swap[word[0]], site.truth.read_text())
    turned.write_text(words)
    assert words != site.truth.read_text()
    _, found = site.accept(root, copy, "--repeats", "0", "--truth", turned)
    after = found["run"]
    assert (after["cases_digest"], after["results_digest"]) == (
        before["cases_digest"],
        before["results_digest"],
    )
    assert after["truth_digest"] != before["truth_digest"]


def test_what_was_changed_is_no_report(copy, site):
    """A single figure, the page, or all of it under another key."""
    report, page = copy / "acceptance.json", copy / "acceptance.html"
    signed = report.read_text()
    report.write_text(signed.replace('"missed": 0', '"missed": 1'))
    with pytest.raises(ServiceError, match="is not what was signed: it was changed"):
        site.run("--verify", report)
    report.write_text(json.dumps(json.loads(signed)))
    page.write_text(page.read_text().replace("not analysed", "analysed"))
    with pytest.raises(ServiceError, match="is not the page of the report"):
        site.run("--verify", report)
    page.unlink()
    assert "not beside the report" in site.run("--verify", report)
    unknown = site.run("--verify", report, MILLET_STATE_DIR=str(copy / "nowhere"))
    assert "to be compared with the site's: there is none here" in unknown
    signing.read_or_make(copy / "other.pem")
    with pytest.raises(ServiceError, match="signed by another key"):
        site.run("--verify", report, "--key", copy / "other.pem")


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"signed": 1, "signature": 2}', "\N{SNOWMAN}", "[" * 100_000]
)
def test_what_is_no_report_is_said(site, tmp_path, text):
    """Whatever it is."""
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(ServiceError, match="is no report of an acceptance"):
        site.run("--verify", tmp_path / "x.json")


def test_another_model_or_configuration_is_noticed(first, site):
    """By name; what changes no result is told, and is no failure."""
    report = first[0] / "acceptance.json"
    with pytest.raises(ServiceError, match=r"does not hold for what is in place: .*model digest"):
        site.run("--verify", report, MILLET_MODEL="millet/1")
    with pytest.raises(ServiceError, match="in place: language, configuration digest"):
        site.run("--verify", report, MILLET_LANGUAGE="de")
    said = site.run("--verify", report, MILLET_WEB_PORT="8090")
    assert "settings: some were changed" in said
    assert "in place: the model and the configuration of the report" in said


@pytest.mark.parametrize(
    ("arguments", "truth", "why"),
    [
        ((), "accession,reader\nA1,yes", "unknown column 'reader'"),
        ((), "accession,count\nA1,3", "--positive-from"),
        (("--called", "NOBODY"), TRUTH, "no .*called.* title 'NOBODY' has a model"),
    ],
)
def test_a_mistake_is_told_before_anything_is_done(root, tmp_path, arguments, truth, why):
    """With its reason."""
    site = Site(tmp_path)
    site.truth.write_text(truth)
    with pytest.raises(ServiceError, match=why):
        site.accept(root, tmp_path / "out", *arguments)
    assert not (tmp_path / "out" / "acceptance.json").exists()


@pytest.mark.parametrize(
    "arguments", [(), ("--prevalence", "2"), ("--alert", "unflagged"), ("--jobs", "0")], ids=repr
)
def test_a_wrong_command_line_ends_with_two(root, tmp_path, arguments):
    """As everywhere."""
    asked = [str(root), "--out", str(tmp_path / "out"), *arguments] if arguments else [str(root)]
    done = CliRunner().invoke(cli.app(["accept", "demo"]), ["accept", *asked], env={})
    assert done.exit_code == 2


def test_an_accession_of_several_studies_is_no_name(root, tmp_path):
    """Which of them was meant is not guessed."""
    folder = tmp_path / "cases"
    for number in range(2):
        dataset = ct_dataset(1, f"1.2.{number}")
        dataset.StudyInstanceUID = f"1.3.{number}"
        folder.mkdir(exist_ok=True)
        (folder / str(number)).write_bytes(file_of(dataset))
    site = Site(tmp_path)
    with pytest.raises(ServiceError, match="1 accessions of the truth are of several studies"):
        site.accept(folder, tmp_path / "out")
