"""What is told of a nodule beyond place, diameter, volume, attenuation and score: one table, two forms.

Each value has a code and a word. Reports in which it is coded write an item for it; where nodules are many
and small, all of a nodule's values are one text, in the words of this table, which is read back by it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from millet.codec import codes
from millet.codec.codes import Code
from millet.codec.content import CONTAINS, MODIFIES, code, number
from millet.codec.elements import Item
from millet.core.change import Fate, NoduleChange
from millet.core.character import Character, Zone
from millet.core.rounding import attenuation_hu, days, length_mm, percent, ratio, volume_mm3, written

Known = float | None


class Field(NamedTuple):
    """A number: what it is called in the text form, and how it is coded."""

    word: str
    concept: Code
    unit: Code
    derived: Code | None = None
    """What it is of the values that its concept names (TID 1419, Derivation)."""


class Mark(NamedTuple):
    """Something that holds, as a coded value."""

    words: str
    concept: Code
    value: Code


LONG_AXIS = Field("long axis", codes.LONG_AXIS, codes.MM)
SHORT_AXIS = Field("short axis", codes.SHORT_AXIS, codes.MM)
VOLUME_LOW = Field("volume from", codes.VOLUME_LOW, codes.MM3)
VOLUME_HIGH = Field("volume to", codes.VOLUME_HIGH, codes.MM3)
P95 = Field("p95", codes.ANY_ATTENUATION, codes.HU, codes.PERCENTILE_95)
CALCIFIED = Field("calcified", codes.CALCIFIED_SHARE, codes.PERCENT)
CORE = Field("core", codes.CORE, codes.MM)
SPICULATION = Field("spiculation", codes.SPICULATION, codes.NO_UNITS)
PLEURA = Field("pleura", codes.TO_PLEURA, codes.MM)
FISSURE = Field("fissure", codes.TO_FISSURE, codes.MM)
PROBABILITY = Field("probability", codes.PROBABILITY, codes.PERCENT)
VOLUME_CHANGE = Field("volume change", codes.VOLUME_CHANGE, codes.PERCENT)
DOUBLING = Field("doubling time", codes.DOUBLING, codes.DAY)
FIELDS = (
    LONG_AXIS,
    SHORT_AXIS,
    VOLUME_LOW,
    VOLUME_HIGH,
    P95,
    CALCIFIED,
    CORE,
    SPICULATION,
    PLEURA,
    FISSURE,
    PROBABILITY,
    VOLUME_CHANGE,
    DOUBLING,
)

ZONES = {zone: Mark(f"{zone.value} zone", codes.ZONE, codes.ZONES[zone]) for zone in Zone}
NO_LOBE = Mark("lobe not known", codes.LOBE, codes.LOBE_NOT_KNOWN)
JUXTAPLEURAL = Mark("juxtapleural", codes.RELATION, codes.JUXTAPLEURAL)
PERIFISSURAL = Mark("perifissural", codes.RELATION, codes.PERIFISSURAL)
AT_LIMIT = Mark("at the limit of resolution", codes.DETECTABILITY, codes.RESOLUTION_LIMIT)
FATES = {fate: Mark(f"{fate.value} since prior", codes.FATE, codes.FATES[fate]) for fate in Fate}
MARKS = (*ZONES.values(), NO_LOBE, JUXTAPLEURAL, PERIFISSURAL, AT_LIMIT, *FATES.values())

_UNITS = {codes.MM: " mm", codes.MM3: " mm3", codes.HU: " HU", codes.PERCENT: " %", codes.DAY: " d"}
_APART = "; "


def numbers(known: Character | None, change: NoduleChange | None) -> Iterator[tuple[Field, float]]:
    """The numbers that there are, rounded."""
    for field, value in (*_of_character(known), *_of_change(change)):
        if value is not None:
            yield field, value


def _of_character(known: Character | None) -> Sequence[tuple[Field, Known]]:
    if known is None:
        return ()
    return (
        (LONG_AXIS, length_mm(known.axes.long_axis_mm)),
        (SHORT_AXIS, length_mm(known.axes.short_axis_mm)),
        (VOLUME_LOW, volume_mm3(known.volume_low_mm3)),
        (VOLUME_HIGH, volume_mm3(known.volume_high_mm3)),
        (P95, attenuation_hu(known.p95_hu)),
        (CALCIFIED, percent(known.calcified_share)),
        (CORE, _rounded(length_mm, known.core_mm)),
        (SPICULATION, ratio(known.spiculation)),
        (PLEURA, _rounded(length_mm, known.pleura_mm)),
        (FISSURE, _rounded(length_mm, known.fissure_mm)),
        (PROBABILITY, _rounded(percent, known.probability)),
    )


def _of_change(change: NoduleChange | None) -> Sequence[tuple[Field, Known]]:
    if change is None:
        return ()
    return (
        (VOLUME_CHANGE, _rounded(percent, change.volume_change)),
        (DOUBLING, _rounded(days, change.doubling_days)),
    )


def _rounded(rule: Callable[[float], float], value: Known) -> Known:
    return None if value is None else rule(value)


def marks(known: Character | None, change: NoduleChange | None) -> Iterator[Mark]:
    """What holds of the nodule."""
    if known is not None:
        yield ZONES[known.zone]
        holds = (known.zone_estimated, known.juxtapleural, known.perifissural, known.at_resolution_limit)
        named = (NO_LOBE, JUXTAPLEURAL, PERIFISSURAL, AT_LIMIT)
        yield from (mark for mark, said in zip(named, holds, strict=True) if said)
    if change is not None:
        yield FATES[change.fate]


def coded(known: Character | None, change: NoduleChange | None) -> Iterator[Item]:
    """An item for each value."""
    for field, value in numbers(known, change):
        derived = [code(MODIFIES, codes.DERIVATION, field.derived)] if field.derived else []
        yield number(field.concept, value, field.unit, derived)
    for mark in marks(known, change):
        yield code(CONTAINS, mark.concept, mark.value)


def in_words(known: Character | None, change: NoduleChange | None, besides: Sequence[Field] = ()) -> str:
    """All values `besides` some as one text: `word number unit` and words, apart by a semicolon."""
    said = [
        f"{field.word} {written(value)}{_UNITS.get(field.unit, '')}"
        for field, value in numbers(known, change)
        if field not in besides
    ]
    return _APART.join((*said, *(mark.words for mark in marks(known, change))))


def from_words(text: str) -> tuple[dict[Field, float], list[Mark]]:
    """Read what `in_words` wrote; what is in other words is passed over."""
    found: dict[Field, float] = {}
    held: list[Mark] = []
    for part in text.split(_APART):
        if part in _MARKS:
            held.append(_MARKS[part])
            continue
        word, _, value = part.removesuffix(_unit_of(part)).rpartition(" ")
        if word in _FIELDS and _is_decimal(value):
            found[_FIELDS[word]] = float(value)
    return found, held


def _unit_of(part: str) -> str:
    return next((unit for unit in _UNITS.values() if part.endswith(unit)), "")


def _is_decimal(text: str) -> bool:
    digits = text.removeprefix("-").replace(".", "", 1)
    return digits.isascii() and digits.isdigit()


_FIELDS = {field.word: field for field in FIELDS}
_MARKS = {mark.words: mark for mark in MARKS}
