"""The logging of this process, put back after a test that configures it as the service does."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def put_back() -> Iterator[None]:
    """Handlers, levels and hooks are afterwards what they were before."""
    others = [logging.getLogger(name) for name in logging.root.manager.loggerDict]
    before = [(one, one.handlers[:], one.propagate, one.level) for one in (logging.getLogger(), *others)]
    hooks = (sys.excepthook, threading.excepthook, logging.raiseExceptions)
    try:
        yield
    finally:
        logging.captureWarnings(capture=False)
        sys.excepthook, threading.excepthook, logging.raiseExceptions = hooks
        for logger, handlers, propagate, level in before:
            logger.handlers[:], logger.propagate = handlers, propagate
            logger.setLevel(level)
