"""A set of criteria as TOML, and back: what a site reads, changes and keeps.

    identifier = "lung-many"
    version = "north-1"
    organ = "lung"
    standing = "proposal"
    source = "Department of radiology, protocol of March"
    below = "few"

    [[levels]]
    meaning = "many"

    [[levels.rules]]
    name = "small-nodules"
    measure = "count"
    under_mm = 10.0
    relation = ">"
    threshold = 100
    standing = "proposal"

The fields are those of `core.criteria.CriteriaSet`, `Level` and `Rule`, the measures those of
`core.criteria_measures`. What has a default may be left out; what is unknown is refused, by its name.
"""

from __future__ import annotations

import json
import tomllib
import types
import typing
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import StrEnum
from typing import Any, cast

from millet.core.criteria import MOST_LEVELS, MOST_REGIONS, MOST_RULES, CriteriaSet

LONGEST = 64_000
"""Characters of a document; the sets that come with Millet have some thousands."""
MOST_MISTAKES = 20
_DEEPEST = 12
_MOST = MOST_LEVELS + MOST_RULES + MOST_REGIONS
_KINDS = {str: "a text", bool: "true or false", int: "a whole number", float: "a number"}


def decode(document: str) -> CriteriaSet:
    """Read a set. Raises ValueError, which names every field with a mistake by its path."""
    if len(document) > LONGEST:
        raise ValueError(f"{len(document)} characters are more than {LONGEST}")
    try:
        table = tomllib.loads(document)
    except RecursionError:
        raise ValueError("not TOML: nested too deeply") from None
    except ValueError as error:  # its own, and that of a number with thousands of digits
        raise ValueError(f"not TOML: {error}") from None
    mistakes: list[str] = []
    made = _built(CriteriaSet, table, "", mistakes)
    if mistakes:
        left = len(mistakes) - MOST_MISTAKES
        raise ValueError("; ".join(mistakes[:MOST_MISTAKES]) + (f"; and {left} more" if left > 0 else ""))
    return cast("CriteriaSet", made)


def encode(criteria: CriteriaSet) -> str:
    """Write a set; `decode` reads the same value. What is as by default is left out."""
    return "\n".join(_lines(criteria, "")).lstrip("\n") + "\n"


def _built(kind: Any, found: Any, path: str, mistakes: list[str]) -> Any:
    """The value of a type, or None after telling what is wrong."""
    if is_dataclass(kind):
        return _table(cast("type", kind), found, path, mistakes)
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in {types.UnionType, typing.Union}:
        return _built(inner[0], found, path, mistakes)
    if origin is tuple:
        return _list(inner[0], found, path, mistakes)
    if issubclass(kind, StrEnum):
        good = isinstance(found, str) and found in set(kind)
        return kind(found) if good else _wrong(f"one of {', '.join(kind)}", found, path, mistakes)
    value = float(found) if kind is float and type(found) is int and abs(found) < 10**15 else found
    return value if type(value) is kind else _wrong(_KINDS[kind], found, path, mistakes)


def _wrong(expected: str, found: Any, path: str, mistakes: list[str]) -> None:
    mistakes.append(f"{path or 'document'}: {_short(found)} is not {expected}")


def _short(found: Any) -> str:
    if isinstance(found, str | bool | float):
        return f"{found!r:.60}"
    return {int: "a whole number", list: "a list", dict: "a table"}.get(type(found), "a time")


def _list(kind: Any, found: Any, path: str, mistakes: list[str]) -> tuple[Any, ...] | None:
    if not isinstance(found, list):
        _wrong("a list", found, path, mistakes)
        return None
    if len(found) > _MOST:
        mistakes.append(f"{path}: more than {_MOST}")
        return None
    return tuple(_built(kind, item, f"{path}[{at}]", mistakes) for at, item in enumerate(found))


def _table(kind: type, found: Any, path: str, mistakes: list[str]) -> Any:
    if not isinstance(found, dict) or path.count(".") > _DEEPEST:
        return _wrong("a table", found, path, mistakes)
    dot, before = f"{path}." if path else "", len(mistakes)
    known = {one.name: one for one in fields(kind)}
    mistakes.extend(f"{dot}{name[:60]}: is no field of it" for name in found if name not in known)
    mistakes.extend(f"{dot}{name}: is missing" for name in _asked(known) if name not in found)
    hints = typing.get_type_hints(kind)
    values = {
        name: _built(hints[name], value, f"{dot}{name}", mistakes)
        for name, value in found.items()
        if name in known
    }
    if len(mistakes) > before:
        return None
    try:
        return kind(**values)
    except ValueError as error:
        mistakes.extend(f"{dot}{mistake}" for mistake in str(error).split("; "))
        return None


def _asked(known: dict[str, Field[Any]]) -> Iterator[str]:
    return (name for name, one in known.items() if one.default is MISSING)


def _lines(value: Any, path: str) -> Iterator[str]:
    """Simple fields first, as TOML asks, then tables and lists of tables under their full names."""
    own = type(value).__annotations__
    ordered = sorted(fields(value), key=lambda one: one.name not in own)
    given = {one.name: getattr(value, one.name) for one in ordered if getattr(value, one.name) != one.default}
    nested = {name: part for name, part in given.items() if is_dataclass(part) or _tables(part)}
    yield from (f"{name} = {_written(part)}" for name, part in given.items() if name not in nested)
    for name, part in nested.items():
        whole = f"{path}.{name}" if path else name
        for table in part if isinstance(part, tuple) else (part,):
            yield from ("", f"[[{whole}]]" if isinstance(part, tuple) else f"[{whole}]")
            yield from _lines(table, whole)


def _tables(value: Any) -> bool:
    return isinstance(value, tuple) and bool(value) and is_dataclass(value[0])


def _written(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(_written(part) for part in value)}]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return str(value).lower() if isinstance(value, bool) else repr(value)
