"""The commands of the documents that make calls of the contract, with the real `buf curl` or `curl`."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import NamedTuple

import pytest
from pages import PAGES, ROOT, blocks, commands

BUF = ROOT / ".tools" / "node_modules" / ".bin" / "buf"
CALL = re.compile(r"(?:^|.* \| )(?:buf curl|curl) .*/millet\.v1\.(\w+)/(\w+)$")


class Call(NamedTuple):
    """A command of a page."""

    text: str
    service: str
    method: str

    def typed(self, instead: Mapping[str, str]) -> str:
        """The command for a shell, with what stands here instead of what the page shows."""
        text = self.text
        for shown, here in instead.items():
            assert shown in text
            text = text.replace(shown, here)
        return re.sub(r"^(.* \| )?buf ", rf"\1{shlex.quote(str(BUF))} ", text)


def _call(text: str) -> Call:
    found = CALL.match(text)
    assert found, f"it names no call: {text}"
    return Call(text, *found.groups())


CALLS = [
    _call(one.text)
    for page in PAGES
    for block in blocks(page.read_text("utf-8"))
    for one in commands(block)
    if "buf curl" in one.text or "/millet.v1." in one.text
]
"""All of them, on every page, in their order."""


def only_call(method: str) -> Call:
    """The one command that shows a call."""
    (found,) = [one for one in CALLS if one.method == method]
    return found


def need_buf() -> None:
    """Skip where it is not installed."""
    if not BUF.is_file():
        pytest.skip("buf is not installed (tools/buf.sh)")
