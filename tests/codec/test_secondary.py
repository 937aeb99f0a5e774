import io
from dataclasses import replace

import chests
import numpy as np
import pytest
from pydicom import dcmread
from reports import LEFT_EFFUSION, STUDY, analysis, ct_series, nodules

from millet.codec import secondary
from millet.codec.projection import project
from millet.codec.source import Source
from millet.core.geometry import PointMm
from millet.core.nodule import Side

GRID = chests.grid(shape=(60, 60, 80), spacing=(4.0, 4.0, 4.0), origin=(-158.0, -118.0, -118.0))
KINDS = ("sc-axial", "sc-coronal", "sc-rotating")
AMBER, RED = (255, 190, 60), (255, 80, 80)
MASS = replace(nodules(1, mass=True)[0], centre_mm=PointMm(70.0, 30.0, -40.0), side=Side.LEFT)
NODULE = replace(nodules(1)[0], centre_mm=PointMm(-70.0, -40.0, 50.0), side=Side.RIGHT)


@pytest.fixture(scope="module")
def seen():
    """Soft tissue with two lungs, and nothing in them."""
    hu = np.full(GRID.shape, 40, np.int16)
    lungs = np.zeros(GRID.shape, bool)
    lungs[5:55, 8:52, 8:34] = lungs[5:55, 8:52, 46:72] = True
    hu[lungs] = -850
    return project(hu, GRID, list(lungs))


@pytest.fixture(scope="module")
def source():
    """A few slices, read once."""
    return Source.read(ct_series(3))


@pytest.fixture(scope="module")
def made(seen, source):
    """The pictures of a nodule and a mass, read back."""
    found = secondary.encode(seen, analysis([MASS, replace(NODULE, number=2)]), source)
    return {kind: dcmread(io.BytesIO(encoded)) for kind, encoded in found.items()}


def _where(frame, colour):
    return np.argwhere((np.abs(frame.astype(int) - np.asarray(colour)) < 3).all(axis=-1))


def test_there_are_three_views(made):
    """Twelve slabs; all of the lungs and twelve slabs; a full turn."""
    assert {kind: ds.NumberOfFrames for kind, ds in made.items()} == dict(
        zip(KINDS, (12, 13, 36), strict=True)
    )
    for ds in made.values():
        assert ds.pixel_array.shape == (ds.NumberOfFrames, ds.Rows, ds.Columns, 3)
        assert (ds.BurnedInAnnotation, ds.PhotometricInterpretation) == ("YES", "RGB")
        assert ds.StudyInstanceUID == STUDY


@pytest.mark.parametrize("kind", ["sc-axial", "sc-coronal"])
def test_a_slab_marks_what_lies_in_it(kind, made):
    """Every nodule is ringed in one slab, on its side, and in no other."""
    first = 1 if kind == "sc-coronal" else 0
    frames = made[kind].pixel_array[first:]
    for colour, left, at in ((RED, True, (-40.0, 30.0)), (AMBER, False, (50.0, -40.0))):
        (number,) = [n for n, frame in enumerate(frames) if len(_where(frame, colour))]
        column = _where(frames[number], colour)[:, 1].mean()
        assert bool(column > secondary.WIDTH_PX / 2) is left
        share = (120 - at[0]) / 240 if kind == "sc-axial" else (at[1] + 120) / 240
        assert number == pytest.approx(12 * share, abs=1.5)


def test_the_whole_from_the_front_marks_all(made):
    """The first frame from the front has every nodule at its height."""
    frame = made["sc-coronal"].pixel_array[0]
    mass, nodule = _where(frame, RED).mean(axis=0), _where(frame, AMBER).mean(axis=0)
    assert nodule[0] < mass[0]
    assert nodule[1] < secondary.WIDTH_PX / 2 < mass[1]


def test_a_turning_mark_goes_round(made):
    """In each view the ring lies where the turn takes the nodule; its height stays."""
    frames = made["sc-rotating"].pixel_array
    middles = np.asarray([_where(frame, RED).mean(axis=0) for frame in frames])
    turns = np.deg2rad(np.arange(36) * 10)
    expected = 70 * np.cos(turns) + 30 * np.sin(turns)
    px_per_mm = np.polyfit(expected, middles[:, 1], 1)
    assert np.abs(np.polyval(px_per_mm, expected) - middles[:, 1]).max() < 1.5
    assert np.ptp(middles[:, 0]) < 1.5
    assert px_per_mm[0] > 0


def test_a_ring_is_as_large_as_its_nodule(made):
    """Its diameter in true proportions, and a margin, all around."""
    frame = made["sc-coronal"].pixel_array[0]
    ring = _where(frame, RED)
    heights, widths = np.ptp(ring, axis=0)
    mm = secondary.WIDTH_PX / (80 * 4.0)
    assert heights == widths == pytest.approx(MASS.diameter_mm * mm + 4, abs=3)


def test_words_and_sides_are_burnt_into_every_frame(made):
    """Above and below every picture there are letters, and beside it where left and right are."""
    for ds in made.values():
        for frame in ds.pixel_array:
            assert (frame[-40:] > 200).any()
            assert (frame[:16] > 200).any()
            middle = ds.Rows // 2
            for beside in (frame[middle - 60 : middle + 60, :34], frame[middle - 60 : middle + 60, -34:]):
                assert (beside > 220).all(axis=-1).sum() > 20


@pytest.mark.parametrize(
    ("angle_deg", "side"), [(0, "L"), (30, "LP"), (90, "P"), (135, "PR"), (180, "R"), (270, "A"), (300, "AL")]
)
def test_a_side_has_the_letters_of_the_standard(angle_deg, side):
    """What lies on the right of the picture, the nearer direction first."""
    assert sorted(secondary._side(angle_deg)) == sorted(side)
    assert len(secondary._side(angle_deg)) == len(side)


@pytest.mark.parametrize("count", [0, 1, 18, 220, 2000])
def test_any_number_of_nodules_is_drawn(count, seen, source):
    """None found has its pictures, too; two thousand cost no frame more."""
    effusions = [] if count else [LEFT_EFFUSION]
    found = secondary.encode(seen, analysis(nodules(count), effusions), source)
    assert tuple(found) == KINDS
    frame = dcmread(io.BytesIO(found["sc-coronal"])).pixel_array[0]
    assert bool(len(_where(frame, AMBER))) is bool(count)


def test_no_patient_data_are_in_the_pixels(seen, source):
    """Another patient's pictures are the same pixels."""
    other = Source.read(ct_series(3, PatientName="Other^One", PatientID="999", AccessionNumber="B2"))
    pixels = [
        dcmread(io.BytesIO(secondary.encode(seen, analysis([MASS]), one)["sc-axial"])).PixelData
        for one in (source, other)
    ]
    assert pixels[0] == pixels[1]


def test_the_same_analysis_gives_the_same_bytes(seen):
    """Encoding twice gives one object."""
    once, again = (secondary.encode(seen, analysis([MASS]), Source.read(ct_series(3))) for _ in range(2))
    assert once == again
