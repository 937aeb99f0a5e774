"""Studies of a site for tests of an acceptance, as they were seen: made up, without a voxel."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from millet.core.analysis import Outcome, TriageLevel
from millet.core.assembler import ClosedBy
from millet.core.best import Candidate
from millet.evaluate.acceptance.caveats import Beside, caveats
from millet.evaluate.acceptance.groups import Asked, Case
from millet.evaluate.acceptance.report import Criteria, InPlace, Report, Run
from millet.evaluate.acceptance.study import SeriesSeen, StudySeen
from millet.evaluate.acceptance.summary import summarise
from millet.evaluate.acceptance.truth import Told

POSITIVE, NEGATIVE = Told(positive=True, words="positive"), Told(positive=False, words="negative")
IN_PLACE = InPlace(
    software_version="0.1.0",
    model="millet/1",
    model_digest="5c" * 32,
    precision="int8",
    provider="OpenVINO",
    second_reader="log/1",
    second_reader_digest="6d" * 32,
    criteria=(Criteria(name="lung-miliary/2", digest="7e" * 32),),
    language="en",
    configuration_digest="8f" * 32,
    settings_digest="90" * 32,
)


def series(number=1, level=TriageLevel.UNFLAGGED, **other):
    """A series that was analysed; `reason_code` makes it one that was not."""
    refused = other.get("reason_code", "")
    facts = {
        "digest": f"{number:064x}",
        "standing": Candidate(
            series_uid=f"1.2.{number}", refusal=refused, extent_mm=300.0, slice_mm=1.0, slices=300
        ),
        "outcome": Outcome.NOT_ANALYSED if refused else Outcome.NONE_FOUND,
        "reason_code": "",
        "level": TriageLevel.NOT_ASSESSED if refused else level,
        "reasons": (refused or f"the reason for {level.value}",),
        "outside_use": (),
        "nodules": 0,
        "count_reliable": not refused,
        "scanner": "ACME One",
        "kernel": "B30f (usual)",
        "thickness_mm": 1.0,
        "instances": 300,
        "closed_by": ClosedBy.GEOMETRY,
        "seconds": 20.0,
        "result_digest": f"{number:064x}",
    }
    return SeriesSeen(**{**facts, **other})


def case(number=1, level=TriageLevel.UNFLAGGED, told=None, patient=None, **other):
    """A study of one series."""
    return of_series(number, [series(number, level, **other)], told, patient)


def of_series(number, found, told=None, patient=None):
    """A study of several."""
    study = StudySeen(digest=f"{number:064x}", patient=patient or f"patient {number}", series=tuple(found))
    return Case(number=number, study=study, told=told)


def site(studies=240, seed=7):
    """A site's cases, drawn: four scanners, two kernels, some refused; a seventh of them positive."""
    rng = np.random.default_rng(seed)
    scanners = (
        "SIEMENS SOMATOM Force",
        "GE MEDICAL SYSTEMS Revolution CT",
        "Philips iCT 256",
        "<b>Odd</b> & Co 1",
    )
    cases = []
    for number in range(1, studies + 1):
        positive = rng.uniform() < 1 / 7
        alert = rng.uniform() < (0.9 if positive else 0.06)
        high, low = (TriageLevel.CRITICAL, TriageLevel.URGENT), (TriageLevel.NOTABLE, TriageLevel.UNFLAGGED)
        level = (high if alert else low)[int(rng.uniform() < 0.5)]
        other = {
            "scanner": scanners[rng.choice(4, p=[0.5, 0.3, 0.16, 0.04])],
            "kernel": ("Br40f (usual)", "Bl57d (sharp)")[int(rng.uniform() < 0.4)],
            "thickness_mm": float(rng.choice([0.75, 1.0, 1.25, 3.0, 5.0], p=[0.2, 0.4, 0.2, 0.17, 0.03])),
            "seconds": float(rng.gamma(9, 3)),
        }
        if rng.uniform() < 0.08:
            other["reason_code"] = ("missing-slices", "under-age", "localizer-only")[rng.choice(3)]
        told = POSITIVE if positive else NEGATIVE
        cases.append(case(number, level, told, patient=f"patient {number // 2}", **other))
    return cases


def report(cases, asked=Asked(alert=TriageLevel.URGENT, prevalence=0.03)):  # noqa: B008 - frozen
    """The report of some cases."""
    summary = summarise(cases, asked)
    run = Run(
        site="default",
        created_utc=datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
        called="",
        jobs=1,
        processors=2,
        files={"CT instances": 300 * len(cases)},
        studies_not_taken=0,
        cases_digest="a1" * 32,
        results_digest="b2" * 32,
        truth_digest="c3" * 32,
        repeated=3,
        repeated_alike=3,
    )
    return Report(run=run, in_place=IN_PLACE, summary=summary, caveats=caveats(summary, Beside()))
