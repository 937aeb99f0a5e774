"""What our objects share: whose they are, what made them, when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import NamedTuple

from millet.codec.content import Pen, pen_for
from millet.codec.elements import ASCII, Encoded, dataset, tag_of
from millet.codec.source import Source
from millet.core.analysis import Analysis
from millet.core.language import Language
from millet.core.uids import object_uid

MANUFACTURER = "Millet (research software)"

SERIES_NUMBERS = {
    "sr": "9901",
    "seg": "9902",
    "labelmap": "9903",
    "gsps": "9904",
    "kos": "9905",
    "sc-axial": "9906",
    "sc-coronal": "9907",
    "sc-rotating": "9908",
    "summary": "9909",
    "cad": "9910",
    "judged": "9911",
}
"""By kind of object; each is in a series of its own, so that a viewer lists it by its name."""
_NAMED = frozenset(SERIES_NUMBERS) - {"seg"}
"""What series are called whose modality does not say it."""


def pen_of(analysis: Analysis, source: Source) -> Pen:
    """What the objects of an analysis are written with."""
    return pen_in(analysis.language, source)


def pen_in(language: Language, source: Source) -> Pen:
    """What a language is written with: English is ASCII, which any source's set holds."""
    return pen_for() if language is Language.ENGLISH else pen_for(language, source.letters.codec)


class Head(NamedTuple):
    """What is at the head of an object, beside patient and study."""

    kind: str
    """One of `SERIES_NUMBERS`."""
    sop_class_uid: str
    modality: str
    series_uid: str
    sop_instance_uid: str
    created_utc: datetime
    software: tuple[str, ...]
    serial: str
    """In place of a device's serial number: what made it, by its digest."""


def head(analysis: Analysis, source: Source, *, kind: str, sop_class_uid: str, modality: str) -> Encoded:
    """As `headed`, of an analysis: series and instance UIDs are functions of it and of the kind."""
    made_by = analysis.provenance
    said = Head(
        kind=kind,
        sop_class_uid=sop_class_uid,
        modality=modality,
        series_uid=object_uid(analysis, f"{kind}-series"),
        sop_instance_uid=object_uid(analysis, kind),
        created_utc=analysis.created_utc,
        software=(made_by.software_version, f"{made_by.model_name} {made_by.model_version}"),
        serial=made_by.model_digest,
    )
    return headed(said, source, pen_of(analysis, source))


def headed(said: Head, source: Source, pen: Pen) -> Encoded:
    """Patient and study of the source, and our series, equipment and SOP common modules."""
    at = local(said.created_utc, source)
    what = pen.say(f"series.{said.kind}") if said.kind in _NAMED else said.modality
    day, time = at.strftime("%Y%m%d"), at.strftime("%H%M%S.%f")
    ours = pen.dataset(
        SOPClassUID=said.sop_class_uid,
        SOPInstanceUID=said.sop_instance_uid,
        InstanceCreationDate=day,
        InstanceCreationTime=time,
        Modality=said.modality,
        SeriesInstanceUID=said.series_uid,
        SeriesNumber=SERIES_NUMBERS[said.kind],
        SeriesDate=day,
        SeriesTime=time,
        SeriesDescription=pen.say("series", what=what),
        InstanceNumber="1",
        ContentDate=day,
        ContentTime=time,
        Manufacturer=MANUFACTURER,
        ManufacturerModelName="Millet",
        DeviceSerialNumber=said.serial[:16] or "none",
        SoftwareVersions=said.software,
    )
    return {**ours, **source.inherited, **_declared(pen, source)}


def _declared(pen: Pen, source: Source) -> Encoded:
    """The character set, where the source's words read the same in one that has our letters."""
    if pen.letters == ASCII or not source.letters.declared:
        return {}
    return dataset(SpecificCharacterSet=source.letters.declared)


def local(moment: datetime, source: Source) -> datetime:
    """A moment in the time zone that the source declares, else in UTC.

    Timezone Offset From UTC (0008,0201) is copied with the study's times and holds for ours, too.
    """
    element = source.inherited.get(tag_of("TimezoneOffsetFromUTC"), b"")
    text = element[8:].decode("ascii", "replace").strip(" \0")
    sign, hours, minutes = text[:1], text[1:3], text[3:5]
    if sign not in {"+", "-"} or not (hours + minutes).isdigit() or len(text) != 5 or hours > "14":
        return moment.astimezone(UTC)
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    return moment.astimezone(timezone(-offset if sign == "-" else offset))
