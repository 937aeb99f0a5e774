from __future__ import annotations

import re
from pathlib import Path

import pytest

from millet.phantom import spec
from millet.phantom.spec import PRESETS, Preset, Scan


def test_a_preset_of_few_nodules_draws_its_number_by_the_seed():
    """LUNA-like phantoms have 0 to 4 nodules, all of these numbers occur, and a number given wins."""
    wanted = PRESETS["lunalike"]
    assert {wanted.settled(None, seed).nodules for seed in range(40)} == {0, 1, 2, 3, 4}
    assert wanted.settled(None, 7) == wanted.settled(None, 7)
    assert wanted.settled(9, 7).nodules == 9


@pytest.mark.parametrize(
    ("slice_mm", "interval_mm", "planes"),
    [
        (1.0, None, (1, 1)),
        (5.0, None, (5, 5)),
        (2.5, 1.25, (2, 4)),
        (3.0, 2.0, (2, 3)),
        (0.6, 0.4, (2, 3)),
        (1.0, 0.8, (2, 2.5)),
        (1.25, 0.7, (2, 25 / 7)),
    ],
)
def test_planes_add_up_to_the_thickness_of_a_slice(slice_mm, interval_mm, planes):
    """A whole number of planes of at most 1 mm leads from slice to slice; the outer ones may count less."""
    scan = Scan(slice_mm=slice_mm, interval_mm=interval_mm)
    assert (scan.planes_a_step, sum(scan.profile)) == pytest.approx(planes)
    assert scan.profile == scan.profile[::-1]
    assert 0.5 <= min(scan.profile) <= max(scan.profile) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"slice_mm": 1.0, "interval_mm": 2.0},
        {"slice_mm": 3.3, "interval_mm": 0.1},
        {"noise_hu": -1.0},
        {"edge": 9.0},
    ],
    ids=str,
)
def test_no_scanner_does_that(wrong):
    """Gaps between slices, slices on top of each other and the like are refused."""
    with pytest.raises(ValueError, match=r"\d"):
        Scan(**wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"kinds": {"fatty": 1.0}},
        {"kinds": {"solid": 0.0}},
        {"spread": "everywhere"},
        {"emphysema": 0.7},
        {"scars": -1},
        {"least_nodules": 11},
        {"diameter_mm": (5.0, 3.0)},
        {"name": "Two words"},
        {"pair_mm": 4.0, "nodules": 3},
        {"keep": -1},
    ],
    ids=str,
)
def test_no_patient_is_like_that(wrong):
    """A preset out of range is refused when it is written down, not when it is drawn."""
    with pytest.raises(ValueError, match=r"\w"):
        Preset(**{"nodules": 10, "diameter_mm": (3.0, 5.0)} | wrong)


def test_a_preset_and_a_protocol_are_read_from_toml():
    """Fields change the preset they start from; what is not named stays."""
    text = (
        '[preset]\nlike = "case"\nnodules = 30\nkinds = {calcified = 1.0}\n[scan]\nslice_mm = 5.0\nedge = 1.5'
    )
    preset, scan = spec.read(text)
    assert (preset.nodules, preset.mass, preset.normal, preset.name) == (30, True, True, "custom")
    assert preset.kinds == {"calcified": 1.0}
    assert scan == Scan(slice_mm=5.0, edge=1.5)
    assert spec.read("")[0].nodules == 0


@pytest.mark.parametrize(
    "text",
    [
        "[presets]",
        "preset = 3",
        '[preset]\nlike = "cases"',
        "[preset]\nnodule = 3",
        "[preset]\nnodules = 2.5",
        "[preset]\ndiameter_mm = 3.0",
        '[scan]\nslice_mm = "thin"',
        "[scan",
    ],
)
def test_a_wrong_toml_is_one_error(text):
    """Unknown tables, fields and types are a ValueError, as a broken file is."""
    with pytest.raises(ValueError, match=r"\w"):
        spec.read(text)


def test_the_documented_example_is_read():
    """What the reference shows is a specification with all the fields that it names."""
    page = Path(__file__).parents[2] / "docs" / "reference" / "phantoms.md"
    preset, scan = spec.read(re.search(r"```toml\n(.*?)```", page.read_text(), re.DOTALL)[1])
    assert (preset.nodules, preset.keep, scan.interval_mm) == (2000, 3, 0.8)
    assert set(re.findall(r"^\| `([a-z]+)` \|", page.read_text(), re.MULTILINE)) == set(PRESETS)
