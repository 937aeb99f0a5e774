"""What happened, a JSON object a line: appended as it happens, so that a cut loses none."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


class Lines:
    """A file of lines. Thread-safe."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()

    def add(self, line: Mapping[str, object]) -> None:
        """Append one, and have it in the file before going on."""
        with self._lock, self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Every line that is whole; the last one may have been cut."""
        if not self._path.exists():
            return
        for line in self._path.read_text("utf-8").splitlines(keepends=True):
            if line.endswith("\n"):
                yield json.loads(line)
