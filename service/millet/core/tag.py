"""How a series is named where patients' identifiers must not appear: logs, errors, console."""

from __future__ import annotations

from hashlib import sha256


def series_tag(series_uid: str) -> str:
    """The first 12 hex digits of the SHA-256 of a Series Instance UID."""
    return sha256(series_uid.encode("utf-8", "replace")).hexdigest()[:12]
