"""The contract of a model: everything the code must know to run it travels with its weights."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from typing import Any

from millet.core.nodule import Candidate, NoduleClass
from millet.errors import ModelError


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """One pass of the graph over the scan on one grid.

    `diameters_mm` is the range whose candidates this level owns; `halo_voxels` is what a window must
    carry on every side so that the peaks of its core are exact.
    """

    name: str
    spacing_mm: tuple[float, float, float]
    """(z, y, x)."""
    halo_voxels: tuple[int, int, int]
    diameters_mm: tuple[float, float]
    threshold: float
    """Operating threshold on the score, 0..1: at or above it a candidate is reported."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """`manifest.json`, checked."""

    name: str
    version: str
    digest: str
    """SHA-256 of model.onnx in hex; another digest refuses to start."""
    licence: str
    hu_range: tuple[float, float]
    """HU are clipped to this before they enter the graph."""
    levels: tuple[Level, ...]
    candidate_floor: float
    """The lowest score that is kept at all (`candidates.csv`)."""
    merge_distance: float
    """Two candidates nearer than this times the larger radius are one; in radii."""
    count_limit: int | None
    """The most findings this model can return, None for no limit."""
    classes: tuple[NoduleClass, ...]
    description: str

    def reports(self, candidate: Candidate) -> bool:
        """Whether a candidate reaches the operating threshold of the level that owns its size."""
        owners = [
            level.threshold
            for level in self.levels
            if level.diameters_mm[0] <= candidate.diameter_mm < level.diameters_mm[1]
        ]
        return candidate.score >= min(owners, default=1.0)


def parse(text: str) -> Manifest:
    """Read `manifest.json`. Raises ModelError that names every mistake."""
    try:
        document = json.loads(text)
    except ValueError as error:
        raise ModelError(f"manifest.json is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise ModelError("manifest.json must hold an object")
    known = [field.name for field in fields(Manifest)]
    mistakes = [f"{name} is missing" for name in known if name not in document]
    mistakes += [f"{name} is unknown" for name in document if name not in known]
    if mistakes:
        raise ModelError("manifest.json: " + "; ".join(mistakes))
    try:
        manifest = _manifest(document)
    except (TypeError, ValueError, KeyError) as error:
        raise ModelError(f"manifest.json: {error}") from error
    if mistakes := [*_mistakes(manifest), *(m for level in manifest.levels for m in _level_mistakes(level))]:
        raise ModelError("manifest.json: " + "; ".join(mistakes))
    return manifest


def written(manifest: Manifest) -> str:
    """The text of `manifest.json`; `parse` reads it back."""
    return json.dumps(asdict(manifest), indent=2) + "\n"


def check_digest(manifest: Manifest, model: bytes) -> None:
    """Raise ModelError unless `model` is the graph that the manifest speaks of."""
    found = hashlib.sha256(model).hexdigest()
    if found != manifest.digest:
        raise ModelError(
            f"model {manifest.name}/{manifest.version} has digest {found}, its manifest {manifest.digest}"
        )


def _manifest(document: dict[str, Any]) -> Manifest:
    levels = tuple(_level(level) for level in document["levels"])
    classes = tuple(NoduleClass(value) for value in document["classes"])
    low, high = (float(v) for v in document["hu_range"])
    limit = document["count_limit"]
    return Manifest(
        **{name: str(document[name]) for name in ("name", "version", "digest", "licence", "description")},
        hu_range=(low, high),
        levels=levels,
        candidate_floor=float(document["candidate_floor"]),
        merge_distance=float(document["merge_distance"]),
        count_limit=None if limit is None else int(limit),
        classes=classes,
    )


def _level(document: dict[str, Any]) -> Level:
    z, y, x = (float(v) for v in document["spacing_mm"])
    halo = [int(v) for v in document["halo_voxels"]]
    low, high = (float(v) for v in document["diameters_mm"])
    return Level(
        name=str(document["name"]),
        spacing_mm=(z, y, x),
        halo_voxels=(halo[0], halo[1], halo[2]),
        diameters_mm=(low, high),
        threshold=float(document["threshold"]),
    )


def _mistakes(manifest: Manifest) -> Iterator[str]:
    if not re.fullmatch("[0-9a-f]{64}", manifest.digest):
        yield "digest must be a SHA-256 in lower-case hex"
    if manifest.hu_range[0] >= manifest.hu_range[1]:
        yield f"hu_range {manifest.hu_range} is empty"
    if not manifest.levels:
        yield "levels must not be empty"
    if not 0 <= manifest.candidate_floor <= 1:
        yield f"candidate_floor {manifest.candidate_floor} must be 0..1"
    if manifest.merge_distance <= 0:
        yield f"merge_distance {manifest.merge_distance} must be positive"
    if not manifest.classes:
        yield "classes must not be empty"


def _level_mistakes(level: Level) -> Iterator[str]:
    if min(level.spacing_mm) <= 0 or len(set(level.spacing_mm)) > 1:
        yield f"level {level.name}: spacing_mm {level.spacing_mm} must be positive and isotropic"
    if min(level.halo_voxels) < 0:
        yield f"level {level.name}: halo_voxels {level.halo_voxels} must not be negative"
    if not 0 < level.diameters_mm[0] < level.diameters_mm[1]:
        yield f"level {level.name}: diameters_mm {level.diameters_mm} is no range"
    if not 0 <= level.threshold <= 1:
        yield f"level {level.name}: threshold {level.threshold} must be 0..1"
