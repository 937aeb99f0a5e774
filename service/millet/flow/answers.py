"""What windows answer, waited for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait

from millet.core.boxes import Proposal
from millet.errors import DetectorError, Interrupted

Progress = Callable[[int, int], None]
"""Told how many windows are done, of how many."""
_TICK_S = 0.2
"""How often a long wait tells that it goes on."""


def as_they_come(windows: Sequence[Future[list[Proposal]]], progress: Progress) -> Iterator[list[Proposal]]:
    """What was found in each window, as they are done. Raises DetectorError, Interrupted."""
    left = set(windows)
    progress(0, len(windows))
    while left:
        done, left = wait(left, timeout=_TICK_S, return_when=FIRST_COMPLETED)
        progress(len(windows) - len(left), len(windows))
        for future in done:
            if future.cancelled():
                raise Interrupted
            yield _found(future)


def answered(windows: Iterable[Future[list[Proposal]]]) -> Iterator[Proposal]:
    """What was found in those that are done and did not fail."""
    for future in windows:
        if future.done() and not failed(future):
            yield from future.result()


def failed(future: Future[list[Proposal]]) -> bool:
    """Whether a window is to be tried again."""
    return future.cancelled() or (future.done() and future.exception() is not None)


def _found(future: Future[list[Proposal]]) -> list[Proposal]:
    failure = future.exception()
    if failure is None:
        return future.result()
    if isinstance(failure, DetectorError | Interrupted):
        raise failure
    raise DetectorError(f"a window could not be made: {type(failure).__name__}") from failure
