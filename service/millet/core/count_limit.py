"""What a model's own limit on the number of its findings means for a report: it is always told."""

from __future__ import annotations

from millet.core.boxes import Selected
from millet.core.language import phrase
from millet.core.manifest import Manifest
from millet.core.reasons import Reason, Remark, Weight


def told(manifest: Manifest) -> str:
    """The limit in words, for whoever loads the model; nothing for a model without one."""
    return "" if manifest.count_limit is None else phrase("count-limit", most=manifest.count_limit)


def stated(manifest: Manifest) -> tuple[Remark, ...]:
    """The remark that stands in every report of a model that has a limit."""
    if not (limit := told(manifest)):
        return ()
    detail = phrase("count-limit.stated", model=f"{manifest.name}/{manifest.version}", limit=limit)
    return (Remark(reason=Reason.COUNT_LIMIT, weight=Weight.NOTE, detail=detail),)


def reached(manifest: Manifest, found: Selected) -> tuple[Remark, ...]:
    """The remark that there may be more than is reported.

    It is due when as many are reported as the model can return, and when a count cut off a box that
    would have been reported: the best of a pyramid level go on before overlaps are sorted out, so a few
    hundred nodules, each said several times, may use up that count first.
    """
    if manifest.count_limit is None:
        return ()
    reported = sum(manifest.reports(candidate) for candidate in found.candidates)
    threshold = min(level.threshold for level in manifest.levels)
    if reported < manifest.count_limit and found.cut_score < max(threshold, manifest.candidate_floor):
        return ()
    detail = phrase("count-limit.reached", reported=reported)
    return (Remark(reason=Reason.COUNT_LIMIT_REACHED, weight=Weight.OUTSIDE_USE, detail=detail),)
