from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def readme(root: Path) -> str:
    """Read the README."""
    return (root / "README.md").read_text("utf-8")


def test_the_code_map_names_every_module(root: Path, package: Path, readme: str) -> None:
    """The map in the README is the one that `make docs` writes."""
    updated = runpy.run_path(str(root / "tools" / "code_map.py"))["updated"]
    assert updated(readme, package) == readme, "run make docs"


def test_the_readme_says_what_millet_is_not(readme: str) -> None:
    """No reader can miss that it makes no diagnosis and is not a medical device."""
    words = " ".join(readme.replace(">", " ").split()).lower()
    assert "makes no diagnosis and is not a medical device" in words


@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        "docs/capacity.md",
        "docs/getting-started.md",
        "docs/architecture.md",
        "docs/how-to/evaluate.md",
    ],
)
def test_links_lead_somewhere(root: Path, page: str) -> None:
    """Every relative link of a page is a file of the repository."""
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", (root / page).read_text("utf-8"))
    assert [target for target in targets if not ((root / page).parent / target).exists()] == []
