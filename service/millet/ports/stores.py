"""Time, and bytes that are kept."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol


class Clock(Protocol):
    """The only source of time. Only `app.py` owns a real one."""

    def monotonic_s(self) -> float:
        """Seconds for waiting."""

    def utc(self) -> datetime:
        """Timezone-aware UTC for what is written down."""


class Stored(NamedTuple):
    """Bytes that are durable."""

    path: str
    """Where they lie, as the store names it; a function of the bytes alone."""
    digest: str
    """SHA-256 in hex."""
    size_bytes: int


class Spool(Protocol):
    """Bytes by their content. Thread-safe."""

    def write(self, encoded: bytes) -> Stored:
        """Make bytes durable before returning; twice is once. Blocks.

        Raises RefusedInstance (0xA700) when the disk is too full, StoreError when it fails.
        """

    def read(self, path: str) -> bytes:
        """The bytes of a `Stored.path`. Blocks; raises StoreError."""

    def paths(self) -> Sequence[str]:
        """Everything that is stored. Blocks."""
