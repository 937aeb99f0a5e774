"""`[[destinations]]`: where reports go, each destination by itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from millet.core.media import CALLING, NOTIFYING, TELLING, TRANSPORTS, wanted
from millet.core.notification import LEVELS, Identify, Rule
from millet.core.peer import PORTS, Peer, is_host
from millet.settings.urls import url_mistakes

VERIFICATIONS = ("none", "query", "commitment")
TLS_AT_ONCE = 465
"""Port of mail servers on which nothing is said before TLS (RFC 8314)."""
WEB = ("stow", "http", "webhook", "fhir")
DIMSE = ("dicom", "ups")
ADDRESSED = ("mllp", "mail", "oru")
CODE = r"[^\\^]{1,16}\^[^\\^]{1,16}\^[^\\^]{1,64}"
ADDRESS = r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,253}"
"""A mail address as HTML has it, in ASCII: no name, nothing that is quoted."""
OTHER = "other"
"""What metrics call destinations that are configured no longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationSection:
    """One destination. Raises ValueError with every mistake."""

    name: str
    """Under which its deliveries are journalled, counted and replayed. Whoever renames a destination leaves
    what waits for it behind."""
    kind: str
    """folder, dicom (C-STORE), stow (DICOMweb STOW-RS), http (a POST for each object) or mllp (HL7); for
    notifications webhook (a signed POST), mail (SMTP), oru (HL7 v2 over MLLP), fhir (a POST) or ups (a DICOM
    worklist): notifications.md."""
    to: str
    """Where it is: a path, `AET@HOST:PORT` (dicom, ups), the URL of the DICOMweb service or of what is posted
    to, or `HOST:PORT` (mllp, mail, oru)."""
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
    """File of the bearer token that we send it (stow, http, webhook, fhir)."""
    notify_from: str = "urgent"
    """The triage level from which on it is notified of studies: notable, urgent or critical."""
    identify: str = "none"
    """How notifications name a study: none (no identifier at all), accession (Accession Number), study (its
    UID and that of the series) or patient (all of these, and the patient's ID with its issuer). webhook and
    mail never name a patient; ups cannot do without the study."""
    most_an_hour: int = 20
    """Notifications that it gets within an hour (webhook, mail); what is over it comes in one digest as soon
    as there is room. Those of the highest level neither wait nor count."""
    key_file: Path | None = None
    """File of the key that signs (webhook): `whsec_` and 24 to 64 bytes in base64, one a line; of two, each
    signs, so that a key can be changed."""
    sender: str = ""
    """Address that mails come from."""
    recipients: tuple[str, ...] = ()
    """Addresses that mails go to."""
    user: str = ""
    """Our name at the mail server; empty for one that asks for none."""
    password_file: Path | None = None
    """File of our password there."""
    worklist: str = "Millet"
    """Name of the worklist that tasks belong to (ups)."""
    archive_ae: str = ""
    """AE title of the archive from which the series of a task can be retrieved (ups)."""
    station: str = ""
    """Code of the station at which tasks are to be done, as `VALUE^SCHEME^MEANING` (ups); empty for any."""
    performer: str = ""
    """Code of the person or group who is to do them, as above (ups); empty for anybody."""
    concurrency: int = 1
    """How many objects are on their way to it at one time; of messages about the same, one."""
    timeout_s: float = 30.0
    """For each wait: a connection, an answer."""
    limit_s: float = 300.0
    """For one object in all, whatever the other side does."""

    def __post_init__(self) -> None:
        if mistakes := list(_mistakes(self)):
            raise ValueError("; ".join(mistakes))

    @property
    def notifies(self) -> bool:
        """Whether it is sent notifications, and nothing else."""
        return self.kind in NOTIFYING

    @property
    def is_told(self) -> bool:
        """Whether it gets messages of which a newer one replaces an older one about the same."""
        return self.kind in TELLING

    @property
    def greets_by_tls(self) -> bool:
        """Whether a connection to it begins with TLS, where it has any."""
        return self.kind != "folder" and (self.kind != "mail" or self.address[1] == TLS_AT_ONCE)

    @property
    def rule(self) -> Rule:
        """What it asked for, as a recipient of notifications."""
        return Rule(
            least=LEVELS[LEVELS.index(self.notify_from)],
            most_an_hour=self.most_an_hour if self.kind in CALLING else None,
            identify=Identify(self.identify),
        )

    def wants(self, kind: str) -> bool:
        """Whether it is sent a kind of object."""
        return not self.notifies and wanted(self.kind, kind, self.kinds)

    @property
    def peer(self) -> Peer:
        """Where it is, for `dicom` and `ups`."""
        return Peer.parse(self.to)

    @property
    def address(self) -> tuple[str, int]:
        """Where it is, for `mllp`, `mail` and `oru`. Raises ValueError."""
        named, _, port = self.to.rpartition(":")
        host = named.removeprefix("[").removesuffix("]")
        if not is_host(host) or not port.isascii() or not port.isdigit() or int(port) not in PORTS:
            raise ValueError(f"{self.to!r} is not of the form HOST:PORT")
        return host, int(port)


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
    yield from _notice_mistakes(section)


