"""The audit trail: what is written, and how each line holds the one before it.

Theory of operation. Every line holds its number and the BLAKE2b hash of the line before, so that a line
that is changed, left out or moved breaks the chain at its successor. A chain can still be cut at its end, or
rewritten as a whole by somebody who may write it; against that its head (number and hash of the last line)
is noted elsewhere from time to time, and a chain must pass through every head that was noted.
"""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, StrEnum
from typing import Any, NamedTuple

NOTHING_BEFORE = "0" * 64
"""In the place of a hash, in the first line of a chain."""
LONGEST = 300
"""Characters of what somebody else may have chosen."""


class Kind(Enum):
    """What happened: the code of DICOM's audit events (PS3.16 CID 400, 401) and its meaning."""

    STARTED = ("110120", "Application Start")
    STOPPED = ("110121", "Application Stop")
    ASSOCIATION = ("110102", "Begin Transferring DICOM Instances")
    REFUSED = ("110113", "Security Alert")
    RETRIEVED = ("110103", "DICOM Instances Accessed")
    LISTED = ("110112", "Query")
    ANSWERED = ("110111", "Procedure Record")
    """A reader acknowledged a series, took that back, or judged a nodule."""
    OPERATED = ("110106", "Export")
    SIGNED_IN = ("110122", "Login")
    """With a browser, by a token that it holds from now on."""
    SIGNED_OUT = ("110123", "Logout")
    MENDED = ("110101", "Audit Log Used")
    """The trail itself: what a crash left half written was cut off, or events found no room."""


class Result(StrEnum):
    """How it ended (PS3.15 A.5.2.1, EventOutcomeIndicator)."""

    SUCCESS = "0"
    REFUSED = "8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that is kept. No patient's data, but for the UID, which is never written as it is."""

    kind: Kind
    result: Result = Result.SUCCESS
    who: str = ""
    """AE title, or the name of whom a token or certificate named; empty for nobody known."""
    role: str = ""
    address: str = ""
    what: str = ""
    """In words, or a method's name."""
    series_uid: str = ""
    """Written as a pseudonym."""


class Head(NamedTuple):
    """The end of a chain."""

    number: int
    digest: str


def digest(line: bytes) -> str:
    """What the next line holds of a line (without its end)."""
    return hashlib.blake2b(line, digest_size=32).hexdigest()


def pseudonym(uid: str, key: bytes) -> str:
    """A name for a UID that only the key's holder can make, and the same for each mention of it."""
    return hashlib.blake2b(uid.encode(), key=key, digest_size=16).hexdigest() if uid else ""


def line_of(event: Event, at: datetime, source: str, key: bytes, before: Head | None) -> bytes:
    """An event as the line that follows `before`, without its end.

    Args:
        event: what happened.
        at: when, timezone-aware.
        source: the process that saw it (AuditSourceID).
        key: of the pseudonyms.
        before: the head of the chain, None for its beginning.
    """
    code, meaning = event.kind.value
    fields = {
        "n": 0 if before is None else before.number + 1,
        "before": NOTHING_BEFORE if before is None else before.digest,
        "time": at.isoformat(timespec="milliseconds"),
        "source": source,
        "event": code,
        "meaning": meaning,
        "outcome": event.result.value,
        "who": event.who[:LONGEST],
        "role": event.role,
        "from": event.address,
        "what": event.what[:LONGEST],
        "series": pseudonym(event.series_uid, key),
    }
    return json.dumps(fields, ensure_ascii=True, separators=(",", ":")).encode()


class Line(NamedTuple):
    """One line of a file, as it lies there."""

    file: str
    number: int
    """In its file, from 1."""
    content: bytes


class Checked(NamedTuple):
    """What a look at a chain found."""

    first: int
    """Number of its first line; -1 for a chain without lines."""
    head: Head | None
    """Of what holds together."""
    broken: str
    """Where and why it does not hold from there on; empty if it does."""


def check(lines: Iterable[Line], heads: Mapping[int, str]) -> Checked:
    """Follow a chain to its end or its first break.

    Args:
        lines: of all its files, in order.
        heads: digests that were noted of it, by number.
    """
    first, head = -1, None
    for line in lines:
        if why := _fault(line.content, head, heads, is_first=first < 0):
            return Checked(first, head, f"{line.file}:{line.number}: {why}")
        number = json.loads(line.content)["n"]
        first = number if first < 0 else first
        head = Head(number, digest(line.content))
    last = -1 if head is None else head.number
    if (noted := max(heads, default=-1)) > last:
        return Checked(
            first, head, f"it ends with line n={last}, but had come to n={noted}: its end is missing"
        )
    return Checked(first, head, "")


def _fault(content: bytes, head: Head | None, heads: Mapping[int, str], *, is_first: bool) -> str:
    try:
        fields: Any = json.loads(content)
        number, before = int(fields["n"]), str(fields["before"])
    except (ValueError, TypeError, KeyError):
        return "it is no line of an audit trail"
    if is_first and (number == 0) != (before == NOTHING_BEFORE):
        return "it begins the chain and yet follows another line"
    if head is not None and number != head.number + 1:
        return f"n={number} follows n={head.number}: lines are missing or were moved"
    if head is not None and before != head.digest:
        return f"the line before it, n={head.number}, is not what it was"
    if heads.get(number, made := digest(content)) != made:
        return f"n={number} is not what was noted of it"
    return ""


class Repeats:
    """Tells what is new from what was just written: a page that asks every two seconds is one reader.

    Args:
        again_s: after which the same counts as new.
        most: how many are remembered; the longest known are forgotten first.
    """

    def __init__(self, again_s: float, most: int) -> None:
        self._again_s = again_s
        self._most = most
        self._seen: OrderedDict[Hashable, float] = OrderedDict()

    def is_new(self, what: Hashable, now_s: float) -> bool:
        """Whether something was not seen within the time; from now on it was."""
        known_s = self._seen.get(what)
        if known_s is not None and now_s - known_s < self._again_s:
            return False
        self._seen[what] = now_s
        self._seen.move_to_end(what)
        if len(self._seen) > self._most:
            self._seen.popitem(last=False)
        return True
