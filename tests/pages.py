"""The pages of the documents: their blocks, the commands in them, and the marks that a reader sees too.

A block is fenced and names its language. In `sh` each line is a command; a backslash joins it to the next.
A comment that begins with one of `MARKS` says why a command is not simply run to its end: behind a command it
is that command's, on a line of its own it holds for the rest of the block.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = (ROOT / "README.md", ROOT / "models/README.md", *sorted((ROOT / "docs").rglob("*.md")))
LANGUAGES = frozenset({"sh", "python", "toml", "yaml", "json", "protobuf", "proto", "js", "html", "text"})
MARKS = ("takes", "needs", "until Ctrl-C")
"""Long; something that is not everywhere; a program that stays, with the ports it listens on."""
_BLOCK = re.compile(r"^(?P<indent> *)```(?P<language>.*)\n(?P<text>(?:.*\n)*?)(?P=indent)```$", re.MULTILINE)
_COMMENT = re.compile(r"(?:^|\s+)#\s+(?P<said>.*)$")


@dataclass(frozen=True, kw_only=True)
class Block:
    """A fenced block without its indentation; `line` is that of its first fence."""

    language: str
    text: str
    line: int

    @property
    def file(self) -> str:
        """The file that its first line says it is, as a path; empty for none."""
        said = re.match(r"# ([\w./-]+\.(?:toml|yaml|py))\b", self.text)
        return said[1] if said else ""


@dataclass(frozen=True, kw_only=True)
class Command:
    """What is typed, and its mark, if it has one."""

    text: str
    mark: str

    @property
    def ports(self) -> tuple[int, ...]:
        """Those that its mark says it listens on."""
        return tuple(int(number) for number in re.findall(r"\b\d{4,5}\b", self.mark))


def name(page: Path) -> str:
    """A page as it is called from the root."""
    return page.relative_to(ROOT).as_posix()


def blocks(text: str) -> list[Block]:
    """All blocks of a page, in their order."""
    return [
        Block(
            language=found["language"],
            text=re.sub(rf"^{found['indent']}", "", found["text"], flags=re.MULTILINE),
            line=text.count("\n", 0, found.start()) + 1,
        )
        for found in _BLOCK.finditer(text)
    ]


def commands(block: Block) -> list[Command]:
    """The commands of a block, in their order; none where it holds something else."""
    if block.language == "python":
        return [Command(text=f".venv/bin/python - <<'PYTHON'\n{block.text}PYTHON", mark=_marks(block.text))]
    return list(_typed(block.text)) if block.language == "sh" else []


def _typed(text: str) -> Iterator[Command]:
    general = ""
    for line in text.replace("\\\n", " ").splitlines():
        said = _COMMENT.search(line)
        mark = said["said"] if said and said["said"].startswith(MARKS) else ""
        typed = line[: said.start()] if said else line
        if typed.strip():
            yield Command(text=" ".join(typed.split()), mark=mark or general)
        else:
            general = mark or general


def _marks(text: str) -> str:
    found = [one["said"] for line in text.splitlines() if (one := _COMMENT.search(line))]
    return next((said for said in found if said.startswith(MARKS)), "")


def spans(text: str) -> list[str]:
    """What stands between single backticks outside of blocks, spaces and line ends as one space."""
    return [" ".join(one.split()) for one in re.findall(r"`([^`]+)`", _BLOCK.sub("", text))]


def links(text: str) -> list[str]:
    """Where the links of a page lead that stay in the repository: a path, an anchor or both."""
    return re.findall(r"\]\((?!https?:|mailto:)([^)\s]+)\)", _BLOCK.sub("", text))


def anchors(text: str) -> set[str]:
    """The anchors that a viewer of Markdown gives the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", _BLOCK.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings}
