"""Who may come in over DICOM and under which policy: rules, and a judgement of each caller.

Theory of operation. Nobody comes in who is not named; where nobody is named, only this machine itself, so
that a first trial needs no list. A peer is named by its AE title and, since a title is no secret, by the
addresses it calls from, by the certificate it shows, or both. The title that is called chooses the policy:
how urgent its series are, which model analyses them and where their reports go.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from millet.core import canary
from millet.core.peer import ae_title_mistake
from millet.core.turns import EMERGENCY, ROUTINE

ANY = "*"
"""In place of an AE title: whoever has the address or the certificate."""
USUAL = ""
"""In place of a called AE title that names a model: what no title names one for, the usual model analyses."""
REJECTED_PERMANENT = 1
"""Result of an A-ASSOCIATE-RJ (PS3.8 9.3.4): trying again changes nothing."""
BY_USER = 1
"""Source of an A-ASSOCIATE-RJ: the service user, whose reasons follow."""
CALLING_UNKNOWN, CALLED_UNKNOWN = 3, 7
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")


class Why(StrEnum):
    """Why a caller is refused."""

    NOBODY_NAMED = "nobody-named"
    CALLED_TITLE = "called-title"
    CALLING_TITLE = "calling-title"
    ADDRESS = "address"
    CERTIFICATE = "certificate"
    NOT_AT_THIS_TITLE = "not-at-this-title"


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What a certificate that was verified says of its holder."""

    common_name: str
    """Of its subject; empty if it has none."""
    sha256: str
    """Fingerprint of its DER bytes, 64 hexadecimal digits in lower case."""

    def is_of(self, named: str) -> bool:
        """Whether rules mean this certificate by a common name or a fingerprint."""
        wanted = fingerprint(named)
        return wanted == self.sha256 if wanted else bool(named) and named == self.common_name


def fingerprint(named: str) -> str:
    """The SHA-256 fingerprint that a text is, colons or not; empty where it is something else."""
    plain = named.replace(":", "").lower()
    return plain if _FINGERPRINT.fullmatch(plain) else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks for an association."""

    calling_ae: str
    called_ae: str
    address: str
    """IP address of the other end."""
    certificate: Certificate | None = None
    """What it showed and we verified; None without TLS."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A peer that may come in. Raises ValueError."""

    ae_title: str
    addresses: tuple[str, ...] = ()
    """Networks in CIDR notation from which it calls; empty for any."""
    certificate: str = ""
    """Common name or SHA-256 fingerprint of the certificate that it must show; empty for none."""
    urgency: int = ROUTINE

    def __post_init__(self) -> None:
        if self.ae_title == ANY and self.is_unchecked:
            raise ValueError(f"a peer {ANY!r} needs addresses or a certificate, else anybody may come in")
        if self.ae_title != ANY and (mistake := ae_title_mistake(self.ae_title)):
            raise ValueError(mistake)
        for one in self.addresses:
            network(one)

    @property
    def is_unchecked(self) -> bool:
        """Whether an AE title, which is no secret, is all that is asked for."""
        return not self.addresses and not self.certificate

    def calls_from(self, address: str) -> bool:
        """Whether an address is one of its own."""
        return not self.addresses or any(within(address, one) for one in self.addresses)

    def shows(self, certificate: Certificate | None) -> bool:
        """Whether a certificate is its own, if it must show one."""
        return not self.certificate or (certificate is not None and certificate.is_of(self.certificate))


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """One of our AE titles and what holds for series that are sent to it. Raises ValueError."""

    ae_title: str
    urgency: int = ROUTINE
    destinations: tuple[str, ...] = ()
    """Names of destinations; empty for the usual ones."""
    peers: tuple[str, ...] = ()
    """AE titles of the peers that may call it; empty for every known one."""
    model: str = ""
    """Name of the model that analyses what is sent to it; empty for the usual one."""
    judges: bool = False
    """Whether reports that are sent to it are judged by criteria; else none is taken."""
    fetches: bool = False
    """Whether nothing is taken there but priors that we asked an archive to send (C-MOVE)."""

    def __post_init__(self) -> None:
        if self.ae_title != ANY and (mistake := ae_title_mistake(self.ae_title)):
            raise ValueError(mistake)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Everything that is configured. Raises ValueError."""

    peers: tuple[Known, ...] = ()
    called: tuple[Called, ...] = (Called(ae_title=ANY),)
    """Without a list every called title is taken: it protects nothing, and senders often have another."""
    emergencies: frozenset[str] = frozenset()
    """Calling AE titles whose series go before all others, wherever they come from."""
    canary_from: str = ""
    """Address of this machine, beside its loopback, from which the canary calls."""

    def __post_init__(self) -> None:
        titles = [one.ae_title for one in self.called]
        if twice := sorted({title for title in titles if titles.count(title) > 1}):
            raise ValueError(f"called AE title {twice[0]!r} stands there twice")
        known = {one.ae_title for one in self.peers}
        for one in self.called:
            if unknown := [title for title in one.peers if title not in known]:
                raise ValueError(f"called AE title {one.ae_title!r}: {unknown[0]!r} is no peer")

    def of(self, called_ae: str) -> Called | None:
        """The policy of a called title."""
        if called_ae == canary.TITLE:
            return _CANARY
        found = [one for one in self.called if one.ae_title in {called_ae, ANY}]
        return min(found, key=lambda one: one.ae_title == ANY, default=None)

    def urgency(self, calling_ae: str, called_ae: str) -> int:
        """How urgent a series is that was taken from a peer at a title (`core.turns`)."""
        policy = self.of(called_ae)
        grounds = [one.urgency for one in self.peers if one.ae_title == calling_ae]
        if calling_ae in self.emergencies:
            grounds.append(EMERGENCY)
        return max(grounds, default=ROUTINE) if policy is None else max([policy.urgency, *grounds])

    def destinations(self, called_ae: str, usual: Sequence[str]) -> tuple[str, ...]:
        """Where the reports of series go that were sent to a title; `usual` where it does not say."""
        policy = self.of(called_ae)
        if policy is not None and policy.destinations:
            return policy.destinations
        return tuple(name for name in usual if name != canary.NAME)

    def model_title(self, called_ae: str) -> str:
        """Which of `models` is that of series that were sent to a title, or `USUAL`."""
        policy = self.of(called_ae)
        return policy.ae_title if policy is not None and policy.model else USUAL

    def judges(self, called_ae: str) -> bool:
        """Whether reports that are sent to a title are judged."""
        policy = self.of(called_ae)
        return policy is not None and policy.judges

    def fetches(self, called_ae: str) -> bool:
        """Whether a title is for priors alone that we asked for."""
        policy = self.of(called_ae)
        return policy is not None and policy.fetches

    @property
    def models(self) -> Mapping[str, str]:
        """The names of the models that called titles have of their own, by title."""
        return {one.ae_title: one.model for one in self.called if one.model}


@dataclass(frozen=True, slots=True, kw_only=True)
class Welcome:
    """The association is taken."""

    policy: Called


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The association is rejected for good."""

    why: Why
    words: str
    """One sentence for the operator: what was wrong, and where it is set."""

    @property
    def codes(self) -> tuple[int, int, int]:
        """Result, source and reason of the A-ASSOCIATE-RJ (PS3.8 9.3.4)."""
        is_called = self.why in {Why.CALLED_TITLE, Why.NOT_AT_THIS_TITLE}
        return REJECTED_PERMANENT, BY_USER, CALLED_UNKNOWN if is_called else CALLING_UNKNOWN


