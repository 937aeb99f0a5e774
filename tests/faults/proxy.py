"""A wire that can be cut: a TCP proxy with delays, stalls, and cuts after so many bytes."""

from __future__ import annotations

import socket
import struct
import threading
import time
from contextlib import suppress

THERE, BACK = 0, 1
"""From who connected to who listens, and back."""
CHUNK_BYTES = 16_384
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with no time: close by RST, as a firewall does."""


class Proxy:
    """Listens on `port`, and passes on to another port of this machine."""

    def __init__(self, upstream_port: int) -> None:
        self._upstream_port = upstream_port
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = int(self._listener.getsockname()[1])
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self._shut = False
        self._delay_s = 0.0
        self._flows = threading.Event()
        self._flows.set()
        self._left: list[int | None] = [None, None]
        self.cuts = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Cut every connection now."""
        with self._lock:
            ends, self._open = self._open, []
            self._left = [None, None]
            self.cuts += bool(ends)
        for end in ends:
            with suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                end.shutdown(socket.SHUT_RDWR)
        for end in ends:
            end.close()

    def cut_after(self, direction: int, more_bytes: int) -> None:
        """Cut every connection after so many more bytes in a direction: in the middle of whatever it is."""
        with self._lock:
            self._left[direction] = more_bytes

    def shut(self, *, shut: bool) -> None:
        """Let nobody through, or let them again."""
        self._shut = shut
        if shut:
            self.cut()

    def stall(self, *, stalled: bool) -> None:
        """Keep what is sent, connections open, or let it flow again."""
        if stalled:
            self._flows.clear()
        else:
            self._flows.set()

    def delay(self, delay_s: float) -> None:
        """Have each chunk take so long."""
        self._delay_s = delay_s

    def heal(self) -> None:
        """A sound wire again; open connections stay."""
        self._shut, self._delay_s = False, 0.0
        with self._lock:
            self._left = [None, None]
        self._flows.set()

    def close(self) -> None:
        """Listen no more."""
        self._shut = True
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        self._flows.set()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            try:
                if self._shut:
                    raise ConnectionRefusedError
                far = socket.create_connection(("127.0.0.1", self._upstream_port), 5)
                for end in (near, far):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except OSError:
                with suppress(OSError):
                    near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                near.close()
                continue
            far.settimeout(None)
            with self._lock:
                self._open += [near, far]
            for direction, source, sink in ((THERE, near, far), (BACK, far, near)):
                threading.Thread(target=self._pump, args=(direction, source, sink), daemon=True).start()

    def _pump(self, direction: int, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while chunk := source.recv(CHUNK_BYTES):
                if self._delay_s:
                    time.sleep(self._delay_s)
                self._flows.wait()
                passed = self._allowed(direction, len(chunk))
                sink.sendall(chunk[:passed])
                if passed < len(chunk):
                    self.cut()
                    return
            sink.shutdown(socket.SHUT_WR)
            return
        self._close(source, sink)

    def _close(self, *ends: socket.socket) -> None:
        with self._lock:
            self._open = [end for end in self._open if end not in ends]
        for end in ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _allowed(self, direction: int, size_bytes: int) -> int:
        with self._lock:
            left = self._left[direction]
            if left is None:
                return size_bytes
            self._left[direction] = max(left - size_bytes, 0)
            return min(left, size_bytes)
