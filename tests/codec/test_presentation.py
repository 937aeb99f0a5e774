import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from reports import LEFT_EFFUSION, analysis, nodules

from millet.codec import presentation
from millet.codec.projection import project
from millet.core.geometry import Grid, Index, PointMm, Vector
from millet.core.nodule import Side
from millet.core.volume import Volume, canonical

GRID = Grid(
    shape=(60, 50, 80),
    spacing_mm=(4.0, 5.0, 4.0),
    origin_mm=PointMm(-160.0, -125.0, -120.0),
    axes=(Vector(0, 0, 1), Vector(0, 1, 0), Vector(1, 0, 0)),
)
BAND = 24
RED = (255, 80, 80)


def _chest():
    """Soft tissue with two lungs, and a dense lump in the left one."""
    hu = np.full(GRID.shape, 40, np.int16)
    lungs = np.zeros(GRID.shape, bool)
    lungs[5:55, 8:42, 8:34] = lungs[5:55, 8:42, 46:72] = True
    hu[lungs] = -850
    hu[18:22, 20:24, 58:62] = 60
    return Volume(hu=hu, grid=GRID), lungs


LUMP = GRID.to_patient(Index(19.5, 21.5, 59.5))
MASS = replace(nodules(1, mass=True)[0], centre_mm=LUMP, side=Side.LEFT)


def _png(volume, made, plane, lungs=None):
    seen = project(volume.hu, volume.grid, None if lungs is None else list(lungs))
    return presentation.mips(seen, made)[plane]


def _pixels(encoded):
    return np.asarray(Image.open(io.BytesIO(encoded)).convert("RGB")).astype(int)


def _where(pixels, colour):
    return np.argwhere((np.abs(pixels - np.asarray(colour)) < 3).all(axis=-1))


def _flipped(volume, lungs, order, flips):
    """The same voxels in the same places, written another way."""
    axes = [np.asarray(volume.grid.axes[a]) * (-1 if f else 1) for a, f in zip(order, flips, strict=True)]
    step = tuple(slice(None, None, -1 if f else 1) for f in flips)
    corner = [0.0, 0.0, 0.0]
    for axis, flip in zip(order, flips, strict=True):
        corner[axis] = float(volume.grid.shape[axis] - 1) if flip else 0.0
    grid = Grid(
        shape=tuple(volume.grid.shape[a] for a in order),
        spacing_mm=tuple(volume.grid.spacing_mm[a] for a in order),
        origin_mm=volume.grid.to_patient(Index(*corner)),
        axes=tuple(Vector(*axis.tolist()) for axis in axes),
    )
    return Volume(hu=volume.hu.transpose(order)[step], grid=grid)


@pytest.mark.parametrize("plane", ["axial", "coronal"])
@pytest.mark.parametrize(
    ("order", "flips"),
    [((0, 1, 2), (True, False, False)), ((0, 1, 2), (False, True, True)), ((1, 0, 2), (True, True, False))],
    ids=["head first", "rows and columns flipped", "coronal slices"],
)
def test_the_picture_forgets_how_the_scanner_wrote_it(plane, order, flips):
    """Flipped and reordered series give the same picture, byte for byte."""
    volume, lungs = _chest()
    made = analysis([MASS], [LEFT_EFFUSION])
    expected = _png(volume, made, plane, lungs)
    other = canonical(_flipped(volume, lungs, order, flips))
    assert _png(other, made, plane, lungs) == expected


def test_the_patients_left_is_on_the_pictures_right():
    """A mass on the left is circled on the right half of the coronal picture, at its height."""
    volume, lungs = _chest()
    pixels = _pixels(_png(volume, analysis([MASS]), "coronal", lungs))
    circle = _where(pixels, RED)
    height, width = pixels.shape[0] - 2 * BAND, pixels.shape[1]
    row, column = circle.mean(axis=0)
    assert column > width / 2
    lung_low, lung_high = 0, 60  # the lungs with their margin fill the slices
    assert (row - BAND) / height == pytest.approx(1 - (19.5 + 0.5) / (lung_high - lung_low), abs=0.02)


