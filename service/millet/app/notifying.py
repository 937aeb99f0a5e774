"""The part of delivering that notifies: what recipients asked for, and how they are reached."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path

from millet.codec import notice_fhir, notice_oru
from millet.codec.codes import Code
from millet.codec.workitem import Task
from millet.core.language import Language
from millet.core.notification import Rule
from millet.edge.destinations import (
    Door,
    HttpDestination,
    Images,
    Letter,
    Line,
    MailDestination,
    MailServer,
    MllpDestination,
    ReviewDestination,
    Rewritten,
    TlsFiles,
    WebhookDestination,
)
from millet.ports import Destination
from millet.settings import DestinationSection, Settings


def rules_of(chosen: Settings) -> Mapping[str, Rule]:
    """What the recipients of notifications asked for, by name; empty where there are none."""
    return {one.name: one.rule for one in chosen.all_destinations if one.notifies}


def notifying(
    section: DestinationSection,
    chosen: Settings,
    door: Door,
    now_utc: Callable[[], datetime],
    images: Images,
) -> Destination:
    """A recipient that a section describes.

    Over HTTP it is reached by its door. Time goes into signatures and mails, images into tasks: the instances
    of the series that a message is about.
    """
    language = Language(chosen.language)
    match section.kind:
        case "webhook":
            return WebhookDestination(door, section.key_file or Path(), now_utc)
        case "fhir":
            return Rewritten(HttpDestination(door), "fhir", partial(notice_fhir.encode, language=language))
        case "oru":
            tls = _tls(section)
            to = MllpDestination(*section.address, tls, section.timeout_s, section.limit_s)
            return Rewritten(to, "hl7", partial(notice_oru.encode, language=language))
        case "ups":
            return _worklist(section, chosen, images)
    return _mail(section, language, now_utc)


def _worklist(section: DestinationSection, chosen: Settings, images: Images) -> Destination:
    calling_ae = section.calling_ae or chosen.ae_title
    task = Task(
        worklist=section.worklist,
        archive_ae=section.archive_ae,
        language=Language(chosen.language),
        station=_code(section.station),
        performer=_code(section.performer),
    )
    line = Line(section.peer, calling_ae, section.timeout_s, _tls(section))
    return ReviewDestination(line, task, images, section.limit_s)


def _mail(section: DestinationSection, language: Language, now_utc: Callable[[], datetime]) -> Destination:
    host, port = section.address
    server = MailServer(
        host=host,
        port=port,
        tls=_tls(section),
        tls_at_once=section.greets_by_tls,
        user=section.user,
        password_file=section.password_file,
        timeout_s=section.timeout_s,
        limit_s=section.limit_s,
    )
    letter = Letter(sender=section.sender, recipients=section.recipients, language=language, now_utc=now_utc)
    return MailDestination(server, letter)


def _code(text: str) -> Code | None:
    return Code(*text.split("^")) if text else None


def _tls(section: DestinationSection) -> TlsFiles | None:
    files = TlsFiles(roots=section.roots, certificate=section.certificate, key=section.key)
    return files if section.tls else None
