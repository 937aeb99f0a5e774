"""`[[destinations]]`: where reports go, each destination by itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from millet.core.media import TRANSPORTS, wanted
from millet.core.peer import PORTS, Peer

VERIFICATIONS = ("none", "query", "commitment")
OTHER = "other"
"""What metrics call destinations that are configured no longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationSection:
    """One destination. Raises ValueError with every mistake."""

    name: str
    """Under which its deliveries are journalled, counted and replayed. Whoever renames a destination leaves
    what waits for it behind."""
    kind: str
    """folder, dicom (C-STORE), stow (DICOMweb STOW-RS), http (a POST for each object) or mllp (HL7)."""
    to: str
    """Where it is: a path, `AET@HOST:PORT`, the URL of the DICOMweb service or of what is posted to, or
    `HOST:PORT`."""
    kinds: tuple[str, ...] = ()
    """The kinds of objects that it wants, as listed below, or patterns of them (`sc-*`); empty for all that
    its transport is made for, but `labelmap` and `cad` over DICOM, which many archives do not know."""
    verify: str = "none"
    """How it is known that it keeps what it took: query (C-FIND, QIDO-RS), commitment (DICOM Storage
    Commitment) or none. Until then a delivery is not done, and what is not kept is sent again."""
    calling_ae: str = ""
    """Our AE title towards it; empty for `ae_title`."""
    tls: bool = True
    """Whether the way to it is encrypted and its certificate verified; reports in the clear are for networks
    that nobody else reaches."""
    roots: Path | None = None
    """PEM file of who signs its certificate; by default those that the machine trusts."""
    certificate: Path | None = None
    """PEM file of the certificate that we show it, if it asks for one."""
    key: Path | None = None
    """PEM file of that certificate's key."""
    token_file: Path | None = None
    """File of the bearer token that we send it (stow, http)."""
    concurrency: int = 1
    """How many objects are on their way to it at one time."""
    timeout_s: float = 30.0
    """For each wait: a connection, an answer."""
    limit_s: float = 300.0
    """For one object in all, whatever the other side does."""

    def __post_init__(self) -> None:
        if mistakes := list(_mistakes(self)):
            raise ValueError("; ".join(mistakes))

    def wants(self, kind: str) -> bool:
        """Whether it is sent a kind of object."""
        return wanted(self.kind, kind, self.kinds)

    @property
    def peer(self) -> Peer:
        """Where it is, for `dicom`."""
        return Peer.parse(self.to)

    @property
    def address(self) -> tuple[str, int]:
        """Where it is, for `mllp`. Raises ValueError."""
        host, _, port = self.to.rpartition(":")
        if not host or not port.isascii() or not port.isdigit() or int(port) not in PORTS:
            raise ValueError(f"{self.to!r} is not of the form HOST:PORT")
        return host.removeprefix("[").removesuffix("]"), int(port)


def from_simple(destination: str) -> DestinationSection:
    """The destination that the setting `destination` names, `folder` or `AET@HOST:PORT`, in the clear."""
    kind = "folder" if destination == "folder" else "dicom"
    return DestinationSection(name=destination, kind=kind, to=destination, tls=False)


def name_mistake(names: Sequence[str]) -> str:
    """Say what is wrong with the names of all destinations together, or return the empty string."""
    twice = sorted({name for name in names if names.count(name) > 1})
    return f"{', '.join(twice)}: each needs a name of its own" if twice else ""


def _mistakes(section: DestinationSection) -> Iterator[str]:
    if not re.fullmatch(r"\S(.{0,98}\S)?", section.name) or section.name == OTHER:
        yield f"name {section.name!r} must be a short text, and not {OTHER!r}"
    if section.kind not in TRANSPORTS:
        yield f"kind {section.kind!r} is none of {', '.join(TRANSPORTS)}"
    else:
        yield from _place_mistakes(section)
    if section.verify not in VERIFICATIONS:
        yield f"verify {section.verify!r} is none of {', '.join(VERIFICATIONS)}"
    elif section.verify == "query" and section.kind not in {"dicom", "stow"}:
        yield "verify: query is for dicom and stow"
    elif section.verify == "commitment" and section.kind != "dicom":
        yield "verify: commitment is for dicom"
    if (section.certificate is None) != (section.key is None):
        yield "certificate and key belong together"
    if not 1 <= section.concurrency <= 64:
        yield "concurrency must be within 1 to 64"
    if not 0 < section.timeout_s <= section.limit_s < float("inf"):
        yield "timeout_s must be above 0, and limit_s not below it"


def _place_mistakes(section: DestinationSection) -> Iterator[str]:
    try:
        if section.kind == "dicom":
            _ = section.peer
        elif section.kind == "mllp":
            _ = section.address
        elif section.kind in {"stow", "http"}:
            yield from _url_mistakes(section)
        elif not section.to.strip():
            yield "to: a folder is needed"
    except ValueError as error:
        yield f"to: {error}"
    if section.token_file is not None and section.kind not in {"stow", "http"}:
        yield "token_file is for stow and http"


def _url_mistakes(section: DestinationSection) -> Iterator[str]:
    split = urlsplit(section.to)
    if split.scheme not in {"http", "https"} or not split.hostname or split.query or split.username:
        yield f"to: {section.to!r} is not of the form http[s]://HOST[:PORT][/PATH]"
    elif section.tls != (split.scheme == "https"):
        yield "to: https:// belongs to tls = true, http:// to tls = false"
