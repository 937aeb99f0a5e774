"""Reading the configuration: a file, overridden by the environment.

A TOML file (`--config FILE`) holds the fields by name; an environment variable `MILLET_` + the name in
capitals overrides it. Lists of texts are comma-separated in the environment; a section, of which a file
may hold several (`[[peer]]`), is written there as a TOML list of inline tables.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Collection, Mapping
from dataclasses import MISSING, fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args, get_type_hints

from millet.errors import SettingsError
from millet.settings.settings import Settings

PREFIX = "MILLET_"
NOT_SETTINGS = ("MILLET_TEST_DATA",)
"""Variables of the test suite that share our prefix."""


def load(env: Mapping[str, str], file: Path | None) -> Settings:
    """Read the file, override it from the environment, check everything. Raises SettingsError."""
    mistakes: list[str] = []
    given = {**_from_file(file, mistakes), **_from_environment(env, mistakes)}
    try:
        settings = Settings(**given)
    except SettingsError as error:
        mistakes.extend(error.mistakes)
    if mistakes:
        raise SettingsError(mistakes)
    return settings


def _from_file(file: Path | None, mistakes: list[str]) -> dict[str, Any]:
    if file is None:
        return {}
    try:
        table = tomllib.loads(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        mistakes.append(f"{file}: {why}")
        return {}
    return _typed(table, mistakes, _from_toml, str)


def _from_environment(env: Mapping[str, str], mistakes: list[str]) -> dict[str, Any]:
    ours = {
        key.removeprefix(PREFIX).lower(): value
        for key, value in env.items()
        if key.startswith(PREFIX) and key not in NOT_SETTINGS
    }
    return _typed(ours, mistakes, _from_text, lambda name: PREFIX + name.upper())


def _typed(
    raw: Mapping[str, Any],
    mistakes: list[str],
    read: Callable[[Any, Any], Any],
    shown: Callable[[str], str],
) -> dict[str, Any]:
    kinds = get_type_hints(Settings)
    values = {}
    for name, value in raw.items():
        if name not in kinds:
            mistakes.append(f"{shown(name)} is no setting{_meant(name, kinds, shown)}")
            continue
        try:
            values[name] = read(kinds[name], value)
        except ValueError as error:
            mistakes.append(f"{shown(name)}: {error}")
    return values


def _meant(name: str, known: Collection[str], shown: Callable[[str], str] = str) -> str:
    """The name that a misspelt one is nearest to, if any is near."""
    near = get_close_matches(name, known, n=1)
    return f" (is {shown(near[0])} meant?)" if near else ""


def _from_text(kind: Any, text: str) -> Any:
    if kind is bool:
        if text.lower() not in {"true", "false"}:
            raise ValueError(f"{text!r} is neither true nor false")
        return text.lower() == "true"
    if kind in {int, float}:
        return _number(kind, text)
    if kind == tuple[str, ...]:
        return tuple(part.strip() for part in text.split(",") if part.strip())
    if _section(kind):
        return _from_toml(kind, _inline(text))
    return text if kind is str else Path(text)


def _number(kind: type[int | float], text: str) -> float:
    try:
        return kind(text)
    except ValueError:
        raise ValueError(f"{text!r} is no {'whole number' if kind is int else 'number'}") from None


def _inline(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text or '[]'}")["value"]
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"it is no TOML list of tables: {error}") from None


def _section(kind: Any) -> Any:
    """The class of which a field holds several, None for other fields."""
    inner = get_args(kind)[:1]
    return inner[0] if inner and is_dataclass(inner[0]) else None


def _tables(section: Any, value: Any) -> Any:
    if not isinstance(value, list) or not all(isinstance(part, dict) for part in value):
        raise ValueError(f"{value!r} is of the wrong type, expected a list of tables")
    return tuple(_table(section, part) for part in value)


def _table(section: Any, table: Mapping[str, Any]) -> Any:
    """One table of a section. Raises ValueError with every mistake in it."""
    kinds, values, mistakes = get_type_hints(section), {}, []
    for name, value in table.items():
        try:
            values[name] = _from_toml(kinds[name], value)
        except KeyError:
            mistakes.append(f"{name} is no setting of it{_meant(name, kinds)}")
        except ValueError as error:
            mistakes.append(f"{name}: {error}")
    if not mistakes:
        try:
            return section(**values)
        except TypeError:
            missing = (one.name for one in fields(section) if one.default is MISSING)
            mistakes.append(f"missing: {', '.join(name for name in missing if name not in values)}")
        except ValueError as error:
            mistakes.append(str(error))
    raise ValueError("; ".join(mistakes))


def _from_toml(kind: Any, value: Any) -> Any:
    if section := _section(kind):
        return _tables(section, value)
    match value:
        case str() if "\0" in value:
            raise ValueError("it holds a null character")
        case bool() if kind is bool:
            return value
        case int() | float() if kind in {type(value), float} and not isinstance(value, bool):
            return kind(value)
        case str() if kind is str:
            return value
        case str() if kind in {Path, Path | None}:
            return Path(value)
        case list() if kind == tuple[str, ...] and all(isinstance(part, str) for part in value):
            return tuple(value)
    raise ValueError(f"{value!r} is of the wrong type, expected {_KIND_NAMES[kind]}")


_KIND_NAMES: Mapping[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    Path: "a path as text",
    Path | None: "a path as text",
    tuple[str, ...]: "a list of texts",
}
