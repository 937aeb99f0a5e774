from __future__ import annotations

import ast
from itertools import pairwise
from pathlib import Path

from millet.settings import PREFIX

UNITS = {"_s": "seconds", "_bytes": "bytes", "_port": "port", "threads": "threads"}


def _rows(source: str) -> list[str]:
    """Make the table's rows from the fields and their docstrings: name, variable, unit, default, reason."""
    tree = ast.parse(source)
    body = next(n.body for n in tree.body if isinstance(n, ast.ClassDef) and n.name == "Settings")
    rows = []
    for one, text in pairwise(body):
        match one, text:
            case (
                ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as default),
                ast.Expr(value=ast.Constant(value=str(reason))),
            ):
                rows.append(
                    f"| `{name}` | `{PREFIX}{name.upper()}` | {_unit(name)} | {_default(default)} "
                    f"| {' '.join(reason.split())} |"
                )
    return rows


def _unit(name: str) -> str:
    return next((unit for suffix, unit in UNITS.items() if name.endswith(suffix)), "")


def _default(node: ast.expr) -> str:
    match node:
        case ast.Call(func=ast.Name(id="Path"), args=[ast.Constant(value=path)]):
            return f"`{path}`"
        case ast.Call(keywords=[ast.keyword(value=ast.Constant(value="")), ast.keyword(arg="repr")]):
            return "empty"
        case ast.Call(keywords=[ast.keyword(arg="default")]):
            return "all"
        case ast.BinOp() | ast.Constant(value=int() | float()):
            value = eval(ast.unparse(node))
            return str(value).lower() if isinstance(value, bool) else f"{value:.0f}"
    value = ast.literal_eval(node)
    return f"`{value}`" if value else "empty"


def test_every_setting_is_documented(root: Path) -> None:
    """The reference has exactly one row for each setting, with unit, default and reason as in the code."""
    rows = _rows((root / "service/millet/settings/settings.py").read_text("utf-8"))
    page = (root / "docs/reference/settings.md").read_text("utf-8").splitlines()
    assert [line for line in page if line.startswith("| `")] == rows


def test_every_field_yields_a_row() -> None:
    """A field without a docstring has no row, so it cannot hide from the count of fields."""
    source = 'class Settings:\n    a_s: float = 2.0\n    """Why."""\n    b: bool = False\n'
    assert _rows(source) == ["| `a_s` | `MILLET_A_S` | seconds | 2 | Why. |"]


def test_no_field_lacks_its_docstring(root: Path) -> None:
    """As many rows as fields."""
    source = (root / "service/millet/settings/settings.py").read_text("utf-8")
    body = next(n.body for n in ast.parse(source).body if isinstance(n, ast.ClassDef))
    assert len(_rows(source)) == sum(isinstance(n, ast.AnnAssign) for n in body)
