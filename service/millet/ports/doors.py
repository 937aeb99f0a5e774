"""What the gRPC and HTTP servers ask before they answer: who is it, and may they?"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from millet.core.doors import Certificate
from millet.core.roles import Needed, Verdict, Who


class Pems(NamedTuple):
    """What a server's TLS is made of, as PEM; it always fits together."""

    certificate: bytes
    key: bytes
    roots: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a caller of gRPC or HTTP shows."""

    address: str
    """IP address of the other end; empty if it has none."""
    token: str = field(default="", repr=False)
    """Bearer token; empty for none. Never shown, logged or kept."""
    certificate: Certificate | None = None
    """Verified by TLS."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A call that wants to be let through."""

    door: str
    """grpc or http."""
    what: str
    """Full method name, or HTTP method and path without its query."""
    needed: Needed
    shown: Shown


class Answer(NamedTuple):
    """What a gate says."""

    verdict: Verdict
    who: Who | None
    """None where nobody was recognised."""


class Begun(NamedTuple):
    """A sign-in that a person began at an issuer; the browser holds it until it ends."""

    address: str
    """Where the person goes on."""
    state: str
    """Comes back with the answer; whoever has another one did not ask for it."""
    nonce: str
    """Is in the token."""
    verifier: str
    """Proves who began (RFC 7636); never goes through the browser's address."""


class SignsIn(Protocol):
    """An issuer whose own pages sign people in. Thread-safe; blocks for seconds."""

    def begin(self, redirect_uri: str) -> Begun | None:
        """Where to send a person; None, with the reason in the log, where the issuer cannot be had."""

    def end(self, begun: Begun, code: str, redirect_uri: str) -> str:
        """The token for what it answered; empty, with the reason in the log, where it cannot be trusted."""


class Gate(Protocol):
    """Stands before the gRPC and HTTP servers. Thread-safe."""

    def ask(self, asked: Ask) -> Answer:
        """Recognise the caller and judge the call; tells and records refusals. May block for seconds."""

    def served(self, asked: Ask, who: Who | None, series_uid: str) -> None:
        """Record that results were given out; of one series, or (empty) of several. Does not block."""
