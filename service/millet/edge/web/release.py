"""What a page is made of, in one name: an open page that hears another one loads itself anew."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from millet import __version__
from millet.edge.web.voice import Voice

HERE = Path(__file__).parent
PARTS = ("pages", "static")
"""Folders of what pages are made of."""


def release(voice: Voice, folder: Path = HERE) -> str:
    """A digest of the version, the words of the scripts, and each template, style and script.

    Args:
        voice: in whose language pages speak.
        folder: holds `PARTS`.

    Raises OSError where a file cannot be read.
    """
    told = hashlib.sha256(json.dumps([__version__, dict(voice.scripts())]).encode())
    for path in sorted(path for part in PARTS for path in (folder / part).iterdir()):
        told.update(f"\0{path.name}\0".encode() + path.read_bytes())
    return told.hexdigest()[:16]
