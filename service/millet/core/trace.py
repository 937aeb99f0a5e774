"""What became of one series as spans of one trace, which any process can add to.

Nobody hands a trace on: its number is a function of the series and its generation, as our UIDs are, and the
number of a span one of what it is of. So the receiver, the analyser and the deliverer, each on a machine of
its own, tell of the same trace, and a span that is told twice is the same span.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

ROOT = "series"
"""The span that all others are below: from a series' first association to its being complete."""

Fact = str | int | float


def trace_of(site: str, series_uid: str, generation: int) -> str:
    """The number of a trace: 32 hexadecimal digits (W3C Trace Context 3.2.2.3), not all of them 0."""
    return _digest("trace", site, series_uid, str(generation))[:32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Something that took its time. No patient data."""

    trace: str
    name: str
    began_utc: datetime
    ended_utc: datetime
    key: str = ""
    """What sets it apart from others of that name."""
    parent: str = ROOT
    """Name of the span that it is a part of; empty for the root itself."""
    facts: Mapping[str, Fact] = field(default_factory=dict)
    failed: bool = False

    @property
    def number(self) -> str:
        """16 hexadecimal digits."""
        return _span(self.trace, self.name, self.key)

    @property
    def parent_number(self) -> str:
        """That of its parent; empty for the root."""
        return _span(self.trace, self.parent) if self.parent else ""


def _span(trace: str, name: str, key: str = "") -> str:
    return _digest("span", trace, name, key)[:16]


def _digest(*parts: str) -> str:
    return hashlib.sha256(json.dumps(["millet", *parts]).encode("ascii")).hexdigest()
