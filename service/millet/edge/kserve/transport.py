"""Where a remote detector is and how its channel is secured. Headers are never shown: they hold tokens."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from millet.core.retry import Patience
from millet.errors import SettingsError

LIMITS: tuple[tuple[str, int], ...] = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
)
"""gRPC takes 4 MiB by default: less than one window, and fewer peaks than there may be."""
PATIENCE = Patience(first_s=0.2, longest_s=2.0, give_up_s=10.0)
_CHANNEL: tuple[tuple[str, int], ...] = (
    *LIMITS,
    ("grpc.keepalive_time_ms", 310_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 5_000),
    ("grpc.enable_retries", 0),
)
"""A server takes pings more often than every five minutes, while it computes and sends nothing, for abuse
and drops the call (seen after four minutes with one a minute). What is sent and not acknowledged for the
keepalive's timeout ends a connection all the same. Retries are the client's: gRPC's own are only for
small messages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """PEM files of one end. Raises SettingsError when they are read and cannot be."""

    roots: Path | None = None
    """Who signs the other end's certificate. Client: None for those that come with gRPC. Server: None asks
    no client for a certificate."""
    certificate: Path | None = None
    """What this end shows; a server must, a client may."""
    key: Path | None = None

    def client(self) -> grpc.ChannelCredentials:
        """What a channel is opened with."""
        return grpc.ssl_channel_credentials(*(_read(p) for p in (self.roots, self.key, self.certificate)))

    def server(self) -> grpc.ServerCredentials:
        """What a port is opened with."""
        key, certificate, roots = (_read(p) for p in (self.key, self.certificate, self.roots))
        if key is None or certificate is None:
            raise SettingsError(["a server's TLS needs certificate and key"])
        return grpc.ssl_server_credentials([(key, certificate)], roots, require_client_auth=roots is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A KServe v2 server. Raises SettingsError that names every mistake, and no header's value."""

    address: str
    """host:port, [host]:port for IPv6."""
    timeout_s: float = 60.0
    """For each try of each call."""
    tls: Tls | None = None
    """None sends windows and headers unencrypted: for loopback, or where the network itself encrypts."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Sent with each call: `{"authorization": "Bearer ..."}`."""
    request_bytes: int = 1 << 30
    """Of the windows in one request, at most; a window alone may be more. Protobuf ends at 2 GiB."""
    patience: Patience = PATIENCE
    """How long a server that is not available is tried again, before it is a DetectorError."""

    def __post_init__(self) -> None:
        mistakes = []
        if not re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[^\s:/@]+):\d{1,5}", self.address):
            mistakes.append("the address of a remote detector is host:port, without scheme or user")
        if self.timeout_s <= 0:
            mistakes.append(f"timeout_s {self.timeout_s} must be positive")
        if not 0 < self.request_bytes <= 1 << 30:
            mistakes.append(f"request_bytes {self.request_bytes} must be positive, at most {1 << 30}")
        for name, value in self.headers.items():
            if not re.fullmatch(r"[0-9a-z_.-]+", name) or name.endswith("-bin"):
                mistakes.append(f"header {name!r} must be of lower-case letters, digits, '_', '.', '-'")
            elif not re.fullmatch(r"[ -~]+", value):
                mistakes.append(f"the value of header {name} must be printable ASCII")
        if mistakes:
            raise SettingsError(mistakes)

    def channel(self) -> grpc.Channel:
        """A new channel; nothing is sent yet. Raises SettingsError where a PEM file cannot be read."""
        if self.tls is None:
            return grpc.insecure_channel(self.address, _CHANNEL)
        return grpc.secure_channel(self.address, self.tls.client(), _CHANNEL)


def _read(path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingsError([f"{path} cannot be read: {error.strerror}"]) from error
