"""TLS towards a destination: its certificate is always verified, ours is shown where we have one."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from millet.errors import DeliveryError

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
        """Make a context: TLS 1.2 or newer (BCP 195), host name and chain verified. Raises DeliveryError."""
        try:
            context = ssl.create_default_context(cafile=self.roots)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            if self.certificate is not None:
                context.load_cert_chain(self.certificate, self.key)
        except (OSError, ssl.SSLError) as error:
            why = f"the TLS files cannot be used: {type(error).__name__}"
            raise DeliveryError(why, retryable=True, away=True) from error
        return context
