"""The access file: who may call gRPC and HTTP, by token or certificate, and in which role.

    [[who]]
    name = "worklist"
    role = "viewer"
    token_sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

    [[who]]
    name = "monitoring"
    role = "ops"
    certificate = "prometheus.hospital.example"

A token is kept as its SHA-256 alone: whoever reads the file cannot call. Tokens are long and random, so that
no salt is needed. A changed file counts from the next call on; one with a mistake leaves the old one in use.
"""

from __future__ import annotations

import hashlib
import hmac
import threading
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from millet.core.doors import Certificate, fingerprint
from millet.core.roles import Role, Who
from millet.errors import SettingsError

FIELDS = frozenset({"name", "role", "token_sha256", "certificate"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One `[[who]]`."""

    who: Who
    token_sha256: str
    """Hexadecimal, in lower case; empty for none."""
    certificate: str
    """Common name or SHA-256 fingerprint; empty for none."""


class AccessFile:
    """An access file, always as it was when it last made sense. Thread-safe.

    Args:
        path: where it lies.
        told: told why a changed file is not used, or the empty string when it is.

    Raises SettingsError, with every mistake, where the file cannot be used from the start.
    """

    def __init__(self, path: Path, told: Callable[[str], None]) -> None:
        self._path = path
        self._told = told
        self._lock = threading.Lock()
        try:
            self._seen = _state(path)
            self._entries = read(path)
        except OSError as error:
            raise SettingsError([f"access_file {path}: {error.strerror}"]) from error

    def by_token(self, token: str) -> Who | None:
        """Whose token it is; every entry is compared, in a time that tells nothing."""
        given = hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
        found = None
        for entry in self._current():
            if hmac.compare_digest(entry.token_sha256, given):
                found = entry.who
        return found

    def by_certificate(self, certificate: Certificate) -> Who | None:
        """Whose certificate it is; the first entry that names it counts."""
        entries = self._current()
        return next((one.who for one in entries if certificate.is_of(one.certificate)), None)

    def _current(self) -> tuple[Entry, ...]:
        with self._lock:
            try:
                now = _state(self._path)
                if now != self._seen:
                    self._seen = now
                    self._entries = read(self._path)
                    self._told("")
            except SettingsError as error:
                self._told(str(error))
            except OSError as error:
                if self._seen is not None:
                    self._told(f"access_file {self._path}: {error.strerror}")
                self._seen = None
            return self._entries


def read(path: Path) -> tuple[Entry, ...]:
    """Everybody in a file. Raises OSError, or SettingsError with every mistake."""
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError([f"access_file {path}: {error}"]) from error
    found, mistakes = [], [f"{key} is no part of it" for key in table if key != "who"]
    rows = table.get("who", [])
    for number, row in enumerate(rows if isinstance(rows, list) else [rows], 1):
        try:
            found.append(_entry(row))
        except ValueError as error:
            mistakes.append(f"who {number}: {error}")
    if not rows:
        mistakes.append("it names nobody")
    if mistakes:
        raise SettingsError([f"access_file {path}: {one}" for one in mistakes])
    return tuple(found)


def _entry(row: Any) -> Entry:
    if not isinstance(row, dict) or not all(isinstance(value, str) for value in row.values()):
        raise ValueError("it is a table of texts")
    if unknown := sorted(row.keys() - FIELDS):
        raise ValueError(f"{unknown[0]} is no part of it")
    if not row.get("name", "").strip():
        raise ValueError("a name is missing")
    token, certificate = row.get("token_sha256", ""), row.get("certificate", "")
    if bool(token) == bool(certificate):
        raise ValueError("either token_sha256 or certificate")
    if token and not fingerprint(token):
        raise ValueError("token_sha256 is not the SHA-256 of a token, 64 hexadecimal digits")
    who = Who(name=row["name"], role=Role.parse(row.get("role", "")))
    return Entry(who=who, token_sha256=fingerprint(token), certificate=certificate)


def _state(path: Path) -> tuple[int, int, int] | None:
    one = path.stat()
    return one.st_ino, one.st_mtime_ns, one.st_size
