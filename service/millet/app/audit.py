"""Where the audit trail lies, and where its heads are noted: in the log, and beside the state."""

from __future__ import annotations

import getpass
import json
import logging
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from millet.core.audit import Event, Head, Kind
from millet.edge.audit import AuditTrail, Place, key_at
from millet.errors import StoreError
from millet.settings import Settings

log = logging.getLogger(__name__)


def folder_of(settings: Settings) -> Path:
    """The folder of the trail."""
    return settings.audit_dir or settings.state_dir / "audit"


def open_trail(
    settings: Settings, process: str, utc: Callable[[], datetime], lost: Callable[[int], None]
) -> AuditTrail:
    """The trail of this process. Raises StoreError."""
    notes = _notes(settings)

    def noted(owner: str, head: Head) -> None:
        log.info("audit head %s %d %s", owner, head.number, head.digest)
        with suppress(OSError):  # the log has it
            notes.mkdir(parents=True, exist_ok=True)
            fresh = notes / f".{owner}.fresh"
            fresh.write_text(json.dumps({"process": owner, "n": head.number, "digest": head.digest}), "utf-8")
            fresh.replace(notes / f"{owner}.json")

    place = Place(folder=folder_of(settings), process=process, key=key_at(settings.state_dir / "audit.key"))
    return AuditTrail(place, utc, noted=noted, lost=lost)


def operated(settings: Settings, what: str) -> None:
    """Keep what an operator did on the command line, durable when this returns. Raises StoreError."""
    trail = open_trail(settings, f"{socket.gethostname()}-cli", lambda: datetime.now(UTC), _lost)
    trail.write(Event(kind=Kind.OPERATED, who=_user(), role="admin", what=what))
    trail.stop()


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run as a number that has no name
        return f"uid {os.getuid()}"


def _lost(events: int) -> None:
    raise StoreError(f"the audit trail has no room for {events} events")


def heads_of(settings: Settings) -> dict[str, dict[int, str]]:
    """The last head that was noted of each process, as number and digest."""
    found = {}
    for path in sorted(_notes(settings).glob("*.json")):
        note = json.loads(path.read_text("utf-8"))
        found[str(note["process"])] = {int(note["n"]): str(note["digest"])}
    return found


def _notes(settings: Settings) -> Path:
    """Apart from the trail, which may lie on a volume of its own."""
    return settings.state_dir / "audit-heads"
