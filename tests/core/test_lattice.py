import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from millet.core.lattice import windows
from millet.core.resample import Box

sizes = st.tuples(*[st.integers(1, 40)] * 3)
starts = st.tuples(*[st.integers(-60, 60)] * 3)
halos = st.tuples(*[st.integers(0, 9)] * 3)


@given(start=starts, shape=sizes, core=sizes, halo=halos, seed=st.integers(0, 99))
def test_every_peak_has_one_owner_whatever_the_windows(start, shape, core, halo, seed):
    """Cores fill the box without overlap, so any window size finds each peak exactly once."""
    core = tuple(max(c, s // 3 + 1) for c, s in zip(core, shape, strict=True))
    box = Box(start=start, stop=tuple(a + n for a, n in zip(start, shape, strict=True)))
    voxels = np.random.default_rng(seed).integers(start, box.stop, (50, 3))
    peaks = voxels + np.random.default_rng(seed).uniform(-0.49, 0.49, (50, 3))
    owners = sum(w.owns(peaks - np.asarray(w.box.start)).astype(int) for w in windows(box, core, halo))
    assert (owners == 1).all()


@given(start=starts, shape=sizes, core=sizes)
def test_cores_lie_on_a_lattice_that_the_box_does_not_move(start, shape, core):
    """Where one core ends and the next begins is a multiple of the core's size."""
    core = tuple(max(c, s // 3 + 1) for c, s in zip(core, shape, strict=True))
    box = Box(start=start, stop=tuple(a + n for a, n in zip(start, shape, strict=True)))
    for window in windows(box, core, (1, 1, 1)):
        for axis in range(3):
            assert window.core.start[axis] % core[axis] == 0 or window.core.start[axis] == start[axis]
