"""How long every certificate still holds that this process uses or meets, as metrics.

Ours are files, read whenever metrics are. Those of destinations and archives are seen by connecting to them
every few hours; those of peers when they call. What was not seen yet counts as NaN, which alerts nobody.
"""

from __future__ import annotations

import logging
import math
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

from millet.edge.telemetry import DoorMetrics
from millet.edge.tls import SECONDS_PER_DAY, client_context, days_left, seconds_left
from millet.errors import SettingsError
from millet.flow.lifecycle import Loop, Part
from millet.settings import ArchiveSection, DestinationSection, Settings

log = logging.getLogger(__name__)

LOOK_EVERY_S = 6 * 3600.0
WITHIN_S = 10.0

Section = ArchiveSection | DestinationSection


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificates:
    """Those of one process."""

    chosen: Settings
    metrics: DoorMetrics
    now_utc: Callable[[], datetime]

    def __post_init__(self) -> None:
        for one in self.chosen.peer:
            if one.certificate:
                self.metrics.certificate_left(f"peer {one.ae_title}", math.nan)

    def measure(self) -> None:
        """Read our own files."""
        for name, path in files(self.chosen):
            try:
                self.metrics.certificate_left(name, SECONDS_PER_DAY * days_left(path, self.now_utc()))
            except (OSError, ValueError) as error:
                log.warning("a certificate cannot be read: %s", type(error).__name__)

    def shown(self, calling_ae: str, expires: str) -> None:
        """A peer came in and showed a certificate."""
        if expires and any(one.ae_title == calling_ae and one.certificate for one in self.chosen.peer):
            left_s = ssl.cert_time_to_seconds(expires) - self.now_utc().timestamp()
            self.metrics.certificate_left(f"peer {calling_ae}", left_s)

    def part(self) -> Part:
        """Looks at those of others, where this process may call them; none where it calls nobody over TLS."""
        met = list(servers(self.chosen))
        if not met:
            return Part(name="certificates")
        for name, *_ in met:
            self.metrics.certificate_left(name, math.nan)
        loop = Loop("certificates", lambda: self._look(met), LOOK_EVERY_S)

        def stop(_within_s: float) -> bool:
            loop.stop(0.0)  # a look that is out is nobody's loss
            return True

        return Part(name="certificates", start=loop.start, stop=stop)

    def _look(self, met: list[tuple[str, Section, str, int]]) -> None:
        for name, section, host, port in met:
            try:
                context = client_context(section.roots, section.certificate, section.key)
                left_s = seconds_left(host, port, context, self.now_utc(), WITHIN_S)
            except (OSError, ValueError, SettingsError) as error:
                log.warning("the certificate of %s cannot be seen: %s", name, type(error).__name__)
            else:
                self.metrics.certificate_left(name, left_s)


def files(chosen: Settings) -> Iterator[tuple[str, Path]]:
    """Every certificate that we have as a file, by what it is called in metrics."""
    known = [
        ("server", chosen.tls_certificate),
        ("roots", chosen.tls_roots),
        ("remote", chosen.remote_certificate),
        ("remote roots", chosen.remote_roots),
    ]
    for kind, sections in (("destination", chosen.all_destinations), ("archive", chosen.archive)):
        for one in sections:
            known += [(f"{kind} {one.name}", one.certificate), (f"{kind} {one.name} roots", one.roots)]
    yield from ((name, path) for name, path in known if path is not None)


def servers(chosen: Settings) -> Iterator[tuple[str, Section, str, int]]:
    """Whom this process calls over TLS: name in metrics, section, host and port.

    Without mail servers that are asked for TLS (STARTTLS): their certificates are seen with each mail alone.
    """
    called: list[tuple[str, Section]] = []
    if "deliver" in chosen.roles:
        called += [(f"destination {one.name}", one) for one in chosen.all_destinations if one.greets_by_tls]
    if "receive" in chosen.roles:
        called += [(f"archive {one.name}", one) for one in chosen.archive]
    for name, one in called:
        if one.tls:
            yield f"{name} theirs", one, *address(one)


def address(section: Section) -> tuple[str, int]:
    """Host and port of whoever is not a folder."""
    if section.kind in {"dicom", "ups", "dimse"}:
        return section.peer.host, section.peer.port
    if isinstance(section, DestinationSection) and section.kind in {"mllp", "mail", "oru"}:
        return section.address
    url = urlsplit(section.to)
    return url.hostname or "", url.port or (443 if url.scheme == "https" else 80)
