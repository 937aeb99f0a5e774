"""What every test may use."""

from __future__ import annotations

import os
import sys
import threading
import traceback
from pathlib import Path
from types import FrameType

import pytest

sys.path.insert(0, str(Path(__file__).parent))

pytest_plugins = ("postgres", "s3", "working")

_ENDED = pytest.StashKey[int]()


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Remember how it ended."""
    session.config.stash[_ENDED] = int(exitstatus)


def pytest_unconfigure(config: pytest.Config) -> None:
    """End now if a thread of DBOS waits for a workflow of an engine that has gone: Python would join it."""
    frames = sys._current_frames()
    left = [t.name for t in threading.enumerate() if not t.daemon and _is_in_dbos(frames.get(t.ident or 0))]
    if left and _ENDED in config.stash:
        config.get_terminal_writer().line(f"left behind: {', '.join(left)}")
        config.get_terminal_writer().flush()
        os._exit(config.stash[_ENDED])


def _is_in_dbos(frame: FrameType | None) -> bool:
    if frame is None:
        return False
    return any("dbos" in Path(f.f_code.co_filename).parts for f, _ in traceback.walk_stack(frame))
