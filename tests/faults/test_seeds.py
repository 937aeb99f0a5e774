"""A handful of seeds of `make faults`, and the proof that the bench sees data that is lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def play(results: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """The program that `make faults` runs, on seeds of its own."""
    paths = os.pathsep.join(str(ROOT / folder) for folder in ("service", "tests"))
    command = [sys.executable, "-m", "faults", "--results", str(results), *options]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MILLET_")} | {"PYTHONPATH": paths}
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)


def test_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    """Each topology under faults: every promise is kept; what was played once is not played again."""
    results = tmp_path / "results.jsonl"
    done = play(results, "--first", "6", "--seeds", "4")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [json.loads(line) for line in results.read_text().splitlines()]
    assert sorted(line["seed"] for line in lines) == [6, 7, 8, 9]
    assert all(line["acked"] > 20 and line["reports"] > 0 for line in lines)
    again = play(results, "--first", "6", "--seeds", "4")
    assert again.returncode == 0
    assert "4 of 4 seeds were played before" in again.stdout
    assert len(results.read_text().splitlines()) == 4


@pytest.mark.loop_devices
def test_data_that_is_not_flushed_is_seen_to_be_lost(tmp_path: Path) -> None:
    """A receiver whose flushes do nothing breaks the first promise, and the bench says so."""
    done = play(tmp_path / "results.jsonl", "--first", "2", "--seeds", "1", "--mutate", "no-sync")
    assert done.returncode == 1, done.stdout + done.stderr
    (line,) = [json.loads(one) for one in (tmp_path / "results.jsonl").read_text().splitlines()]
    assert {"lost", "half"} & {rule for rule, _ in line["violations"]}
    assert "make faults SEEDS=1 FIRST=2 ANEW=1" in done.stdout
