"""What the pages are made from: callables and ports that somebody else fills."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from starlette.types import ASGIApp

from millet.core.roles import Role, Who
from millet.core.waiting import Patience
from millet.edge.web.stow import Stow
from millet.edge.web.voice import Voice
from millet.ports import Board, ReaderLog, SliceLog, Worklist


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where the pages get what they show. Every callable may block; it is called in a thread."""

    worklist: Worklist
    board: Board
    readers: ReaderLog
    ready: Callable[[], Mapping[str, str]]
    """Each part of the service and why it is not ready, empty where it is."""
    metrics: Callable[[], bytes]
    """The exposition, with its gauges up to date."""
    show_patient: bool
    """Whether patients are named."""
    show_to: Role = Role.VIEWER
    """From which role on, where somebody is recognised."""
    patience: Patience = field(default_factory=Patience)
    """How long the levels may wait."""
    now_utc: Callable[[], datetime] = lambda: datetime.now(UTC)
    """The journal's time; quick."""
    slices: SliceLog | None = None
    """Which instances are behind an analysis; None shows none of them."""
    read: Callable[[str], bytes] = lambda _path: b""
    """The bytes of one of them, from the spool."""
    voice: Voice = field(default_factory=Voice)
    """The language of what it says."""
    destination: str = ""
    """Where reports go, in words."""
    stow: Stow | None = None
    """Where instances go that come over HTTP; None takes none."""
    calls: ASGIApp | None = None
    """Who answers calls of the gRPC contract; None answers none."""

    def names(self, who: Who | None) -> bool:
        """Whether patients are named to somebody, or to nobody known."""
        return self.show_patient and (who is None or who.role >= self.show_to)
