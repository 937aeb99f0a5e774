"""TLS after BCP 195 (RFC 9325, PS3.15 B.12): contexts for servers and clients, renewed without a restart.

A server asks for its context at each new connection. Where the files have changed since, a new context is
made of them; where that fails, the old one stays in use and the failure is told once for each change.
"""

from __future__ import annotations

import hashlib
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from millet.core.doors import Certificate
from millet.errors import SettingsError
from millet.ports import Pems

CIPHERS_TLS_1_2 = (
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384"
)
"""RFC 9325 4.2: forward secrecy and authenticated encryption only. TLS 1.3 has nothing else."""
SECONDS_PER_DAY = 86400.0
HAS_EXPIRED = 10
"""X509_V_ERR_CERT_HAS_EXPIRED of OpenSSL."""

Told = Callable[[str], None]
"""Told why renewed files are not used, or the empty string when they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """PEM files of a server."""

    certificate: Path
    """Its own, with the chain up to a root that clients know."""
    key: Path
    roots: Path | None = None
    """Who signs the certificates of clients; None asks them for none."""

    @property
    def all(self) -> tuple[Path, ...]:
        """Those that are there."""
        return tuple(path for path in (self.certificate, self.key, self.roots) if path is not None)


class ServerTls:
    """The context of a server, always of the newest files that work. Thread-safe.

    Args:
        files: what it is made of.
        require: whether a client without a certificate is turned away; without, it may show one.
        told: see `Told`.

    Raises SettingsError where the files cannot be used from the start.
    """

    def __init__(self, files: Files, *, require: bool, told: Told) -> None:
        self._files = files
        self._require = require
        self._told = told
        self._lock = threading.Lock()
        try:
            self._seen = _state(files)
            self._context = server_context(files, require=require)
            self._pems = _pems(files)
        except (OSError, ValueError) as error:
            raise SettingsError([f"TLS: {_words(files, error)}"]) from error

    def context(self) -> ssl.SSLContext:
        """For one new connection."""
        with self._lock:
            self._renew()
            return self._context

    def pems(self) -> Pems:
        """For a server that makes its own context, such as gRPC's."""
        with self._lock:
            self._renew()
            return self._pems

    def following(self) -> ssl.SSLContext:
        """A context for a server that takes only one: each handshake is given the newest by it."""
        anchor = server_context(self._files, require=self._require)

        def newest(connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
            connection.context = self.context()

        anchor.sni_callback = newest
        return anchor

    def _renew(self) -> None:
        try:
            now = _state(self._files)
        except OSError:
            return  # between the removal of a file and its successor
        if now == self._seen:
            return
        self._seen = now
        try:
            context, pems = server_context(self._files, require=self._require), _pems(self._files)
        except (OSError, ValueError) as error:
            self._told(_words(self._files, error))
        else:
            self._context, self._pems = context, pems
            self._told("")


def server_context(files: Files, *, require: bool) -> ssl.SSLContext:
    """A server's context of files. Raises OSError (ssl.SSLError is one) or ValueError."""
    context = _strict(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    context.load_cert_chain(files.certificate, files.key, password=_no_password)
    if files.roots is not None:
        context.load_verify_locations(files.roots)
        context.verify_mode = ssl.CERT_REQUIRED if require else ssl.CERT_OPTIONAL
    return context


def client_context(roots: Path | None, certificate: Path | None, key: Path | None) -> ssl.SSLContext:
    """A client's context: the server's certificate and name are verified, ours is shown if there is one.

    Args:
        roots: who signs servers' certificates; None for those of the system.
        certificate: ours, None for none.
        key: its key.

    Raises SettingsError.
    """
    context = _strict(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    try:
        if roots is None:
            context.load_default_certs()
        else:
            context.load_verify_locations(roots)
        if certificate is not None:
            context.load_cert_chain(certificate, key, password=_no_password)
    except (OSError, ValueError) as error:
        named = ", ".join(str(path) for path in (roots, certificate, key) if path is not None)
        raise SettingsError([f"TLS: {named or 'roots of the system'}: {_reason(error)}"]) from error
    return context


def peer_certificate(connection: ssl.SSLSocket | ssl.SSLObject) -> Certificate | None:
    """Who the other end has proved to be; None if it showed nothing."""
    der, told = connection.getpeercert(binary_form=True), connection.getpeercert()
    if not der or not told:
        return None
    return Certificate(common_name=_common_name(told), sha256=hashlib.sha256(der).hexdigest())


def days_left(certificate: Path, now_utc: datetime) -> float:
    """Days until a certificate of a PEM file expires, the soonest of its chain; negative afterwards.

    Raises OSError or ValueError.
    """
    from cryptography import x509  # which the receiver's process need not load to listen

    chain = x509.load_pem_x509_certificates(certificate.read_bytes())
    soonest = min(one.not_valid_after_utc for one in chain)
    return (soonest - now_utc.astimezone(UTC)).total_seconds() / SECONDS_PER_DAY


def seconds_left(host: str, port: int, context: ssl.SSLContext, now_utc: datetime, timeout_s: float) -> float:
    """Seconds until the certificate of a server expires; 0 where it has. Blocks, raises OSError."""
    try:
        with (
            socket.create_connection((host, port), timeout_s) as line,
            context.wrap_socket(line, server_hostname=host) as secured,
        ):
            ends = str((secured.getpeercert() or {}).get("notAfter", ""))
    except ssl.SSLCertVerificationError as error:
        if error.verify_code == HAS_EXPIRED:
            return 0.0
        raise
    return ssl.cert_time_to_seconds(ends) - now_utc.timestamp()


def _strict(context: ssl.SSLContext) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS_TLS_1_2)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    return context


def _no_password() -> str:
    """A key that is encrypted would ask on the terminal of a service, which has none."""
    raise ValueError("its key is encrypted; give it unencrypted, readable by this service alone")


def _pems(files: Files) -> Pems:
    roots = None if files.roots is None else files.roots.read_bytes()
    return Pems(files.certificate.read_bytes(), files.key.read_bytes(), roots)


def _state(files: Files) -> tuple[tuple[int, int, int], ...]:
    """What changes with a file's bytes; links, as Kubernetes swaps them, are followed."""
    stats = [path.stat() for path in files.all]
    return tuple((one.st_ino, one.st_mtime_ns, one.st_size) for one in stats)


def _words(files: Files, error: Exception) -> str:
    return f"{', '.join(str(path) for path in files.all)}: {_reason(error)}"


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return error.reason or "no certificate or key that can be read"
    return getattr(error, "strerror", None) or str(error)


def _common_name(told: Mapping[str, Any]) -> str:
    pairs = [pair for part in told.get("subject", ()) for pair in part]
    return next((value for name, value in pairs if name == "commonName"), "")
