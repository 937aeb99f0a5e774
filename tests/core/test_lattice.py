from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from millet.core.lattice import Window
from millet.core.resample import Box

starts = st.tuples(*[st.integers(-60, 60)] * 3)
sizes = st.tuples(*[st.integers(1, 40)] * 3)
halos = st.tuples(*[st.integers(0, 9)] * 3)
multiples = st.tuples(*[st.integers(1, 8)] * 3)


def window(start, size, halo, multiple):
    """A window by its core."""
    stop = tuple(a + n for a, n in zip(start, size, strict=True))
    return Window(core=Box(start=start, stop=stop), halo=halo, multiple=multiple)


@given(start=starts, size=sizes, halo=halos, multiple=multiples)
def test_a_window_begins_and_ends_at_whole_cells_and_has_its_halo(start, size, halo, multiple):
    """The halo is rounded up, by less than a cell, and never down."""
    one = window(start, size, halo, multiple)
    assert not (np.asarray(one.box.start) % multiple).any()
    assert not (np.asarray(one.box.stop) % multiple).any()
    for ends in (
        np.asarray(one.core.start) - one.box.start - halo,
        np.asarray(one.box.stop) - one.core.stop - halo,
    ):
        assert ((ends >= 0) & (ends < multiple)).all()


@given(start=starts, size=sizes, halo=halos, multiple=multiples, seed=st.integers(0, 99))
def test_a_window_owns_the_peaks_whose_voxel_lies_in_its_core(start, size, halo, multiple, seed):
    """Wherever within its voxel a peak is."""
    one = window(start, size, halo, multiple)
    random = np.random.default_rng(seed)
    voxels = random.integers(one.box.start, one.box.stop, (50, 3))
    inside = ((voxels >= one.core.start) & (voxels < one.core.stop)).all(axis=1)
    positions = voxels + random.uniform(-0.49, 0.49, (50, 3)) - np.asarray(one.box.start)
    assert np.array_equal(one.owns(positions), inside)


@given(cut=st.integers(-20, 20), halo=st.tuples(st.integers(0, 5), st.integers(0, 5)))
def test_a_peak_on_the_edge_between_two_cores_belongs_to_one(cut, halo):
    """Half-way between two voxels, whatever the parity of where the two windows begin."""
    two = [
        window((start, 0, 0), (5, 1, 1), (around, 0, 0), (1, 1, 1))
        for start, around in zip((cut - 5, cut), halo, strict=True)
    ]
    edge = cut - 0.5
    owned = [one.owns(np.asarray([(edge - one.box.start[0], 0.0, 0.0)])).item() for one in two]
    assert owned == [False, True]


@given(start=starts, size=sizes, halo=halos, multiple=multiples, grain=multiples)
def test_windows_come_in_few_shapes(start, size, halo, multiple, grain):
    """Sides are multiples of the grain; it adds less than one step behind, and owns nothing more."""
    plain = window(start, size, halo, multiple)
    one = replace(plain, grain=grain)
    step = np.lcm(multiple, grain)
    assert not (np.asarray(one.box.shape) % step).any()
    assert one.box.start == plain.box.start
    beyond = np.asarray(one.box.stop) - plain.box.stop
    assert ((beyond >= 0) & (beyond < step)).all()
    corners = np.asarray([one.core.start, np.asarray(one.core.stop) - 1], float) - one.box.start
    assert one.owns(corners).all()
    assert not one.owns(np.asarray([np.asarray(one.core.stop, float) - one.box.start])).any()