def _notice_mistakes(section: DestinationSection) -> Iterator[str]:
    if section.notify_from not in LEVELS:
        yield f"notify_from {section.notify_from!r} is none of {', '.join(LEVELS)}"
    if section.identify not in list(Identify):
        yield f"identify {section.identify!r} is none of {', '.join(Identify)}"
    elif section.identify == Identify.PATIENT and section.kind in CALLING:
        yield f"identify: {section.kind} does not name a patient"
    if section.most_an_hour < 1:
        yield "most_an_hour must be 1 or more"
    if section.notifies and section.kinds:
        yield f"kinds: {section.kind} is sent notifications only"
    if (section.key_file is not None) != (section.kind == "webhook"):
        yield "key_file: webhook needs one, and no other kind has one"
    yield from _task_mistakes(section)
    if section.kind == "mail":
        yield from _mail_mistakes(section)
    elif any((section.sender, section.recipients, section.user, section.password_file)):
        yield "sender, recipients, user and password_file are for mail"


def _task_mistakes(section: DestinationSection) -> Iterator[str]:
    codes = (section.station, section.performer)
    if section.kind != "ups":
        if any((section.archive_ae, *codes)):
            yield "archive_ae, station and performer are for ups"
        return
    if section.identify not in {Identify.STUDY, Identify.PATIENT}:
        yield "identify: ups needs study or patient, since a task must say what to look at"
    if not 1 <= len(section.archive_ae.strip()) <= 16:
        yield "archive_ae: ups needs the AE title of the archive that has the series"
    if not 1 <= len(section.worklist.strip()) <= 64:
        yield "worklist must have 1 to 64 characters"
    if wrong := [one for one in codes if one and not re.fullmatch(CODE, one)]:
        yield f"station, performer: {', '.join(map(repr, wrong))} is not of the form VALUE^SCHEME^MEANING"


def _mail_mistakes(section: DestinationSection) -> Iterator[str]:
    addresses = (section.sender, *section.recipients)
    if wrong := [one for one in addresses if not re.fullmatch(ADDRESS, one)]:
        yield f"sender, recipients: {', '.join(map(repr, wrong))} is no mail address"
    if not section.recipients:
        yield "recipients: at least one is needed"
    if bool(section.user) != (section.password_file is not None):
        yield "user and password_file belong together"
    if section.user and not section.tls:
        yield "user: a password is not sent in the clear"


def _place_mistakes(section: DestinationSection) -> Iterator[str]:
    try:
        if section.kind in DIMSE:
            _ = section.peer
        elif section.kind in ADDRESSED:
            _ = section.address
        elif section.kind in WEB:
            yield from url_mistakes(section.to, tls=section.tls)
        elif not section.to.strip():
            yield "to: a folder is needed"
    except ValueError as error:
        yield f"to: {error}"
    if section.token_file is not None and section.kind not in WEB:
        yield "token_file is for stow, http, webhook and fhir"
