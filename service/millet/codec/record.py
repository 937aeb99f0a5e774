"""An analysis as a JSON document, and back: what the journal keeps and `analysis.json` holds.

Fields are written by their names in `core.analysis`; enums by value, times in ISO 8601 with offset,
points as [x, y, z] in LPS mm. A document of another `schema` is refused, never guessed at; a
field that has a default and is not in the document is younger than it.
"""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import date, datetime
from enum import StrEnum
from functools import cache
from typing import Any, cast

from millet.core.analysis import Analysis

SCHEMA = 1
"""Version of the document; grows when a field changes its meaning."""


def encode(analysis: Analysis) -> str:
    """Write an analysis as one JSON document, the same bytes for the same analysis."""
    return json.dumps({"schema": SCHEMA, **plain_fields(analysis)}, indent=1, ensure_ascii=False)


def decode(document: str) -> Analysis:
    """Read what `encode` wrote; ValueError for another schema or a damaged document."""
    found = json.loads(document)
    if not isinstance(found, dict) or found.pop("schema", None) != SCHEMA:
        raise ValueError(f"no analysis document of schema {SCHEMA}")
    try:
        return cast("Analysis", built(Analysis, found))
    except (KeyError, TypeError) as damage:
        raise ValueError(f"damaged analysis document: {damage!r}") from damage


def plain_fields(value: object) -> dict[str, object]:
    """A dataclass value as JSON knows it, by field."""
    return {f.name: plain(getattr(value, f.name)) for f in fields(cast("Any", value))}


def plain(value: object) -> object:
    """A value as JSON knows it."""
    if is_dataclass(value):
        return plain_fields(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    return value


def built(kind: Any, found: Any) -> object:
    """The value of a kind that `plain` was made of. Raises KeyError, TypeError or ValueError."""
    return _builder(kind)(found)


@cache
def _builder(kind: Any) -> Callable[[Any], object]:
    """What makes values of a kind; looked up once, since an analysis may hold thousands of nodules."""
    if is_dataclass(kind):
        return _dataclass(cast("type", kind))
    origin = typing.get_origin(kind)
    if origin in {types.UnionType, typing.Union}:
        something = _builder(_something(kind))
        return lambda found: None if found is None else something(found)
    if origin is tuple:
        member = _builder(typing.get_args(kind)[0])
        return lambda found: tuple(member(item) for item in found)
    return _leaf(kind)


def _something(union: object) -> object:
    return next(member for member in typing.get_args(union) if member is not type(None))


def _dataclass(kind: type) -> Callable[[Any], object]:
    hints = typing.get_type_hints(kind)
    parts = [(f.name, _builder(hints[f.name]), f.default is MISSING) for f in fields(kind)]

    def made(found: Mapping[str, object]) -> object:
        given = {name: make(found[name]) for name, make, needed in parts if needed or name in found}
        return cast("object", kind(**given))

    return made


@cache
def _leaf(kind: Any) -> Callable[[Any], object]:
    if kind in {date, datetime}:
        return cast("Callable[[Any], object]", kind.fromisoformat)
    if issubclass(kind, tuple):  # the named tuples of core.geometry
        return lambda found: kind(*found)
    if issubclass(kind, StrEnum):
        return cast("Callable[[Any], object]", kind)
    return lambda found: _scalar(kind, found)


def _scalar(kind: type, found: object) -> object:
    if kind is float and type(found) is int:
        return float(found)
    if type(found) is not kind:
        raise TypeError(f"{found!r} is no {kind.__name__}")
    return found
