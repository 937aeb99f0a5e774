"""Finding sites as criteria know them: organs and, of the brain, its two compartments.

Codes of SNOMED CT, and of SNOMED RT as DICOM has them (PS3.16, CID 7140 and 7153). The tentorium parts
hemispheres, deep nuclei and callosum above it from cerebellum and brain stem below; the midbrain, which
goes through its notch, counts to the brain stem.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from millet.codec import codes
from millet.codec import sr_lesion as known
from millet.codec.codes import Code
from millet.codec.sr_lesion import Key, key
from millet.core.criteria_sets import BRAIN, INFRATENTORIAL, LUNG, SUPRATENTORIAL

_SUPRATENTORIAL = """
372073000 T-A010F 83678007 83251001 T-A2200 16630005 T-A2300 31065004 T-A2400 78277001 T-A2500
279215006 T-A0036 36169008 T-A2610 40146001 T-A2020 68523003 T-A2030 88442005 T-A2700 11000004 T-A3200
89278009 T-A3400 14738005 T-A3500 42695009 T-A4000 119406000 T-D0593 5366008 T-A2570 85637007 T-A3700
10517005 T-A3800
"""
"""Cerebral hemisphere, cerebrum; frontal, parietal, occipital, temporal, limbic lobe, insula; cortex, white
matter, corpus callosum; caudate nucleus, putamen, globus pallidus, thalamus (two codes), hippocampus;
internal and external capsule."""
_INFRATENTORIAL = """
113305005 T-A6000 25991003 T-A6040 33060004 T-A6080 119238007 T-D0558 15926001 61962009 T-A5100 49557009
67701001 T-A6640 33723005 T-A6630 11089000 T-A6620
"""
"""Cerebellum, its cortex and white matter; brain stem (two codes), midbrain, pons; cerebellar peduncles."""
_BRAIN = "12738006 T-A0100 128319008 T-A0190 1101003 T-D1400"
"""Brain, intracranial structure, intracranial."""


def _keys(written: str) -> frozenset[Key]:
    return frozenset((value, "SRT" if value.startswith("T-") else "SCT") for value in written.split())


COMPARTMENTS: Mapping[Key, str] = {
    **dict.fromkeys(_keys(_SUPRATENTORIAL), SUPRATENTORIAL),
    **dict.fromkeys(_keys(_INFRATENTORIAL), INFRATENTORIAL),
}
_LUNGS = {
    key(codes.LUNG),
    ("T-28000", "SRT"),
    ("44029006", "SCT"),
    ("3341006", "SCT"),
    *known.ZONES,
    *(site for site, _ in known.LOBES),
}
ORGANS: Mapping[Key, str] = {
    **dict.fromkeys(_LUNGS, LUNG),
    **dict.fromkeys((*_keys(_BRAIN), *COMPARTMENTS), BRAIN),
}
"""By finding site. A side is none, and neither is the chest."""


def organ_of(sites: Iterable[Code]) -> str:
    """The organ that finding sites are of; empty where none of them is known."""
    return next((ORGANS[key(site)] for site in sites if key(site) in ORGANS), "")


def compartment_of(sites: Iterable[Code]) -> str:
    """The compartment of the brain; empty where none is named."""
    return next((COMPARTMENTS[key(site)] for site in sites if key(site) in COMPARTMENTS), "")
