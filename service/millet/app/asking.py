"""Asking an archive about series that are being received: the questions, and the thread that asks them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from millet.flow.asking import Asking, Count, Pull
from millet.flow.lifecycle import Loop

ASK_EVERY_S = 5.0
"""It is woken for each question; this is for those left behind by a failure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveDesk:
    """Where one archive is asked."""

    asking: Asking
    loop: Loop


def desk(count: Count, monotonic_s: Callable[[], float], pull: Pull | None = None) -> ArchiveDesk:
    """Make one of a way to count, and where there is one a way to have the archive send."""

    def wake() -> None:
        loop.wake()

    asking = Asking(count, monotonic_s, pull, wake)
    loop = Loop("archive", asking.step, ASK_EVERY_S)
    return ArchiveDesk(asking=asking, loop=loop)
