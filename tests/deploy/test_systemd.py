"""The systemd unit: systemd itself finds no mistake in it, and how much it may is measured."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from millet.settings import Settings, load

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "deploy" / "systemd" / "millet@.service"
MOST_EXPOSED = 1.5
"""By systemd-analyze, of 10; below 2 is what it calls "OK" at best."""


@pytest.fixture(scope="module")
def analyse() -> str:
    """The program that judges units."""
    if (program := shutil.which("systemd-analyze")) is None:
        pytest.skip("systemd-analyze is not installed")
    return program


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The unit and its drop-in, with a program that is there."""
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text("utf-8").replace("/opt/millet/bin/millet", shutil.which("true") or ""))
    (folder := tmp_path / "millet@gpu.service.d").mkdir()
    shutil.copy(UNIT.with_name("gpu.conf"), folder)
    shutil.copy(unit, tmp_path / "millet@gpu.service")
    return unit


def value(name: str) -> str:
    """What the unit says of something, the last time."""
    return re.findall(rf"^{name}=(.*)$", UNIT.read_text("utf-8"), re.MULTILINE)[-1]


@pytest.mark.parametrize("name", ["millet@.service", "millet@gpu.service"])
def test_systemd_finds_no_mistake(analyse: str, installed: Path, name: str) -> None:
    """Every directive is known and has a value that it may have, with the drop-in for GPUs too."""
    words = [analyse, "verify", "--man=no", str(installed.with_name(name))]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_service_may_little(analyse: str, installed: Path) -> None:
    """The measure that systemd has of exposure, from 0 to 10, stays low."""
    words = [analyse, "security", "--offline=true", "--no-pager", str(installed)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    (exposed,) = re.findall(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert float(exposed) <= MOST_EXPOSED


def test_a_stop_is_never_cut_off() -> None:
    """The manager waits for longer than the drain takes, and leaves decoders to the service."""
    assert float(value("TimeoutStopSec")) > Settings().drain_s
    assert value("KillMode") == "mixed"


def test_the_state_is_what_systemd_makes_writable() -> None:
    """The unit's variable names the one folder that the service may write."""
    name, _, folder = value("Environment").partition("=")
    settings = load({name: folder}, None)
    assert settings.state_dir == Path("/var/lib") / value("StateDirectory")
    assert value("ExecStart").startswith("/opt/millet/bin/millet serve --config /etc/millet/")
