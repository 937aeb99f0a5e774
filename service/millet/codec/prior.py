"""What an exam is compared with, as a JSON document: kept once, so that every run compares with the same.

Numbers are written exactly, points as lists in LPS mm. A document of another `schema` is refused.
"""

from __future__ import annotations

import json
import typing
from typing import Any

import numpy as np

from millet.codec import record
from millet.core.followup import Prior, Study
from millet.core.lung_outline import Outline

SCHEMA = 1
"""Version of the document; grows when a field changes its meaning."""


def encode(prior: Prior) -> str:
    """Write a prior, or why there is none; the same text for the same values."""
    found = {name: record.plain(getattr(prior, name)) for name in _OF_A_PRIOR}
    study = None if prior.study is None else _study(prior.study)
    return json.dumps({"schema": SCHEMA, **found, "study": study}, separators=(",", ":"))


def decode(document: str) -> Prior:
    """Read what `encode` wrote; ValueError for another schema or a damaged document."""
    found: Any = json.loads(document)
    if not isinstance(found, dict) or found.get("schema") != SCHEMA:
        raise ValueError(f"no prior document of schema {SCHEMA}")
    try:
        study = None if found["study"] is None else _study_of(found["study"])
        hints = typing.get_type_hints(Prior)
        given: Any = {name: record.built(hints[name], found[name]) for name in _OF_A_PRIOR}
        return Prior(study=study, **given)
    except (KeyError, TypeError, AttributeError) as damage:
        raise ValueError(f"damaged prior document: {type(damage).__name__}") from damage


_OF_A_PRIOR = ("why_not", "source", "left_out", "archive")
_OF_A_STUDY = ("series_uid", "taken", "nodules", "how")


def _study(study: Study) -> dict[str, object]:
    lungs = study.outline
    points = {
        "points": lungs.points_mm.tolist(),
        "outward": lungs.outward.tolist(),
        "side": lungs.side.tolist(),
    }
    return {name: record.plain(getattr(study, name)) for name in _OF_A_STUDY} | {"outline": points}


def _study_of(found: Any) -> Study:
    hints, lungs = typing.get_type_hints(Study), found["outline"]
    outline = Outline(
        points_mm=np.asarray(lungs["points"], float).reshape(-1, 3),
        outward=np.asarray(lungs["outward"], float).reshape(-1, 3),
        side=np.asarray(lungs["side"], np.uint8),
    )
    given: Any = {name: record.built(hints[name], found[name]) for name in _OF_A_STUDY}
    return Study(**given, outline=outline)
