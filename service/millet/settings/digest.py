"""A fingerprint of a configuration, for people who want to know whether it was changed."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from hashlib import sha256
from json import dumps
from pathlib import Path
from typing import Any

from millet.settings.settings import Settings

PLACES = ("state_dir",)
"""Where things are kept says nothing of what is done."""


def settings_digest(chosen: Settings) -> str:
    """SHA-256 in hex over every setting that is no secret and no place; files count by their names."""
    facts = {name: value for name, value in _facts(chosen).items() if name not in PLACES}
    return sha256(dumps(facts, sort_keys=True).encode()).hexdigest()


def _facts(section: Any) -> dict[str, Any]:
    """What a section shows of itself; a secret is a field that it does not show."""
    return {one.name: _fact(getattr(section, one.name)) for one in fields(section) if one.repr}


def _fact(value: Any) -> Any:
    if is_dataclass(value):
        return _facts(value)
    if isinstance(value, tuple):
        return [_fact(one) for one in value]
    return str(value) if isinstance(value, Path) else value
