import io

import numpy as np
import pytest
from findings import case, mark
from PIL import Image

from millet.core.geometry import Grid, PointMm, Vector
from millet.core.volume import Volume
from millet.evaluate import charts, tiles
from millet.evaluate.bins import by_size
from millet.evaluate.case import at_least, judge
from millet.evaluate.froc import curve
from millet.evaluate.plot import BLUE, ORANGE, PALE_BLUE, SIZE, Axis, Plot, linear
from millet.evaluate.summary import summarise
from millet.evaluate.sweep import sweep

UPRIGHT = (Vector(0, 0, 1), Vector(0, 1, 0), Vector(1, 0, 0))
SOME = (
    case(true=(0, 10, mark(20, 6.0)), found=((0, 0.9), (50, 0.8), (10, 0.7)), name="a"),
    case(true=(0,), found=((0, 0.6), (70, 0.3)), name="b"),
    case(found=((0, 0.2),), name="c"),
)


def image(png):
    """The decoded picture as (rows, columns, 3)."""
    with Image.open(io.BytesIO(png)) as opened:
        assert opened.format == "PNG"
        return np.asarray(opened.convert("RGB"))


def has(picture, colour):
    """Whether any pixel has nearly this colour."""
    return bool((np.abs(picture.astype(int) - colour).max(axis=2) <= 6).any())


def summary(cases):
    """Cases at a threshold of one half."""
    return summarise([judge(one, at_least(0.5)) for one in cases], [sweep(one) for one in cases])


@pytest.mark.parametrize("cases", [SOME, SOME[:1], SOME[2:], ()], ids=["some", "one", "no nodule", "none"])
def test_every_chart_can_be_drawn_of_anything(cases):
    """Each is a PNG of the stated size, whatever is missing."""
    said, sweeps = summary(cases), [sweep(one) for one in cases]
    for png in (
        charts.froc_png(sweeps, curve(sweeps), said),
        charts.counts_png(said),
        charts.bins_png("By size", said.by_size, "diameter"),
        charts.bins_png("By kind", said.by_kind, "kind"),
    ):
        assert image(png).shape == (SIZE[1], SIZE[0], 3)


def test_the_froc_has_curve_band_and_operating_point():
    """All three are seen; without nodules none of them is."""
    sweeps = [sweep(one) for one in SOME]
    drawn = image(charts.froc_png(sweeps, curve(sweeps), summary(SOME)))
    assert all(has(drawn, colour) for colour in (BLUE, PALE_BLUE, ORANGE))
    empty = image(charts.froc_png(sweeps[2:], curve(sweeps[2:]), summary(SOME[2:])))
    assert not any(has(empty, colour) for colour in (BLUE, PALE_BLUE, ORANGE))


def test_a_curve_near_the_top_is_shown_near():
    """The axis of a curve begins at a round number that hides nothing of it; in bars always at 0."""
    assert [charts._shares(least).low for least in (0.0, 0.49, 0.87, 0.999)] == [0.0, 0.0, 0.8, 0.95]


