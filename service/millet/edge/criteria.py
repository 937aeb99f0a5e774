"""Further sets of criteria on disk: one TOML file each, read once at the start."""

from __future__ import annotations

from pathlib import Path

from millet.codec import criteria_toml
from millet.core.criteria import CriteriaSet
from millet.core.criteria_sets import BUNDLED
from millet.errors import SettingsError

MOST_FILES = 50


def read(folder: Path | None) -> tuple[CriteriaSet, ...]:
    """The sets of a folder, by the names of their files; none without a folder.

    Raises SettingsError with every mistake: of what cannot be read nothing is left out in silence.
    """
    if folder is None:
        return ()
    files = sorted(folder.glob("*.toml"))
    if not 1 <= len(files) <= MOST_FILES:
        raise SettingsError([f"criteria_dir: {len(files)} files *.toml in {folder}, not 1 to {MOST_FILES}"])
    mistakes: list[str] = []
    sets = [_read(file, mistakes) for file in files]
    seen = {one.identifier for one in BUNDLED}
    for file, one in zip(files, sets, strict=True):
        if one and one.identifier in seen:
            mistakes.append(f"{file}: identifier: another set is called {one.identifier}")
        seen |= {one.identifier} if one else set()
    if mistakes:
        raise SettingsError(mistakes)
    return tuple(one for one in sets if one)


def _read(file: Path, mistakes: list[str]) -> CriteriaSet | None:
    try:
        with file.open(encoding="utf-8") as opened:
            return criteria_toml.decode(opened.read(criteria_toml.LONGEST + 1))
    except (OSError, ValueError) as error:
        mistakes.append(f"{file}: {error}")
        return None
