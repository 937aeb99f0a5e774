"""The lesions of somebody else's report in FHIR R4: one Observation by the device that found them.

It tells how many the report has and how large the largest that was judged is, refers to the report by its
SOP Instance UID and repeats no lesion of it. What criteria say is another Observation, by Millet, derived
from it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from millet.codec import codes
from millet.codec.fhir_values import Resource, measured, observation, oid, reference, worded
from millet.codec.judged_sr import Judged
from millet.codec.sr_observer import Observer
from millet.core import rounding
from millet.core.analysis import Analysis
from millet.core.language import Language, say
from millet.core.uids import object_uid


class Others(NamedTuple):
    """What a bundle holds of somebody else's report."""

    lesions: Resource
    devices: tuple[Resource, ...]
    """What found them; none where the report names none."""

    def judged_by(self, exam: Resource, judged: Judged) -> Resource:
        """The observation of the exam, as derived from these lesions."""
        said = worded(judged.language, codes.COMPLETENESS, judged.words)
        return {
            **exam,
            "derivedFrom": [reference(self.lesions)],
            "component": [said, *exam["component"]],
        }


def others(judged: Judged, analysis: Analysis, common: Resource) -> Others:
    """The lesions of a report that was judged; `common` is what all resources of the bundle share."""
    devices = tuple(_device(judged.reported.observer, judged.language))
    lesions = {
        **observation(object_uid(analysis, "others"), codes.LESIONS, common),
        "valueInteger": judged.reported.brought.told,
        "note": [{"text": f"{judged.words} {say(judged.language, 'statement')}"}],
        "derivedFrom": [{"type": "DocumentReference", "identifier": oid(judged.report_uid)}],
        **({"device": reference(devices[0])} if devices else {}),
        **({"component": largest} if (largest := list(_largest(judged))) else {}),
    }
    return Others(lesions, devices)


def _largest(judged: Judged) -> Iterator[Resource]:
    if (largest_mm := judged.largest_mm) is not None:
        yield measured(judged.language, codes.LARGEST, rounding.length_mm(largest_mm), codes.MM)


def _device(found_by: Observer, language: Language) -> Iterator[Resource]:
    """Named as the report names it; its first identifier is of this device in this version."""
    if not found_by.device:
        return
    names = (("model-name", found_by.model), ("user-friendly-name", found_by.name))
    named = [{"name": name, "type": kind} for kind, name in names if name]
    version = [{"type": {"text": say(language, "version.software")}, "value": found_by.version}]
    yield {
        "resourceType": "Device",
        "language": language.value,
        "identifier": [oid(uid) for uid in (found_by.device_uid, found_by.uid) if uid],
        **({"manufacturer": found_by.manufacturer} if found_by.manufacturer else {}),
        **({"deviceName": named} if named else {}),
        **({"version": version} if found_by.version else {}),
    }
