"""Commands that are marked as long, or as needing what is not everywhere: what they name is looked up."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path

import charts
import pytest
import yaml
from pages import PAGES, ROOT, blocks, commands, name

MARKED = [
    (page, one.text)
    for page in PAGES
    for block in blocks(page.read_text("utf-8"))
    for one in commands(block)
    if one.mark and not one.ports
]
CLUSTER = (ROOT / "docs/how-to/cluster.md").read_text("utf-8")


def option(words: list[str], *names: str) -> str:
    """What stands behind an option."""
    return words[next(words.index(one) for one in names if one in words) + 1]


def looked_up(_: list[str]) -> None:
    """Commands of ours and targets of make: tests/house/test_documents.py reads their names and options."""


def docker(words: list[str]) -> None:
    """The file is there; tests/deploy reads what it holds."""
    assert (ROOT / option(words, "-f")).is_file()


def helm(words: list[str]) -> None:
    """The chart is there; that Helm renders it with these very words is a test below."""
    assert (ROOT / words[3] / "Chart.yaml").is_file()


def kubectl(words: list[str]) -> None:
    """The secret is the one that the values of the page name, under the key that pods look for."""
    assert words[1:4] == ["create", "secret", "generic"]
    values = next(yaml.safe_load(one.text) for one in blocks(CLUSTER) if "mode: cluster" in one.text)
    assert words[4] == values["journal"]["secret"]
    key = yaml.safe_load((charts.CHART / "values.yaml").read_text("utf-8"))["journal"]["key"]
    assert words[5].startswith(f"--from-literal={key}=postgresql://")


def script(words: list[str]) -> None:
    """The script is there and knows the options."""
    text = (ROOT / words[1]).read_text("utf-8")
    assert [word for word in words[2:] if word.startswith("--") and f'"{word}"' not in text] == []


def install(words: list[str]) -> None:
    """The script is there; `make check-deploy` runs it in a fresh environment."""
    assert any((ROOT / word).is_file() for word in words if word.endswith(".sh"))


def pip(words: list[str]) -> None:
    """What it installs is this folder, or packages that pyproject.toml knows."""
    known = (ROOT / "pyproject.toml").read_text("utf-8")
    assert [one for one in words[2:] if one[0] not in "-." and f'"{one}' not in known] == []


def unit(words: list[str]) -> None:
    """It is one of the template that is installed, which tests/deploy has systemd itself look at."""
    assert (ROOT / "deploy/systemd" / re.sub(r"@.*", "@.service", words[2])).is_file()


def foreign(words: list[str]) -> None:
    """A program of others that cannot be had here; the page says what it was tried with."""
    assert words


PROGRAMS: Mapping[str, Callable[[list[str]], None]] = {
    "millet": looked_up,
    "make": looked_up,
    "docker": docker,
    "helm": helm,
    "kubectl": kubectl,
    "python": script,
    "sh": install,
    "mv": install,
    "pip": pip,
    "tritonserver": foreign,
    "systemctl": unit,
    "journalctl": unit,
    "git": foreign,
}
"""How a command is checked that is not typed, by its program. Another one needs a line here."""


@pytest.mark.parametrize(("page", "text"), MARKED, ids=[f"{name(page)}:{text[:40]}" for page, text in MARKED])
def test_what_a_marked_command_names_is_there(page: Path, text: str) -> None:
    """Each is checked as its program can be."""
    words = [word for word in shlex.split(text) if not re.match(r"[A-Z_]+=", word)]
    PROGRAMS[Path(words[0]).name](words)


@pytest.mark.helm
@pytest.mark.parametrize("version", charts.HELMS)
def test_the_chart_is_rendered_with_the_words_of_the_pages(version: int, tmp_path: Path) -> None:
    """`helm install` of each page, as `helm template`, and the values that the page about clusters shows."""
    (tmp_path / "values.yaml").write_text(
        next(one.text for one in blocks(CLUSTER) if "mode: cluster" in one.text)
    )
    installs = [shlex.split(text)[2:] for _, text in MARKED if text.startswith("helm install")]
    for words in [*installs, ["millet", "helm/millet", "-f", str(tmp_path / "values.yaml")]]:
        done = charts.helm(version, "template", *words)
        assert done.returncode == 0, done.stderr
        assert "kind: StatefulSet" in done.stdout
