"""The facts of a CT header as JSON and back, so that the journal never parses an instance twice."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import date
from typing import Any

from millet.core.geometry import PointMm, Vector
from millet.core.series import Patient, SliceHeader


def encode(header: SliceHeader) -> str:
    """Write a header; fields by name, dates in ISO 8601, points and directions as lists."""
    return json.dumps(asdict(header), default=date.isoformat, ensure_ascii=False)


def decode(document: str) -> SliceHeader:
    """Read what `encode` wrote."""
    found: dict[str, Any] = json.loads(document)
    found["patient"] = Patient(**found["patient"])
    found["image_type"] = tuple(found["image_type"])
    for name, kind in _KINDS.items():
        found[name] = None if found[name] is None else kind(found[name])
    return SliceHeader(**found)


_KINDS: dict[str, Any] = {
    "pixel_spacing_mm": tuple,
    "position_mm": lambda xyz: PointMm(*xyz),
    "row_direction": lambda xyz: Vector(*xyz),
    "column_direction": lambda xyz: Vector(*xyz),
    "birth": date.fromisoformat,
}
