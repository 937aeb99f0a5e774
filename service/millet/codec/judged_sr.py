"""What criteria say of somebody else's report: a Comprehensive 3D SR by TID 1500, with judgements only.

It is of the same patient and study, has the report that is judged as its evidence and repeats no lesion of
it: those are whoever's who found them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import NamedTuple

from millet.codec import codes
from millet.codec.codes import Code
from millet.codec.content import CONTAINS, Pen
from millet.codec.document import Head, headed, pen_in
from millet.codec.elements import Item, plain
from millet.codec.part10 import part10
from millet.codec.reported import Reported
from millet.codec.source import Source
from millet.codec.sr import COMPREHENSIVE_3D_SR
from millet.codec.sr_document import general, observed
from millet.codec.sr_judged import criteria
from millet.core.judgement import Judgement
from millet.core.language import Language, said, say
from millet.core.uids import derived_uid

PROCEDURES: Mapping[str, Code] = MappingProxyType({"CT": codes.CT_PROCEDURE, "MR": codes.MR_PROCEDURE})
"""CID 100, by modality."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A report, and what criteria say of it. Raises ValueError."""

    reported: Reported
    judgements: tuple[Judgement, ...]
    created_utc: datetime
    software_version: str
    configuration_digest: str
    """Of everything that decides (`core.digest.judging`)."""
    report_uid: str
    """SOP Instance UID of the report."""
    language: Language = Language.ENGLISH

    def __post_init__(self) -> None:
        if self.created_utc.utcoffset() is None:
            raise ValueError("created_utc must be timezone-aware")

    @property
    def procedure(self) -> Code:
        """What was done to the patient, by the modality of the images as far as that is known."""
        return PROCEDURES.get(self.reported.brought.exam.modality, codes.ANY_PROCEDURE)

    @property
    def largest_mm(self) -> float | None:
        """Diameter of the largest lesion that was judged; None of none."""
        return max((lesion.diameter_mm for lesion in self.reported.brought.exam.lesions), default=None)

    @property
    def sentences(self) -> tuple[str, str]:
        """How many lesions of which report were judged; who found them, and that no image was looked at."""
        brought, who = self.reported.brought, self.reported.observer.said
        counts = {"judged": len(brought.exam.lesions), "lesions": brought.told}
        uid = plain(self.report_uid)
        return say(self.language, "judged", **counts, uid=uid), say(self.language, "judged.by", who=who)

    @property
    def words(self) -> str:
        """The sentences as one text."""
        return " ".join(self.sentences)


class Names(NamedTuple):
    """What the object and its series are called."""

    series_uid: str
    sop_instance_uid: str


def encode(judged: Judged, source: Source, names: Names | None = None) -> bytes:
    """Encode it as a DICOM file; `source` is the report that is judged. Equal arguments give equal bytes."""
    pen = pen_in(judged.language, source)
    if names is None:
        names = Names(_uid(judged, source, "judged-series"), _uid(judged, source, "judged"))
    said = Head(
        kind="judged",
        sop_class_uid=COMPREHENSIVE_3D_SR,
        modality="SR",
        series_uid=names.series_uid,
        sop_instance_uid=names.sop_instance_uid,
        created_utc=judged.created_utc,
        software=(judged.software_version,),
        serial=judged.configuration_digest,
    )
    observer = observed(judged.software_version, judged.configuration_digest, judged.procedure, pen)
    told = pen.container(codes.EVALUATIONS, [*_evaluations(judged, pen)])
    content = pen.root(codes.REPORT, [*observer, told], template="1500")
    whole = judged.reported.whole
    why = pen.say("judged.complete" if whole else "judged.cut")
    about = general(source.evidence(), pen, complete=whole, why=why)
    return part10(
        {**headed(said, source, pen), **about, **content},
        sop_class_uid=COMPREHENSIVE_3D_SR,
        sop_instance_uid=names.sop_instance_uid,
    )


def _uid(judged: Judged, source: Source, kind: str) -> str:
    """A function of the report, of what was asked of it, of what decides, and of when that was."""
    exam = judged.reported.brought.exam
    what = (source.images[0].sop_instance_uid, exam.organ, exam.modality, repr(exam.images))
    return derived_uid(kind, *what, judged.configuration_digest, judged.created_utc.isoformat())


def _evaluations(judged: Judged, pen: Pen) -> Iterator[Item]:
    yield pen.text(CONTAINS, codes.COMMENT, f"{pen.say('statement')} {pen.say('unreviewed')}")
    yield pen.text(CONTAINS, codes.COMPLETENESS, judged.words)
    for told in judged.reported.told:
        yield pen.text(CONTAINS, codes.NOT_ASSESSED, said(told, pen.language))
    for judgement in judged.judgements:
        yield from criteria(judgement, pen)
    parameters = {"software": judged.software_version, "configuration-sha256": judged.configuration_digest}
    for name, value in parameters.items():
        yield pen.text(CONTAINS, codes.ALGORITHM_PARAMETERS, f"{name}={value}")
    yield pen.text(CONTAINS, codes.CREATED, judged.created_utc.astimezone(UTC).isoformat())
