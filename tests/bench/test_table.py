from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def table() -> ModuleType:
    """Load bench/table.py, which is no package."""
    path = Path(__file__).parents[2] / "bench" / "table.py"
    spec = importlib.util.spec_from_file_location("bench_table", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("fields", "met"),
    [
        ({"value": 4.0, "target": 5.0}, True),
        ({"value": 6.0, "target": 5.0}, False),
        ({"value": 6.0, "target": 5.0, "higher_is_better": True}, True),
        ({"value": 4.0, "high": 6.0, "target": 5.0, "strict": True}, False),
        ({"value": 6.0, "low": 4.0, "target": 5.0, "strict": True, "higher_is_better": True}, False),
        ({"value": 4.0}, None),
        ({"target": 5.0, "note": "no GPU here"}, None),
    ],
)
def test_met_is_computed(table: ModuleType, fields: dict[str, object], met: bool | None) -> None:
    """Whether a target is met follows from value or interval and direction; unmeasured is neither."""
    assert table.Row(name="x", unit="s", **fields).met is met


def test_unmeasured_without_a_reason_is_refused(table: ModuleType) -> None:
    """A figure that was not measured says why."""
    with pytest.raises(ValueError, match="needs a note"):
        table.Row(name="x", unit="s")


def test_strict_without_an_interval_is_refused(table: ModuleType) -> None:
    """A judgement by the interval needs the interval."""
    with pytest.raises(ValueError, match="needs the interval"):
        table.Row(name="x", unit="s", value=1.0, strict=True)


def test_the_document_has_the_agreed_keys(table: ModuleType, tmp_path: Path, capsys) -> None:
    """The JSON has date, commit, machine and rows, and the table shows each figure."""
    rows = [
        table.Row(name="wall", unit="s", value=3.5, low=3.0, high=4.0, n=5, target=5.0, stretch=2.0),
        table.Row(name="gpu wall", unit="s", target=1.0, note="no GPU here"),
    ]
    document = json.loads(table.write("case", rows, out=tmp_path).read_text("utf-8"))
    assert list(document) == ["date", "commit", "machine", "rows"]
    keys = ["name", "value", "low", "high", "n", "unit", "target", "stretch", "met", "note"]
    keys += ["higher_is_better", "strict"]
    assert [list(row) for row in document["rows"]] == [keys, keys]
    assert [row["met"] for row in document["rows"]] == [True, None]
    assert "gpu wall" in capsys.readouterr().out


def test_what_was_written_is_read_again(table: ModuleType, tmp_path: Path) -> None:
    """A part that is measured anew stands beside what was measured before, judged as it was."""
    rows = [
        table.Row(name="rate", unit="1/h", value=4.0, target=5.0, higher_is_better=True),
        table.Row(name="wall", unit="s", value=4.0, low=3.0, high=6.0, target=5.0, strict=True),
        table.Row(name="gpu wall", unit="s", target=1.0, note="no GPU here"),
    ]
    assert table.read("case", out=tmp_path) == []
    table.write("case", rows, out=tmp_path)
    assert table.read("case", out=tmp_path) == rows
