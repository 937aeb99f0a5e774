"""A fingerprint of everything but the model that changes a result."""

from __future__ import annotations

import json
from dataclasses import asdict
from hashlib import sha256

from millet.core.manifest import Manifest
from millet.core.pattern import Criteria


def configuration(
    manifest: Manifest, criteria: Criteria, software_version: str, second: Manifest | None = None
) -> str:
    """SHA-256 in hex over thresholds, criteria and software; another threshold is another object.

    The version stands for the rules that are code (triage, effusion, lungs, measuring, reliability);
    `second` is what the second reader looks with.
    """
    facts = {
        "manifest": asdict(manifest),
        "criteria": asdict(criteria),
        "software": software_version,
        "second": asdict(second) if second else None,
    }
    return sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()
