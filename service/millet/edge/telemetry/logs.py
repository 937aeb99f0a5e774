"""Logs: one JSON object per line, and no patient's data in any of them.

Our own loggers (`millet...`) say what they mean; a series appears as `series_tag(uid)`. What other
libraries log cannot be trusted: pynetdicom prints whole data sets at DEBUG, pydicom quotes the value it
does not like. Nor can their messages be cut to templates, since many come ready formatted. So of their
records only level, logger and place in the source are kept, from WARNING on. Of every exception its type
and its frames are kept; the message only of our own errors, whose contract forbids patient data.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import traceback
from datetime import UTC, datetime
from types import TracebackType
from typing import TextIO

from millet.edge.telemetry.requests import REQUEST
from millet.errors import ServiceError

FIELDS = frozenset(
    {
        "address",
        "attempt",
        "by",
        "bytes",
        "closed_by",
        "conflict",
        "count",
        "count_reliable",
        "destination",
        "duration_s",
        "free_bytes",
        "generation",
        "instances",
        "kernel",
        "kind",
        "model",
        "nodules",
        "outcome",
        "port",
        "reason",
        "remarks",
        "result",
        "roles",
        "route",
        "scanner",
        "segment",
        "series",
        "series_id",
        "share",
        "site",
        "stage",
        "state",
        "status",
        "study",
        "trace",
        "triage",
        "waited_s",
        "why",
        "windows_done",
        "windows_total",
    }
)
"""What a record's `extra` may carry into the line."""
OWN_HANDLERS = (
    "dbos",
    "uvicorn",
    "uvicorn.error",
    "uvicorn.access",
    "alembic",
    "pynetdicom",
    "pydicom",
    "sqlalchemy",
)
"""Libraries that bring handlers of their own, which would pass this module by."""


def _is_ours(name: str) -> bool:
    return name == "millet" or name.startswith("millet.")


class OwnOrSerious(logging.Filter):
    """Passes our own records, and others from WARNING on."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is written at all."""
        return _is_ours(record.name) or record.levelno >= logging.WARNING


class JsonLines(logging.Formatter):
    """One JSON object per record."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
        }
        if _is_ours(record.name):
            line["message"] = record.getMessage()
            if request := REQUEST.get():
                line["request"] = request
            line |= {key: value for key, value in vars(record).items() if key in FIELDS}
        else:
            line["at"] = f"{record.module}.{record.funcName}:{record.lineno}"
        if record.exc_info and record.exc_info[1]:
            line["error"] = _error(record.exc_info[1])
        return json.dumps(line, ensure_ascii=True, default=str)


def _error(error: BaseException) -> dict[str, object]:
    """An exception and what caused it: types and frames, and the messages of our own errors."""
    frames = traceback.extract_tb(error.__traceback__)
    told: dict[str, object] = {
        "type": type(error).__qualname__,
        "frames": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
    }
    if isinstance(error, ServiceError):
        told["message"] = str(error)
    if cause := error.__cause__ or error.__context__:
        told["cause"] = _error(cause)
    return told


def configure(level: str, stream: TextIO | None = None) -> logging.Handler:
    """Make JSON lines the only log output of this process, warnings and uncaught errors included.

    Args:
        level: DEBUG, INFO, WARNING or ERROR, for our own loggers.
        stream: where lines go; stderr if not given.

    Returns:
        The handler, for a test to take off again.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines())
    handler.addFilter(OwnOrSerious())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("millet").setLevel(level)
    logging.raiseExceptions = False
    logging.captureWarnings(capture=True)
    for name in OWN_HANDLERS:
        _take_over(logging.getLogger(name), handler)
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread
    return handler


def _take_over(logger: logging.Logger, handler: logging.Handler) -> None:
    """Our handler instead of any other: a library that finds one does not add its own."""
    logger.handlers[:] = [handler]
    logger.propagate = False
    logger.setLevel(logging.WARNING)


def _uncaught(kind: type[BaseException], error: BaseException, at: TracebackType | None) -> None:
    logging.getLogger("millet").critical("uncaught error", exc_info=(kind, error, at))


def _uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None and not isinstance(args.exc_value, SystemExit):
        _uncaught(args.exc_type, args.exc_value, args.exc_traceback)
