from __future__ import annotations

import copy
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


@pytest.fixture(scope="module")
def tool(root: Path) -> ModuleType:
    """Load tools/capacity_page.py, which is no package."""
    spec = importlib.util.spec_from_file_location("capacity_page", root / "tools" / "capacity_page.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def results(tool: ModuleType) -> Any:
    """What was measured, to be altered."""
    return copy.deepcopy(tool.Results.of(tool.RESULTS))


def page(tool: ModuleType) -> str:
    """The page as it is."""
    text: str = tool.PAGE.read_text("utf-8")
    return text


def test_the_page_is_what_the_results_say(tool: ModuleType, results: Any) -> None:
    """No figure of the capacity page differs from what was measured last."""
    assert tool.updated(page(tool), results) == page(tool), "run python tools/capacity_page.py"


def test_the_page_has_every_table_once(tool: ModuleType) -> None:
    """Each table has its place."""
    assert sorted(found[1] for found in tool.BLOCK.findall(page(tool))) == sorted(tool.BLOCKS)


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("soak", "soak: analyser, processor time a study"),
        ("capacity", "a series of 400 slices, raw"),
        ("ingest", "Millet: 4 associations, raw"),
        ("inference", "peak memory, one 600-slice series"),
    ],
)
def test_a_figure_that_was_measured_anew_changes_the_page(
    tool: ModuleType, results: Any, source: str, name: str
) -> None:
    """A page that was not written anew is noticed."""
    [row] = [row for row in results.documents[source]["rows"] if row["name"] == name]
    row["value"] *= 3
    assert tool.updated(page(tool), results) != page(tool)


def test_a_figure_that_is_gone_is_noticed(tool: ModuleType, results: Any) -> None:
    """The page is not written without a figure that it tells."""
    rows = results.documents["soak"]["rows"]
    rows[:] = [row for row in rows if row["name"] != "soak: database, a study"]
    with pytest.raises(KeyError, match="soak: database, a study"):
        tool.updated(page(tool), results)


def test_what_was_not_measured_says_so(tool: ModuleType, results: Any) -> None:
    """A figure without a value is told as not measured, with its reason, and not left out."""
    row = results.row("inference", "series an hour, on a GPU")
    assert tool.told({**row, "value": None}) == "not measured"
    assert "not measured" in tool.analysing(results)


def test_a_load_is_reckoned_from_a_study(tool: ModuleType) -> None:
    """Twelve of a hundred studies in the busiest hour; twice the busy cores; a day's and a year's bytes."""
    takes = {f"soak: {name}, processor time a study": 60.0 for name in tool.PROCESSES}
    takes |= {"soak: instances, a study": 1000 / tool.SLICE_MB}
    takes |= {"soak: objects, a study": 10.0, "soak: database, a study": 1000.0}
    takes |= {f"soak: object {kind}, each": 0.5 for kind in tool.LARGE}
    rows = [{"name": name, "value": value, "n": 20} for name, value in takes.items()]
    found = tool.load(100, tool.Results({"soak": {"rows": rows}}))
    assert found.per_hour == pytest.approx(12)
    assert found.busy_cores == pytest.approx(1.0)
    assert found.cores == 2
    assert found.spool_gb_a_day == pytest.approx(100)
    assert found.objects_gb_a_year == pytest.approx(365)
    assert found.large_gb_a_day == pytest.approx(len(tool.LARGE) * 0.05)
    assert found.database_gb_a_year == pytest.approx(36.5)
    assert found.peak_mb_per_s == pytest.approx(12 * 1000 / 3600)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"),
        (0.0123, "0.012"),
        (0.5, "0.50"),
        (3.14, "3.1"),
        (9.99, "10"),
        (42.4, "42"),
        (1234.5, "1,234"),
    ],
)
def test_figures_have_two_digits_that_count(tool: ModuleType, value: float, shown: str) -> None:
    """No more is told than was measured, and no digit of a whole number is lost."""
    assert tool.number(value) == shown
