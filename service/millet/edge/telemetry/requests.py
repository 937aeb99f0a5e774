"""The name of the request that is being answered, which every line of the log for it carries."""

from __future__ import annotations

import re
import uuid
from contextvars import ContextVar

HEADER = "x-request-id"
"""In which a caller may name its request, and in which every answer names it; gRPC calls it metadata."""
_GOOD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

REQUEST: ContextVar[str] = ContextVar("request", default="")
"""Empty where nothing is being answered. It goes along into the threads that a request waits for."""


def named(given: str) -> str:
    """The name that a caller gave, where it is one, else a new one."""
    return given if _GOOD.fullmatch(given) else uuid.uuid4().hex
