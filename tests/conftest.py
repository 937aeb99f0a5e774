"""What every test may use."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

_ENDED = pytest.StashKey[int]()


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Remember how it ended."""
    session.config.stash[_ENDED] = int(exitstatus)


def pytest_unconfigure(config: pytest.Config) -> None:
    """End now: a thread of DBOS may wait for a workflow of an engine that has gone, and Python for it."""
    waiting = [t for t in threading.enumerate() if t is not threading.main_thread() and not t.daemon]
    if waiting and _ENDED in config.stash:
        config.get_terminal_writer().line(f"left behind: {', '.join(t.name for t in waiting)}")
        config.get_terminal_writer().flush()
        os._exit(config.stash[_ENDED])
