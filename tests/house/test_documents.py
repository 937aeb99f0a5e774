"""The documents hold together: links lead somewhere, settings load, what is called by name is there."""

from __future__ import annotations

import json
import re
import runpy
import shlex
import tomllib
from pathlib import Path

import pytest
import typer.main
import yaml
from pages import LANGUAGES, PAGES, Command, anchors, blocks, commands, links, name, spans

from millet.cli import app
from millet.codec import criteria_toml
from millet.edge import access
from millet.phantom import spec
from millet.settings import load

PROGRAM = typer.main.get_command(app())


@pytest.fixture(params=PAGES, ids=name)
def page(request: pytest.FixtureRequest) -> Path:
    """Each page."""
    return request.param


def test_commands_are_found_with_their_marks():
    """A mark behind a command is its own, on a line of its own it holds for what is below."""
    lines = (
        "1. One",
        "",
        "```sh",
        "make a  # quick",
        "make \\",
        "  b  # takes hours",
        "# needs root",
        "make c d",
        "```",
    )
    text = "".join(f"   {line}\n" for line in lines)
    (block,) = blocks(text)
    assert block.line == 3
    assert commands(block) == [
        Command(text="make a", mark=""),
        Command(text="make b", mark="takes hours"),
        Command(text="make c d", mark="needs root"),
    ]


def test_a_program_is_a_command():
    """A block of Python is run as one; the mark may stand anywhere in it."""
    (block,) = blocks("```python\nx = 1\nserve()  # until Ctrl-C: port 8001\n```\n")
    (command,) = commands(block)
    assert "serve()" in command.text
    assert command.ports == (8001,)


def test_every_block_says_what_it_is(page: Path):
    """A block that names no language known here could hold commands that nobody tries."""
    found = blocks(page.read_text("utf-8"))
    assert [(one.line, one.language) for one in found if one.language not in LANGUAGES] == []
    assert page.read_text("utf-8").count("```") == 2 * len(found)


def test_links_lead_somewhere(page: Path):
    """Every relative link is a file of the repository, and its anchor a heading there."""
    missing = []
    for link in links(page.read_text("utf-8")):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target.read_text("utf-8"))):
            missing.append(link)
    assert missing == []


def test_what_is_shown_can_be_parsed(page: Path):
    """Blocks of YAML and JSON are well formed, whatever they are for."""
    parsers = {"yaml": yaml.safe_load, "json": json.loads}
    for block in blocks(page.read_text("utf-8")):
        if parse := parsers.get(block.language):
            assert parse(block.text)


def read_settings(text: str, folder: Path) -> object:
    """As the service reads its file."""
    (folder / "shown.toml").write_text(text)
    return load({}, folder / "shown.toml")


def read_access(text: str, folder: Path) -> object:
    """As the service reads who may come in."""
    (folder / "access.toml").write_text(text)
    return access.read(folder / "access.toml")


READERS = {
    "identifier": lambda text, _: criteria_toml.decode(text),
    "preset": lambda text, _: spec.read(text),
    "who": read_access,
}
"""Files other than the configuration of the service, by a key that only they have."""


def test_settings_can_be_used_as_they_are_shown(page: Path, tmp_path: Path):
    """Every block of TOML is read by what it is for; one of called titles goes on from the block above."""
    above = ""
    for block in blocks(page.read_text("utf-8")):
        if block.language == "toml":
            read = next((READERS[key] for key in tomllib.loads(block.text) if key in READERS), read_settings)
            assert read(above + block.text if block.text.startswith("[[called]]") else block.text, tmp_path)
            above = block.text if read is read_settings else ""


def wrong(words: list[str]) -> str:
    """What a command line of ours names that is not there, of commands and options; empty for nothing."""
    command = PROGRAM
    while words and (several := getattr(command, "commands", None)):
        if words[0] not in several:
            return f"no command {words[0]}"
        command, words = several[words[0]], words[1:]
    known = {option for one in command.params for option in one.opts}
    return " ".join(word for word in words if word.startswith("--") and word.split("=")[0] not in known)


def ours(text: str) -> list[list[str]]:
    """The command lines of Millet in a line of shell, or in what stands between backticks."""
    lines = re.split(r" (?:&&|\|) ", text)
    split = [shlex.split(one, comments=True) for one in lines if "'" not in one or one.count("'") % 2 == 0]
    found = []
    for words in split:
        at = next((i for i, word in enumerate(words) if Path(word).name == "millet"), None)
        if at is not None and (at == 0 or "=" in words[at - 1]):
            found.append(words[at + 1 :])
    return found


def mentioned(page: Path) -> list[str]:
    """All that a page says one can type."""
    text = page.read_text("utf-8")
    return [*spans(text), *(command.text for block in blocks(text) for command in commands(block))]


def test_our_commands_exist_with_their_options(page: Path):
    """Whatever begins with `millet` names a command and options of the program."""
    for text in mentioned(page):
        for words in ours(text):
            assert words[:1] == ["COMMAND"] or wrong(words) == "", text


def test_targets_of_make_exist(page: Path, root: Path):
    """Whatever begins with `make` names a target, or a benchmark for `bench-...`."""
    makefile = (root / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    targets |= {f"bench-{path.stem.replace('_', '-')}" for path in (root / "bench").glob("*.py")}
    for text in mentioned(page):
        if found := re.fullmatch(r"make ([a-z-]+)(?: [A-Z]+=\S+)*", text):
            assert found[1] in targets, text


def test_every_page_is_in_the_index(root: Path):
    """Whoever opens the folder of documents finds each of them, by who they are."""
    index = root / "docs/README.md"
    told = {(index.parent / link.partition("#")[0]).resolve() for link in links(index.read_text("utf-8"))}
    assert {page for page in PAGES if (root / "docs") in page.parents} - {index} <= told


def test_the_picture_of_the_architecture_is_drawn_from_what_is_there(root: Path, package: Path):
    """It names modules that exist, and is the one that its description draws."""
    drawn = runpy.run_path(str(root / "tools/architecture.py"))
    for module in drawn["modules"]():
        assert any((package / f"{module}{end}").is_file() for end in (".py", "/__init__.py")), module
    committed = (root / "docs/architecture.svg").read_text("utf-8")
    assert committed == drawn["picture"](), "run make docs"
