"""The declared intended use: adult chest CT, original axial slices, without loss. A table of exceptions.

    refused                 under 18, projections, reformats, attenuation maps, cone beam, biopsies,
                            quality phantoms, multi-frame objects, burnt-in annotation; no CT, localizers only
    outside validated use   age unknown, slices marked derived, the CT of a PET/CT, lossy compression

Words are looked for in what protocols and people wrote about the scan, never in the patient's name: a
phantom that is made like a patient is analysed like one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from millet.core.language import phrase
from millet.core.reasons import Reason, Remark, Weight
from millet.core.series import SliceHeader
from millet.core.split import CT_IMAGE_STORAGE, is_localizer
from millet.errors import UnfitSeries

ADULT_YEARS = 18.0

_PROJECTIONS = frozenset(("MIP", "MINIP", "MNIP", "AVEIP", "MAXIMUM", "MINIMUM", "AVERAGE"))
_REFORMATS = frozenset(
    ("MPR", "CMPR", "CPR", "REFORMATTED", "CURVED", "VRT", "SSD", "VOLUME_RENDERED", "SUBTRACT")
)
"""Words of Image Type value 3 on, as vendors write them."""


class _Rule(NamedTuple):
    reason: Reason
    weight: Weight
    applies: Callable[[SliceHeader], object]
    said: str
    """The key of what is said."""


def _described(pattern: str) -> Callable[[SliceHeader], object]:
    found = _search(pattern)
    return lambda header: any(found(words) for words in header.descriptions)


def _series_described(pattern: str) -> Callable[[SliceHeader], object]:
    found = _search(pattern)
    return lambda header: found(header.series_description.upper())


def _search(pattern: str) -> Callable[[str], bool]:
    """All slices of a series are described in the same words: each is looked through once."""
    search = re.compile(pattern).search
    return lru_cache(maxsize=64)(lambda words: search(words) is not None)


def _typed(words: frozenset[str]) -> Callable[[SliceHeader], object]:
    return lambda header: not words.isdisjoint(header.image_type)


_NOT_AFTERWARDS = r"^(?!.*(\bPOST|\bAFTER\b|\bS/P\b|FOLLOW|\bF/U\b|\bPRE|PLAN)).*"
"""A scan before or after an intervention is an ordinary one, whose description names the intervention."""
_REFUSES, _OUTSIDE = Weight.REFUSES, Weight.OUTSIDE_USE
_RULES = (
    _Rule(
        Reason.QA_PHANTOM,
        _REFUSES,
        _described(
            r"\bQA\b|\bQC\b|CATPHAN|\bACR.?PHANTOM|QUALITY (ASSURANCE|CONTROL)|CALIBRATION|WATER PHANTOM"
        ),
        "gate.qa",
    ),
    _Rule(
        Reason.CONE_BEAM,
        _REFUSES,
        _described(r"CONE.?BEAM|\bCBCT\b|DYNACT|XPERCT|INNOVA.?CT|O-ARM"),
        "gate.cone-beam",
    ),
    _Rule(
        Reason.BIOPSY,
        _REFUSES,
        _described(_NOT_AFTERWARDS + r"(BIOPS|\bBX\b|\bFNA\b|\bDRAINAGE\b|ABLATION|INTERVENTION)"),
        "gate.intervention",
    ),
    _Rule(
        Reason.ATTENUATION_CORRECTION,
        _REFUSES,
        _described(r"\bCT.?AC\b|\bAC.?CT\b|ATTENUATION|ATTEN\.? ?CORR"),
        "gate.attenuation",
    ),
    _Rule(Reason.MAXIMUM_PROJECTION, _REFUSES, _typed(_PROJECTIONS), "gate.projection-type"),
    _Rule(
        Reason.MAXIMUM_PROJECTION,
        _REFUSES,
        _series_described(r"\bMIPS?\b|\bMINIP\b|(MAX|MIN)IMUM.?INTENSITY"),
        "gate.projection",
    ),
    _Rule(Reason.DERIVED_IMAGE, _REFUSES, _typed(_REFORMATS), "gate.reformat"),
    _Rule(Reason.UNSUPPORTED_PIXELS, _REFUSES, lambda h: h.frames > 1, "gate.multi-frame"),
    _Rule(Reason.BURNED_IN_ANNOTATION, _REFUSES, lambda h: h.burned_in, "gate.annotated"),
    _Rule(
        Reason.UNDER_AGE,
        _REFUSES,
        lambda h: h.age_years is not None and h.age_years < ADULT_YEARS,
        "gate.under-age",
    ),
    _Rule(Reason.AGE_UNKNOWN, _OUTSIDE, lambda h: h.age_years is None, "gate.age-unknown"),
    _Rule(Reason.DERIVED_IMAGE, _OUTSIDE, lambda h: "DERIVED" in h.image_type, "gate.derived"),
    _Rule(
        Reason.ATTENUATION_CORRECTION,
        _OUTSIDE,
        _described(r"\bPET\b|PET.?CT"),
        "gate.pet",
    ),
    _Rule(Reason.LOSSY_COMPRESSION, _OUTSIDE, lambda h: h.lossy, "gate.lossy"),
)
"""First match first: a refusal is reported before what is only unusual."""
_OF_THE_PATIENT = frozenset({Reason.UNDER_AGE})
"""What one slice says of all: the others' silence makes nobody an adult."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """Slices that may be analysed, and what was set aside."""

    headers: tuple[SliceHeader, ...]
    remarks: tuple[Remark, ...]


