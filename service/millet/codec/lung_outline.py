"""What is kept of an exam beside its analysis, for a later one to be compared with it: 15 kB of JSON.

Points of the pleura in tenths of a millimetre, directions in hundredths, and how the exam was taken.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from millet.codec import flat
from millet.core.comparable import Conditions
from millet.core.geometry import Floats
from millet.core.lung_outline import Outline

SCHEMA = 1
KIND = "outline.json"
"""Of the object that holds it."""
_STEP_MM = 0.1
_STEP = 0.01


def encode(outline: Outline, conditions: Conditions) -> bytes:
    """Write both, the same bytes for the same values."""
    document = {
        "schema": SCHEMA,
        "conditions": json.loads(flat.encode(conditions)),
        "points": _whole(outline.points_mm / _STEP_MM),
        "outward": _whole(outline.outward / _STEP),
        "side": outline.side.tolist(),
    }
    return json.dumps(document, separators=(",", ":")).encode()


def decode(document: bytes) -> tuple[Outline, Conditions]:
    """Read what `encode` wrote; ValueError for another schema or a damaged document."""
    found: Any = json.loads(document)
    if not isinstance(found, dict) or found.get("schema") != SCHEMA:
        raise ValueError(f"no outline of schema {SCHEMA}")
    try:
        outward = np.asarray(found["outward"], float).reshape(-1, 3)
        outline = Outline(
            points_mm=np.asarray(found["points"], float).reshape(-1, 3) * _STEP_MM,
            outward=outward / np.maximum(np.linalg.norm(outward, axis=1, keepdims=True), 1e-9),
            side=np.asarray(found["side"], np.uint8),
        )
        return outline, flat.decode(Conditions, json.dumps(found["conditions"]))
    except (KeyError, TypeError) as damage:
        raise ValueError(f"damaged outline: {damage!r}") from damage


def _whole(values: Floats) -> list[list[int]]:
    return [[int(v) for v in row] for row in np.rint(values)]
