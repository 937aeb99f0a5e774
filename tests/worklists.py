"""A worklist in memory: the port as gRPC and the page see it, with the order and filters it promises."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from millet.core.analysis import Analysis, Outcome, TriageLevel
from millet.errors import StoreError
from millet.ports import Overview, Provisional, SeriesKey, SeriesStatus, WorklistQuery

FIRST = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
TEXTS = ("issuer", "patient_id", "accession", "sender", "study_uid", "state")


def status(number: int = 1, **facts: object) -> SeriesStatus:
    """A series that is analysed, or as `facts` say."""
    base = SeriesStatus(
        key=SeriesKey(site="default", series_uid=f"1.2.826.0.1.{number}"),
        study_uid="1.2.826.0.1",
        accession=f"ACC{number:04}",
        patient_id=f"PID-{number:06}",
        issuer="HOSP",
        patient_name="Müller^Jürgen",
        birth_date="19610203",
        sex="M",
        study_date="20260102",
        description="Thorax 1.0",
        sender="CT1",
        state="analysed",
        generation=1,
        instances=400,
        first_received_utc=FIRST,
        last_received_utc=FIRST + timedelta(minutes=number),
        outcome=Outcome.FINDINGS,
        reason_code="",
        triage=TriageLevel.NOTABLE,
        analysed_generation=1,
        analysed_utc=FIRST + timedelta(minutes=number),
        nodules=2,
        deliveries_pending=0,
        revision=number,
    )
    return replace(base, **facts)


def waiting(number: int, state: str) -> SeriesStatus:
    """A series that has not ended."""
    none = {"outcome": None, "triage": None, "nodules": None, "analysed_utc": None}
    return status(number, state=state, analysed_generation=0, **none)


class MemoryWorklist:
    """Satisfies `ports.Worklist` and `ports.Board`; `broken` makes every method raise StoreError."""

    def __init__(self) -> None:
        self.statuses: dict[SeriesKey, SeriesStatus] = {}
        self.analyses: dict[SeriesKey, Analysis] = {}
        self.objects: dict[tuple[SeriesKey, str], bytes] = {}
        self.expected: dict[SeriesKey, int] = {}
        self.found: dict[SeriesKey, list[Provisional]] = {}
        self.broken = False

    def put(self, line: SeriesStatus, analysis: Analysis | None = None) -> SeriesStatus:
        """Commit a line, and the analysis it speaks of, under the line's key."""
        self.statuses = {**self.statuses, line.key: line}
        if analysis:
            key = line.key
            self.analyses[key] = replace(analysis, site=key.site, series_uid=key.series_uid)
        return line

    def change(self, line: SeriesStatus, **facts: object) -> SeriesStatus:
        """Change a line, as a later revision."""
        return self.put(replace(line, revision=self.revision() + 1, **facts))

    def series(self, query: WorklistQuery) -> Sequence[SeriesStatus]:
        """See the port."""
        self._check()
        found = [line for line in self.statuses.values() if _matches(line, query)]
        found.sort(key=lambda line: (*_rank(line, query), line.first_received_utc))
        return found[query.offset :][: query.limit or None]

    def revision(self) -> int:
        """See the port."""
        self._check()
        return max((line.revision for line in self.statuses.values()), default=0)

    def changed(self, after_revision: int, limit: int = 0) -> Sequence[SeriesStatus]:
        """See the port."""
        self._check()
        newer = (line for line in self.statuses.values() if line.revision > after_revision)
        return sorted(newer, key=lambda line: line.revision)[: limit or None]

    def revisions(self, after_revision: int, limit: int) -> Sequence[int]:
        """See the port."""
        self._check()
        newer = (line.revision for line in self.statuses.values() if line.revision > after_revision)
        return sorted(newer)[:limit]

    def expected_instances(self, key: SeriesKey) -> int | None:
        """See the port."""
        self._check()
        return self.expected.get(key)

    def provisional(self, key: SeriesKey, after: int) -> Sequence[Provisional]:
        """See the port."""
        self._check()
        return [one for one in self.found.get(key, ()) if one.number > after]

    def analysis(self, key: SeriesKey) -> Analysis | None:
        """See the port."""
        self._check()
        return self.analyses.get(key)

    def analysis_mark(self, key: SeriesKey) -> str | None:
        """See the port."""
        self._check()
        found = self.analyses.get(key)
        return None if found is None else str(id(found))

    def object_bytes(self, key: SeriesKey, kind: str, generation: int = 0) -> bytes | None:
        """See the port; objects are of the analysis that is there."""
        self._check()
        known = self.statuses.get(key)
        if known is None or generation not in {0, known.analysed_generation}:
            return None
        return self.objects.get((key, kind))

    def overview(self, overdue_before_utc: Mapping[TriageLevel, datetime]) -> Overview:
        """See `ports.Board`."""
        self._check()
        lines = self.statuses.values()
        waits = [line.last_received_utc for line in lines if line.state in {"queued", "analysing"}]
        late = Counter(line.triage for line in lines if _is_overdue(line, overdue_before_utc))
        return Overview(
            revision=self.revision(),
            waiting=len(waits),
            waiting_since_utc=min(waits, default=None),
            failed=sum(line.state == "parked" for line in lines),
            overdue={level: late[level] for level in overdue_before_utc},
        )

    def _check(self) -> None:
        if self.broken:
            raise StoreError("the disk of PID-000001 is gone")


def _matches(line: SeriesStatus, query: WorklistQuery) -> bool:
    return (
        all(getattr(query, name) in {"", getattr(line, name)} for name in TEXTS)
        and query.site in {"", line.key.site}
        and query.series_uid in {"", line.key.series_uid}
        and query.triage in {None, line.triage}
        and query.acknowledged in {None, line.is_acknowledged}
        and line.revision > query.after_revision
        and (not query.states or line.state in query.states)
        and _is_looked_for(line, query)
        and _is_recent(line, query)
        and (query.overdue_before_utc is None or _is_overdue(line, query.overdue_before_utc))
    )


def _is_looked_for(line: SeriesStatus, query: WorklistQuery) -> bool:
    if not query.text and not query.id_tail:
        return True
    by_number = bool(query.text) and query.text.lower() in line.accession.lower()
    return by_number or (bool(query.id_tail) and line.patient_id.endswith(query.id_tail))


def _is_recent(line: SeriesStatus, query: WorklistQuery) -> bool:
    pressing = line.triage in {TriageLevel.URGENT, TriageLevel.CRITICAL} and not line.is_acknowledged
    return query.since_utc is None or line.first_received_utc >= query.since_utc or pressing


def _is_overdue(line: SeriesStatus, before_utc: Mapping[TriageLevel, datetime]) -> bool:
    before = before_utc.get(line.triage) if line.triage else None
    told = before is not None and line.analysed_utc is not None and line.analysed_utc < before
    return told and not line.is_acknowledged


def _rank(line: SeriesStatus, query: WorklistQuery) -> tuple[bool, int]:
    order = list(TriageLevel)
    rank = -order.index(line.triage) if line.triage else 1
    aged = query.aged_before_utc is not None and line.first_received_utc < query.aged_before_utc
    rank = min(rank, -order.index(TriageLevel.NOTABLE)) if aged else rank
    return query.acknowledged_last and line.is_acknowledged, rank
