"""The facts of a CT header as JSON and back, so that the journal never parses an instance twice."""

from __future__ import annotations

import json
from dataclasses import fields
from datetime import date
from typing import Any

from millet.core.geometry import PointMm, Vector
from millet.core.series import Patient, SliceHeader

_NAMES = [field.name for field in fields(SliceHeader)]
_OF_A_PATIENT = [field.name for field in fields(Patient)]
_JSON = json.JSONEncoder(default=date.isoformat, ensure_ascii=False)


def encode(header: SliceHeader) -> str:
    """Write a header; fields by name, dates in ISO 8601, points and directions as lists."""
    written = {name: getattr(header, name) for name in _NAMES}  # a fifth of what asdict takes, which copies
    written["patient"] = {name: getattr(header.patient, name) for name in _OF_A_PATIENT}
    return _JSON.encode(written)


def decode(document: str) -> SliceHeader:
    """Read what `encode` wrote."""
    found: dict[str, Any] = json.loads(document)
    found["patient"] = Patient(**found["patient"])
    return SliceHeader(**{name: _read(name, value) for name, value in found.items()})


def _read(name: str, value: Any) -> Any:
    """JSON knows neither tuples nor dates."""
    if name == "birth" and value is not None:
        return date.fromisoformat(value)
    if not isinstance(value, list):
        return value
    return _NAMED[name](*value) if name in _NAMED else tuple(value)


_NAMED: dict[str, Any] = {"position_mm": PointMm, "row_direction": Vector, "column_direction": Vector}
