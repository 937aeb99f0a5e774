"""TLS towards archives: their certificates verified, ours shown if there is one (BCP 195, PS3.15 B.12)."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from millet.edge.tls import client_context
from millet.errors import ArchiveError, SettingsError


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientTls:
    """PEM files of a client; called, it is a context of what they hold then."""

    roots: Path | None = None
    """Who signs the archive's certificate; None for those that the machine trusts."""
    certificate: Path | None = None
    key: Path | None = None
    by_name: bool = True
    """Whether the certificate must be that of the host that is called; not where the roots sign none but our
    peers, which are called by address."""

    def __call__(self) -> ssl.SSLContext:
        """For one connection. Raises ArchiveError."""
        try:
            context = client_context(self.roots, self.certificate, self.key)
        except SettingsError as error:
            raise ArchiveError("a TLS file cannot be used") from error
        context.check_hostname = self.by_name
        return context
