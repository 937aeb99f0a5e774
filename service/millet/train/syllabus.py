"""The table of real series that a model learns on: `series.toml`, beside the model."""

from __future__ import annotations

import tomllib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from millet.core.manifest import Source
from millet.errors import ModelError
from millet.train.gather import Real

_KEYS = {"name", "folder", "source", "licence", "fwhm_mm", "slice_mm"}
_NEEDED = {"name", "folder", "source", "licence"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Syllabus:
    """Real series, where readers' marks on them are, and what is to be said of them."""

    series: tuple[Real, ...]
    marks: Path | None
    sources: tuple[Source, ...]


def read(table: Path, data: Path, without: Collection[str] = ()) -> Syllabus:
    """Read a table whose folders lie below `data`, leaving out the series named in `without`.

    Raises ModelError for a table that is wrong, a folder that is not there, or an unknown name.
    """
    try:
        document = tomllib.loads(table.read_text(encoding="utf-8"))
        entries = [_entry(entry, data) for entry in document["series"]]
    except (OSError, tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{table}: {error!r}") from error
    names = {real.name for real, _ in entries}
    if unknown := sorted(set(without) - names):
        raise ModelError(f"{table} has no series {', '.join(unknown)}")
    kept = [(real, source) for real, source in entries if real.name not in without]
    if absent := [real.name for real, _ in kept if not real.folder.is_dir()]:
        raise ModelError(f"no folder below {data} for {', '.join(absent)}")
    marks = data / str(document["marks"]) if "marks" in document else None
    if marks is not None and not marks.is_file():
        raise ModelError(f"{table} names marks that are not there: {marks}")
    return Syllabus(
        series=tuple(real for real, _ in kept), marks=marks, sources=tuple(source for _, source in kept)
    )


def _entry(entry: dict[str, Any], data: Path) -> tuple[Real, Source]:
    wrong = sorted((_NEEDED - set(entry)) | (set(entry) - _KEYS))
    if wrong:
        raise ValueError(f"series {entry.get('name', '?')}: missing or unknown {', '.join(wrong)}")
    low, high = (float(v) for v in entry.get("fwhm_mm", (0.7, 1.4)))
    thick = entry.get("slice_mm")
    real = Real(
        name=str(entry["name"]),
        folder=data / str(entry["folder"]),
        fwhm_mm=(low, high),
        slice_mm=None if thick is None else float(thick),
    )
    return real, Source(data=str(entry["source"]), licence=str(entry["licence"]))
