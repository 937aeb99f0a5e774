from __future__ import annotations

from millet.cli.analyse import shown


def told() -> tuple[list[tuple[str, float]], object]:
    """What a bar was told, and the progress that tells it."""
    ticks: list[tuple[str, float]] = []
    return ticks, shown(lambda what, share: ticks.append((what, share)))


def test_a_bar_shows_the_stage_and_its_windows() -> None:
    """From none to all of them."""
    ticks, progress = told()
    for done in (0, 3, 12):
        progress("looking for nodules", done, 12)
    assert ticks == [
        ("looking for nodules, 0 of 12 windows", 0.0),
        ("looking for nodules, 3 of 12 windows", 0.25),
        ("looking for nodules, 12 of 12 windows", 1.0),
    ]


def test_a_stage_without_windows_shows_its_name() -> None:
    """Nothing is counted, and nothing is done."""
    ticks, progress = told()
    progress("reading", 0, 0)
    assert ticks == [("reading", 0.0)]
