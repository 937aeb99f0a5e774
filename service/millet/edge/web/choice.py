"""What of the worklist somebody wants to see, as the address of the page says it.

What an address says wrongly is as if it had not said it: a list is shown in any case, and it says which.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from urllib.parse import urlencode

from millet.core.analysis import TriageLevel
from millet.core.job import State
from millet.core.waiting import Patience
from millet.ports import WorklistQuery

ROWS = 100
"""Series on one page of the worklist; the next page is a link."""
TAIL = 4
"""Characters of an identifier that are enough to tell two rows apart."""
MOST_TEXT = 64
STATES: Mapping[str, tuple[State, ...]] = MappingProxyType(
    {
        "pending": (State.RECEIVING, State.QUEUED, State.ANALYSING),
        "analysed": (State.ANALYSED,),
        "not-analysed": (State.NOT_ANALYSED,),
        "failed": (State.PARKED,),
    }
)
"""What a reader tells apart."""
SEEN: Mapping[str, bool] = MappingProxyType({"no": False, "yes": True})
"""Whether somebody acknowledged it."""
DAYS = (3, 1, 14, 0)
"""How far back may be looked, the usual one first; 0 for everything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Filters and a page of the worklist."""

    level: TriageLevel | None = None
    state: str = ""
    """One of `STATES`; empty for all."""
    seen: str = ""
    """One of `SEEN`; empty for all."""
    text: str = ""
    """Of an accession number, or the end of a patient ID."""
    overdue: bool = False
    """Only what nobody acknowledged in time."""
    days: int = DAYS[0]
    page: int = 1

    @classmethod
    def read(cls, given: Mapping[str, str]) -> Choice:
        """From the query of an address."""
        level, state, days = given.get("level", ""), given.get("state", ""), given.get("days", "")
        return cls(
            level=TriageLevel(level) if level in list(TriageLevel) else None,
            state=state if state in STATES else "",
            seen=seen if (seen := given.get("seen", "")) in SEEN else "",
            text=given.get("q", "").strip()[:MOST_TEXT],
            overdue=given.get("overdue", "") == "1",
            days=int(days) if days in map(str, DAYS) else DAYS[0],
            page=_number(given.get("page", "")),
        )

    @property
    def filtered(self) -> bool:
        """Whether some series are left out for another reason than their age."""
        return bool(self.level or self.state or self.seen or self.text or self.overdue)

    def address(self, **changes: object) -> str:
        """Where the page lies, of this choice with changes."""
        other = replace(self, **changes)  # type: ignore[arg-type]  # names and types are those of the fields
        said = {
            "level": other.level or "",
            "state": other.state,
            "seen": other.seen,
            "q": other.text,
            "overdue": "1" if other.overdue else "",
            "days": "" if other.days == DAYS[0] else str(other.days),
            "page": "" if other.page == 1 else str(other.page),
        }
        query = urlencode({name: value for name, value in said.items() if value})
        return f"/?{query}" if query else "/"

    def query(self, patience: Patience, now_utc: datetime, *, whole_id: bool) -> WorklistQuery:
        """What the journal is asked; one row more than a page tells whether there is another one.

        Args:
            patience: what rises, and what is overdue.
            now_utc: the time.
            whole_id: whether a patient ID may be looked for by more than its last characters.
        """
        recent = bool(self.days) and not self.text and not self.overdue
        return WorklistQuery(
            triage=self.level,
            states=STATES.get(self.state, ()),
            acknowledged=SEEN.get(self.seen),
            acknowledged_last=True,
            text=self.text,
            id_tail=self.text if whole_id or len(self.text) <= TAIL else "",
            since_utc=now_utc - timedelta(days=self.days) if recent else None,
            aged_before_utc=patience.aged_before(now_utc),
            overdue_before_utc=patience.overdue_before(now_utc) if self.overdue else None,
            limit=ROWS + 1,
            offset=(self.page - 1) * ROWS,
        )


def _number(given: str) -> int:
    """A page of the worklist; what is no number is the first."""
    return max(1, int(given)) if given.isascii() and given.isdigit() and len(given) < 9 else 1
