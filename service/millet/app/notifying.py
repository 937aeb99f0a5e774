"""The part of delivering that notifies: what recipients asked for, and how they are reached."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

from millet.core.language import Language
from millet.core.notification import Rule
from millet.edge.destinations import (
    Door,
    Letter,
    MailDestination,
    MailServer,
    TlsFiles,
    WebhookDestination,
)
from millet.ports import Destination
from millet.settings import DestinationSection, Settings


def rules_of(chosen: Settings) -> Mapping[str, Rule]:
    """What the recipients of notifications asked for, by name; empty where there are none."""
    return {one.name: one.rule for one in chosen.all_destinations if one.notifies}


def notifying(
    section: DestinationSection, chosen: Settings, door: Door, now_utc: Callable[[], datetime]
) -> Destination:
    """A recipient that a section describes; a webhook by its door. Time goes into signatures and mails."""
    if section.kind == "webhook":
        return WebhookDestination(door, section.key_file or Path(), now_utc)
    host, port = section.address
    tls = TlsFiles(roots=section.roots, certificate=section.certificate, key=section.key)
    server = MailServer(
        host=host,
        port=port,
        tls=tls if section.tls else None,
        tls_at_once=section.greets_by_tls,
        user=section.user,
        password_file=section.password_file,
        timeout_s=section.timeout_s,
        limit_s=section.limit_s,
    )
    letter = Letter(
        sender=section.sender,
        recipients=section.recipients,
        language=Language(chosen.language),
        now_utc=now_utc,
    )
    return MailDestination(server, letter)