def judge(headers: Sequence[SliceHeader]) -> tuple[Remark, ...]:
    """What the declared intended use says to these slices: every rule that applies to any, once."""
    applied = [rule for rule in _RULES if any(rule.applies(header) for header in headers)]
    first = {(rule.reason, rule.weight): rule for rule in reversed(applied)}
    refused = {rule.reason for rule in applied if rule.weight is _REFUSES}
    return tuple(
        Remark(reason=rule.reason, weight=rule.weight, detail=phrase(rule.said))
        for rule in applied
        if first[rule.reason, rule.weight] is rule and (rule.weight is _REFUSES or rule.reason not in refused)
    )


def admit(headers: Sequence[SliceHeader]) -> Admitted:
    """Set aside what is no CT, localizers and slices that a rule refuses; the rest may be analysed.

    Raises:
        UnfitSeries: Nothing is left: NOT_CT, LOCALIZER_ONLY, or the reason of the first rule that refuses;
            or any slice is of a patient under age.
    """
    ct = [h for h in headers if h.sop_class_uid == CT_IMAGE_STORAGE or (h.modality == "CT" and h.rows > 0)]
    if not ct:
        raise UnfitSeries(Reason.NOT_CT, phrase("gate.no-ct"))
    slices = [header for header in ct if not is_localizer(header)]
    if not slices:
        raise UnfitSeries(Reason.LOCALIZER_ONLY)
    refusals = _refusals(slices)
    kept = [header for header in slices if not _refusals([header])]
    for refusal in refusals:
        if not kept or refusal.reason in _OF_THE_PATIENT:
            raise UnfitSeries(refusal.reason, refusal.detail)
    notes = (
        _aside(Reason.FOREIGN_OBJECT, len(headers) - len(ct), "gate.foreign"),
        _aside(Reason.LOCALIZER_ONLY, len(ct) - len(slices), "gate.localizers"),
        *(
            Remark(reason=one.reason, weight=Weight.NOTE, detail=phrase("set-aside", what=one.detail))
            for one in refusals
        ),
    )
    return Admitted(headers=tuple(kept), remarks=tuple(note for note in notes if note))


def _refusals(headers: Sequence[SliceHeader]) -> list[Remark]:
    return [remark for remark in judge(headers) if remark.weight is _REFUSES]


def _aside(reason: Reason, count: int, what: str) -> Remark | None:
    detail = phrase("set-aside", what=phrase(what, count=count))
    return Remark(reason=reason, weight=Weight.NOTE, detail=detail) if count else None
