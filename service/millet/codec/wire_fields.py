"""Values whose messages have the same field names, converted field by field.

A dataclass and a message agree by name: optional fields may be absent, tuples are repeated, enums keep our
order and begin at 1, dates are ISO 8601. Fields that only a message has are properties of the value.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from datetime import date
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar, cast

from google.protobuf.message import Message

from millet.core.geometry import PointMm

M = TypeVar("M", bound=Message)
T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)


def text(value: str) -> str:
    """A string that UTF-8 can carry; what it cannot (lone surrogates) becomes `?`."""
    return value.encode("utf-8", "replace").decode("utf-8")


def member(kind: type[E], number: int) -> E:
    """Our value for a number: the generated enums keep our order and begin at 1 (a test holds them to it)."""
    if not 1 <= number <= len(kind):
        raise ValueError(f"{kind.__name__} has no value {number}")
    return list(kind)[number - 1]


def to_wire(value: object, message: type[M]) -> M:
    """The message of a value, or of what it offers of it."""
    made = message()
    _fill(made, value)
    return made


def from_wire(kind: type[T], message: Message) -> T:
    """The value of a message; raises ValueError for an enum's number that this version does not know."""
    return kind(**{name: _got(message, name, hint) for name, hint in _hints(cast("Any", kind))})


@cache
def _hints(kind: Any) -> tuple[tuple[str, Any], ...]:
    hints = typing.get_type_hints(kind)
    return tuple((f.name, hints[f.name]) for f in fields(kind))


def _fill(made: Message, value: object) -> None:
    """Every field of a message that the value has something for."""
    for field in made.DESCRIPTOR.fields:
        given = getattr(value, field.name)
        if given is None:
            continue
        if isinstance(given, tuple) and not isinstance(given, PointMm):
            _fill_list(getattr(made, field.name), given)
        elif field.message_type is not None:
            inner = getattr(made, field.name)
            inner.SetInParent()
            _fill(inner, given)
        else:
            setattr(made, field.name, _scalar(given))


def _fill_list(items: Any, given: tuple[object, ...]) -> None:
    for one in given:
        if isinstance(one, PointMm) or is_dataclass(one):
            _fill(items.add(), one)
        else:
            items.append(_scalar(one))


def _scalar(value: object) -> Any:
    if isinstance(value, StrEnum):
        return list(type(value)).index(value) + 1
    if isinstance(value, str):
        return text(value)
    return value.isoformat() if isinstance(value, date) else value


def _got(message: Message, name: str, hint: Any) -> object:
    if typing.get_origin(hint) is tuple:
        read = _reader(typing.get_args(hint)[0])
        return tuple(read(item) for item in getattr(message, name))
    if typing.get_origin(hint) in {types.UnionType, typing.Union}:
        hint = next(member for member in typing.get_args(hint) if member is not type(None))
        absent = not getattr(message, name) if issubclass(hint, StrEnum) else not message.HasField(name)
        if absent:
            return None
    return _reader(hint)(getattr(message, name))


@cache
def _reader(kind: Any) -> Callable[[Any], object]:
    """How one item of a kind is read."""
    if is_dataclass(kind):
        return lambda found: from_wire(cast("type", kind), found)
    if kind is PointMm:
        return lambda found: PointMm(found.x, found.y, found.z)
    if kind is date:
        return date.fromisoformat
    if issubclass(kind, StrEnum):
        return lambda number: member(kind, number)
    return cast("Callable[[Any], object]", kind)
