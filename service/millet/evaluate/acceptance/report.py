"""The report of an acceptance: all that it says, and the document that is signed.

No patient data is in it: a study is a number and a keyed digest, which tells nothing to anybody but the site.
Keys of the document are added, never renamed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from millet.core.analysis import TriageLevel
from millet.evaluate.acceptance.groups import EDGES_MM, FEWEST, Group
from millet.evaluate.acceptance.predictive import Accuracy
from millet.evaluate.acceptance.summary import Held, Summary
from millet.evaluate.estimate import CONFIDENCE, Estimate

FORMAT = "millet-acceptance-1"
STATEMENTS = (
    "Triage aid and research software. It makes no diagnosis and is not a medical device.",
    "A study without an alert is not a normal study; every study is read as if Millet were not there.",
    "In shadow: nothing was delivered, nobody was told, nothing went into a journal or a metric of patients.",
    "Earlier exams of the patients were not looked for; change plays no part in any level here.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Criteria:
    """A set of criteria that was in use."""

    name: str
    """identifier/version."""
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InPlace:
    """What decides about results at a site; digests are SHA-256 in hex."""

    software_version: str
    model: str
    """name/version."""
    model_digest: str
    """As every report to a PACS tells it."""
    precision: str
    provider: str
    second_reader: str
    """name/version of who counts beside it; empty for nobody."""
    second_reader_digest: str
    criteria: tuple[Criteria, ...]
    language: str
    configuration_digest: str
    """Of everything but the model that changes a result, as every report to a PACS tells it."""
    settings_digest: str
    """Of the whole configuration, secrets left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """How it was run."""

    site: str
    created_utc: datetime
    called: str
    """The called AE title whose model it was; empty for the usual one."""
    jobs: int
    """Series side by side."""
    processors: int
    files: Mapping[str, int]
    """What became of the files, in words."""
    studies_not_taken: int
    """With nothing in them that the service takes."""
    cases_digest: str
    """Keyed, over all studies."""
    results_digest: str
    """Keyed, over all studies and what was found in them: equal where everything was found again."""
    truth_digest: str
    """Keyed, over what the site said of each study; empty where it said nothing."""
    repeated: int
    """Series that were analysed twice."""
    repeated_alike: int
    """Of them those with exactly the same result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything that is told."""

    run: Run
    in_place: InPlace
    summary: Summary
    caveats: tuple[str, ...]


def document(report: Report) -> dict[str, Any]:
    """The report as JSON values."""
    run, summary = report.run, report.summary
    return {
        "format": FORMAT,
        "statements": list(STATEMENTS),
        "run": {**asdict(run), "created_utc": run.created_utc.isoformat(), "files": dict(run.files)},
        "in_place": in_place(report.in_place),
        "asked": asdict(summary.asked),
        "confidence": CONFIDENCE,
        "caveats": list(report.caveats),
        "studies": {"patients": summary.patients, "series": summary.series, **_studies(summary)},
        "groups": {
            "fewest": FEWEST,
            "thickness_edges_mm": list(EDGES_MM),
            "scanner": _groups(summary.by_scanner),
            "kernel": _groups(summary.by_kernel),
            "thickness": _groups(summary.by_thickness),
        },
        "truth": _held(summary.held),
        "seconds": asdict(summary.seconds),
        "cases": [{"case": case.number, "digest": case.study.digest} for case in summary.cases],
    }


def in_place(found: InPlace) -> dict[str, Any]:
    """What is in place as JSON values, to be compared."""
    return {**asdict(found), "criteria": [asdict(one) for one in found.criteria]}


def canonical(value: Any) -> bytes:
    """JSON as it is signed: keys in order, no spaces, ASCII. Raises ValueError for what is no number."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")


def parsed(encoded: bytes) -> Any:
    """Read JSON; ValueError where a key is there twice, since readers would differ in what it says."""
    return json.loads(encoded, object_pairs_hook=_once, parse_constant=_no_number)


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    if len(found := dict(pairs)) < len(pairs):
        raise ValueError("a key is there twice")
    return found


def _no_number(word: str) -> Any:
    raise ValueError(f"{word} is no JSON")


def _studies(summary: Summary) -> dict[str, Any]:
    return {
        "analysed": asdict(summary.analysed),
        "alerts": asdict(summary.alerts),
        "levels": _by_level(summary.levels),
        "from_level": _by_level(summary.from_level),
        "studies_by_reason": dict(summary.studies_by_reason),
        "series_by_reason": dict(summary.series_by_reason),
        "outside_use": dict(summary.outside_use),
        "closed_by": dict(summary.closed_by),
        "decided_elsewhere": summary.decided_elsewhere,
        "unreliable": summary.unreliable,
    }


def _by_level(levels: Mapping[TriageLevel, Estimate]) -> dict[str, Any]:
    return {level.value: asdict(estimate) for level, estimate in levels.items()}


def _groups(groups: Sequence[Group]) -> list[dict[str, Any]]:
    return [
        {
            "name": one.name,
            "studies": one.studies,
            "analysed": one.analysed,
            "few": one.few,
            "alerts": asdict(one.alerts),
            "accuracy": _accuracy(one.accuracy),
        }
        for one in groups
    ]


def _accuracy(accuracy: Accuracy | None) -> dict[str, Any] | None:
    return None if accuracy is None else asdict(accuracy)


def _held(held: Held | None) -> dict[str, Any] | None:
    if held is None:
        return None
    return {**asdict(held), "disagreements": [asdict(one) for one in held.disagreements]}
