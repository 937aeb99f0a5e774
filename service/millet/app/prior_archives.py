"""The archives that are asked for earlier exams: what looks through their answers loads torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from millet.app.pulling import archive_of
from millet.flow.elsewhere import FETCHED, MOST_BYTES, PriorArchive
from millet.settings import Settings


def prior_archives(chosen: Settings) -> Sequence[PriorArchive]:
    """Those that are asked for priors, in their order; every wait of them is short."""
    return [
        PriorArchive(
            reports=archive_of(chosen, brief, sorted(FETCHED), MOST_BYTES),
            images=archive_of(chosen, brief),
            again=one.prior_images,
        )
        for one in chosen.archive
        if one.priors
        for brief in [replace(one, timeout_s=one.priors_s, limit_s=one.priors_s)]
    ]
