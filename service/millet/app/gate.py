"""The gate before gRPC and HTTP: certificates, tokens of a file, tokens of an issuer; and what is read."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import grpc

from millet.app.doors import Doors, hosts
from millet.core.audit import Event, Kind, Result
from millet.core.doors import is_loopback
from millet.core.roles import Verdict, Who, verdict
from millet.edge.access import AccessFile
from millet.edge.grpc_api import credentials
from millet.edge.oidc import Code, Issuer, Oidc
from millet.edge.telemetry import ApiDoor, SecretFile
from millet.edge.tls import client_context, peer_certificate
from millet.edge.web import WebDoor
from millet.errors import SettingsError
from millet.ports import Answer, Ask, Shown
from millet.settings import Settings

log = logging.getLogger(__name__)

METRICS = "GET /metrics"
BRINGING = frozenset(
    {
        "/millet.v1.SubmissionService/SubmitInstances",
        "/millet.v1.SubmissionService/PullSeries",
        "POST /studies",
        "POST /studies/{study_uid}",
    }
)
"""Calls that give out nothing, and bring instances."""
SIGNS: Mapping[str, Kind] = {
    "POST /signin": Kind.SIGNED_IN,
    "GET /signin/back": Kind.SIGNED_IN,
    "POST /signout": Kind.SIGNED_OUT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiGate:
    """A `Gate`. Where neither file nor issuer is configured, everybody is let through and nobody named."""

    doors: Doors
    access: AccessFile | None
    issuer: Oidc | None

    def ask(self, asked: Ask) -> Answer:
        """Recognise the caller and judge the call; see `ports.Gate`."""
        if self.access is None and self.issuer is None:
            return Answer(Verdict.ALLOWED, None)
        if asked.what == METRICS and is_loopback(asked.shown.address):
            return Answer(Verdict.ALLOWED, None)
        who = self._recognised(asked.shown)
        judged = verdict(who, asked.needed)
        if judged is not Verdict.ALLOWED:
            self._turned_away(asked, who, judged)
        return Answer(judged, who)

    def served(self, asked: Ask, who: Who | None, series_uid: str) -> None:
        """Record that results were given out; see `ports.Gate`."""
        if asked.what == METRICS:
            return
        event = Event(
            kind=_kind(asked.what, series_uid),
            who=who.name if who else "",
            role=str(who.role) if who else "",
            address=asked.shown.address,
            what=asked.what,
            series_uid=series_uid,
        )
        if asked.what in SIGNS:
            self.doors.record(event)
        else:
            self.doors.record_once(event)

    def _recognised(self, shown: Shown) -> Who | None:
        who = None
        if self.access is not None and shown.certificate is not None:
            who = self.access.by_certificate(shown.certificate)
        if self.access is not None and who is None and shown.token:
            who = self.access.by_token(shown.token)
        if self.issuer is not None and who is None and shown.token.count(".") == 2:
            who = self.issuer.who(shown.token)
        return who

    def _turned_away(self, asked: Ask, who: Who | None, judged: Verdict) -> None:
        name = who.name if who else "nobody known"
        log.warning("%s from %s was turned away: %s, %s", asked.what, asked.shown.address, judged, name)
        self.doors.metrics.turned_away(ApiDoor(asked.door), judged)
        self.doors.record_once(
            Event(
                kind=Kind.REFUSED,
                result=Result.REFUSED,
                who=who.name if who else "",
                role=str(who.role) if who else "",
                address=asked.shown.address,
                what=asked.what,
            ),
            (asked.shown.address, who, judged, asked.door, asked.needed),  # whatever else was tried
        )


def _kind(what: str, series_uid: str) -> Kind:
    if what in BRINGING:
        return Kind.ASSOCIATION
    return SIGNS.get(what, Kind.RETRIEVED if series_uid else Kind.LISTED)


@dataclass(frozen=True, kw_only=True)
class ApiDoors:
    """How the gRPC and HTTP servers are opened."""

    gate: ApiGate
    web: WebDoor
    grpc_credentials: grpc.ServerCredentials | None


def api_gate(doors: Doors) -> ApiGate:
    """Read the file of who may call, and the issuer's keys. Raises SettingsError."""
    chosen, access, issuer = doors.settings, None, None
    if chosen.access_file is not None:
        access = AccessFile(chosen.access_file, doors.renewal(SecretFile.ACCESS))
    if chosen.oidc_issuer:
        issuer = Oidc(_trusted(chosen), client_context(None, None, None))
    return ApiGate(doors=doors, access=access, issuer=issuer)


def api_doors(doors: Doors) -> ApiDoors:
    """Read files and keys, and stand before the servers. Raises SettingsError."""
    chosen, gate, tls = doors.settings, api_gate(doors), doors.tls(require=False)
    code = None
    if gate.issuer is not None and chosen.oidc_client_id:
        code = Code(_trusted(chosen), gate.issuer, client_context(None, None, None))
    web = WebDoor(
        gate=gate,
        issuer=code,
        hosts=hosts(chosen),
        origins=chosen.web_origins,
        proxies=chosen.web_proxies,
        tls=None if tls is None else tls.following(),
        certificate_of=peer_certificate,
    )
    if tls is None:
        return ApiDoors(gate=gate, web=web, grpc_credentials=None)
    asks = chosen.grpc_client_certificates
    return ApiDoors(gate=gate, web=web, grpc_credentials=credentials(tls.pems, require=asks))


def _trusted(chosen: Settings) -> Issuer:
    return Issuer(
        issuer=chosen.oidc_issuer,
        audience=chosen.oidc_audience,
        keys=chosen.oidc_keys,
        role_claim=chosen.oidc_role_claim,
        client_id=chosen.oidc_client_id,
        client_secret=_secret(chosen.oidc_client_secret_file),
    )


def _secret(path: Path | None) -> str:
    """What a file holds, without its end; empty for none. Raises SettingsError."""
    try:
        return path.read_text("utf-8").strip() if path else ""
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError([f"oidc_client_secret_file {path}: {error}"]) from error
