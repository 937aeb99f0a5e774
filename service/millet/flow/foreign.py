"""A report of somebody else, from its bytes to what criteria say of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from millet import __version__
from millet.codec import sr_reading
from millet.codec.judged_sr import Judged
from millet.codec.outline import planes
from millet.codec.reported import Asked, reported
from millet.codec.source import Source
from millet.core import digest
from millet.core.assembler import REPORTS
from millet.core.brought import judgements, sets_for
from millet.core.criteria import CriteriaSet
from millet.core.language import Language
from millet.errors import UnfitSeries


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What reports are judged by."""

    further: Sequence[CriteriaSet] = ()
    """A site's own sets, beside ours."""
    language: Language = Language.ENGLISH


def judge(
    encoded: bytes, series: Source | None, asked: Asked, created_utc: datetime, bench: Bench
) -> tuple[Judged, Source]:
    """Judge a report (DICOM file), with the images of the one series that it was made of, if there are any.

    The source returned is the report, for what is made of the judgement.

    Raises:
        ValueError: It cannot be judged; why, without patient data.
    """
    try:
        source = Source.read([encoded])
    except UnfitSeries:
        raise ValueError("the report cannot be read") from None
    if source.images[0].sop_class_uid not in REPORTS:
        raise ValueError("no Enhanced, Comprehensive or Comprehensive 3D SR")
    found = reported(_read(encoded, series), series, asked)
    sets = sets_for(found.brought.exam.organ, bench.further)
    judged = Judged(
        reported=found,
        judgements=judgements(found.brought, sets),
        created_utc=created_utc,
        software_version=__version__,
        configuration_digest=digest.judging(sets, __version__, bench.language),
        report_uid=source.images[0].sop_instance_uid,
        language=bench.language,
    )
    return judged, source


def series_of(instances: Iterable[bytes]) -> Source | None:
    """The images (DICOM files) that a report was made of, None without any.

    Raises:
        ValueError: None of them can be read, or they are of several series.
    """
    if not (encoded := tuple(instances)):
        return None
    try:
        series = Source.read(encoded)
    except UnfitSeries:
        raise ValueError("the images cannot be read") from None
    if len(series.by_series()) > 1:
        raise ValueError(f"images of {len(series.by_series())} series: give those of one")
    return series


def _read(encoded: bytes, series: Source | None) -> sr_reading.ReadReport:
    if series is None:
        return sr_reading.read(encoded)
    frame_uid = series.frame_of_reference_uid
    return sr_reading.read(encoded, planes=planes(series), frame_of_reference_uid=frame_uid)
