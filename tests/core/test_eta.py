from __future__ import annotations

import pytest

from millet.core.eta import Arrival, Windows, eta_s


def arrival(received=100, expected=400, took_s=9.9, is_open=True):
    """10 slices a second."""
    return Arrival(received=received, expected=expected, took_s=took_s, is_open=is_open)


def windows(done, at_s, total=60, stage="detect"):
    """Seen at a time."""
    return Windows(stage=stage, done=done, total=total, at_s=at_s)


@pytest.mark.parametrize(
    ("arriving", "since", "now", "left_s"),
    [
        (arrival(), windows(0, 0.0, 0), windows(0, 1.0, 0), 30.0),
        (arrival(), windows(0, 0.0, 500), windows(2, 1.0, 500), 249.0),
        (arrival(received=400), windows(10, 0.0), windows(30, 10.0), 15.0),
        (arrival(is_open=False), windows(10, 0.0), windows(30, 10.0), 15.0),
        (arrival(is_open=False), windows(60, 0.0), windows(60, 1.0), None),
        (arrival(expected=None), windows(10, 0.0), windows(30, 10.0), None),
        (arrival(received=1), windows(0, 0.0), windows(0, 1.0), None),
        (arrival(is_open=False), windows(10, 0.0, stage="arriving"), windows(30, 10.0), None),
        (arrival(is_open=False), windows(30, 0.0), windows(30, 10.0), None),
    ],
    ids=[
        "slices as they came",
        "windows slower than slices",
        "all there, still open",
        "complete",
        "complete, no pace",
        "nobody says how many",
        "one slice has no pace",
        "another stage",
        "nothing moves",
    ],
)
def test_the_slower_of_slices_and_windows_decides(arriving, since, now, left_s):
    """And nothing is said where nothing is known."""
    told = eta_s(arriving, since, now)
    assert told == (None if left_s is None else pytest.approx(left_s, rel=0.02))
