"""Every command of the documents that is not marked is typed as it stands, on a machine of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from machine import Machine
from pages import PAGES, Block, Command, blocks, commands, name
from staged import machine, stage, write

ELSEWHERE = {
    "docs/getting-started.md": ("make demo",),
    "docs/how-to/client.md": (".venv/bin/python - ",),
    "docs/reference/browsers.md": ("buf curl ", "curl "),
    "docs/reference/grpc.md": ("buf curl ", "for f in series/", ".venv/bin/python - "),
}
"""What of a page is tried elsewhere, by how it begins: with the README, or by tests of calls and clients."""


def tried(page: Path) -> list[tuple[Block, Command]]:
    """The commands of a page that are typed here: those that are not marked, or run until Ctrl-C."""
    other = ELSEWHERE.get(name(page), ())
    found = [(block, one) for block in blocks(page.read_text("utf-8")) for one in commands(block)]
    return [(block, one) for block, one in found if one.ports or not (one.mark or one.text.startswith(other))]


def put_files(on: Machine, page: Path, before: int) -> None:
    """Write the files that a page shows by name above a line, where they stand."""
    for block in blocks(page.read_text("utf-8")):
        if block.file and block.line < before:
            write(on, block.file, block.text)


@pytest.mark.machine
@pytest.mark.parametrize("page", [page for page in PAGES if tried(page)], ids=name)
def test_the_commands_of_a_page_work(page: Path) -> None:
    """One after the other, in one shell; the last that runs until Ctrl-C ends with that."""
    with machine() as on:
        stage(page, on)
        for block, command in tried(page):
            put_files(on, page, block.line)
            done = on.start(command.text, command.ports) if command.ports else on.run(command.text)
            where = f"{name(page)}, block at line {block.line}: {command.text}"
            assert done.status == 0, f"{where}\n{done.output[-4000:]}"
        if any(command.ports for _, command in tried(page)):
            on.interrupt()
