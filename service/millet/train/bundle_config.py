"""A bundle's configuration read as data: MONAI would run it, and this never does.

A value is a literal, a reference (`@name` to another field), a component (`{"_target_": ..., field: ...}`)
or an expression (`$module.function(field=value)`). Of expressions only one call of a dotted name with
literals and references is understood, which is what a bundle's network and detector are written with.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from millet.errors import ModelError

_DEPTH = 8
"""References to references, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """What is built or called, by its dotted name, and the arguments it is given, references resolved."""

    target: str
    arguments: Mapping[str, Any]

    @property
    def kind(self) -> str:
        """The last part of the dotted name."""
        return self.target.rpartition(".")[2]


class Config:
    """One JSON file of a bundle. Every mistake is a ModelError that names the file and the field."""

    def __init__(self, path: Path, name: str) -> None:
        self.name = name
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ModelError(f"{name} cannot be read: {error}") from error
        if not isinstance(document, dict):
            raise ModelError(f"{name} must be an object")
        self.document: dict[str, Any] = document

    def wrong(self, field: str, why: str) -> ModelError:
        """What is wrong with a field, to be raised."""
        return ModelError(f"{self.name}: {field} {why}")

    def field(self, name: str) -> Any:
        """The value of a field, a reference resolved."""
        if name not in self.document:
            raise self.wrong(name, "is missing")
        return self._resolved(self.document[name], name)

    def text(self, name: str) -> str:
        """The value of a field that must be text."""
        value = self.field(name)
        if not isinstance(value, str) or not value.strip():
            raise self.wrong(name, f"must be text, not {value!r}")
        return value.strip()

    def component(self, name: str, positional: tuple[str, ...] = ()) -> Component:
        """A field that is a component or the expression of one; `positional` names unnamed arguments."""
        return self._component(self.field(name), name, positional)

    def components(self, name: str, part: str = "") -> list[Component]:
        """A field that is a list of components or expressions, or such a list within a component."""
        values = self.component(name).arguments.get(part) if part else self.field(name)
        where = f"{name} {part}".strip()
        if not isinstance(values, list):
            raise self.wrong(where, "must be a list")
        return [self._component(value, f"{where}[{n}]", ()) for n, value in enumerate(values)]

    def _component(self, value: Any, where: str, positional: tuple[str, ...]) -> Component:
        if isinstance(value, dict) and isinstance(value.get("_target_"), str):
            arguments = {k: self._resolved(v, f"{where} {k}") for k, v in value.items() if k != "_target_"}
            return Component(target=value["_target_"], arguments=arguments)
        if isinstance(value, str) and value.startswith("$"):
            return self._call(value, where, positional)
        raise self.wrong(where, f"is neither a component nor an expression: {value!r}")

    def _call(self, text: str, where: str, positional: tuple[str, ...]) -> Component:
        try:
            call = ast.parse(re.sub(r"@(\w+)", r"\1", text[1:].strip()), mode="eval").body
        except SyntaxError as error:
            raise self.wrong(where, f"is no expression: {text!r}") from error
        if not isinstance(call, ast.Call) or len(call.args) > len(positional):
            raise self.wrong(where, f"must be a call with named arguments: {text!r}")
        given = list(zip(positional, call.args, strict=False))
        given += [(keyword.arg or "**", keyword.value) for keyword in call.keywords]
        arguments = {name: self._literal(node, f"{where} {name}") for name, node in given}
        return Component(target=ast.unparse(call.func), arguments=arguments)

    def _literal(self, node: ast.expr, where: str) -> Any:
        if isinstance(node, ast.Name):
            return self.field(node.id)
        try:
            return ast.literal_eval(node)
        except ValueError as error:
            why = f"is neither a literal nor a reference: {ast.unparse(node)}"
            raise self.wrong(where, why) from error

    def _resolved(self, value: Any, where: str) -> Any:
        for _ in range(_DEPTH):
            if not (isinstance(value, str) and re.fullmatch(r"@\w+", value)):
                return value
            if value[1:] not in self.document:
                raise self.wrong(where, f"refers to {value}, which is missing")
            value = self.document[value[1:]]
        raise self.wrong(where, "refers in a circle")
