"""What instances are submitted to in tests: a reception in memory, and a desk of pulls."""

from __future__ import annotations

import threading
from collections.abc import Collection
from dataclasses import dataclass, field
from itertools import count

from fakes import HandClock, MemorySpool

from millet.edge.grpc_api import Submissions
from millet.flow.reception import Reception, Receptions
from millet.ports import Asked, AskedPull, PulledSeries, PullEnd, PullOrder, PullState, Site

SOURCE = Site("here", "GRPC", "MILLET")


class Receiver:
    """The real reception over a spool in memory, and what it was told."""

    def __init__(self, most_bytes: int = 1_000_000) -> None:
        self.spool = MemorySpool()
        self.receptions = Receptions(self.spool, HandClock(), lambda: None, most_bytes=most_bytes)
        self.came: list[tuple[str, int, str]] = []
        self.ended: list[int] = []
        self.over = threading.Semaphore(0)
        self.numbers = count(-1, -1)
        self.held: threading.Event | None = None
        """Until it is set the next instance that begins does not go on."""
        self.waits = threading.Semaphore(0)
        self.error: Exception | None = None
        self.lost = False
        """Whether what is told of an instance meets an error."""

    def submissions(self, most: int = 2, silence_s: float = 60.0) -> Submissions:
        """The door to it."""
        return Submissions(
            source=SOURCE,
            reception=self._reception,
            number=lambda: next(self.numbers),
            ended=self._ended,
            came=self._came,
            most=most,
            silence_s=silence_s,
        )

    def kept(self) -> list[bytes]:
        """Every instance that is durable."""
        return [self.spool.read(path) for path in self.spool.paths()]

    def _reception(self) -> Reception:
        held, self.held = self.held, None
        if held is not None:
            self.waits.release()
            assert held.wait(30)
        if self.error:
            raise self.error
        return self.receptions.associated()

    def _came(self, title: str, status: int, why: str, *_: float) -> None:
        if self.lost:
            raise LookupError
        self.came.append((title, status, why))

    def _ended(self, number: int) -> None:
        self.ended.append(number)
        self.over.release()


@dataclass
class HandPull:
    """A pull that a test moves on."""

    order: PullOrder
    now: PullState = field(default_factory=lambda: PullState((), None))

    def state(self) -> PullState:
        """As the test says."""
        return self.now

    def stands(self, *series: PulledSeries, end: PullEnd | None = None, why: str = "") -> None:
        """How it stands from now on."""
        self.now = PullState(series, end, why)


class HandDesk:
    """A `PullDesk` whose pulls a test moves on."""

    def __init__(self, *archives: str) -> None:
        self.names = archives
        self.pulls: dict[str, HandPull] = {}
        self.answer = Asked.NEW
        self.state = PullState((), None)

    @property
    def archives(self) -> Collection[str]:
        """Their names."""
        return self.names

    def ask(self, key: str, order: PullOrder) -> tuple[Asked, AskedPull | None]:
        """As the test says."""
        if self.answer in {Asked.OTHER_ORDER, Asked.TOO_MANY}:
            return self.answer, None
        self.pulls.setdefault(key, HandPull(order, self.state))
        return self.answer, self.pulls[key]
