"""A fingerprint of everything but the model that changes a result."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from hashlib import sha256
from typing import Any

from millet.core.criteria import CriteriaSet
from millet.core.language import Language
from millet.core.manifest import Manifest


def configuration(
    manifest: Manifest,
    criteria: CriteriaSet,
    software_version: str,
    second: Manifest | None = None,
    further: Sequence[CriteriaSet] = (),
    language: Language = Language.ENGLISH,
) -> str:
    """SHA-256 in hex over thresholds, criteria, software, language; another threshold is another object.

    The version stands for the rules that are code (triage, effusion, lungs, measuring, reliability);
    `second` is what the second reader looks with, `further` are the sets judged beside `criteria`.
    """
    facts = {
        "manifest": asdict(manifest),
        "criteria": _set(criteria),
        "software": software_version,
        "second": asdict(second) if second else None,
        "further": [_set(one) for one in further],
    }
    if language is not Language.ENGLISH:  # which was the only one once: its objects keep their names
        facts["language"] = language.value
    return _sha256(facts)


def judging(criteria: Sequence[CriteriaSet], software_version: str, language: Language) -> str:
    """As `configuration`, of what others found: nothing of a model decides there."""
    facts = {"sets": [_set(one) for one in criteria], "software": software_version, "language": language}
    return _sha256(facts)


def criteria_set(criteria: CriteriaSet) -> str:
    """SHA-256 in hex over one set of criteria; another threshold is another set."""
    return _sha256(_set(criteria))


def _set(criteria: CriteriaSet) -> dict[str, Any]:
    facts = asdict(criteria)
    if not criteria.modality:  # which none had once: their objects keep their names
        del facts["modality"]
    return facts


def _sha256(facts: dict[str, Any]) -> str:
    return sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()
