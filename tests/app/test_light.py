"""What only an analyser needs is loaded by nobody else."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("part", ["service", "receiving", "delivering", "keeping", "answering"])
def test_a_process_that_does_not_analyse_loads_no_torch(part):
    """It would take 200 MB of each."""
    told = f"import sys, millet.app.{part}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_process_that_draws_the_canary_elsewhere_loads_no_torch():
    """Neither what sends it nor what compares reports with it does so here."""
    told = (
        "import sys; from millet.phantom.apart import Apart; apart = Apart();"
        "print(len(apart.instances(1)), len(apart.planted()), 'torch' in sys.modules, 'scipy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "46 10 False False"
