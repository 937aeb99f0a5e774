from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from instances import header

from millet.core.choice import choose
from millet.core.geometry import PointMm, Vector
from millet.core.reasons import Reason
from millet.core.series import SliceHeader
from millet.core.split import split
from millet.core.stack import heights_mm, normal
from millet.errors import UnfitSeries

N = 24


def _scan(first: int = 0, n: int = N, shift_mm: float = 0.0, **values: Any) -> list[SliceHeader]:
    """A scan of n slices at whole millimetres; its instance numbers start at `first`."""
    return [
        replace(header(first + at), position_mm=PointMm(0, 0, at + shift_mm), **values) for at in range(n)
    ]


def _sizes(headers: Iterable[SliceHeader]) -> list[int]:
    return [len(stack.slices) for stack in split(list(headers))]


def _same(one: SliceHeader, other: SliceHeader) -> bool:
    return False


SEVERAL = {
    "contrast phases": lambda: _scan() + _scan(100, acquisition_number=2),
    "phases of unlike place": lambda: _scan() + _scan(100, shift_mm=0.4, acquisition_number=2),
    "phases told by time alone": lambda: _scan() + _scan(100, acquisition_time="120000"),
    "phases told by nothing": lambda: _scan() + _scan(100),
    "kernels": lambda: _scan() + _scan(100, kernel="LUNG"),
    "energies": lambda: _scan() + _scan(100, kvp=80.0),
    "frames of reference": lambda: _scan() + _scan(100, frame_of_reference_uid="1.2.3"),
    "triggers": lambda: _scan(trigger_ms=0.0) + _scan(100, trigger_ms=400.0),
    "temporal positions": lambda: _scan(temporal_position=1) + _scan(100, temporal_position=2),
    "orientations": lambda: _scan() + _scan(100, column_direction=Vector(0.0, 0.0, -1.0)),
}


@pytest.mark.parametrize("case", SEVERAL)
def test_volumes_are_told_apart(case: str) -> None:
    """Two volumes in one series are two stacks, not duplicate slices."""
    assert _sizes(SEVERAL[case]()) == [N, N]


def test_a_repeated_breath_hold_with_a_time_on_every_slice() -> None:
    """Two passes whose every slice has a time of its own are two volumes, in order of time."""
    headers = [replace(h, acquisition_time=f"12{h.instance_number:04d}") for h in _scan() + _scan(100)]
    first, second = split(headers)
    assert {h.acquisition_time < "120100" for h in first.slices} == {True}
    assert {h.acquisition_time < "120100" for h in second.slices} == {False}


def test_ten_phases_of_a_breath() -> None:
    """A 4D CT is ten volumes."""
    headers = [h for phase in range(10) for h in _scan(100 * phase, temporal_position=phase)]
    assert _sizes(headers) == [N] * 10


ONE = {
    "a time on every slice": lambda h: replace(h, acquisition_time=f"12{h.instance_number:04d}.5"),
    "an acquisition on every slice": lambda h: replace(h, acquisition_number=h.instance_number),
    "an acquisition on every table position": lambda h: replace(h, acquisition_number=h.instance_number // 4),
    "content times": lambda h: replace(h, content_time=f"12{h.instance_number:04d}"),
    "alternating acquisitions": lambda h: replace(h, acquisition_number=h.instance_number % 2),
}


@pytest.mark.parametrize("case", ONE)
def test_an_ordinary_scan_stays_whole(case: str) -> None:
    """Times and acquisitions that change along the body tear nothing apart."""
    assert _sizes(ONE[case](h) for h in _scan()) == [N]


@pytest.mark.parametrize("case", [case for case in ONE if case != "alternating acquisitions"])
def test_a_hole_tears_nothing_apart(case: str) -> None:
    """Beside a missing slice, too, an ordinary scan is one stack with a hole, not several volumes."""
    assert _sizes(ONE[case](h) for h in _scan() if h.instance_number != 7) == [N - 1]


def test_one_slice_that_came_twice_is_no_volume() -> None:
    """A single repeated slice stays in its stack, whatever its acquisition says."""
    again = replace(_scan()[5], sop_instance_uid="1.9", acquisition_number=9, content_time="1")
    assert _sizes([*_scan(), again]) == [N + 1]


@given(st.randoms(use_true_random=False), st.sampled_from(sorted(SEVERAL)))
def test_order_of_arrival_never_matters(chance: random.Random, case: str) -> None:
    """Shuffled headers split into the same stacks, each in order along its normal."""
    headers = SEVERAL[case]()
    shuffled = chance.sample(headers, len(headers))
    assert split(shuffled) == split(headers)
    for stack in split(shuffled):
        along = heights_mm(stack.slices, normal(stack.slices[0])).tolist()
        assert along == sorted(along)


@given(st.sets(st.integers(0, 60), min_size=1, max_size=60), st.integers(1, 3))
def test_no_slice_is_lost_or_doubled(places: set[int], passes: int) -> None:
    """Every slice with geometry is in exactly one stack."""
    headers = [
        h
        for n in range(passes)
        for h in _scan(100 * n, 61, acquisition_number=n)
        if int(h.position_mm[2]) in places
    ]
    found = sorted(h.sop_instance_uid for stack in split(headers) for h in stack.slices)
    assert found == sorted(h.sop_instance_uid for h in headers)


def _label(headers: list[SliceHeader]) -> str:
    return next(v.label for v in choose(split(headers), _same).volumes if v.chosen)


def test_the_choice_and_why() -> None:
    """Fit before unfit, then original, longest, thinnest, earliest; each volume says what became of it."""
    thin, thick = _scan(kernel="A"), [replace(h, kernel="B") for h in _scan(100, 48)[::2]]
    short = _scan(200, 10, kernel="C")
    derived = _scan(300, 60, kernel="D", image_type=("DERIVED", "PRIMARY", "AXIAL"))
    headers = thin + thick + short + derived
    assert "kernel B" in _label(headers)
    why = {volume.label[14]: volume.why for volume in choose(split(headers), _same).volumes}
    assert why["C"].startswith("too-few-slices")
    assert why["D"] == "derived"
    assert why["A"] == "covers less"
    assert "kernel A" in _label(
        thin + [replace(h, kernel="B", sop_instance_uid=f"{h.sop_instance_uid}.1") for h in thin]
    )
    assert Reason.SEVERAL_VOLUMES in {r.reason for r in choose(split(headers), _same).remarks}


def test_no_fit_volume() -> None:
    """The reason is that of the best volume, and missing geometry where there is none."""
    with pytest.raises(UnfitSeries) as refused:
        choose(split(_scan(n=10)), _same)
    assert refused.value.reason is Reason.TOO_FEW_SLICES
    with pytest.raises(UnfitSeries) as refused:
        choose((), _same)
    assert refused.value.reason is Reason.GEOMETRY_MISSING
