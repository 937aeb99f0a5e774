"""A real headless Chromium on our pages, with its pictures kept and accessibility checked by axe."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import ohif
import pytest

ROOT = Path(__file__).parents[1]
AXE = ROOT / ".tools" / "axe" / "package" / "axe.min.js"
"""Where `tools/axe.sh` leaves it."""
DESK, PHONE = (1280, 900), (390, 844)
WAIT_MS = 60_000
"""What guards against hanging where a test waits for something to be seen; machines are slow at times."""
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def pictures() -> Path:
    """Where pictures are kept."""
    kept = Path(os.environ.get("MILLET_TEST_PICTURES", ROOT / "build" / "pictures"))
    kept.mkdir(parents=True, exist_ok=True)
    return kept


@contextmanager
def chromium() -> Iterator:
    """A browser; skips where there is none."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=WAIT_MS)
    with sync_playwright() as play:
        made = play.chromium.launch(executable_path=ohif.chromium(), args=list(ohif.FLAGS))
        yield made
        made.close()


class Looker:
    """One window of a browser, and everything it complained of."""

    def __init__(self, browser, url: str, size: tuple[int, int] = DESK, **context: object) -> None:
        self.url = url
        self.context = browser.new_context(
            viewport=dict(zip(("width", "height"), size, strict=True)), **context
        )
        self.context.set_default_timeout(WAIT_MS)
        self.page = self.context.new_page()
        self.width = size[0]
        self.faults: list[str] = []
        self.page.on("console", lambda said: self.faults.append(said.text) if said.type == "error" else None)
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))

    def open(self, path: str, *, until: str = 'body[data-state="live"]'):
        """A page, once it is there and hears of changes."""
        self.page.goto(self.url + path)
        self.page.wait_for_selector(until)
        return self.page

    def keep(self, name: str) -> bytes:
        """A picture of the whole page."""
        return self.page.screenshot(path=pictures() / f"{name}-{self.width}.png", full_page=True)

    def overflow(self) -> int:
        """By how many pixels the page is wider than its window."""
        return self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")

    def barriers(self) -> list[str]:
        """What axe finds wrong: rule, how many elements, the first of them."""
        if not AXE.is_file():
            pytest.skip("axe-core is not installed (tools/axe.sh)")
        self.page.evaluate(AXE.read_text("utf-8"))
        found = self.page.evaluate("rules => axe.run({runOnly: rules})", RULES)
        assert len(found["passes"]) > 10, "axe looked at next to nothing"
        return [f"{one['id']}: {_first(one['nodes'])}" for one in found["violations"]]

    def close(self) -> None:
        """Shut the window."""
        self.context.close()


def _first(nodes) -> str:
    return f"{len(nodes)} times, such as {nodes[0]['html'][:160]}: {nodes[0]['failureSummary']}"
