"""A worklist in memory: the port as gRPC and the page see it, with the order and filters it promises."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from millet.core.analysis import Analysis, Outcome, TriageLevel
from millet.errors import StoreError
from millet.ports import Provisional, SeriesKey, SeriesStatus, WorklistQuery

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
        nodules=2,
        deliveries_pending=0,
        revision=number,
    )
    return replace(base, **facts)


def waiting(number: int, state: str) -> SeriesStatus:
    """A series that has not ended."""
    return status(number, state=state, outcome=None, triage=None, nodules=None)


class MemoryWorklist:
    """Satisfies `ports.Worklist`; `broken` makes every method raise StoreError."""

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

    def series(self, query: WorklistQuery) -> Sequence[SeriesStatus]:
        """See the port."""
        self._check()
        found = [line for line in self.statuses.values() if _matches(line, query)]
        order = list(TriageLevel)
        found.sort(key=lambda s: (-order.index(s.triage) if s.triage else 0, s.first_received_utc))
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

    def object_bytes(self, key: SeriesKey, kind: str) -> bytes | None:
        """See the port."""
        self._check()
        return self.objects.get((key, kind))

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
    )
