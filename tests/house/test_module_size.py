from __future__ import annotations

from pathlib import Path

import pytest

LONGEST = 350


def _too_long(package: Path) -> list[str]:
    sizes = {path: len(path.read_text("utf-8").splitlines()) for path in package.rglob("*.py")}
    return [
        f"{path.relative_to(package)}: {lines} lines"
        for path, lines in sorted(sizes.items())
        if lines > LONGEST and "proto" not in path.relative_to(package).parts
    ]


def test_a_module_holds_one_idea(package: Path) -> None:
    """No module but a generated one is longer than 350 lines."""
    assert _too_long(package) == []


@pytest.mark.parametrize(("name", "found"), [("core/long.py", 1), ("proto/long.py", 0)])
def test_a_long_module_is_noticed(tmp_path: Path, name: str, found: int) -> None:
    """351 lines are too many, unless they are generated."""
    path = tmp_path / name
    path.parent.mkdir()
    path.write_text("x = 1\n" * (LONGEST + 1), "utf-8")
    assert len(_too_long(tmp_path)) == found
