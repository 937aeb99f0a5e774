"""The reports, judged by other people's programs."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from characters import ADVICE, JUDGEMENT, spread, whole
from reports import GRID, LEFT_EFFUSION, NOTE, STUDY, analysis, cases, ct_series, labels, nodules, sparse
from validators import assert_dciodvfy, assert_dsrdump, assert_pixelmed, program, said

from millet.codec import chest_cad, gsps, key_images, secondary, seg, sr, summary_sr
from millet.codec.projection import project
from millet.codec.source import Source
from millet.core.analysis import Predecessor
from millet.core.representatives import MOST

CASES = cases()
NOTHING = analysis(spread=spread(()), judgements=(JUDGEMENT,), advice=ADVICE)
WHOLE = {"whole-0": NOTHING, **{f"whole-{count}": whole(count) for count in (1, 18, 220)}}
"""Reports in which everything is told that can be."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A CT series, and SR and SEG of every case, as files."""
    path = tmp_path_factory.mktemp("reports")
    files = ct_series(GRID.shape[0])
    source = Source.read(files)
    seen = project(np.zeros(GRID.shape, np.int16), GRID, None)
    for number, encoded in enumerate(files):
        (path / f"ct-{number:02}.dcm").write_bytes(encoded)
    for name, made in CASES.items():
        (path / f"sr-{name}.dcm").write_bytes(sr.encode(made, source))
        if (mask := seg.encode(made, labels(made.nodules), source)) is not None:
            (path / f"seg-{name}.dcm").write_bytes(mask)
        for kind, codec in (("gsps", gsps), ("kos", key_images)):
            if (encoded := codec.encode(made, source)) is not None:
                (path / f"{kind}-{name}.dcm").write_bytes(encoded)
        for kind, encoded in secondary.encode(seen, made, source).items():
            (path / f"{kind}-{name}.dcm").write_bytes(encoded)
    many = analysis(nodules(2000))
    voxels = np.random.default_rng(1).permutation(np.prod(GRID.shape))[:2000].reshape(-1)
    volume = np.zeros(GRID.shape, np.int64)
    volume.reshape(-1)[voxels] = np.arange(1, 2001)
    (path / "seg-many.dcm").write_bytes(seg.encode(many, sparse(volume), source))
    (path / "gsps-many.dcm").write_bytes(gsps.encode(many, source))
    (path / "kos-many.dcm").write_bytes(key_images.encode(many, source))
    few = analysis(nodules(3, mass=True), [LEFT_EFFUSION], [NOTE])
    (path / "sr-few.dcm").write_bytes(sr.encode(few, source))
    before = Predecessor(generation=1, study_uid=STUDY, series_uid="2.25.4", sop_instance_uid="2.25.5")
    (path / "sr-next.dcm").write_bytes(sr.encode(replace(few, generation=2, predecessor=before), source))
    for name, made in {**WHOLE, "refused": CASES["refused"], "few": few}.items():
        masks = bool(made.nodules)
        (path / f"summary-{name}.dcm").write_bytes(summary_sr.encode(made, source, masks=masks))
        (path / f"cad-{name}.dcm").write_bytes(chest_cad.encode(made, source))
    for name, made in WHOLE.items():
        (path / f"sr-{name}.dcm").write_bytes(sr.encode(made, source))
    return path


def _objects(folder, *kinds):
    found = [path for kind in kinds for path in sorted(folder.glob(f"{kind}-*.dcm"))]
    assert found
    return found


def test_dciodvfy_finds_no_error(folder):
    """Every object of every case, and the CT of these tests, are what their IODs demand."""
    for path in [*_objects(folder, "sr", "summary", "cad", "seg", "gsps", "kos", "sc"), folder / "ct-00.dcm"]:
        lines = assert_dciodvfy(path).splitlines()
        unexpected = [line for line in lines if "Warning" in line and "99MILLET" not in line]
        assert not unexpected or path.name.startswith("ct"), unexpected


def test_dcentvfy_finds_one_patient_and_study(folder):
    """Patient, study and frame of reference of our objects are those of the series."""
    ours = [*sorted(folder.glob("*-case.dcm")), folder / "summary-whole-220.dcm"]
    paths = [*sorted(folder.glob("ct-*.dcm")), *ours]
    _, printed = said(program("dcentvfy"), *map(str, paths))
    assert "Error" not in printed, printed
    known = "Different information entities for attribute - Element=<AccessionNumber>"
    assert not [line for line in printed.splitlines() if "Warning" in line and known not in line], printed


def test_dsrdump_prints_every_report(folder):
    """DCMTK reads every report without a complaint, and prints all of its groups."""
    for name, made in {**CASES, **WHOLE}.items():
        assert assert_dsrdump(folder / f"sr-{name}.dcm").count('"Volume Surface"') == len(made.nodules)
    for name, made in WHOLE.items():
        shown = min(MOST, len(made.nodules))
        assert assert_dsrdump(folder / f"summary-{name}.dcm").count('"Image Region"') == shown


@pytest.mark.parametrize("name", ["whole-1", "whole-18", "whole-220"])
def test_dcmqi_reads_every_group(folder, name, tmp_path):
    """Its reader of TID 1500 finds every nodule with its measurements, site and side."""
    out = tmp_path / "read.json"
    reader = Path(sys.executable).with_name("tid1500reader")
    code, printed = said(
        str(reader), "--inputDICOM", str(folder / f"sr-{name}.dcm"), "--outputMetadata", str(out)
    )
    assert code == 0, printed
    groups = json.loads(out.read_text("utf-8"))["Measurements"]
    by_uid = {group["TrackingUniqueIdentifier"]: group for group in groups}
    made = WHOLE[name]
    for change, nodule in zip(made.change.nodules, made.nodules, strict=False):
        group = by_uid[change.tracking_uid]
        values = {item["quantity"]["CodeMeaning"]: float(item["value"]) for item in group["measurementItems"]}
        assert values["Diameter"] == round(nodule.diameter_mm, 2)
        assert values["Volume"] == round(nodule.volume_mm3, 1)
        assert group["Laterality"]["CodeMeaning"].lower() == nodule.side.value


@pytest.mark.parametrize("name", ["sr-refused", "sr-whole-1", "summary-few"])
def test_pixelmed_finds_no_error_in_the_templates(folder, name):
    """TID 1500, 1410, 1411, 1501, 1419 and 4019 are followed: nothing missing, nothing unknown."""
    assert_pixelmed(folder / f"{name}.dcm")
