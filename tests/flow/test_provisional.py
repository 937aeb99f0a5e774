from __future__ import annotations

from collections.abc import Collection

from millet.core.geometry import PointMm
from millet.core.nodule import Candidate
from millet.flow.provisional import ProvisionalBoard, name_of
from millet.ports import Found


def candidate(x_mm: float) -> Candidate:
    """Somewhere."""
    return Candidate(centre_mm=PointMm(x_mm, 2.0, -3.0), diameter_mm=4.0, score=0.9)


class Log:
    """A `ProvisionalLog` in memory."""

    def __init__(self) -> None:
        self.told: list[tuple[int, list[str], list[str]]] = []

    def provisional_found(self, series_id: int, found: Found, retracted: Collection[str]) -> None:
        """Keep it."""
        self.told.append((series_id, list(found), list(retracted)))

    def since(self) -> list[tuple[int, list[str], list[str]]]:
        """What was journalled since this was asked last."""
        told, self.told = self.told, []
        return told


A, B, C = (candidate(float(x_mm)) for x_mm in range(3))
NAMES = {one: name_of(one) for one in (A, B, C)}


def test_what_is_new_is_told_and_what_is_gone_is_retracted() -> None:
    """Nothing twice, and nothing where nothing changed."""
    log = Log()
    board = ProvisionalBoard(log)
    board.tell(1, [A])
    board.tell(1, [A, B])
    board.step()
    assert log.since() == [(1, [NAMES[A], NAMES[B]], [])]
    board.tell(1, [A, B])
    board.step()
    board.step()
    assert log.since() == []
    board.tell(1, [B, C])
    board.step()
    assert log.since() == [(1, [NAMES[C]], [NAMES[A]])]


def test_a_candidate_keeps_its_name_within_a_tenth_of_a_millimetre() -> None:
    """Another analyser calls it the same; another place has another name."""
    assert name_of(candidate(0.51)) == name_of(candidate(0.49))
    assert name_of(candidate(0.51)) != name_of(candidate(0.64))


def test_of_a_series_that_ended_all_is_retracted_and_forgotten() -> None:
    """Its next generation begins anew; another series is not touched."""
    log = Log()
    board = ProvisionalBoard(log)
    for series_id in (1, 2):
        board.tell(series_id, [A])
    board.step()
    log.since()
    board.tell(1, ())
    board.step()
    assert log.since() == [(1, [], [NAMES[A]])]
    board.tell(1, [A])
    board.step()
    assert log.since() == [(1, [NAMES[A]], [])]
