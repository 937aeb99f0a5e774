from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[1] / "tools" / "no_skips.py"
GOOD = '<testcase classname="tests.a" name="b"/>'
SKIPPED = '<testcase classname="tests.a" name="c"><skipped message="no Orthanc"/></testcase>'


@pytest.mark.parametrize(
    ("cases", "status", "said"),
    [
        (GOOD, 0, "no test was skipped"),
        (GOOD + SKIPPED, 1, "tests.a::c: no Orthanc"),
        ("", 1, "no test was run"),
    ],
    ids=["all-run", "one-skipped", "none"],
)
def test_a_skip_fails_the_build(tmp_path: Path, cases: str, status: int, said: str) -> None:
    """A skipped test, or no test at all, fails and is named; a whole run passes."""
    junit = tmp_path / "junit.xml"
    junit.write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>", "utf-8")
    done = subprocess.run([sys.executable, PROGRAM, junit], capture_output=True, text=True, check=False)
    assert done.returncode == status
    assert said in done.stdout + done.stderr
