"""What is done ahead changes nothing: not slices' order, not repeats, not windows, not doing it at all."""

from __future__ import annotations

import hashlib
import random
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from unittest import mock

import chests
import ct
import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from strided import LEVEL, MANIFEST, Strided

from millet.core.analysis import Outcome
from millet.errors import DetectorError, Interrupted
from millet.flow import ahead, detect, slabs
from millet.flow.ahead import Ahead
from millet.flow.analyse import Made, Order, finish
from millet.flow.batcher import Batcher, running
from millet.flow.model import Model
from millet.ports import Peaks
from millet.proto.millet.v1 import picture_service_pb2 as pb

SPACING_MM = (1.25, 2.0, 2.0)
FEWEST_NODULES = 10
CONTRACT = replace(MANIFEST, levels=(replace(LEVEL, threshold=0.06),))
ORDER = Order(
    site="default",
    study_uid=f"{ct.ROOT}.1.1",
    series_uid=f"{ct.ROOT}.1.2",
    generation=1,
    created_utc=datetime(2026, 1, 6, 8, 0, tzinfo=UTC),
)


@cache
def chest() -> np.ndarray:
    """HU of a chest of half the usual size, with noise that is full of peaks, nothing brighter than 60."""
    wide = chests.grid(shape=(72, 66, 86), spacing=tuple(2 * mm for mm in SPACING_MM))
    return chests.volume(wide, chests.hu(wide), noise_hu=40.0).hu.clip(-1000, 60)


def datasets(hu=None, spacing_mm=SPACING_MM):
    """A chest as slices, the lowest first."""
    return [
        ct.instance(
            number, plane, np.asarray([-85, -65, -40 + number * spacing_mm[0]]), AXIAL, spacing_mm[1:]
        )
        for number, plane in enumerate(chest() if hu is None else hu)
    ]


AXIAL = (1, 0, 0, 0, 1, 0)


@cache
def slices():
    """The chest as files."""
    return tuple(ct.files(datasets()))


class Watched(Strided):
    """A toy that remembers what it was shown, and may be held up."""

    def __init__(self):
        super().__init__()
        self.shown, self.voxels = [], 0
        self.go_on = threading.Event()
        self.go_on.set()

    def detect(self, windows):
        """See the port."""
        self.go_on.wait(20)
        self.voxels += windows.numel()
        self.shown += [hashlib.sha256(window.numpy().tobytes()).hexdigest() for window in windows]
        return super().detect(windows)


@dataclass
class Bench:
    """One series on one device."""

    batcher: Batcher
    toy: Watched = field(default_factory=Watched)
    name: str = "series"

    def __post_init__(self):
        self.model = Model(CONTRACT, {"toy": self.toy})
        self.ahead = Ahead(self.name, self.model.readers, self.batcher)

    def take(self, instances, every=0):
        """Slices as they come, looked at after every so many."""
        for number, encoded in enumerate(instances, 1):
            self.ahead.take(hashlib.sha256(encoded).hexdigest(), encoded)
            if every and number % every == 0:
                self.ahead.advance()
                self.wait()

    def wait(self):
        """Until all that was asked for is looked at."""
        for seen in self.ahead._seen.values():
            seen.found.exception()

    def finish(self, progress=lambda *_: None) -> Made:
        """The end."""
        return finish(ORDER, self.ahead, self.model, progress)


@contextmanager
def bench(**facts):
    """A series on a device of its own."""
    with running(Batcher()) as batcher:
        yield Bench(batcher, **facts)


@contextmanager
def thick(*cells):
    """Slabs of so many cells, the most first."""
    fewest = {True: cells[0], False: cells[-1]}
    with mock.patch.object(slabs, "SLABS_CELLS", cells), mock.patch.object(ahead, "FEWEST_CELLS", fewest):
        yield


def analysed(instances, every=0) -> Made:
    """What comes out for slices in this order."""
    with bench() as one:
        one.take(instances, every)
        return one.finish()


@cache
def expected() -> Made:
    """What comes out when nothing is done ahead."""
    return analysed(slices())