def judge(caller: Caller, rules: Rules) -> Welcome | Refusal:
    """Let a caller in, or say why not."""
    if canary.TITLE in {caller.calling_ae, caller.called_ae}:
        return _canary(caller, rules)
    policy = rules.of(caller.called_ae)
    if policy is None:
        words = f"it called {caller.called_ae!r}, which is none of our AE titles ([[called]])"
        return Refusal(why=Why.CALLED_TITLE, words=words)
    if not rules.peers:
        return Welcome(policy=policy) if is_loopback(caller.address) else _nobody_named(caller)
    return _fault(caller, policy, rules) or Welcome(policy=policy)


def _fault(caller: Caller, policy: Called, rules: Rules) -> Refusal | None:
    """What none of the peers that a caller might be has in common with it; None where one has all."""
    titled = [one for one in rules.peers if one.ae_title in {caller.calling_ae, ANY}]
    if not titled:
        words = f"no peer with the AE title {caller.calling_ae!r} is configured (known_peers, [[peer]])"
        return Refusal(why=Why.CALLING_TITLE, words=words)
    near = [one for one in titled if one.calls_from(caller.address)]
    if not near:
        words = f"{caller.calling_ae!r} may not call from {caller.address} (addresses of its [[peer]])"
        return Refusal(why=Why.ADDRESS, words=words)
    proved = [one for one in near if one.shows(caller.certificate)]
    if not proved:
        return Refusal(why=Why.CERTIFICATE, words=_wrong_certificate(caller))
    if policy.peers and not any(one.ae_title in policy.peers for one in proved):
        words = f"{caller.calling_ae!r} may not call {caller.called_ae!r} (peers of that [[called]])"
        return Refusal(why=Why.NOT_AT_THIS_TITLE, words=words)
    return None


_CANARY = Called(ae_title=canary.TITLE, destinations=(canary.NAME,), peers=(canary.TITLE,))


def _canary(caller: Caller, rules: Rules) -> Welcome | Refusal:
    """Only this machine itself, under that title, so that no patient's series is taken for the canary."""
    is_here = is_loopback(caller.address) or (bool(rules.canary_from) and caller.address == rules.canary_from)
    if is_here and caller.calling_ae == caller.called_ae:
        return Welcome(policy=_CANARY)
    words = f"{canary.TITLE} is the AE title of our own canary, which calls from this machine"
    return Refusal(why=Why.NOT_AT_THIS_TITLE, words=words)


def _nobody_named(caller: Caller) -> Refusal:
    words = (
        f"no peer is configured, so only this machine may call, not {caller.calling_ae!r} from "
        f"{caller.address}: name it in a [[peer]] with its addresses, or in known_peers"
    )
    return Refusal(why=Why.NOBODY_NAMED, words=words)


def _wrong_certificate(caller: Caller) -> str:
    must = f"{caller.calling_ae!r} must show the certificate of its [[peer]]"
    if caller.certificate is None:
        return f"{must}, and came without TLS"
    return f"{must}, not {caller.certificate.common_name!r} ({caller.certificate.sha256})"


def named(titles: Iterable[str]) -> tuple[Known, ...]:
    """Peers of which nothing but the AE title is known, as `known_peers` lists them."""
    return tuple(Known(ae_title=title) for title in titles)


def network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    """A network in CIDR notation, or a single address. Raises ValueError."""
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        raise ValueError(f"{text!r} is no network such as 10.1.0.0/16 or 10.1.2.3") from None


def within(address: str, cidr: str) -> bool:
    """Whether an address lies in a network; one that is none lies nowhere."""
    known = _address(address)
    return known is not None and known in network(cidr)


def is_loopback(address: str) -> bool:
    """Whether an address is this machine's own."""
    known = _address(address)
    return known is not None and known.is_loopback


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """An address; one of IPv4 that came over an IPv6 socket is the former (RFC 4291 2.5.5.2)."""
    try:
        known = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(known, "ipv4_mapped", None) or known
