"""A fingerprint of everything but the model that changes a result."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from hashlib import sha256

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
        "criteria": asdict(criteria),
        "software": software_version,
        "second": asdict(second) if second else None,
        "further": [asdict(one) for one in further],
    }
    if language is not Language.ENGLISH:  # which was the only one once: its objects keep their names
        facts["language"] = language.value
    return sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()
