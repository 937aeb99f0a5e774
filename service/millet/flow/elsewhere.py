"""Earlier exams that an archive holds: which there are, and what their reports and segmentations say.

An archive's answers are hints: whose an exam is and of when is told by the objects themselves, once they are
here. How much is asked for and fetched is bounded; what lies beyond is as if it were not there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property, partial
from typing import NamedTuple

from millet.codec import ct, seg_reading, sr_reading
from millet.codec.outline import Plane, planes
from millet.codec.source import Source
from millet.codec.sr_region import Flaw
from millet.core import prior as priors
from millet.core.followup import Prior
from millet.core.prior import Facts, Origin, fault, ranked
from millet.core.series import SliceHeader
from millet.errors import ArchiveError, RefusedInstance, UnfitSeries
from millet.flow.followup import reported, segmented
from millet.flow.reception import CT_CLASSES
from millet.ports import Archive, FoundSeries, FoundStudy, Received, SeriesName, SeriesQuery

MOST_STUDIES = 4
"""Of a patient, the newest that come before the exam."""
MOST_SERIES = 8
"""Of a study and a kind."""
MOST_OBJECTS = 12
"""Reports or segmentations of a study."""
MOST_IMAGES = 64
"""That contours lie on, fetched for their places."""
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
_ORIGINS = {"CT": Origin.IMAGES, "SR": Origin.REPORT, "SEG": Origin.SEGMENTATION}
"""Origin modality."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PriorArchive:
    """An archive that is asked for priors."""

    reports: Archive
    """As whose user reports and segmentations are fetched."""
    images: Archive
    """As whose user CT instances are fetched."""
    again: bool = False
    """Whether whole CT series are fetched, to be analysed again."""


class Offer(NamedTuple):
    """What an archive has of one study and one kind."""

    archive: PriorArchive
    series: Sequence[SeriesName]
    beside: Mapping[Origin, Sequence[SeriesName]]
    """Of the same study, by kind."""


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
        series = {origin: _some(found, modality) for modality, origin in _ORIGINS.items()}
        for origin, names in series.items():
            if names and (archive.again or origin is not Origin.IMAGES):
                known = replace(one, series_uid=names[0].series_uid, origin=origin)
                offers[known] = Offer(archive, names, series)
    return Offered(offers, [one for one in facts if one not in fit])


def fetched(offer: Offer, facts: Facts, own: Facts) -> Prior:
    """The report or segmentation that tells most, or why there is none. Blocks; raises ArchiveError."""
    if facts.origin is Origin.REPORT:
        found = _reports(offer, facts, own)
    else:
        drawn = _objects(offer, offer.series, seg_reading.CLASSES)
        found = [_checked(one, facts, own, partial(_drawn, encoded=one)) for one in drawn]
    told = [one for one in found if one.study is not None]
    if told:
        return max(told, key=_nodules)
    return found[0] if found else Prior(why_not=priors.NO_LESIONS)


def _reports(offer: Offer, facts: Facts, own: Facts) -> Sequence[Prior]:
    """Each report as a prior, with what its lesions refer to: segments of others, contours on images."""
    reports = _objects(offer, offer.series, REPORT_CLASSES)
    beside = _Beside(offer)
    return [_checked(one, facts, own, partial(_told, encoded=one, beside=beside)) for one in reports]


def _told(head: SliceHeader, encoded: bytes, beside: _Beside) -> Prior:
    report = sr_reading.read(encoded)
    images = {one.image_uid for one in report.lesions if Flaw.UNKNOWN_IMAGE in one.flaws}
    if images:
        report = sr_reading.read(encoded, planes=beside.planes(images))
    if any(Flaw.SEGMENT_ONLY in one.flaws for one in report.lesions):
        report = seg_reading.placed(report, beside.segmentations)
    return reported(report, head.series_uid, _day(head))


def _drawn(head: SliceHeader, encoded: bytes) -> Prior:
    return segmented(seg_reading.read(encoded), head.series_uid, _day(head))


def _day(head: SliceHeader) -> date | None:
    return priors.day(Facts.of(head).date)


class _Beside:
    """What lies beside a report in its study; fetched when it is asked for. Raises ArchiveError."""

    def __init__(self, offer: Offer) -> None:
        self._offer = offer

    @cached_property
    def segmentations(self) -> Sequence[seg_reading.ReadSegmentation]:
        """All that can be read."""
        read = []
        for one in _objects(self._offer, self._offer.beside[Origin.SEGMENTATION], seg_reading.CLASSES):
            with suppress(ValueError):
                read.append(seg_reading.read(one))
        return read

    def planes(self, sop_instance_uids: Collection[str]) -> Sequence[Plane]:
        """Where these images lie, those that are found."""
        archive, kept = self._offer.archive.images, dict[str, bytes]()
        for name in self._offer.beside[Origin.IMAGES]:
            wanted = archive.instances(name).intersection(sop_instance_uids)
            some = sorted(wanted)[: MOST_IMAGES - len(kept)]
            if some:
                archive.retrieve(name, some, _taking(kept, CT_CLASSES, MOST_IMAGES))
        images = Source.any_of(kept.values())
        return planes(images) if images else ()


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


def _objects(offer: Offer, series: Sequence[SeriesName], classes: Collection[str]) -> Sequence[bytes]:
    """The instances, in the order of their UIDs. Raises ArchiveError where nothing comes for a fault."""
    kept: dict[str, bytes] = {}
    whys = []
    for name in series:
        told = offer.archive.reports.retrieve(name, (), _taking(kept, classes, MOST_OBJECTS))
        whys += [told.why] if told.why else []
    if whys and not kept:
        raise ArchiveError(whys[0])
    return [encoded for _, encoded in sorted(kept.items())]


def _taking(kept: dict[str, bytes], classes: Collection[str], most: int) -> Callable[[Received], None]:
    def take(received: Received) -> None:
        """Keep what is of these classes, as long as there is room."""
        if received.sop_class_uid not in classes:
            raise RefusedInstance(DOES_NOT_MATCH, "no object of the kind that was asked for")
        size_bytes = sum(map(len, kept.values())) + len(received.encoded)
        if len(kept) == most or size_bytes > MOST_BYTES:
            raise RefusedInstance(TOO_MUCH, "more than is taken of a prior")
        kept[received.sop_instance_uid] = received.encoded

    return take


def _checked(encoded: bytes, facts: Facts, own: Facts, read: Callable[[SliceHeader], Prior]) -> Prior:
    """One object as a prior, if it is of this patient and study."""
    try:
        head = ct.read_header(encoded)
        if head.study_uid != facts.study_uid:
            return Prior(why_not=priors.OTHER_PATIENT)
        why = fault(own, Facts.of(head))
        return Prior(why_not=why) if why else read(head)
    except (UnfitSeries, ValueError):
        return Prior(why_not=priors.UNREADABLE)
