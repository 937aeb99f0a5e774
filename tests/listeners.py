"""Servers that misbehave, on a free port of loopback: for destinations that must survive them."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from typing import Self

Script = Callable[[socket.socket], None]
"""What is done with one connection; it is closed afterwards."""


class Listener:
    """Runs a script for each connection, each in a thread of its own."""

    def __init__(self, script: Script, context: ssl.SSLContext | None = None) -> None:
        self._script = script
        self._context = context
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self.connections = 0
        self.done = threading.Event()
        """Set at the end, for scripts that hang."""
        self._threads = [threading.Thread(target=self._accept)]
        self._open: list[socket.socket] = []

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self.done.set()
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for connection in self._open:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            if self._context is not None:
                connection = self._context.wrap_socket(connection, server_side=True)
            stack.callback(connection.close)
            self._open.append(connection)
            self._script(connection)


def hang(connection: socket.socket) -> None:
    """Read everything, and never say a word."""
    while connection.recv(65_536):
        pass


def deaf(connection: socket.socket) -> None:
    """Take the connection and read nothing for a while."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    threading.Event().wait(1.5)


def dribble(connection: socket.socket) -> None:
    """Answer a byte at a time and never come to an end: each wait is short, all together have no end."""
    connection.recv(65_536)
    with contextlib.suppress(OSError):
        while connection.send(b"H"):
            threading.Event().wait(0.05)


def cut(connection: socket.socket) -> None:
    """Read a little and break off."""
    connection.recv(100)
