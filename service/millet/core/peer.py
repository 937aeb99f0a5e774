"""A DICOM peer, written `AET@HOST:PORT`."""

from __future__ import annotations

from dataclasses import dataclass

LONGEST_AE_TITLE = 16
"""PS3.5 6.2, value representation AE."""
PORTS = range(1, 65536)


def ae_title_mistake(title: str) -> str:
    """Say what is wrong with an application entity title (PS3.5 6.2), or return the empty string."""
    if not title.strip():
        return "an AE title must not be blank"
    if len(title) > LONGEST_AE_TITLE:
        return f"AE title {title!r} is longer than {LONGEST_AE_TITLE} characters"
    if not title.isascii() or not title.isprintable() or "\\" in title:
        return f"AE title {title!r} may hold printable ASCII without backslash only"
    return ""


def is_host(text: str) -> bool:
    """Whether a text can be the name or the address of a host: no blank, no label that DNS refuses."""
    try:
        return bool(text.encode("idna")) and text.isprintable() and " " not in text
    except UnicodeError:
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Another application entity and where it listens."""

    ae_title: str
    host: str
    port: int

    def __post_init__(self) -> None:
        if mistake := ae_title_mistake(self.ae_title):
            raise ValueError(mistake)
        if not is_host(self.host):
            raise ValueError(f"{self.host!r} is no host")
        if self.port not in PORTS:
            raise ValueError(f"port {self.port} is not within 1 to 65535")

    @classmethod
    def parse(cls, text: str) -> Peer:
        """Read `AET@HOST:PORT`; an IPv6 address stands in brackets. Raises ValueError."""
        title, at, address = text.rpartition("@")
        host, colon, port = address.rpartition(":")
        if not (at and colon and port.isascii() and port.isdigit()):
            raise ValueError(f"{text!r} is not of the form AET@HOST:PORT")
        return cls(ae_title=title, host=host.removeprefix("[").removesuffix("]"), port=int(port))

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.ae_title}@{host}:{self.port}"
