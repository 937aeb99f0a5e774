from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import ct
import numpy as np
import pytest
from pydicom.dataset import Dataset

from millet.codec.ct import read_header, read_slice
from millet.core.reasons import Reason
from millet.errors import UnfitSeries
from millet.flow.shelf import PLACES, Shelf, stacked

HU = ct.HU
"""(z, y, x): the slices that are taken."""


def instances(count: int = 8) -> list[Dataset]:
    """Slices numbered from 1."""
    return ct.series()[:count]


def taken(shelf: Shelf, datasets: list[Dataset]) -> list[np.ndarray]:
    """Their voxels, after all were taken in this order."""
    return [shelf.take(d.SOPInstanceUID, ct.encoded(d)).hu for d in datasets]


@pytest.mark.parametrize("order", ["as numbered", "backwards", "anyhow"])
def test_slices_that_lie_side_by_side_are_a_volume_without_a_copy(order: str) -> None:
    """In whichever order they came, from the first to the last and from the last to the first."""
    datasets = instances()
    turns = {"as numbered": range(8), "backwards": range(7, -1, -1), "anyhow": (3, 7, 0, 5, 1, 6, 2, 4)}
    found = dict(zip(turns[order], taken(Shelf(), [datasets[n] for n in turns[order]]), strict=True))
    slices = [found[n] for n in range(8)]
    for some, wanted in (
        (slices, HU[:8]),
        (slices[::-1], HU[:8][::-1]),
        (slices[2:5], HU[2:5]),
        (slices[4:1:-1], HU[2:5][::-1]),
        (slices[3:4], HU[3:4]),
    ):
        volume = stacked(some)
        assert volume.dtype == np.int16
        assert np.array_equal(volume, wanted)
        assert all(np.shares_memory(volume[at], hu) for at, hu in enumerate(some))


@pytest.mark.parametrize("choice", [(0, 2, 1), (0, 2, 4), (0, 1, 1), (1, 0, 2)])
def test_slices_in_another_order_are_copied(choice: tuple[int, ...]) -> None:
    """What is not side by side is put together anew, and right."""
    found = taken(Shelf(), instances())
    volume = stacked([found[n] for n in choice])
    assert np.array_equal(volume, HU[list(choice)])
    assert not any(np.shares_memory(volume, hu) for hu in found)


def _same_number(dataset: Dataset) -> None:
    dataset.InstanceNumber = 1


def _no_number(dataset: Dataset) -> None:
    del dataset.InstanceNumber


def _beyond(dataset: Dataset) -> None:
    dataset.InstanceNumber = PLACES + int(dataset.InstanceNumber)


def _below(dataset: Dataset) -> None:
    dataset.InstanceNumber = -int(dataset.InstanceNumber)


@pytest.mark.parametrize("change", [_same_number, _no_number, _beyond, _below])
def test_numbers_that_say_nothing_cost_a_copy_and_nothing_else(change: ct.Change) -> None:
    """Numbers that are equal, missing, negative or larger than any place."""
    datasets = instances()
    for dataset in datasets[2:]:
        change(dataset)
    assert np.array_equal(stacked(taken(Shelf(), datasets)), HU[:8])


def test_numbers_from_any_place_on_lie_side_by_side() -> None:
    """Up to the last that there is; a number missing between is no neighbour."""
    datasets = instances()
    for number, dataset in enumerate(datasets):
        dataset.InstanceNumber = PLACES - 9 + number + (number > 3)
    found = taken(Shelf(), datasets)
    for some in (slice(0, 4), slice(4, 8)):
        assert np.shares_memory(stacked(found[some]), found[some][0])
    assert not np.shares_memory(stacked(found), found[0])
    assert np.array_equal(stacked(found), HU[:8])


def test_slices_that_are_not_whole_make_the_volume_float() -> None:
    """One of them is enough; the others keep their values."""
    datasets = instances(4)
    datasets[2].RescaleSlope, datasets[2].RescaleIntercept = "0.5", "-512.25"
    found = taken(Shelf(), datasets)
    assert [hu.dtype for hu in found] == [np.int16, np.int16, np.float32, np.int16]
    volume = stacked(found)
    assert volume.dtype == np.float32
    wanted = [*HU[:2].astype(float), np.maximum((HU[2] + 1024) * 0.5 - 512.25, -1024), HU[3].astype(float)]
    assert np.array_equal(volume, np.asarray(wanted, np.float32))


def test_slices_of_two_sizes_do_not_share_a_place() -> None:
    """Each size has room of its own."""
    wide = instances(2)
    for number, dataset in enumerate(wide):
        dataset.Rows, dataset.Columns = 12, 10
        dataset.SOPInstanceUID = f"{dataset.SOPInstanceUID}.{number}.9"
    shelf = Shelf()
    tall = taken(shelf, instances(2))
    again = taken(shelf, wide)
    assert np.array_equal(stacked(tall), HU[:2])
    assert np.array_equal(stacked(again), HU[:2].reshape(2, 12, 10))


def test_equal_bytes_are_read_once() -> None:
    """The second time gives what is there; the order of all does not depend on that of arrival."""
    shelf, encoded = Shelf(), ct.encoded(instances()[0])
    first = shelf.take("b", encoded)
    held = shelf.held_bytes
    assert shelf.take("b", b"never looked at") is first
    assert (len(shelf), held) == (1, HU[0].nbytes)
    assert shelf.held_bytes == held
    shelf.take("a", ct.encoded(instances()[1]))
    assert [one.name for one in shelf.all()] == ["a", "b"]
    assert ("a" in shelf, "c" in shelf) == (True, False)


def test_what_cannot_be_read_is_kept_as_such() -> None:
    """Bytes that are no instance have no header; an instance without sound pixels has one, and the reason."""
    whole = ct.encoded(instances()[0])
    shelf = Shelf()
    rubbish, cut = shelf.take("rubbish", b"rubbish"), shelf.take("cut", whole[:-10])
    assert (rubbish.header, rubbish.head) == (None, b"rubbish")
    assert cut.header == read_header(whole)
    for one, reason in ((rubbish, Reason.UNREADABLE_OBJECT), (cut, Reason.PIXELS_TRUNCATED)):
        with pytest.raises(UnfitSeries) as refused:
            _ = one.hu
        assert refused.value.reason is reason
    assert len(shelf.all()) == 2
    assert shelf.held_bytes == 0


def test_the_head_tells_all_but_the_pixels() -> None:
    """Reports take what they need from it when the bytes have gone."""
    whole = ct.encoded(instances()[0])
    one = Shelf().take("a", whole)
    assert read_header(one.head) == one.header
    assert len(one.head) < len(whole) - HU[0].nbytes + 100
    with pytest.raises(UnfitSeries):
        read_slice(one.head, read_header(one.head))


def test_instances_may_be_taken_side_by_side() -> None:
    """By many threads, each instance by several at once: every slice is there once and right."""
    shelf = Shelf()
    bytes_ = [ct.encoded(dataset) for dataset in ct.series()]
    start = threading.Barrier(8)

    def take_all(seed: int) -> list[tuple[int, object]]:
        order = [int(n) for n in np.random.default_rng(seed).permutation(len(bytes_))]
        start.wait(30)
        return [(number, shelf.take(f"{number:03d}", bytes_[number])) for number in order]

    with ThreadPoolExecutor(8) as pool:
        found = [one for some in pool.map(take_all, range(8)) for one in some]
    assert len(shelf) == len(bytes_)
    assert all(one is shelf.all()[number] for number, one in found)
    assert np.array_equal(stacked([one.hu for one in shelf.all()]), HU)
