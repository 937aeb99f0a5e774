"""The DICOM port: a thread for each connection, and never kept busy by those that say nothing."""

from __future__ import annotations

import hashlib
import logging
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from time import monotonic
from typing import Any

from millet.edge.scp import negotiation
from millet.edge.scp.association import Acceptor, Behind
from millet.edge.scp.inbound import Lost, be_patient
from millet.edge.scp.messages import ProtocolError

log = logging.getLogger(__name__)

MOST_CONNECTIONS = 1000
"""A connection that has not sent an instance costs 50 kB, one that has 0.3 MB."""
IDLE_S = 300.0
"""Scanners pause between slices for longer than the customary 60 seconds."""
SILENT_S = 30.0
"""For whoever has not asked for an association yet."""
FEW = 8
"""Connections that have large buffers."""
BACKLOG = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen:
    """Where we listen, and for how many."""

    host: str
    port: int
    """0 for any free one."""
    tls: Callable[[], ssl.SSLContext | None] = lambda: None
    """The context for the next connection; None for an unencrypted one."""
    most: int = MOST_CONNECTIONS
    """Connections at once; beyond, the oldest that says nothing is hung up on."""


@dataclass(slots=True, eq=False)
class _Connection:
    number: int
    line: socket.socket
    address: str
    thread: threading.Thread | None = None
    associated: bool = False
    is_large: bool = False
    began_s: float = field(default_factory=monotonic)


class StorageScp:
    """Storage, Verification and other services on one port."""

    def __init__(self, listen: Listen, behind: Behind) -> None:
        self._listen = listen
        self._behind = behind
        self._numbers = count(1)
        self._known = negotiation.supported(behind.services)
        self._listening: socket.socket | None = None
        self._open: set[_Connection] = set()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """The port that is listened on."""
        if self._listening is None:
            raise RuntimeError("the SCP does not listen")
        return int(self._listening.getsockname()[1])

    @property
    def associations(self) -> int:
        """How many associations are open."""
        with self._lock:
            return sum(one.associated for one in self._open)

    def start(self) -> None:
        """Listen. Raises OSError when the port is taken."""
        logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)
        family = socket.AF_INET6 if ":" in self._listen.host else socket.AF_INET
        listening = socket.create_server(
            (self._listen.host, self._listen.port), family=family, backlog=BACKLOG
        )
        self._listening = listening
        self._thread = threading.Thread(target=self._accept, args=(listening,), name="dicom", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Accept no more and end what is open; what was acknowledged is durable already."""
        if self._listening is None or self._thread is None:
            return
        self._listening.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listening.close()
        self._listening = None
        with self._lock:
            left = list(self._open)
        for one in left:
            _hang_up(one.line)
        for one in left:
            if one.thread is not None:
                one.thread.join(2.0)

    def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                line, address = listening.accept()
            except OSError:
                if listening.fileno() < 0 or self._stopped(listening):
                    return
                continue
            one = _Connection(next(self._numbers), line, str(address[0]))
            with self._lock:
                self._make_room()
                self._open.add(one)
            one.thread = threading.Thread(
                target=self._serve, args=(one,), name=f"association-{one.number}", daemon=True
            )
            one.thread.start()

    def _stopped(self, listening: socket.socket) -> bool:
        try:
            return not listening.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        except OSError:
            return True

    def _make_room(self) -> None:
        """Hang up on the oldest of those that have not asked for anything, if there are too many."""
        if len(self._open) < self._listen.most:
            return
        idle = [one for one in self._open if not one.associated] or list(self._open)
        _hang_up(min(idle, key=lambda one: one.began_s).line)

    def _serve(self, one: _Connection) -> None:
        try:
            one.line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if context := self._listen.tls():
                one.line.settimeout(SILENT_S)
                one.line = context.wrap_socket(one.line, server_side=True)
            be_patient(one.line, SILENT_S)
            self._associate(one)
        except (OSError, Lost, ProtocolError) as end:
            log.info("a connection ended: %s", _words(end), extra={"address": one.address})
        except Exception:
            log.exception("a connection failed")
        finally:
            with self._lock:
                self._open.discard(one)
            one.line.close()

    def _may_grow(self, one: _Connection) -> bool:
        with self._lock:
            one.is_large = sum(other.is_large for other in self._open) < FEW
        return one.is_large

    def _associate(self, one: _Connection) -> None:
        acceptor = Acceptor(one.line, one.number, self._behind, lambda: self._may_grow(one))
        caller, refusal = acceptor.negotiate(one.address, _certificate(one.line), self._known)
        self._behind.asked(caller, refusal)
        if refusal:
            return
        one.associated = True
        be_patient(one.line, IDLE_S)
        self._behind.began(one.number)
        try:
            acceptor.serve(caller)
        except ProtocolError:
            acceptor.abort()
            raise
        finally:
            self._behind.ended(one.number)


def _certificate(line: socket.socket) -> tuple[str, str, str]:
    """Subject common name, SHA-256 and end (as `ssl` writes it) of the certificate that the peer showed."""
    if not isinstance(line, ssl.SSLSocket) or not (shown := line.getpeercert(binary_form=True)):
        return "", "", ""
    told: Any = line.getpeercert() or {}
    names = [value for part in told.get("subject", ()) for key, value in part if key == "commonName"]
    return (names or [""])[0], hashlib.sha256(shown).hexdigest(), str(told.get("notAfter", ""))


def _words(end: Exception) -> str:
    return str(end) if isinstance(end, Lost | ProtocolError) else type(end).__name__


def _hang_up(line: socket.socket) -> None:
    try:
        line.shutdown(socket.SHUT_RDWR)
    except OSError:
        line.close()
