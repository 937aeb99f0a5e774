"""No fact is given to a log line that the line then leaves out."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import millet
from millet.edge.telemetry.logs import FIELDS

PACKAGE = Path(millet.__file__).parent


def given() -> Iterator[tuple[str, str]]:
    """Where a line is written, and the name of each fact that its `extra` spells out."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for word in call.keywords if isinstance(call, ast.Call) else ():
                if word.arg == "extra" and isinstance(word.value, ast.Dict):
                    for key in word.value.keys:
                        if isinstance(key, ast.Constant):
                            yield f"{path.relative_to(PACKAGE)}:{call.lineno}", str(key.value)


def test_every_fact_of_a_line_is_one_that_lines_carry():
    """What is not named in FIELDS is dropped without a word."""
    found = list(given())
    assert len(found) > 10
    assert [where for where in found if where[1] not in FIELDS] == []
