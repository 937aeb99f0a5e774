"""Certificates for the destinations of these tests."""

from __future__ import annotations

import ssl
from dataclasses import dataclass

import pytest
from certificates import Authority, Pair

from millet.edge.destinations import TlsFiles


@dataclass(frozen=True)
class Trust:
    """An authority, what it signed for a server and for us, and another authority that nobody trusts."""

    authority: Authority
    server: Pair
    client: Pair
    stranger: Pair

    def context(self, papers: Pair | None = None, *, mutual: bool = False) -> ssl.SSLContext:
        """What a server runs on."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        shown = papers or self.server
        context.load_cert_chain(shown.certificate, shown.key)
        if mutual:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.authority.roots)
        return context

    @property
    def trusting(self) -> TlsFiles:
        """What we connect with where nobody asks who we are."""
        return TlsFiles(roots=self.authority.roots)

    @property
    def known(self) -> TlsFiles:
        """What we connect with where we must show a certificate."""
        return TlsFiles(roots=self.authority.roots, certificate=self.client.certificate, key=self.client.key)


@pytest.fixture(scope="session")
def trust(tmp_path_factory):
    """One authority for all tests."""
    folder = tmp_path_factory.mktemp("trust")
    authority, other = Authority(folder / "ours"), Authority(folder / "others")
    server, client, stranger = authority.issue("server"), authority.issue("client"), other.issue("server")
    return Trust(authority, server, client, stranger)