def assert_same(made: Made, other: Made) -> None:
    """Candidates, analysis and the bytes of every object; what differs is named and not printed."""
    assert (len(made.candidates), len(made.analysis.nodules)) == (
        len(other.candidates),
        len(other.analysis.nodules),
    )
    parts = {"candidates": made.candidates == other.candidates, "analysis": made.analysis == other.analysis}
    objects = {kind: encoded == other.objects.get(kind) for kind, encoded in made.objects.items()}
    assert [part for part, same in (parts | objects).items() if not same] == []
    assert set(made.objects) == set(other.objects)


def test_the_chest_has_something_to_lose():
    """Nodules in both lungs, in every object."""
    made = expected()
    assert len(made.analysis.nodules) >= FEWEST_NODULES
    assert {"sr", "summary", "seg", "labelmap", "mip-coronal.png", "sc-rotating"} < set(made.objects)


orders = st.one_of(
    st.sampled_from([tuple(range(72)), tuple(range(71, -1, -1))]), st.permutations(range(72)).map(tuple)
)


@given(
    order=orders,
    again=st.sampled_from([(), range(72), (5, 40)]),
    every=st.sampled_from([0, 3, 8, 25]),
    cells=st.sampled_from([(16, 8), (4, 2), (6, 3)]),
    grain=st.sampled_from([detect.GRAIN, (4, 4, 4), (8, 16, 4)]),
)
@settings(max_examples=10, deadline=None, derandomize=True, phases=[Phase.generate])
def test_the_analysis_is_the_same_whatever_came_first_or_twice_or_was_done_ahead(
    order, again, every, cells, grain
):
    """Order, repeats, how often it is looked at, how thick the slabs are, how windows are rounded."""
    sent = [slices()[number] for number in (*order, *again)]
    with thick(*cells), mock.patch.object(detect, "GRAIN", grain):
        assert_same(analysed(sent, every), expected())


class Blind(Watched):
    """A toy that sees nothing."""

    def _look(self, window):
        return Peaks(*(part[:0] for part in super()._look(window)[:3]))


def test_where_nothing_is_seen_none_is_found():
    """Which is another end than that of a series that is not analysed; its masks are none on a whole grid."""
    with bench(toy=Blind()) as one:
        one.take(slices())
        made = one.finish()
    assert (made.analysis.outcome, made.analysis.nodules) == (Outcome.NONE_FOUND, ())
    masks = pb.StreamMasksResponse.FromString(made.objects["masks.pb"])
    assert (masks.total_masks, len(masks.grid.planes)) == (0, len(slices()))


@pytest.mark.parametrize("step", [1, -1], ids=["rising", "falling"])
def test_most_windows_are_looked_at_while_slices_come(step):
    """Before the last slice is there; after it only the rest, in as many windows as that takes."""
    with bench() as one:
        one.take(slices()[::step], every=4)
        done, asked = one.ahead.windows
        before = one.toy.voxels
        assert done == asked == len(one.toy.shown) > 0
        assert_same(one.finish(), expected())
        assert one.toy.voxels - before < before


def test_a_late_slice_costs_the_windows_that_it_touches_and_no_others():
    """Two slices below all others come last: what they do not touch is not looked at again."""
    with bench() as one:
        one.take(slices()[2:], every=4)
        before = set(one.toy.shown)
        told = []
        one.take(slices()[:2], every=1)
        assert_same(one.finish(lambda *reached: told.append(reached)), expected())
        windows = max(total for stage, _, total in told if stage == "detect")
        assert len(set(one.toy.shown)) == len(one.toy.shown)
        assert len(one.toy.shown) > windows
        assert before - set(one.toy.shown[len(before) :]) == before


def test_nothing_is_looked_at_across_a_hole():
    """A slice that is missing in the midst is waited for, and costs nothing when it comes."""
    with bench() as one:
        one.take((*slices()[:40], *slices()[41:]), every=4)
        one.take(slices()[40:41], every=1)
        assert_same(one.finish(), expected())
        assert len(one.toy.shown) == one.ahead.windows[1]


