"""The archives that are asked for earlier exams: what looks through their answers loads torch."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from millet.app.pulling import archive_of
from millet.flow.elsewhere import FETCHED, MOST_BYTES, PriorArchive
from millet.flow.errands import ErrandDesk
from millet.flow.moving import Moving
from millet.ports import Archive
from millet.settings import ArchiveSection, Settings


def prior_archives(chosen: Settings, desk: ErrandDesk) -> Sequence[PriorArchive]:
    """Those that are asked for priors, in their order; every wait of them is short.

    To the desk comes what archives send to our DICOM port.
    """
    return [
        PriorArchive(
            reports=_fetched(archive_of(chosen, brief, sorted(FETCHED), MOST_BYTES), brief, desk),
            images=_fetched(archive_of(chosen, brief), brief, desk),
            again=one.prior_images,
        )
        for one in chosen.archive
        if one.priors
        for brief in [replace(one, timeout_s=one.priors_s, limit_s=one.priors_s, move_to=one.priors_to)]
    ]


def _fetched(archive: Archive, section: ArchiveSection, desk: ErrandDesk) -> Archive:
    """An archive whose instances come to who asks, whichever way it sends them."""
    if section.way != "move":
        return archive
    return Moving(
        archive=archive,
        title=section.priors_to,
        desk=desk,
        wait=time.sleep,
        limit_s=section.limit_s,
        most_bytes=MOST_BYTES,
    )
