"""Who found the lesions of a report, as the report names it (PS3.16 TID 1002 to 1004, PS3.3 C.7.5.1).

A device is named by the observation context, and where that is silent by the equipment that wrote the report.
A person is not named: that they observed is told, and who they are stands in the report.
"""

from __future__ import annotations

from dataclasses import dataclass

from millet.codec import codes
from millet.codec.codes import Code
from millet.codec.sr_lesion import key
from millet.codec.sr_tree import Node
from millet.core.language import phrase
from millet.core.uids import derived_uid, is_uid

_PERSON = "121006", "DCM"
"""Person, as Observer Type (CID 270)."""
LONGEST = 64
"""Letters of a name that are told, as of an LO (PS3.5 6.2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observer:
    """What a report says of whoever found its lesions; empty for what it does not say."""

    is_person: bool = False
    """With the device, if there is one, as their tool."""
    uid: str = ""
    """Device Observer UID."""
    name: str = ""
    manufacturer: str = ""
    model: str = ""
    version: str = ""

    @property
    def device(self) -> str:
        """The device in words."""
        return " ".join(dict.fromkeys(filter(None, (self.manufacturer, self.model, self.name, self.version))))

    @property
    def device_uid(self) -> str:
        """A UID that only this device has, in this version."""
        return derived_uid("observer", self.uid, self.manufacturer, self.model, self.name, self.version)

    @property
    def said(self) -> str:
        """Who it was, in words; a device by its name in any language."""
        if not self.is_person:
            return self.device or phrase("observer.unknown")
        if not self.device:
            return phrase("observer.person")
        return phrase("observer.person-with", device=self.device)


def observer(root: Node) -> Observer:
    """Read it from the root of a report."""
    told = {key(item.concept): item for item in reversed(root.children)}

    def said(concept: Code, keyword: str = "") -> str:
        item = told.get(key(concept))
        return _short(item.text if item else "") or (_short(root.words(keyword)) if keyword else "")

    uid = told[key(codes.DEVICE_UID)].word("UID") if key(codes.DEVICE_UID) in told else ""
    who = told.get(key(codes.OBSERVER_TYPE))
    return Observer(
        is_person=who is not None and key(who.value) == _PERSON,
        uid=uid if is_uid(uid) else "",
        name=said(codes.DEVICE_NAME),
        manufacturer=said(codes.DEVICE_MANUFACTURER, "Manufacturer"),
        model=said(codes.DEVICE_MODEL, "ManufacturerModelName"),
        version=_short(root.words("SoftwareVersions").replace("\\", ", ")),
    )


def _short(words: str) -> str:
    """One line of a name."""
    return " ".join("".join(c if c.isprintable() else " " for c in words).split())[:LONGEST]
