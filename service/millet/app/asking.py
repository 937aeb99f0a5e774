"""Asking an archive about series that are being received: the questions, and the thread that asks them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from millet.errors import ArchiveError
from millet.flow.asking import Asking, Count, Named, Pull
from millet.flow.lifecycle import Loop
from millet.ports import Archive, SeriesName

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


def of_archives(
    known: Mapping[str, Archive],
    monotonic_s: Callable[[], float],
    pull: Callable[[str, SeriesName], object],
) -> ArchiveDesk:
    """One for all archives: what the fullest holds counts, and each is pulled from in turn.

    `pull` fetches from an archive by name what is missing here. Raises ServiceError.
    """

    def count(named: Named) -> int | None:
        held = [_held(archive, SeriesName(*named)) for archive in known.values()]
        return max((number for number in held if number is not None), default=None)

    def fetch(named: Named) -> None:
        for name in known:
            pull(name, SeriesName(*named))

    return desk(count, monotonic_s, fetch)


def _held(archive: Archive, name: SeriesName) -> int | None:
    """No answer for a series whose identifiers are no UIDs, and of an archive that cannot be asked."""
    try:
        return archive.count(name.checked())
    except (ArchiveError, ValueError):
        return None
