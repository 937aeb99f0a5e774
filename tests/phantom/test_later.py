"""A phantom's patient who comes again: the motion, the images and the tables, and lists without images."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import exams
import numpy as np
import pytest
from typer.testing import CliRunner

from millet.cli import app
from millet.phantom import after, dicom, presets, spec
from millet.phantom.after import After
from millet.phantom.motion import motion, origins
from millet.phantom.pairs import Reader
from millet.phantom.second import presets as second
from millet.phantom.spec import PRESETS

SMALL = {"nodules": 30, "seed": 3, "scale": 0.3, "scan": presets.Scan(pixel_mm=0.9, slice_mm=1.25)}
CASE = replace(PRESETS["case"], effusion=False)


@pytest.fixture(scope="module")
def pair():
    """The case with 30 nodules, and the same after therapy."""
    return [presets.make(replace(CASE, after=asked), **SMALL) for asked in (None, After())]


@pytest.fixture(scope="module")
def inside():
    """Points in the lungs of the exams."""
    return exams.shape().inside(np.random.default_rng(1))


@pytest.mark.parametrize("volume", [0.8, 1.0, 1.15])
def test_a_motion_makes_lungs_as_large_as_asked_and_can_be_undone(inside, volume):
    """One to one: volume grows by something above nought everywhere, and back is back."""
    way = motion(inside, volume, 4.0, np.random.default_rng(2))
    some = inside[::50]
    assert way.growth(some).mean() == pytest.approx(volume, abs=0.02)
    assert way.growth(some).min() > 0.3
    assert np.abs(way.back(way.there(some)) - some).max() < 0.01


def test_waves_bend_by_as_much_as_asked(inside):
    """In the root mean square, where nobody breathes."""
    way = replace(motion(inside, 1.0, 4.0, np.random.default_rng(2)), breath_mm=0.0)
    moved = way.there(inside[::20]) - inside[::20]
    assert np.sqrt((moved**2).sum(axis=1).mean()) == pytest.approx(4.0, rel=0.3)


def test_every_voxel_knows_where_it_was(inside):
    """To a twentieth of a millimetre, though it is read off a coarser lattice."""
    grid = exams.shape().grid
    way = motion(inside, 1.12, 4.0, np.random.default_rng(2))
    voxels = np.random.default_rng(3).integers(5, np.asarray(grid.shape) - 5, (200, 3))
    found = origins(grid, way)[:, voxels[:, 0], voxels[:, 1], voxels[:, 2]].T
    exact = grid.to_index_array(way.back(grid.to_patient_array(voxels.astype(float))))
    assert np.abs(found - exact).max() * grid.spacing_mm[0] < 0.3


def test_the_first_of_a_pair_is_the_phantom_that_it_always_was(pair):
    """Asking for another time changes nothing of this one, nor its names."""
    first, later = pair
    assert repr(first.asked) == repr(later.asked)
    assert first.followed == ()
    assert first.key != later.key


def test_nodules_vanish_and_shrink_as_asked(pair):
    """Each row of the first table has its row in the second or none; the mass stays and shrinks too."""
    first, later = pair
    assert len(later.followed) == len(first.truth)
    kept = [row for row in later.followed if row is not None]
    assert kept == list(range(len(later.truth)))
    assert 1 - len(kept) / len(first.truth) == pytest.approx(0.6, abs=0.15)
    ratios = [
        (later.truth[row].diameter_mm / one.diameter_mm) ** 3
        for one, row in zip(first.truth, later.followed, strict=True)
        if row is not None
    ]
    assert np.median(ratios) == pytest.approx(0.5, abs=0.1)
    assert ratios[-1] == pytest.approx(0.5, abs=0.02)
    assert later.lung_ml / first.lung_ml == pytest.approx(1.12, abs=0.03)


def test_the_images_show_what_the_tables_say(pair):
    """Bright where a nodule stayed, dark where one was at its old place."""
    first, later = pair

    def at(phantom, marks):
        index = phantom.volume.grid.to_index_array(np.asarray([mark.centre_mm for mark in marks]))
        return phantom.volume.hu[tuple(np.rint(index).astype(int).T)]

    small = later.truth[:-1]
    assert np.median(at(later, small)) > -450
    assert np.median(at(later, first.truth[:-1])) < -750
    assert (at(later, later.truth[-1:]) > -150).all()


def test_a_pair_is_one_patient_in_two_studies(pair):
    """Same ID and birth date, another study, frame and day."""
    first, later = (next(dicom.datasets(phantom)) for phantom in pair)
    assert (first.PatientID, first.PatientBirthDate) == (later.PatientID, later.PatientBirthDate)
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "AccessionNumber"):
        assert first[keyword].value != later[keyword].value
    day = [date(int(text[:4]), int(text[4:6]), int(text[6:])) for text in (first.StudyDate, later.StudyDate)]
    assert day[1] - day[0] == timedelta(days=90)


def test_the_second_of_a_pair_is_written_with_who_is_who(tmp_path):
    """`--after`, or a table of the specification."""
    wanted = tmp_path / "wanted.toml"
    wanted.write_text(
        '[preset]\nlike = "sparse"\n[scan]\npixel_mm = 2.0\nslice_mm = 5.0\n[after]\ngone = 1.0\n'
    )
    arguments = ["phantom", str(tmp_path / "out"), "--spec", str(wanted), "--scale", "0.3"]
    done = CliRunner().invoke(app(), arguments)
    assert done.exit_code == 0, done.output
    assert (tmp_path / "out" / "followed.csv").read_text() == "before,after\n1,\n2,\n3,\n"
    assert len((tmp_path / "out" / "truth.csv").read_text().splitlines()) == 1
    assert after.table([0, None, 1]) == "before,after\n1,1\n2,\n3,2\n"


@pytest.mark.parametrize(
    "asked",
    ["after = 1", "[after]\nday = 3", "[after]\ngone = 1.5", "[after]\nvolume = 2.0", "[after]\ndays = 1.5"],
)
def test_what_cannot_be_later_is_refused(asked):
    """With words, before anything is drawn."""
    with pytest.raises(ValueError, match=r"after|gone|days"):
        spec.read(asked)


def test_the_second_simulator_makes_no_pairs():
    """It says so."""
    with pytest.raises(ValueError, match="first simulator"):
        second.make(replace(PRESETS["sparse"], after=After()), scale=0.3)


def test_lists_without_images_hold_what_a_reader_would_find():
    """Shares missed and false, and who is who."""
    made = exams.made(1000, After(), Reader(missed=0.1, false=0.05))
    for found, there in ((made.prior, 1000), (made.current, int((~made.gone).sum()))):
        true = found.who[found.who >= 0]
        assert len(true) / there == pytest.approx(0.9, abs=0.04)
        assert np.mean(found.who < 0) == pytest.approx(0.05, abs=0.02)
        assert len(np.unique(true)) == len(true)
    assert not made.gone[made.both].any()
    moved = made.way.there(made.nodules_mm[made.current.who[made.current.who >= 0]])
    off = moved - made.current.centres_mm[made.current.who >= 0]
    assert np.sqrt((off**2).sum(axis=1).mean()) == pytest.approx(0.3, abs=0.05)
