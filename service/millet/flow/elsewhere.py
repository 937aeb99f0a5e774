"""Earlier exams that an archive holds: which there are, and what their reports and segmentations say.

An archive's answers are hints: whose an exam is and of when is told by the objects themselves, once they are
here. How much is asked for and fetched is bounded; what lies beyond is as if it were not there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from millet.codec import ct, seg_reading, sr_reading
from millet.core import prior as priors
from millet.core.followup import Prior
from millet.core.prior import Facts, Source, fault, ranked
from millet.errors import ArchiveError, RefusedInstance, UnfitSeries
from millet.flow.followup import reported, segmented
from millet.ports import Archive, FoundSeries, FoundStudy, Received, SeriesName, SeriesQuery

MOST_STUDIES = 4
"""Of a patient, the newest that come before the exam."""
MOST_SERIES = 8
"""Of a study and a kind."""
MOST_OBJECTS = 12
"""Reports or segmentations of a study."""
MOST_BYTES = 128_000_000
"""Of them together: a mask of two thousand nodules has ten million."""
REPORT_CLASSES = frozenset(
    {
        "1.2.840.10008.5.1.4.1.1.88.22",  # Enhanced SR
        "1.2.840.10008.5.1.4.1.1.88.33",  # Comprehensive SR
        "1.2.840.10008.5.1.4.1.1.88.34",  # Comprehensive 3D SR
        "1.2.840.10008.5.1.4.1.1.88.35",  # Extensible SR
    }
)
"""That may hold measurements by TID 1500; dose reports and classic CAD never do."""
FETCHED = REPORT_CLASSES | seg_reading.CLASSES
DOES_NOT_MATCH, TOO_MUCH = 0xA900, 0xA700
_SOURCES = {"CT": Source.IMAGES, "SR": Source.REPORT, "SEG": Source.SEGMENTATION}
"""By modality."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PriorArchive:
    """An archive that is asked for priors."""

    reports: Archive
    """As whose user reports and segmentations are fetched."""
    images: Archive | None = None
    """As whose user CT series are fetched to be analysed again; None where they are not."""


class Offer(NamedTuple):
    """What an archive has of one study and one kind."""

    archive: PriorArchive
    series: Sequence[SeriesName]


class Offered(NamedTuple):
    """All that an archive has of a patient."""

    offers: Mapping[Facts, Offer]
    others: Sequence[Facts]
    """Studies that are no priors, for the reason to be told."""


def offered(archive: PriorArchive, own: Facts, since: str) -> Offered:
    """What there is of studies since a date (DICOM DA) and before our exam. Blocks; raises ArchiveError."""
    facts = [_facts(one, own) for one in archive.reports.find_studies(own.patient_id)]
    fit = ranked(own, facts)
    wanted = [one for one in fit if one.date >= since][:MOST_STUDIES]
    offers: dict[Facts, Offer] = {}
    for one in wanted:
        found = archive.reports.find_series(SeriesQuery(study_uid=one.study_uid, modality=""))
        for modality, source in _SOURCES.items():
            series = _some(found, modality) if archive.images or source is not Source.IMAGES else ()
            if series:
                known = replace(one, series_uid=series[0].series_uid, source=source)
                offers[known] = Offer(archive, series)
    return Offered(offers, [one for one in facts if one not in fit])


def fetched(offer: Offer, facts: Facts, own: Facts) -> Prior:
    """The report or segmentation that tells most, or why there is none. Blocks; raises ArchiveError."""
    classes = REPORT_CLASSES if facts.source is Source.REPORT else seg_reading.CLASSES
    found = [_read(one, facts, own) for one in _objects(offer, classes)]
    told = [one for one in found if one.study is not None]
    if told:
        return max(told, key=_nodules)
    return found[0] if found else Prior(why_not=priors.NO_LESIONS)


def _nodules(one: Prior) -> int:
    return len(one.study.nodules) if one.study else 0


def _facts(study: FoundStudy, own: Facts) -> Facts:
    """Of a study as the archive tells it; what it does not tell, its objects will."""
    return Facts(
        series_uid="",
        study_uid=study.study_uid,
        patient_id=study.patient_id or own.patient_id,
        issuer=study.issuer or own.issuer,
        birth_date=study.birth_date or own.birth_date,
        sex=study.sex or own.sex,
        date=study.date,
        time=study.time,
    )


def _some(found: Sequence[FoundSeries], modality: str) -> Sequence[SeriesName]:
    """The newest of a kind."""
    newest = sorted((one for one in found if one.modality == modality), key=lambda one: one.series_date)
    return [one.name for one in newest[::-1][:MOST_SERIES]]


def _objects(offer: Offer, classes: frozenset[str]) -> Sequence[bytes]:
    """The instances, in the order of their UIDs. Raises ArchiveError where nothing comes for a fault."""
    kept: dict[str, bytes] = {}
    whys = []
    for name in offer.series:
        told = offer.archive.reports.retrieve(name, (), _taking(kept, classes))
        whys += [told.why] if told.why else []
    if whys and not kept:
        raise ArchiveError(whys[0])
    return [encoded for _, encoded in sorted(kept.items())]


def _taking(kept: dict[str, bytes], classes: frozenset[str]) -> Callable[[Received], None]:
    def take(received: Received) -> None:
        """Keep what is of these classes, as long as there is room."""
        if received.sop_class_uid not in classes:
            raise RefusedInstance(DOES_NOT_MATCH, "no object of the kind that was asked for")
        size_bytes = sum(map(len, kept.values())) + len(received.encoded)
        if len(kept) == MOST_OBJECTS or size_bytes > MOST_BYTES:
            raise RefusedInstance(TOO_MUCH, "more than is taken of a prior")
        kept[received.sop_instance_uid] = received.encoded

    return take


def _read(encoded: bytes, facts: Facts, own: Facts) -> Prior:
    """One object as a prior, if it is of this patient and study."""
    try:
        header = ct.read_header(encoded)
        whose = Facts.of(header)
        if header.study_uid != facts.study_uid:
            return Prior(why_not=priors.OTHER_PATIENT)
        if why := fault(own, whose):
            return Prior(why_not=why)
        taken = priors.day(whose.date)
        if facts.source is Source.REPORT:
            return reported(sr_reading.read(encoded), header.series_uid, taken)
        return segmented(seg_reading.read(encoded), header.series_uid, taken)
    except (UnfitSeries, ValueError):
        return Prior(why_not=priors.UNREADABLE)
