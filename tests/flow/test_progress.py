from __future__ import annotations

import threading

from millet.flow.progress import ARRIVING, ProgressBoard, Reached


class Log:
    """A `ProgressLog` in memory."""

    def __init__(self) -> None:
        self.told: list[tuple[int, str, int, int]] = []

    def reached(self, series_id: int, stage: str, done: int, total: int) -> None:
        """Keep it."""
        self.told.append((series_id, stage, done, total))

    def since(self) -> list[tuple[int, str, int, int]]:
        """What was journalled since this was asked last."""
        told, self.told = self.told, []
        return told


def test_only_the_newest_of_each_series_is_journalled() -> None:
    """However often it was told between two steps."""
    log = Log()
    board = ProgressBoard(log)
    for done in range(50):
        board.tell(1, Reached(ARRIVING, done, 60))
    board.tell(2, Reached("reading", 0, 0))
    assert log.since() == []
    board.step()
    assert sorted(log.since()) == [(1, ARRIVING, 49, 60), (2, "reading", 0, 0)]


def test_what_has_not_changed_is_not_journalled_again() -> None:
    """Nor what changed and changed back before anybody looked."""
    log = Log()
    board = ProgressBoard(log)
    here, there = Reached(ARRIVING, 3, 60), Reached(ARRIVING, 4, 60)
    board.tell(1, here)
    board.step()
    assert log.since() == [(1, *here)]
    board.tell(1, here)
    board.step()
    board.tell(1, there)
    board.tell(1, here)
    board.step()
    assert log.since() == []
    board.tell(1, there)
    board.step()
    board.step()
    assert log.since() == [(1, *there)]


def test_of_a_series_that_ended_nothing_more_is_journalled() -> None:
    """What still waited is dropped; a next generation begins anew."""
    log = Log()
    board = ProgressBoard(log)
    here = Reached("finding nodules", 5, 9)
    board.tell(1, here)
    board.step()
    board.tell(1, Reached("finding nodules", 6, 9))
    board.ended(1)
    board.ended(2)
    board.step()
    assert log.since() == [(1, *here)]
    board.tell(1, here)
    board.step()
    assert log.since() == [(1, *here)]


def test_it_may_be_told_from_everywhere() -> None:
    """Threads that tell while one journals: the last of each is journalled, none twice."""
    log = Log()
    board = ProgressBoard(log)

    def tell(series_id: int) -> None:
        for done in range(1, 301):
            board.tell(series_id, Reached(ARRIVING, done, 300))

    threads = [threading.Thread(target=tell, args=(series_id,)) for series_id in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        board.step()
    board.step()
    for series_id in range(4):
        done = [one[2] for one in log.told if one[0] == series_id]
        assert done == sorted(set(done))
        assert done[-1] == 300
