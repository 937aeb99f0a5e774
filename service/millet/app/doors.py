"""The doors of this process: who is let in over DICOM, gRPC and HTTP, and what is kept of it.

Everything that is refused is told three times: to the log in words, to a metric, and to the audit trail.
"""

from __future__ import annotations

import hashlib
import logging
import ssl
import threading
from collections.abc import Callable, Collection, Hashable
from dataclasses import replace
from functools import cached_property

from millet.app.audit import open_trail
from millet.core.audit import Event, Kind, Repeats, Result
from millet.core.doors import Caller, Refusal, is_loopback, judge
from millet.edge.telemetry import DoorMetrics, SecretFile
from millet.edge.tls import Files, ServerTls
from millet.errors import SettingsError
from millet.ports import Clock
from millet.settings import Settings
from millet.settings.security import rules

log = logging.getLogger(__name__)

AGAIN_S = 600.0
"""After so long the same reader, or the same refusal, is a line of the audit trail again."""
MOST_REMEMBERED = 10_000


class Doors:
    """What stands before the ports of one process. Thread-safe.

    Args:
        settings: what is configured.
        process: the name under which its audit trail is kept.
        clock: time.
        metrics: what is counted.

    Raises StoreError.
    """

    def __init__(self, settings: Settings, process: str, clock: Clock, metrics: DoorMetrics) -> None:
        self.settings = settings
        self.rules = rules(settings)
        self.metrics = metrics
        self._clock = clock
        self._repeats, self._lock = Repeats(AGAIN_S, MOST_REMEMBERED), threading.Lock()
        self._trail = open_trail(settings, process, clock.utc, metrics.audit_lost)
        self._warn()
        self.record(Event(kind=Kind.STARTED, what=f"configuration {_digest(settings)}"))

    def refused(self, caller: Caller) -> Refusal | None:
        """Judge who asks for an association: None lets it in."""
        answer = judge(caller, self.rules)
        accepted = Event(
            kind=Kind.ASSOCIATION,
            who=caller.calling_ae,
            address=caller.address,
            what=f"association to {caller.called_ae}",
        )
        if not isinstance(answer, Refusal):
            self.record_once(accepted)
            return None
        who = {"by": caller.calling_ae, "address": caller.address}
        log.warning("association refused: %s", answer.words, extra=who)
        self.metrics.refused(answer.why)
        what = f"{accepted.what}: {answer.why}"
        refused = replace(accepted, kind=Kind.REFUSED, result=Result.REFUSED, what=what)
        self.record_once(
            refused, (caller.address, answer.why)
        )  # titles are the caller's to invent, without end
        return answer

    def record(self, event: Event) -> None:
        """Keep an event in the audit trail."""
        self._trail.write(event)

    def record_once(self, event: Event, alike: Hashable = None) -> None:
        """Keep an event, unless the same (or one that is `alike`) was kept a short while ago."""
        with self._lock:
            is_new = self._repeats.is_new(alike or event, self._clock.monotonic_s())
        if is_new:
            self._trail.write(event)

    def dicom_context(self) -> ssl.SSLContext | None:
        """The TLS of the next DICOM connection; None for none."""
        return self._dicom_tls.context() if self._dicom_tls else None

    @cached_property
    def _dicom_tls(self) -> ServerTls | None:
        return self.tls(require=True) if self.settings.dicom_tls else None

    def tls(self, *, require: bool) -> ServerTls | None:
        """TLS with the configured files; None if there are none. Raises SettingsError."""
        if (files := _files(self.settings)) is None:
            return None
        return ServerTls(files, require=require, told=self.renewal(SecretFile.TLS))

    def renewal(self, file: SecretFile) -> Callable[[str], None]:
        """What is told of changed files: why they are not used, or nothing where they are."""

        def told(why: str) -> None:
            if why:
                self.metrics.not_renewed(file)
                log.error("changed files cannot be used, the old ones are", extra={"why": why})
            else:
                log.info("changed files are used from now on", extra={"kind": file.value})

        return told

    def stop(self) -> None:
        """Close the audit trail; the last thing that is kept is this."""
        self.record(Event(kind=Kind.STOPPED))
        self._trail.stop()

    def _warn(self) -> None:
        """Say what is configured and yet protects little."""
        unchecked = [one.ae_title for one in self.rules.peers if one.is_unchecked]
        if unchecked:
            log.warning(
                "whoever knows the AE title %s may send from any address: [[peer]] with addresses or a "
                "certificate closes that",
                ", ".join(unchecked),
            )
        if not self.settings.dicom_tls and any(one.certificate for one in self.rules.peers):
            log.warning("peers that must show a certificate cannot come in: this port has no TLS (dicom_tls)")
        if self.settings.insecure:
            log.warning("gRPC and HTTP may be open to others: insecure = true accepts that")


def check(settings: Settings, destinations: Collection[str]) -> None:
    """Raise SettingsError where a port would be open to strangers, or a called title sends nowhere."""
    mistakes = [
        f"called {one.ae_title!r}: {name!r} is no destination ({', '.join(destinations)})"
        for one in settings.called
        for name in one.destinations
        if name not in destinations
    ]
    if exposed := exposure(settings):
        mistakes.append(exposed)
    if mistakes:
        raise SettingsError(mistakes)


def exposure(settings: Settings) -> str:
    """Why gRPC and HTTP must not be opened as they are configured; empty if they may."""
    answers = "api" in settings.roles or ("analyse" in settings.roles and settings.kserve_port)
    if not answers or settings.insecure or _is_loopback(settings.host):
        return ""
    missing = []
    if settings.tls_certificate is None:
        missing.append("TLS (tls_certificate, tls_key)")
    if settings.access_file is None and not settings.oidc_issuer:
        missing.append("callers who are recognised (access_file, or oidc_issuer and oidc_audience)")
    if not missing:
        return ""
    return (
        f"host {settings.host} can be reached by others, and gRPC and HTTP have no "
        f"{' and no '.join(missing)}. Set them, or bind 127.0.0.1, or set insecure = true where the network "
        "around protects them"
    )


def hosts(settings: Settings) -> Collection[str]:
    """Names by which the page may be addressed; none for any."""
    if settings.web_hosts or not _is_loopback(settings.host):
        return settings.web_hosts
    return ("localhost", "127.0.0.1", "::1", settings.host)


def _is_loopback(host: str) -> bool:
    return host == "localhost" or is_loopback(host)


def _files(settings: Settings) -> Files | None:
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    return Files(certificate=settings.tls_certificate, key=settings.tls_key, roots=settings.tls_roots)


def _digest(settings: Settings) -> str:
    """What tells one configuration from another; secrets are in files of their own."""
    return hashlib.sha256(repr(settings).encode()).hexdigest()
