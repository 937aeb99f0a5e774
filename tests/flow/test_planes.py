import math

import numpy as np
import pytest
import SimpleITK
from hypothesis import given, settings
from hypothesis import strategies as st
from stacks import AXES, grid, noise, turned

from millet.core.geometry import Grid, PointMm, Vector
from millet.core.placing import Frame, between, slice_grid
from millet.core.resample import Box, lattice_box, lattice_grid, resample
from millet.core.slices import FEWEST, HOLE, Layer
from millet.core.volume import Volume, canonical
from millet.flow.planes import BLOCK, PICTURE, Planes, layers

LATTICES_MM = (1.0, 2.0, 4.0)
SLICES_MM = (0.6, 2.5, 5.0)
INSIDE = Box(start=(-17, 9, -9), stop=(-12, 20, 15))
HANGING = {
    "all around": Box(start=(-60, 0, -30), stop=(40, 60, 50)),
    "before its rows and behind its columns": Box(start=(-15, -9, 10), stop=(-12, 12, 60)),
    "beside its rows": Box(start=(-15, -30, -5), stop=(-12, -21, 3)),
    "beside its rows and columns": Box(start=(-15, 90, -60), stop=(-12, 95, -51)),
    "under its feet": Box(start=(-400, 10, -5), stop=(-395, 13, 3)),
    "over its head": Box(start=(300, 10, -5), stop=(317, 13, 3)),
}


def made(volume, spacing_mm, box):
    """What `Planes` makes of a box."""
    return Planes.of(volume).window((spacing_mm,) * 3, box).numpy()


def expected(volume, spacing_mm, box):
    """What resampling the whole volume makes of it."""
    seen = canonical(volume)
    return resample(seen, lattice_grid(seen.grid, (spacing_mm,) * 3, box)).hu


