from __future__ import annotations

import ast
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest

from millet.settings.destinations import DestinationSection


@pytest.fixture(scope="module")
def page(root: Path) -> str:
    """Read the page about destinations."""
    return (root / "docs/how-to/destinations.md").read_text("utf-8")


def test_every_setting_of_a_destination_is_documented(root: Path, page: str) -> None:
    """The page has exactly one row for each, with the words of the code."""
    source = (root / "service/millet/settings/destinations.py").read_text("utf-8")
    body = next(n.body for n in ast.parse(source).body if isinstance(n, ast.ClassDef))
    words = {}
    for one, text in pairwise(body):
        match one, text:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(reason))):
                words[name] = " ".join(reason.split())
    assert list(words) == list(DestinationSection.__dataclass_fields__)
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith("| `")]
    assert {name.strip("| `"): reason.removesuffix(" |") for name, _, reason in rows} == words


def test_the_example_is_a_configuration(page: str) -> None:
    """What the page shows can be written into a file as it stands."""
    shown = page.split("```toml\n")[1].split("```", maxsplit=1)[0]
    tables = tomllib.loads(shown)["destinations"]
    made = [
        DestinationSection(**{k: tuple(v) if isinstance(v, list) else v for k, v in t.items()})
        for t in tables
    ]
    assert [one.kind for one in made] == ["dicom", "stow", "http"]


def test_the_example_of_notifications_is_a_configuration(root: Path) -> None:
    """As that of destinations."""
    text = (root / "docs/how-to/notifications.md").read_text("utf-8")
    tables = tomllib.loads(text.split("```toml\n")[1].split("```", maxsplit=1)[0])["destinations"]
    for table in tables:
        files = {name: Path(value) for name, value in table.items() if name.endswith("_file")}
        lists = {name: tuple(value) for name, value in table.items() if isinstance(value, list)}
        assert DestinationSection(**(table | files | lists)).notifies