def other_kernel():
    """Every second slice once more, smoother, in the very same places."""
    smooth = ct.copied(datasets()[::2], "5", ConvolutionKernel="B30f")
    for dataset in smooth:
        dataset.PixelData = (np.full(chest().shape[1:], 24) + 1000).astype("<u2").tobytes()
    return ct.files(smooth)


def other_frame():
    """Some slices of larger pixels, before and behind."""
    coarse = ct.copied(datasets(chest()[:20, ::2, ::2], (1.25, 4.0, 4.0)), "6", ConvolutionKernel="B31f")
    return ct.files(coarse)


@pytest.mark.parametrize("make", [other_kernel, other_frame])
@pytest.mark.parametrize("first", [True, False])
def test_slices_of_another_stack_change_nothing_that_is_found(make, first):
    """Whatever was made of them is not used, also where they came first."""
    others = make()
    mixed = list(slices())
    random.Random(4).shuffle(mixed)
    sent = [*others, *mixed] if first else [*slices(), *others]
    made = analysed(sent, every=5)
    analysis, alone = made.analysis, expected().analysis
    assert len(analysis.volumes) == 2
    assert len(analysis.nodules) == len(alone.nodules)
    same = {
        "candidates": made.candidates == expected().candidates,
        "nodules": analysis.nodules == alone.nodules,
        "lungs": analysis.lungs == alone.lungs,
        "seg": made.objects["seg"] == expected().objects["seg"],
    }
    assert all(same.values()), same


class Poisoned(Watched):
    """A toy that cannot look at the brightest voxels there are, so often."""

    left = 10**6

    def detect(self, windows):
        """See the port."""
        if self.left and bool((windows >= CONTRACT.hu_range[1]).any()):
            self.left -= 1
            raise ValueError("Doe^Jane")
        return super().detect(windows)


def poisoned():
    """The chest with a bright cube in the right lung."""
    hu = chest().copy()
    hu[30:33, 32:35, 25:28] = 900
    return ct.files(datasets(hu))


def test_a_window_that_fails_fails_its_own_series():
    """The other series on the same device, with the same detector, is not touched; no word is let out."""
    with running(Batcher(most=4)) as batcher:
        toy = Poisoned()
        well, ill = Bench(batcher, toy, "well"), Bench(batcher, toy, "ill")
        for one, instances in ((well, slices()), (ill, poisoned())):
            one.take(instances, every=24)
        with pytest.raises(DetectorError) as failure:
            ill.finish()
        assert "Doe" not in str(failure.value)
        assert_same(well.finish(), expected())


def test_a_window_that_failed_is_tried_again():
    """An attempt that failed costs the next one the window that failed, and no other."""
    with bench(toy=Poisoned()) as one:
        one.toy.left = 1
        one.take(poisoned())
        with pytest.raises(DetectorError):
            one.finish()
        assert len(one.finish().analysis.nodules) >= FEWEST_NODULES
        assert len(set(one.toy.shown)) == len(one.toy.shown) == one.ahead.windows[1]


def test_closing_takes_back_what_waits():
    """Nothing of a closed series is looked at any more, and it holds no planes."""
    with bench() as one, thick(2):
        one.toy.go_on.clear()
        one.take(slices())
        assert one.ahead.advance() > 2
        held = one.ahead.held_bytes
        one.ahead.close()
        assert one.batcher.waiting == 0
        assert one.ahead.held_bytes < held
        one.toy.go_on.set()
    assert len(one.toy.shown) <= 1


def test_a_series_that_is_closed_while_it_is_searched_has_no_result():
    """Windows that were taken back are not taken for windows without a finding."""
    with bench() as one:
        one.take(slices())
        one.toy.go_on.clear()

        def close(stage, _done, _total):
            if stage == "detect":
                one.ahead.close()
                one.toy.go_on.set()

        with pytest.raises(Interrupted):
            one.finish(close)


def test_a_model_that_does_not_look_at_a_series_finds_no_nothing_in_it():
    """To ask it all the same is a fault of ours, not a series without nodules."""
    with bench() as one:
        one.take(slices())
        manifest = replace(CONTRACT, name="another")
        with pytest.raises(RuntimeError, match="another/1 does not look"):
            finish(ORDER, one.ahead, one.model._replace(manifest=manifest), lambda *_: None)
