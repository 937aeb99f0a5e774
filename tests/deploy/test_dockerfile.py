"""Facts about the image that do not need a container engine."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import tomllib
from collections.abc import Mapping
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from millet.settings import Settings, load

ROOT = Path(__file__).parents[2]


Steps = list[tuple[str, str]]
IMAGES = ("cpu", "cuda")


@pytest.fixture(scope="module")
def steps() -> Steps:
    """Read the instructions, continued lines joined."""
    text = (ROOT / "deploy" / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in lines]


@pytest.fixture(scope="module")
def stages(steps: Steps) -> Mapping[str, Steps]:
    """The stages by name, each with the steps of those that it is made from before its own."""
    found: dict[str, Steps] = {}
    name = ""
    for word, rest in steps:
        if word == "FROM":
            origin, _, name = rest.partition(" AS ")
            found[name] = [*found.get(origin, [(word, origin)])]
        else:
            found[name].append((word, rest))
    return found


@pytest.fixture(params=IMAGES)
def image(stages: Mapping[str, Steps], request: pytest.FixtureRequest) -> Steps:
    """All steps of a finished image."""
    return stages[request.param]


def _last(steps: Steps, word: str) -> str:
    return [rest for name, rest in steps if name == word][-1]


def test_what_is_copied_exists_and_is_sent(steps: Steps) -> None:
    """Every source of a COPY is in the repository and let through by .dockerignore."""
    sources = [
        s for name, rest in steps if name == "COPY" and "--from" not in rest for s in rest.split()[:-1]
    ]
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line[0] == "!"}
    assert sources
    assert all((ROOT / source).exists() for source in sources)
    assert set(sources) == sent


def test_an_image_is_for_the_cpu_unless_asked(stages: Mapping[str, Steps]) -> None:
    """The last stage is the CPU's; each image copies the environment that was made for it."""
    assert list(stages)[-1] == "cpu"
    for name, runtime in (("cpu", "cpu"), ("cuda", "gpu")):
        assert f"--from=build-{name} " in _last(stages[name], "COPY")
        assert _last(stages[f"build-{name}"], "RUN") == f"sh deploy/install.sh /opt/millet {runtime}"


def test_no_image_holds_what_builds_one(image: Steps) -> None:
    """It begins with a bare Python, takes one folder from elsewhere, and installs nothing; pip is gone."""
    assert image[0] == ("FROM", "python:3.11-slim-bookworm")
    assert len([rest for name, rest in image if name == "COPY"]) == 1
    (run,) = [rest for name, rest in image if name == "RUN"]
    assert not re.search(r"apt|pip install", run)
    assert "pip uninstall" in run


def test_the_image_runs_as_nobody_special(steps: Steps) -> None:
    """The last user is a number above 0, the one that owns the state folder."""
    uid = int(_last(steps, "USER").split(":")[0])
    assert uid > 0
    assert any(f"useradd --uid {uid}" in rest for name, rest in steps if name == "RUN")


def test_the_environment_is_a_configuration(image: Steps) -> None:
    """The image's variables are settings; its volume is the state folder, its ports the defaults."""
    given = " ".join(rest for name, rest in image if name == "ENV")
    settings = load(dict(re.findall(r"(MILLET_\w+)=(\S+)", given)), None)
    assert settings.host == "0.0.0.0"
    assert settings.device == ("cuda" if "NVIDIA_VISIBLE_DEVICES" in given else "cpu")
    assert str(settings.state_dir) == _last(image, "VOLUME")
    ports = [Settings().dicom_port, Settings().grpc_port, Settings().web_port]
    assert [int(port) for port in _last(image, "EXPOSE").split()] == ports
    assert f"HEALTH_URL=http://127.0.0.1:{ports[2]}/healthz" in given


def test_the_health_check_tells_well_from_ill(image: Steps) -> None:
    """Its very command ends with 0 where somebody answers, and not where nobody does."""
    _, _, words = _last(image, "HEALTHCHECK").partition("CMD ")
    command = [sys.executable, *json.loads(words)[1:]]
    with ThreadingHTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as server:
        threading.Thread(target=server.serve_forever).start()
        asked = {"HEALTH_URL": f"http://127.0.0.1:{server.server_port}/"}
        well = subprocess.run(command, env=asked, stderr=subprocess.DEVNULL, check=False).returncode
        server.shutdown()
    ill = subprocess.run(command, env=asked, stderr=subprocess.DEVNULL, check=False).returncode
    assert (well, ill) == (0, 1)


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
