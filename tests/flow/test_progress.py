from __future__ import annotations

import pytest

from millet.flow.progress import ProgressBoard, Reached


class Log:
    """A `ProgressLog` that keeps what it is told."""

    def __init__(self):
        self.told = []

    def reached(self, series_id, stage, done, total):
        """See the port."""
        self.told.append((series_id, stage, done, total))


@pytest.fixture
def log():
    """Nothing told yet."""
    return Log()


@pytest.fixture
def board(log):
    """A board over it."""
    return ProgressBoard(log)


def test_only_the_newest_of_each_series_is_journalled(log, board):
    """However many windows were done between two steps."""
    for done in range(5):
        board.tell(1, Reached("detect", done, 7))
    board.tell(2, Reached("lungs", 0, 0))
    assert log.told == []
    board.step()
    assert log.told == [(1, "detect", 4, 7), (2, "lungs", 0, 0)]


def test_what_has_not_changed_is_not_journalled_again(log, board):
    """Saying the same again is silence; going back is not."""
    for reached in (Reached("detect", 1, 7), Reached("detect", 1, 7), Reached("arriving", 0, 0)):
        board.tell(1, reached)
        board.step()
    assert log.told == [(1, "detect", 1, 7), (1, "arriving", 0, 0)]


def test_nothing_is_told_of_a_series_that_has_ended(log, board):
    """What waited to be told is forgotten, and a next generation begins anew."""
    board.tell(1, Reached("report", 0, 0))
    board.step()
    board.tell(1, Reached("detect", 7, 7))
    board.ended(1)
    board.step()
    assert log.told == [(1, "report", 0, 0)]
    board.tell(1, Reached("report", 0, 0))
    board.step()
    assert len(log.told) == 2
