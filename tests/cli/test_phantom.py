"""`millet phantom` with a specification of one's own."""

from __future__ import annotations

import pydicom
import pytest
from typer.testing import CliRunner

from millet.cli import app
from millet.codec import tables

SPEC = """
[preset]
like = "sparse"
diameter_mm = [4.0, 8.0]
kinds = {ground_glass = 1.0}
[scan]
pixel_mm = 1.4
slice_mm = 3.0
interval_mm = 1.5
"""


def millet(*arguments):
    """The exit code and what was said of `millet phantom ARGUMENTS`."""
    done = CliRunner().invoke(app(), ["phantom", *map(str, arguments)])
    return done.exit_code, done.output


def test_a_phantom_is_drawn_as_its_specification_says(tmp_path):
    """Slices overlap, the truth names the kind, and --nodules still counts."""
    spec, out = tmp_path / "spec.toml", tmp_path / "out"
    spec.write_text(SPEC)
    code, said = millet(out, "--spec", spec, "--nodules", 2, "--scale", 0.3)
    assert code == 0, said
    first, second = (
        pydicom.dcmread(out / name, stop_before_pixels=True) for name in ("0001.dcm", "0002.dcm")
    )
    assert float(first.SliceThickness) == 3.0
    assert abs(first.ImagePositionPatient[2] - second.ImagePositionPatient[2]) == pytest.approx(1.5)
    truth = tables.read((out / "truth.csv").read_text())
    assert [mark.kind for mark in truth] == ["ground_glass"] * 2
    assert all(4 <= mark.diameter_mm <= 8 for mark in truth)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[preset]\nspread = 'everywhere'", "everywhere"),
        ("[scan]\nslice_mm = 'thin'", "thin"),
        ("[preset", "Expected"),
        ("[preset]\nnodules = 1\ndiameter_mm = [90.0, 90.0]", "no place"),
    ],
    ids=["value", "type", "syntax", "size"],
)
def test_a_wrong_specification_is_refused(tmp_path, text, says):
    """What does not fit is named, and no file is written."""
    spec, out = tmp_path / "spec.toml", tmp_path / "out"
    spec.write_text(text)
    code, said = millet(out, "--spec", spec, "--scale", 0.3)
    assert code == 2
    assert says in said
    assert not out.exists()
