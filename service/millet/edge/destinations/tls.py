"""TLS towards a destination: its certificate is always verified, ours is shown where we have one."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from millet.edge.tls import client_context
from millet.errors import DeliveryError, SettingsError

Tls = Callable[[], ssl.SSLContext]
"""Makes the context of one connection, so that a certificate that was renewed is used at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """A `Tls` of PEM files, which are read for each connection."""

    roots: Path | None = None
    """Who signs the destination's certificate; by default those that the machine trusts."""
    certificate: Path | None = None
    """Ours, for a destination that asks for one (mutual authentication)."""
    key: Path | None = None

    def __call__(self) -> ssl.SSLContext:
        """Make a context; see `edge.tls`. Raises DeliveryError."""
        try:
            return client_context(self.roots, self.certificate, self.key)
        except SettingsError as error:
            raise DeliveryError("the TLS files cannot be used", retryable=True, away=True) from error
