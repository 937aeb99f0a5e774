"""What our objects share: whose they are, what made them, when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from millet.codec.elements import Encoded, dataset, tag_of
from millet.codec.source import Source
from millet.core.analysis import Analysis
from millet.core.uids import object_uid

MANUFACTURER = "Millet (research software)"
STATEMENT = "Unverified. Research use only. Not for diagnosis; not a medical device."

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
}
"""By kind of object; each is in a series of its own, so that a viewer lists it by its name."""
_NAMES = {
    "sr": "SR of all nodules",
    "labelmap": "SEG of each nodule",
    "gsps": "PR of key images",
    "kos": "key images",
    "sc-axial": "axial MIP",
    "sc-coronal": "coronal MIP",
    "sc-rotating": "rotating MIP",
    "summary": "summary SR",
    "cad": "CAD SR",
}
"""What series are called whose modality does not say it; 64 characters with what is said around it."""


def head(analysis: Analysis, source: Source, *, kind: str, sop_class_uid: str, modality: str) -> Encoded:
    """Patient and study of the source, and our series, equipment and SOP common modules.

    `kind` is one of `SERIES_NUMBERS`; series and instance UIDs are functions of it and of the analysis.
    """
    made_by = analysis.provenance
    at = local(analysis.created_utc, source)
    day, time = at.strftime("%Y%m%d"), at.strftime("%H%M%S.%f")
    ours = dataset(
        SOPClassUID=sop_class_uid,
        SOPInstanceUID=object_uid(analysis, kind),
        InstanceCreationDate=day,
        InstanceCreationTime=time,
        Modality=modality,
        SeriesInstanceUID=object_uid(analysis, f"{kind}-series"),
        SeriesNumber=SERIES_NUMBERS[kind],
        SeriesDate=day,
        SeriesTime=time,
        SeriesDescription=f"Millet {_NAMES.get(kind, modality)}, unverified, research use",
        InstanceNumber="1",
        ContentDate=day,
        ContentTime=time,
        Manufacturer=MANUFACTURER,
        ManufacturerModelName="Millet",
        DeviceSerialNumber=made_by.model_digest[:16] or "none",
        SoftwareVersions=[made_by.software_version, f"{made_by.model_name} {made_by.model_version}"],
    )
    return {**ours, **source.inherited}


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