def test_proportions_are_those_of_the_patient():
    """Millimetres are as long across as along, whatever the voxels are."""
    volume, _ = _chest()
    pixels = _pixels(_png(volume, analysis([MASS]), "coronal"))
    assert (pixels.shape[0] - 2 * BAND) / pixels.shape[1] == pytest.approx(60 * 4.0 / (80 * 4.0), abs=0.01)
    circle = _where(pixels, RED)
    assert np.ptp(circle[:, 0]) == pytest.approx(np.ptp(circle[:, 1]), abs=2)
    assert np.ptp(circle[:, 1]) / pixels.shape[1] == pytest.approx(41.5 / 320, rel=0.1)


def test_a_circle_lies_around_what_it_marks():
    """The dense lump is bright, and inside its circle."""
    volume, lungs = _chest()
    circle = _where(_pixels(_png(volume, analysis([MASS]), "coronal", lungs)), RED)
    bare = _pixels(_png(volume, analysis(), "coronal", lungs))
    row, column = circle.mean(axis=0).round().astype(int)
    assert bare[row, column].min() > 200
    assert bare[row, column + 60].max() < 120


def test_a_nodule_is_circled_in_one_slab_only():
    """Among the twelve axial slabs, the one that holds the centre carries the circle."""
    volume, lungs = _chest()
    pixels = _pixels(_png(volume, analysis([MASS]), "axial", lungs))
    circle = _where(pixels, RED)
    tile_height = (pixels.shape[0] - 2 * BAND) / 3
    tiles = {(int((row - BAND) // tile_height), int(column // 320)) for row, column in circle}
    assert tiles == {(1, 3)}  # slices 20 to 24 of 60, whose extent starts at 19.5: the eighth from the head
    assert (circle[:, 1] % 320).mean() > 160


def test_bones_do_not_hide_the_lungs():
    """With a lung mask, a bright wall in front of the lungs leaves them as they are."""
    volume, lungs = _chest()
    plain = _pixels(_png(volume, analysis(), "coronal", lungs))
    volume.hu[:, 2:5, :] = 1500
    walled = _pixels(_png(volume, analysis(), "coronal", lungs))
    middle = (slice(300, 500), slice(150, 350))
    assert np.abs(walled[middle] - plain[middle]).max() < 40


@pytest.mark.parametrize("side", Side)
def test_an_effusion_is_named_on_its_side(side):
    """The blue label stands on the picture's side of the effusion."""
    volume, lungs = _chest()
    made = analysis(effusions=[replace(LEFT_EFFUSION, side=side)])
    pixels = _pixels(_png(volume, made, "coronal", lungs))
    column = _where(pixels, (120, 200, 255))[:, 1].mean()
    assert (column > pixels.shape[1] / 2) == (side is Side.LEFT)


def test_sides_and_purpose_are_written_in():
    """R, L and the statement that nobody verified this stand in the picture, whatever was found."""
    volume, lungs = _chest()
    volume.hu[:] = -1000
    pixels = _pixels(_png(volume, analysis(), "coronal", lungs))
    height = pixels.shape[0]
    beside = pixels[height // 2 - 20 : height // 2 + 20]
    assert beside[:, :30].max() > 200
    assert beside[:, -30:].max() > 200
    assert pixels[-BAND:].max() > 200


@pytest.mark.parametrize("plane", ["axial", "coronal"])
def test_a_picture_needs_no_lungs(plane):
    """Without a mask, with an empty one, or with one slice only, there is a picture, too."""
    volume, lungs = _chest()
    thin = Volume(hu=volume.hu[:1], grid=replace(GRID, shape=(1, 50, 80)))
    for args in ((volume, None), (volume, np.zeros_like(lungs)), (thin, None)):
        assert _pixels(_png(args[0], analysis(), plane, args[1])).size


def test_a_volume_that_is_not_canonical_is_refused():
    """Sides would be a guess."""
    volume, lungs = _chest()
    with pytest.raises(ValueError, match="canonical"):
        _png(_flipped(volume, lungs, (0, 1, 2), (True, False, False)), analysis(), "axial")