def blocks(volume, spacing_mm):
    """Every block of planes that a stack touches."""
    box = lattice_box(volume.grid, (spacing_mm,) * 3)
    return range(box.start[0] // BLOCK, -(-box.stop[0] // BLOCK))


def block_hu(planes, spacing_mm, number):
    """A block of planes, as wide as the stack and a little wider."""
    box = Box(start=(number * BLOCK, 0, -16), stop=((number + 1) * BLOCK, 40, 30))
    return planes.window((spacing_mm,) * 3, box).numpy()


def heights(numbers, *, order="rising"):
    """Planes of a stack that has arrived so far, slices of 1 mm."""
    planes = Planes(Frame.of(slice_grid(grid())))
    numbers = {
        "rising": sorted(numbers),
        "falling": sorted(numbers, reverse=True),
    }.get(order, numbers)
    hu = np.zeros((31, 37), np.int16)
    for number in numbers:
        planes.put([Layer(name=f"{number:06.2f}", height_mm=float(number), hu=hu)])
    return planes


@pytest.mark.parametrize("slice_mm", SLICES_MM)
@pytest.mark.parametrize("spacing_mm", LATTICES_MM)
def test_a_window_is_the_resampled_volume(spacing_mm, slice_mm):
    """On lattices finer and coarser than slices and pixels alike."""
    volume = noise(grid(slice_mm))
    whole = lattice_box(volume.grid, (spacing_mm,) * 3)
    for box in (whole, INSIDE):
        assert np.allclose(
            made(volume, spacing_mm, box), expected(volume, spacing_mm, box), rtol=0, atol=1e-3
        )


@pytest.mark.parametrize("where", HANGING)
def test_what_lies_outside_repeats_the_rim(where):
    """A box that hangs out of the volume, or lies beside it, has its own shape and the rim's values."""
    volume, box = noise(grid()), HANGING[where]
    for spacing_mm in LATTICES_MM:
        window = made(volume, spacing_mm, box)
        assert window.shape == box.shape
        assert np.allclose(window, expected(volume, spacing_mm, box), rtol=0, atol=1e-3)


@pytest.mark.parametrize("transposed", [False, True], ids=["rows first", "columns first"])
@pytest.mark.parametrize("flips", [(1, 1, 1), (-1, 1, 1), (1, -1, 1), (1, 1, -1), (-1, -1, -1)])
def test_the_way_a_stack_was_written_changes_nothing(flips, transposed):
    """Feet first, prone, mirrored or transposed slices give the same window."""
    volume = noise(grid())
    for spacing_mm in (1.0, 4.0):
        again = made(turned(volume, flips, transposed=transposed), spacing_mm, INSIDE)
        assert np.allclose(again, made(volume, spacing_mm, INSIDE), rtol=0, atol=1e-3)


def test_oblique_slices_have_a_lattice_of_their_own():
    """Slices that are turned in their plane, and tilted, are not turned back."""
    turn, tilt = np.radians((9.0, 12.0))
    axes = (
        Vector(0, -math.sin(tilt), math.cos(tilt)),
        Vector(-math.sin(turn), math.cos(turn) * math.cos(tilt), math.cos(turn) * math.sin(tilt)),
        Vector(math.cos(turn), math.sin(turn) * math.cos(tilt), math.sin(turn) * math.sin(tilt)),
    )
    oblique = Grid(shape=(20, 31, 37), spacing_mm=(2.5, 0.9, 0.83), origin_mm=PointMm(3, 5, 7), axes=axes)
    volume = noise(oblique)
    for spacing_mm in LATTICES_MM:
        box = lattice_box(oblique, (spacing_mm,) * 3)
        found = Planes.of(volume).volume((spacing_mm,) * 3, (box.start[0], box.stop[0]))
        assert np.allclose(found.hu, expected(volume, spacing_mm, box), rtol=0, atol=1e-3)
        assert np.allclose(
            found.grid.origin_mm, lattice_grid(oblique, (spacing_mm,) * 3, box).origin_mm, rtol=0, atol=1e-9
        )


@pytest.mark.parametrize("pixels_mm", [(2.5, 0.9, 0.83), (0.8, 0.8, 0.8)], ids=["finer", "as fine"])
def test_a_lattice_as_fine_as_the_pixels_is_interpolated_as_simpleitk_does(pixels_mm):
    """Linear interpolation agrees with SimpleITK to 0.01 HU."""
    spacing = (0.8, 0.8, 0.8)
    source = Grid(shape=(20, 31, 37), spacing_mm=pixels_mm, origin_mm=PointMm(-11.3, 7.7, -41.2), axes=AXES)
    volume = noise(source)
    box = lattice_box(source, spacing)
    grid_ = lattice_grid(source, spacing, box)
    image = SimpleITK.GetImageFromArray(volume.hu.astype(np.float64))
    image.SetSpacing(pixels_mm[::-1])
    image.SetOrigin(source.origin_mm)
    out = SimpleITK.Resample(
        image,
        [int(n) for n in grid_.shape[::-1]],
        SimpleITK.Transform(),
        SimpleITK.sitkLinear,
        grid_.origin_mm,
        grid_.spacing_mm[::-1],
    )
    found = Planes.of(volume).window(spacing, box).numpy()
    assert np.abs(found - SimpleITK.GetArrayFromImage(out)).max() < 0.01


@given(seed=st.integers(0, 99))
@settings(max_examples=5, deadline=None)
def test_the_order_of_arrival_changes_nothing(seed):
    """Slices one by one in any order, some twice, with windows asked for between: the same bits."""
    volume = noise(grid())
    random = np.random.default_rng(seed)
    found = list(layers(volume))
    order = [*random.permutation(len(found)), *random.integers(0, len(found), 3)]
    planes = Planes(Frame.of(slice_grid(volume.grid)))
    for number in order:
        planes.put([found[number]])
        block_hu(planes, 2.0, int(random.integers(-24, 4)))
    assert len(planes.slices) == len(found)
    for spacing_mm in LATTICES_MM:
        assert np.array_equal(planes.window((spacing_mm,) * 3, INSIDE), made(volume, spacing_mm, INSIDE))


@pytest.mark.parametrize("late", [0, 1, 9, 18, 19])
@pytest.mark.parametrize("spacing_mm", LATTICES_MM)
@pytest.mark.parametrize("slice_mm", SLICES_MM)
def test_a_late_slice_changes_what_it_touches_and_nothing_else(late, spacing_mm, slice_mm):
    """`made_of` says so of just the blocks whose voxels change; made again, they are right."""
    volume = noise(grid(slice_mm))
    found = list(layers(volume))
    planes = Planes(Frame.of(slice_grid(volume.grid)))
    planes.put(layer for number, layer in enumerate(found) if number != late)
    ranges = {number: (number * BLOCK, (number + 1) * BLOCK) for number in blocks(volume, spacing_mm)}
    made_of = {number: planes.slices.made_of(spacing_mm, one) for number, one in ranges.items()}
    before = {number: block_hu(planes, spacing_mm, number) for number in ranges}
    planes.put([found[late]])
    after = {number: block_hu(planes, spacing_mm, number) for number in ranges}
    touched = {n for n, one in ranges.items() if planes.slices.made_of(spacing_mm, one) != made_of[n]}
    assert touched
    assert touched == {number for number in ranges if not np.array_equal(before[number], after[number])}
    at_once = Planes.of(volume)
    for number in ranges:
        assert np.array_equal(after[number], block_hu(at_once, spacing_mm, number))


def test_a_slice_in_the_middle_leaves_the_ends_alone():
    """The late slice's neighbours and what lies between them are touched, no more."""
    volume = noise(grid(5.0))
    found = list(layers(volume))
    planes = Planes(Frame.of(slice_grid(volume.grid)))
    planes.put(layer for number, layer in enumerate(found) if number != 9)
    low, high = found[8].height_mm, found[10].height_mm
    made_of = {plane: planes.slices.made_of(1.0, (plane, plane + 1)) for plane in range(-41, 54)}
    planes.put([found[9]])
    touched = {p for p, was in made_of.items() if planes.slices.made_of(1.0, (p, p + 1)) != was}
    assert touched == {plane for plane in made_of if low < plane < high}


def test_a_slice_of_a_known_name_is_there_once():
    """The same again adds nothing; what is not kept is forgotten."""
    volume = noise(grid())
    planes = Planes.of(volume)
    planes.put(layers(volume))
    assert len(planes.slices) == volume.grid.shape[0]
    planes.keep(f"{number:06d}" for number in range(4))
    assert planes.slices.heights_mm.tolist() == [layer.height_mm for layer in list(layers(volume))[:4]]
    part = Volume(hu=volume.hu[:4], grid=grid(slices=4))
    assert np.array_equal(planes.window((1.0,) * 3, INSIDE), made(part, 1.0, INSIDE))


@pytest.mark.parametrize("order", ["rising", "falling"])
def test_what_is_known_has_no_end_where_the_slices_began(order):
    """Nothing more is expected there; at the other end the newest step is not yet believed."""
    ((low, high),) = heights(range(20), order=order).slices.known()
    assert (low, high) == ((-math.inf, 18) if order == "rising" else (1, math.inf))


def test_slices_in_any_order_are_known_between_their_ends():
    """It cannot be told where more will come, if the newest slice lies in the middle."""
    numbers = [int(n) for n in np.random.default_rng(4).permutation(20) if n != 10]
    ((low, high),) = heights([*numbers, 10], order="as they come").slices.known()
    assert (low, high) == (1, 18)


def test_a_hole_is_waited_for():
    """What lies on both sides of it is known, less a step; nothing of the hole is."""
    planes = heights([*range(10), *range(12, 25)])
    assert planes.slices.known() == ((-math.inf, 8), (13, 23))
    unsteady = heights([*range(10), *(10 + (HOLE - 1) + n for n in range(10))])
    assert len(unsteady.slices.known()) == 1


def test_of_a_few_slices_nothing_is_known():
    """Not before it can be told how far they lie apart."""
    assert heights(range(FEWEST - 1)).slices.known() == ()
    assert Planes(Frame.of(slice_grid(grid()))).slices.known() == ()
    assert len(heights(range(FEWEST)).slices.known()) == 1


@pytest.mark.parametrize("spacing_mm", [1.0, 2.0])
def test_planes_may_be_rounded(spacing_mm):
    """To the nearest whole HU, with pictures' own spacing and any other, also after a late slice."""
    volume = noise(grid())
    found = list(layers(volume))
    box = lattice_box(volume.grid, (spacing_mm,) * 3)
    range_ = (box.start[0], box.stop[0])
    planes = Planes(Frame.of(slice_grid(volume.grid)))
    for some in (found[:10] + found[11:], found[10:11]):
        planes.put(some)
        exact = planes.volume((spacing_mm,) * 3, range_)
        rounded = np.asarray(planes.rounded((spacing_mm,) * 3, range_))
        assert (exact.hu.dtype, rounded.dtype) == (np.float32, np.int16)
        assert np.array_equal(np.rint(exact.hu), rounded)
    window = planes.window((spacing_mm,) * 3, box).numpy()
    assert np.array_equal(exact.hu, window)


def test_whole_hu_and_floats_give_the_same_bits():
    """A series of which one slice is not whole is no other series."""
    volume = noise(grid())
    again = Volume(hu=volume.hu.astype(np.float32), grid=volume.grid)
    for spacing_mm in LATTICES_MM:
        assert np.array_equal(made(volume, spacing_mm, INSIDE), made(again, spacing_mm, INSIDE))


def test_what_will_be_made_is_foreseen():
    """Before a plane is made it is known what all will take, but for what blocks add at their ends."""
    volume = noise(grid())
    for spacing_mm in ((1.0, 1.0, 1.0), (2.0, 2.0, 2.0)):
        planes = Planes.of(volume)
        heights = planes.slices.heights_mm
        whole = between(float(heights[0]), float(heights[-1]), spacing_mm[0])
        coming = planes.coming_bytes([spacing_mm])
        planes.volume(spacing_mm, whole)
        count = whole[1] - whole[0]
        assert 0.8 * coming <= planes.held_bytes <= coming * (count + 2 * BLOCK) / count
    assert Planes(planes.frame).coming_bytes([PICTURE]) == 0


def test_what_was_made_is_counted():
    """Memory is nothing before, and at least what was asked for after."""
    planes = Planes.of(noise(grid()))
    assert planes.held_bytes == 0
    window = planes.window((1.0,) * 3, INSIDE)
    assert planes.held_bytes >= window.nbytes
