"""Studies of which recipients must hear, and what they are told."""

from __future__ import annotations

from millet.core.analysis import TriageLevel
from millet.core.notification import Change, Ground, News, Standing

NOT_ASSESSED, UNFLAGGED, NOTABLE, URGENT, CRITICAL = TriageLevel


def standing(
    level: TriageLevel, before: TriageLevel | None = None, study: str = "1.2.3", told: int = 0
) -> Standing:
    """A study as a recipient must hear of it."""
    return Standing(
        site="default",
        study_uid=study,
        series_uid=f"{study}.4",
        accession="A-77",
        patient_id="P^1",
        issuer="NORTH",
        before=before,
        told=told,
        level=level,
        grounds=(Ground(code="lesion", words="left mass of 31.0 mm"),),
    )


def news(
    level: TriageLevel,
    change: Change,
    before: TriageLevel | None = None,
    study: str = "1.2.3",
    told: int = 0,
) -> News:
    """What a recipient is told of a study."""
    return News(change=change, standing=standing(level, before, study, told))
