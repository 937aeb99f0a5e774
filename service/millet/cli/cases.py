"""Folders of cases: each read, searched once, and what was found kept for the next time."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from millet import __version__
from millet.cli.folder import contents, dicom_files
from millet.codec import tables
from millet.codec.tables import Mark
from millet.core.geometry import PointMm
from millet.core.nodule import Candidate
from millet.core.volume import Volume
from millet.errors import ServiceError, UnfitSeries

if TYPE_CHECKING:
    from millet.flow.model import Model
    from millet.flow.read import ReadSeries

TRUTH, IGNORED = "truth.csv", "ignore.csv"
KEPT = "found.json"

Share = Callable[[float], None]
"""Told the share of the work that is done, 0..1."""


class Found(NamedTuple):
    """All candidates of a case, and its volume where it had to be read for them."""

    candidates: tuple[Candidate, ...]
    volume: Volume | None


class Finder(Protocol):
    """Where the candidates of a case come from."""

    def found(self, folder: Path, keep: Path, tick: Share) -> Found:
        """All candidates of a case folder; `keep` is a folder of its own for what is to be kept.

        Raises ServiceError or OSError when they cannot be had.
        """


def folders(root: Path, out: Path) -> tuple[Path, ...]:
    """The case folders: `root` itself if it holds the truth or no folder, else those right below it.

    Hidden folders and `out` are none. Raises ServiceError when there is no case.
    """
    if not root.is_dir():
        raise ServiceError(f"{root} is no folder")
    below = [p for p in sorted(root.iterdir()) if p.is_dir() and not p.name.startswith(".")]
    below = [p for p in below if p.resolve() != out.resolve()]
    if (root / TRUTH).is_file():
        return (root.resolve(),)
    if not below:
        raise ServiceError(f"no case in {root}: no {TRUTH}, and no folder")
    return tuple(below)


def truth(folder: Path) -> tuple[tuple[Mark, ...], tuple[Mark, ...]]:
    """What is there, and what neither counts nor costs. Raises ServiceError that names the table."""
    if not (folder / TRUTH).is_file():
        raise ServiceError(f"no {TRUTH}")
    ignored = _table(folder / IGNORED) if (folder / IGNORED).is_file() else ()
    return _table(folder / TRUTH), ignored


def series(folder: Path) -> ReadSeries:
    """A case's series. Raises ServiceError."""
    from millet.flow.offline import read_series

    return read_series(tuple(contents(dicom_files(folder))))


def volume(folder: Path) -> Volume:
    """The volume of a case's series. Raises ServiceError."""
    return series(folder).volume


def stamp(folder: Path) -> str:
    """Another one when a file of the series was changed: of names, sizes and times."""
    files = [(path.name, path.stat()) for path in sorted(folder.rglob("*")) if path.is_file()]
    facts = [(name, stat.st_size, stat.st_mtime_ns) for name, stat in files if not name.endswith(".csv")]
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFinder:
    """Reads what any detector left in a table of this name in each case folder."""

    name: str

    def found(self, folder: Path, keep: Path, tick: Share) -> Found:
        """See `Finder`."""
        del keep, tick
        if not (folder / self.name).is_file():
            raise ServiceError(f"no {self.name}")
        return Found(tuple(_candidate(self.name, mark) for mark in _table(folder / self.name)), None)


class ModelFinder:
    """Runs a model, unless it ran before on the same bytes."""

    def __init__(self, model: Model) -> None:
        self._model = model
        manifest = asdict(model.manifest)
        for level in manifest["levels"]:
            del level["threshold"]  # where to report is no part of what is found
        del manifest["calibration"]  # nor is what that means
        facts = [manifest, model.provider, model.precision, __version__]
        self._key = json.dumps(facts, sort_keys=True, default=str)

    def found(self, folder: Path, keep: Path, tick: Share) -> Found:
        """See `Finder`."""
        instances = tuple(contents(dicom_files(folder)))
        key = self._digest(instances)
        if (kept := _kept(keep / KEPT, key)) is not None:
            return Found(kept, None)
        found = self._search(instances, tick)
        _keep(keep / KEPT, key, found.candidates)
        return found

    def _digest(self, instances: Sequence[bytes]) -> str:
        digest = hashlib.sha256(self._key.encode())
        for instance in sorted(hashlib.sha256(instance).digest() for instance in instances):
            digest.update(instance)
        return digest.hexdigest()

    def _search(self, instances: Sequence[bytes], tick: Share) -> Found:
        from millet.core.lungs import lungs
        from millet.core.reasons import Reason
        from millet.flow.detect import find
        from millet.flow.offline import read_series

        source = read_series(instances).volume
        mask = lungs(source)
        if not mask.found:
            raise UnfitSeries(Reason.NO_LUNG, "no air-filled lung in the volume")
        model = self._model
        found = find(
            source, mask, model.detectors, model.manifest, lambda done, total: tick(done / max(total, 1))
        )
        return Found(found, source)


def replace(path: Path, data: bytes) -> None:
    """Write a file whole or not at all; its folder is made if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_bytes(data)
    temporary.replace(path)


def _table(path: Path) -> tuple[Mark, ...]:
    try:
        marks = tables.read(path.read_text(encoding="utf-8-sig"))
    except ValueError as wrong:
        raise ServiceError(f"{path.name}: {wrong}") from wrong
    for number, mark in enumerate(marks, start=2):
        values = (*mark.centre_mm, mark.diameter_mm, mark.score or 0.0)
        if not all(map(math.isfinite, values)) or mark.diameter_mm < 0:
            raise ServiceError(f"{path.name}: line {number}: numbers must be finite, diameters 0 or more")
    return marks


def _candidate(name: str, mark: Mark) -> Candidate:
    if mark.score is None:
        raise ServiceError(f"{name}: a line without a score")
    return Candidate(centre_mm=mark.centre_mm, diameter_mm=mark.diameter_mm, score=mark.score)


def _kept(path: Path, key: str) -> tuple[Candidate, ...] | None:
    """What was found before under the same key; None if it was not, or if the file is damaged."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["key"] != key:
            return None
        return tuple(
            Candidate(centre_mm=PointMm(x, y, z), diameter_mm=diameter, score=score)
            for x, y, z, diameter, score in document["found"]
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _keep(path: Path, key: str, candidates: Sequence[Candidate]) -> None:
    found = [[*c.centre_mm, c.diameter_mm, c.score] for c in candidates]
    replace(path, json.dumps({"key": key, "found": found}).encode())
