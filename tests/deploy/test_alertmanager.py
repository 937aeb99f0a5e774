"""The example of an Alertmanager configuration."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"
CONFIG = DEPLOY / "alertmanager.yml"


def amtool(*arguments: str) -> str:
    """What it says; a failure ends the test."""
    if not shutil.which("amtool"):
        pytest.skip("amtool is not installed (Debian package prometheus-alertmanager)")
    done = subprocess.run(["amtool", *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def test_amtool_has_nothing_to_say():
    """The configuration is one that Alertmanager loads."""
    assert "SUCCESS" in amtool("check-config", str(CONFIG))


@pytest.mark.parametrize("severity", ["page", "ticket"])
def test_each_severity_reaches_whom_it_is_for(severity):
    """What wakes somebody goes another way than what does not."""
    assert amtool("config", "routes", "test", f"--config.file={CONFIG}", f"severity={severity}") == severity


def test_what_is_silenced_by_its_cause_exists():
    """What an inhibition names is one of ours; what says that nodules are missed is never silenced."""
    alerts = yaml.safe_load((DEPLOY / "alerts.yml").read_text("utf-8"))["groups"]
    known = {rule["alert"] for group in alerts for rule in group["rules"] if "alert" in rule}
    rules = yaml.safe_load(CONFIG.read_text("utf-8"))["inhibit_rules"]
    named = set(re.findall(r"Millet\w+", str(rules)))
    assert named <= known
    silenced = set(re.findall(r"Millet\w+", str([rule["target_matchers"] for rule in rules])))
    assert not {name for name in silenced if name.startswith("MilletCanary")}
