"""The real clock."""

from __future__ import annotations

import time
from datetime import UTC, datetime


class SystemClock:
    """The real `Clock`."""

    def monotonic_s(self) -> float:
        """Seconds for waiting."""
        return time.monotonic()

    def utc(self) -> datetime:
        """Timezone-aware UTC."""
        return datetime.now(UTC)
