"""What is told of a nodule beyond place, diameter, volume, attenuation and score: one table, two forms.

Each value has a code and a word. Reports in which it is coded write an item for it; where nodules are many
and small, all of a nodule's values are one text, in the words of this table, which is read back by it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from millet.codec import codes
from millet.codec.codes import Code
from millet.codec.content import CONTAINS, MODIFIES, Pen
from millet.codec.elements import Item
from millet.core.change import Fate, NoduleChange
from millet.core.character import Character, Zone
from millet.core.language import DECIMAL_MARKS, PHRASES, Language
from millet.core.rounding import attenuation_hu, days, length_mm, percent, ratio, volume_mm3, written

Known = float | None


class Field(NamedTuple):
    """A number: the key of what it is called in the text form, and how it is coded."""

    key: str
    concept: Code
    unit: Code
    derived: Code | None = None
    """What it is of the values that its concept names (TID 1419, Derivation)."""


class Mark(NamedTuple):
    """Something that holds: the key of its words, and how it is coded."""

    key: str
    concept: Code
    value: Code


LONG_AXIS = Field("value.long-axis", codes.LONG_AXIS, codes.MM)
SHORT_AXIS = Field("value.short-axis", codes.SHORT_AXIS, codes.MM)
VOLUME_LOW = Field("value.volume-from", codes.VOLUME_LOW, codes.MM3)
VOLUME_HIGH = Field("value.volume-to", codes.VOLUME_HIGH, codes.MM3)
P95 = Field("value.p95", codes.ANY_ATTENUATION, codes.HU, codes.PERCENTILE_95)
CALCIFIED = Field("value.calcified", codes.CALCIFIED_SHARE, codes.PERCENT)
CORE = Field("value.core", codes.CORE, codes.MM)
SPICULATION = Field("value.spiculation", codes.SPICULATION, codes.NO_UNITS)
PLEURA = Field("value.pleura", codes.TO_PLEURA, codes.MM)
FISSURE = Field("value.fissure", codes.TO_FISSURE, codes.MM)
PROBABILITY = Field("value.probability", codes.PROBABILITY, codes.PERCENT)
VOLUME_CHANGE = Field("value.volume-change", codes.VOLUME_CHANGE, codes.PERCENT)
DOUBLING = Field("value.doubling-time", codes.DOUBLING, codes.DAY)
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

ZONES = {zone: Mark(f"mark.{zone.value}-zone", codes.ZONE, codes.ZONES[zone]) for zone in Zone}
NO_LOBE = Mark("mark.no-lobe", codes.LOBE, codes.LOBE_NOT_KNOWN)
JUXTAPLEURAL = Mark("mark.juxtapleural", codes.RELATION, codes.JUXTAPLEURAL)
PERIFISSURAL = Mark("mark.perifissural", codes.RELATION, codes.PERIFISSURAL)
AT_LIMIT = Mark("mark.at-limit", codes.DETECTABILITY, codes.RESOLUTION_LIMIT)
FATES = {fate: Mark(f"mark.{fate.value}", codes.FATE, codes.FATES[fate]) for fate in Fate}
MARKS = (*ZONES.values(), NO_LOBE, JUXTAPLEURAL, PERIFISSURAL, AT_LIMIT, *FATES.values())

_UNITS_EN = {codes.MM: " mm", codes.MM3: " mm3", codes.HU: " HU", codes.PERCENT: " %", codes.DAY: " d"}
_UNITS = {Language.ENGLISH: _UNITS_EN, Language.GERMAN: {**_UNITS_EN, codes.HU: " HE", codes.DAY: " Tage"}}
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


def coded(known: Character | None, change: NoduleChange | None, pen: Pen) -> Iterator[Item]:
    """An item for each value."""
    for field, value in numbers(known, change):
        derived = [pen.code(MODIFIES, codes.DERIVATION, field.derived)] if field.derived else []
        yield pen.number(field.concept, value, field.unit, derived)
    for mark in marks(known, change):
        yield pen.code(CONTAINS, mark.concept, mark.value)


def in_words(
    known: Character | None,
    change: NoduleChange | None,
    besides: Sequence[Field] = (),
    language: Language = Language.ENGLISH,
) -> str:
    """All values `besides` some as one text: `word number unit` and words, apart by a semicolon."""
    words, units, mark = PHRASES[language], _UNITS[language], DECIMAL_MARKS[language]
    said = [
        f"{words[field.key]} {written(value).replace('.', mark)}{units.get(field.unit, '')}"
        for field, value in numbers(known, change)
        if field not in besides
    ]
    return _APART.join((*said, *(words[mark.key] for mark in marks(known, change))))


def from_words(text: str) -> tuple[dict[Field, float], list[Mark]]:
    """Read what `in_words` wrote, in whichever language; what is in other words is passed over."""
    found: dict[Field, float] = {}
    held: list[Mark] = []
    for part in text.split(_APART):
        if part in _MARKS:
            held.append(_MARKS[part])
            continue
        word, _, value = part.removesuffix(_unit_of(part)).rpartition(" ")
        if word in _FIELDS and _is_decimal(number := value.replace(",", ".")):
            found[_FIELDS[word]] = float(number)
    return found, held


def _unit_of(part: str) -> str:
    return next((unit for units in _UNITS.values() for unit in units.values() if part.endswith(unit)), "")


def _is_decimal(text: str) -> bool:
    digits = text.removeprefix("-").replace(".", "", 1)
    return digits.isascii() and digits.isdigit()


_FIELDS = {words[field.key]: field for words in PHRASES.values() for field in FIELDS}
_MARKS = {words[mark.key]: mark for words in PHRASES.values() for mark in MARKS}
"""By what they are called in any language."""
