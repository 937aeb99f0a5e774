"""Facts about the image that do not need a container engine."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from millet.settings import Settings, load

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def steps() -> list[tuple[str, str]]:
    """Read the instructions, continued lines joined."""
    text = (ROOT / "deploy" / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in lines]


def _last(steps: list[tuple[str, str]], word: str) -> str:
    return [rest for name, rest in steps if name == word][-1]


def test_what_is_copied_exists_and_is_sent(steps: list[tuple[str, str]]) -> None:
    """Every source of a COPY is in the repository and let through by .dockerignore."""
    sources = [
        s for name, rest in steps if name == "COPY" and "--from" not in rest for s in rest.split()[:-1]
    ]
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line[0] == "!"}
    assert sources
    assert all((ROOT / source).exists() for source in sources)
    assert set(sources) == sent


def test_the_image_runs_as_nobody_special(steps: list[tuple[str, str]]) -> None:
    """The last user is a number above 0, the one that owns the state folder."""
    uid = int(_last(steps, "USER").split(":")[0])
    assert uid > 0
    assert any(f"useradd --uid {uid}" in rest for name, rest in steps if name == "RUN")


def test_the_environment_is_a_configuration(steps: list[tuple[str, str]]) -> None:
    """The image's variables are settings; its volume is the state folder, its ports the defaults."""
    settings = load(dict(re.findall(r"(MILLET_\w+)=(\S+)", _last(steps, "ENV"))), None)
    assert settings.host == "0.0.0.0"
    assert str(settings.state_dir) == _last(steps, "VOLUME")
    ports = [Settings().dicom_port, Settings().grpc_port, Settings().web_port]
    assert [int(port) for port in _last(steps, "EXPOSE").split()] == ports
    assert f"127.0.0.1:{ports[2]}/healthz" in _last(steps, "HEALTHCHECK")


def test_torch_is_the_pinned_one_everywhere() -> None:
    """The image and `make install` install the torch that pyproject.toml pins, before everything else."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    (pin,) = [one for one in project["dependencies"] if one.startswith("torch==")]
    for script in ("deploy/install.sh", "tools/install.sh"):
        installs = [
            line
            for line in (ROOT / script).read_text("utf-8").splitlines()
            if re.search(r"pip.* install ", line)
        ]
        assert pin in installs[0]