def test_a_bar_is_as_high_as_its_share():
    """The bar of all found is twice as high as that of half found."""
    judged = [judge(one, at_least(0.5)) for one in SOME]
    bins = [one for one in by_size(judged) if one.sensitivity.n]
    assert [one.hits for one in bins] == [3, 0]
    picture = image(charts.bins_png("By size", bins, "diameter"))
    blue = np.abs(picture.astype(int) - (112, 173, 207)).max(axis=2) <= 6
    rows = np.flatnonzero(blue.any(axis=1))
    assert np.ptp(rows) == pytest.approx(SIZE[1] - 96 - 88, abs=4)
    assert not blue[: rows[-1] - 3, SIZE[0] // 2 + 60 :].any()


@pytest.mark.parametrize(
    ("high", "last", "count"),
    [(0, 1, 6), (3, 3, 4), (60, 60, 4), (220, 250, 6), (3000, 3000, 4), (0.04, 0.04, 5)],
)
def test_ticks_are_round(high, last, count):
    """The last tick is the end of the axis, at or above what must be shown."""
    axis = linear("x", high)
    assert (axis.high, len(axis.ticks)) == (pytest.approx(last), count)
    assert axis.ticks[-1][0] == axis.high >= high


def test_an_axis_without_a_range_is_refused():
    """Nothing could be placed on it."""
    for low, high, log in ((1, 1, False), (2, 1, False), (0, 1, True)):
        with pytest.raises(ValueError, match="no range"):
            Axis(name="x", low=low, high=high, ticks=(), log=log)


def test_what_lies_beyond_an_axis_is_brought_in():
    """A point at a rate beyond the paper is drawn at its edge."""
    plot = Plot("title", "below", linear("x", 1), linear("y", 1))
    plot.dot((50, 0.5), ORANGE)
    assert has(image(plot.png())[:, SIZE[0] - 50 :], ORANGE)


def chest(axes=UPRIGHT):
    """Lung with one bright voxel cube at (x 6, y 10, z 20) mm and a plate of tissue behind (larger y)."""
    hu = np.full((30, 40, 50), -850, np.int16)
    hu[19:22, 9:12, 5:8] = 40
    hu[:, 15:, :] = 60
    volume = Volume(
        hu=hu, grid=Grid(shape=hu.shape, spacing_mm=(1, 1, 1), origin_mm=PointMm(0, 0, 0), axes=UPRIGHT)
    )
    if axes == UPRIGHT:
        return volume
    grid = Grid(shape=hu.shape, spacing_mm=(1, 1, 1), origin_mm=PointMm(49, 39, 0), axes=axes)
    return Volume(hu=hu[:, ::-1, ::-1], grid=grid)


NODULE = case(true=(mark(6, 3.0),)).truth[0]
PLACED = type(NODULE)(centre_mm=PointMm(6, 10, 20), diameter_mm=3.0, nodule_class=NODULE.nodule_class)


def test_a_tile_is_cut_through_the_centre_and_stands_upright():
    """Bright in the middle of both; the back is below in the axial one and in neither half of the coronal."""
    tile = tiles.cut(chest(), PLACED)
    middle = tiles.PIXELS // 2
    assert tile.axial.shape == tile.coronal.shape == (tiles.PIXELS, tiles.PIXELS)
    assert tile.axial[middle, middle] > 200 < tile.coronal[middle, middle]
    assert tile.axial[-10, middle] > 200
    assert tile.axial[10, middle] < 60
    assert max(tile.coronal[10, middle], tile.coronal[middle, -10]) < 60
    assert tile.hu == pytest.approx(40, abs=1)


def test_outside_the_volume_is_air():
    """The nodule lies 6 mm from the right end: further out nothing is made up, and it is on the left."""
    tile = tiles.cut(chest(), PLACED)
    assert tile.axial[tiles.PIXELS // 2, :40].max() == 0
    assert tile.axial[tiles.PIXELS // 2, -40:].min() > 10
    assert tile.coronal[:10, tiles.PIXELS // 2].max() == 0


def test_a_tile_does_not_depend_on_how_slices_were_written():
    """The same patient from rows and columns the other way round."""
    turned = (Vector(0, 0, 1), Vector(0, -1, 0), Vector(-1, 0, 0))
    one, other = tiles.cut(chest(), PLACED), tiles.cut(chest(turned), PLACED)
    assert (one.axial == other.axial).all()
    assert (one.coronal == other.coronal).all()


def test_a_mass_is_shown_whole():
    """Three diameters wide, so that what surrounds it is seen."""
    assert (tiles.side_mm(mark(0, 3.0)), tiles.side_mm(mark(0, 40.0))) == (28.0, 120.0)


def test_the_cross_hair_leaves_the_nodule_free():
    """No coloured pixel within the nodule's radius, some beyond it."""
    tile = tiles.cut(chest(), PLACED)
    (sheet,) = tiles.sheets([(tile, PLACED, ("3 mm", "a"))], 1)
    picture = image(sheet)
    hair = (picture[..., 0].astype(int) - picture[..., 2] > 100) & (picture[..., 0] > 200)
    rows, columns = np.nonzero(hair)
    centre = (rows.min() + rows.max()) / 2
    first = columns < columns.min() + tiles.PIXELS / 2
    middle = (columns[first].min() + columns[first].max()) / 2
    far = np.hypot(rows[first] - centre, columns[first] - middle)
    assert far.min() > 1.5 / 28 * tiles.PIXELS + 4


@pytest.mark.parametrize(("count", "pages"), [(0, 0), (1, 1), (20, 1), (21, 2), (65, 4)])
def test_no_missed_nodule_is_cut_off(count, pages):
    """As many sheets as it takes; the last has room for what is left and no more."""
    grey = np.full((tiles.PIXELS, tiles.PIXELS), 120, np.uint8)
    tile = tiles.Tile(axial=grey, coronal=grey, hu=-400.0)
    drawn = [image(png) for png in tiles.sheets([(tile, PLACED, ("x" * 90, "y"))] * count, count)]
    assert len(drawn) == pages
    shown = sum(round((picture == 120).all(axis=2).sum() / (2 * tiles.PIXELS**2)) for picture in drawn)
    assert shown == count


def test_tiles_are_kept_and_read_again():
    """By name, to the last pixel; other bytes are refused."""
    tile = tiles.cut(chest(), PLACED)
    (held,) = tiles.unpacked(tiles.packed({"s 1.000,2.000": tile})).items()
    assert held[0] == "s 1.000,2.000"
    assert (held[1].axial == tile.axial).all()
    assert held[1].hu == tile.hu
    assert tiles.unpacked(tiles.packed({})) == {}
    for wrong in (b"", b"no tiles", tiles.packed({"a": tile})[:100]):
        with pytest.raises(ValueError, match="no tiles"):
            tiles.unpacked(wrong)
