"""Ports for servers that tests start."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from threading import Lock

FIRST, LAST = 20_001, 32_767
"""Below those from which the kernel serves who connects: a connection could take what was just chosen."""

_given: set[int] = set()
_choosing = Lock()


def free_port() -> int:
    """A loopback port that nobody listens on, and that this program gives to nobody else."""
    width = LAST - FIRST + 1
    begin = os.getpid() * 61 % width
    with _choosing:
        for port in (FIRST + (begin + step) % width for step in range(width)):
            if port in _given:
                continue
            with socket.socket() as probe, suppress(OSError):
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", port))
                _given.add(port)
                return port
    raise OSError("no port is free")
