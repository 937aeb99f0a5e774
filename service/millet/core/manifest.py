"""The contract of a model: everything the code must know to run it travels with its weights."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, asdict, dataclass, fields, replace
from typing import Any

import numpy as np

from millet.core.boxes import Boxes
from millet.core.calibration import Calibration
from millet.core.geometry import Floats
from millet.core.nodule import Candidate, NoduleClass
from millet.errors import ModelError

PRECISIONS = ("fp32", "fp16", "int8")
"""What a graph may compute in; fp32 is the one that every graph must have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """One pass of a graph over the scan on one grid.

    `diameters_mm` is the range whose candidates this level owns; `halo_voxels` is what a window must
    carry on every side so that the peaks of its core are exact. All triples are (z, y, x).
    """

    name: str
    graph: str
    """The name of the graph that looks at this level."""
    spacing_mm: tuple[float, float, float]
    """The grid's. Where it is anisotropic, the graph's diameters count in voxels of the first axis (z)."""
    halo_voxels: tuple[int, int, int]
    core_voxels: tuple[int, int, int] | None = None
    """What a window owns at most; None where the service may choose."""
    multiple_voxels: tuple[int, int, int] = (1, 1, 1)
    """Windows start and end at lattice positions divisible by it, so that a strided graph sees the same
    cells whatever the window."""
    diameters_mm: tuple[float, float]
    threshold: float
    """Operating threshold on the score, 0..1: at or above it a candidate is reported."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """One ONNX file of a model: a network, or an analytic graph, in one precision."""

    name: str
    precision: str
    """One of `PRECISIONS`."""
    file: str
    """Its name in the model's folder."""
    digest: str
    """SHA-256 of the file in hex; another digest refuses to start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Data that a model was made with, and the licence that allowed it."""

    data: str
    licence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """`manifest.json`, checked."""

    name: str
    version: str
    licence: str
    description: str
    hu_range: tuple[float, float]
    """HU are clipped to this before they enter a graph."""
    levels: tuple[Level, ...]
    graphs: tuple[Graph, ...]
    """Each in fp32, and in what other precisions there are."""
    candidate_floor: float
    """The lowest score that is kept at all (`candidates.csv`)."""
    merge_distance: float
    """Two candidates nearer than this times the larger radius are one; in radii."""
    count_limit: int | None
    """The most findings this model can return, None for no limit."""
    classes: tuple[NoduleClass, ...]
    training: tuple[Source, ...]
    """Empty for a model that was not trained."""
    post: Boxes | None = None
    """The counting rules of a box detector, which then take the place of merging; None for no such rules."""
    calibration: Calibration | None = None
    """What makes probabilities of its scores; None where nobody calibrated it, and then there are none."""

    def reports(self, candidate: Candidate) -> bool:
        """Whether a candidate reaches the operating threshold of the level that owns its size."""
        return bool(candidate.score >= self.thresholds(np.asarray([candidate.diameter_mm]))[0])

    def thresholds(self, diameters_mm: Floats) -> Floats:
        """(N,) the scores from which (N,) diameters are reported; 1 where no level owns one."""
        least = np.full(len(diameters_mm), np.inf)
        for level in self.levels:
            low, high = level.diameters_mm
            owned = (low <= diameters_mm) & (diameters_mm < high)
            least[owned] = np.minimum(least[owned], level.threshold)
        return np.where(np.isinf(least), 1.0, least)

    @property
    def precisions(self) -> tuple[str, ...]:
        """Those in which the whole model can run, fp32 first."""
        names = {level.graph for level in self.levels}
        held = {(graph.name, graph.precision) for graph in self.graphs}
        return tuple(p for p in PRECISIONS if all((name, p) in held for name in names))

    def in_use(self, precision: str) -> tuple[Graph, ...]:
        """The graphs that the levels name, in one precision, by name. Raises ModelError."""
        if precision not in self.precisions:
            has = ", ".join(self.precisions)
            raise ModelError(f"model {self.name}/{self.version} has no {precision}, only {has}")
        names = {level.graph for level in self.levels}
        chosen = [graph for graph in self.graphs if graph.name in names and graph.precision == precision]
        return tuple(sorted(chosen, key=lambda graph: graph.name))

    def digest(self, precision: str) -> str:
        """SHA-256 in hex over name, precision and digest of the graphs in use. Raises ModelError."""
        facts = [[graph.name, graph.precision, graph.digest] for graph in self.in_use(precision)]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()

    @property
    def finds_by(self) -> str:
        """SHA-256 in hex over all that findings and scores depend on, which a calibration holds for."""
        found = replace(self, name="", version="", licence="", description="", training=(), calibration=None)
        fp32 = tuple(graph for graph in self.graphs if graph.precision == PRECISIONS[0])
        return hashlib.sha256(json.dumps(asdict(replace(found, graphs=fp32))).encode()).hexdigest()


def parse(text: str) -> Manifest:
    """Read `manifest.json`. Raises ModelError that names every mistake."""
    try:
        document = json.loads(text)
    except ValueError as error:
        raise ModelError(f"manifest.json is not JSON: {error}") from error
    if mistakes := list(_misshapen(document)):
        raise ModelError("manifest.json: " + "; ".join(mistakes))
    try:
        manifest = _manifest(document)
    except (TypeError, ValueError) as error:
        raise ModelError(f"manifest.json: {error}") from error
    if mistakes := list(_mistakes(manifest)):
        raise ModelError("manifest.json: " + "; ".join(mistakes))
    return manifest


def written(manifest: Manifest) -> str:
    """The text of `manifest.json`; `parse` reads it back."""
    return json.dumps(asdict(manifest), indent=2) + "\n"


def altered(manifest: Manifest, held: Mapping[str, bytes]) -> tuple[str, ...]:
    """Which of the files that are held (bytes by file name) are not what the manifest says, and why."""
    found = {file: hashlib.sha256(encoded).hexdigest() for file, encoded in held.items()}
    return tuple(
        f"{graph.file} has digest {found[graph.file]}, its manifest {graph.digest}"
        for graph in manifest.graphs
        if graph.file in found and found[graph.file] != graph.digest
    )


_PARTS: Mapping[str, type] = {"levels": Level, "graphs": Graph, "training": Source}
_OPTIONAL: Mapping[str, type] = {"post": Boxes, "calibration": Calibration}


def _misshapen(document: Any) -> Iterator[str]:
    """Fields that are missing or unknown, in the document and in the lists of its parts."""
    yield from _fields_amiss(document, Manifest, "")
    for name, kind in _PARTS.items():
        parts = document.get(name, []) if isinstance(document, dict) else []
        if not isinstance(parts, list):
            yield f"{name} must be a list"
            continue
        for number, part in enumerate(parts):
            yield from _fields_amiss(part, kind, f"{name}[{number}] ")
    for name, kind in _OPTIONAL.items():
        if isinstance(document, dict) and document.get(name) is not None:
            yield from _fields_amiss(document[name], kind, f"{name} ")


def _fields_amiss(document: Any, kind: type, where: str) -> Iterator[str]:
    if not isinstance(document, dict):
        yield f"{where}must be an object".strip()
        return
    known = {field.name: field.default is MISSING for field in fields(kind)}
    yield from (
        f"{where}{name} is missing" for name, needed in known.items() if needed and name not in document
    )
    yield from (f"{where}{name} is unknown" for name in document if name not in known)


def _manifest(document: dict[str, Any]) -> Manifest:
    limit = document["count_limit"]
    return Manifest(
        **_texts(document, "name", "version", "licence", "description"),
        hu_range=_pair(document["hu_range"]),
        levels=tuple(_level(part) for part in document["levels"]),
        graphs=tuple(
            Graph(**_texts(part, "name", "precision", "file", "digest")) for part in document["graphs"]
        ),
        candidate_floor=float(document["candidate_floor"]),
        merge_distance=float(document["merge_distance"]),
        count_limit=None if limit is None else int(limit),
        classes=tuple(NoduleClass(value) for value in document["classes"]),
        training=tuple(Source(**_texts(part, "data", "licence")) for part in document["training"]),
        post=None if document.get("post") is None else _boxes(document["post"]),
        calibration=None if document.get("calibration") is None else _calibration(document["calibration"]),
    )


def _boxes(document: dict[str, Any]) -> Boxes:
    return Boxes(
        nms_iou=float(document["nms_iou"]),
        most_per_level=int(document["most_per_level"]),
        most_per_scan=int(document["most_per_scan"]),
        score_floor=float(document["score_floor"]),
    )


def _calibration(document: dict[str, Any]) -> Calibration:
    return Calibration(
        **_texts(document, "version", "fitted_with", "fitted_on", "prevalence"),
        intercept=float(document["intercept"]),
        by_score=float(document["by_score"]),
        by_density=float(document["by_density"]),
        per_litre=_pair(document["per_litre"]),
        diameter_mm=_pair(document["diameter_mm"]),
        slice_mm=_pair(document["slice_mm"]),
    )


def _level(document: dict[str, Any]) -> Level:
    z, y, x = (float(v) for v in document["spacing_mm"])
    core = document.get("core_voxels")
    return Level(
        **_texts(document, "name", "graph"),
        spacing_mm=(z, y, x),
        halo_voxels=_triple(document["halo_voxels"]),
        core_voxels=None if core is None else _triple(core),
        multiple_voxels=_triple(document.get("multiple_voxels", (1, 1, 1))),
        diameters_mm=_pair(document["diameters_mm"]),
        threshold=float(document["threshold"]),
    )


def _texts(document: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: str(document[name]) for name in names}


def _pair(values: Any) -> tuple[float, float]:
    low, high = (float(v) for v in values)
    return low, high


def _triple(values: Any) -> tuple[int, int, int]:
    z, y, x = (int(v) for v in values)
    return z, y, x


def _mistakes(manifest: Manifest) -> Iterator[str]:
    if manifest.hu_range[0] >= manifest.hu_range[1]:
        yield f"hu_range {manifest.hu_range} is empty"
    if not manifest.levels:
        yield "levels must not be empty"
    if not 0 <= manifest.candidate_floor <= 1:
        yield f"candidate_floor {manifest.candidate_floor} must be 0..1"
    if manifest.merge_distance <= 0:
        yield f"merge_distance {manifest.merge_distance} must be positive"
    yield from _counting_mistakes(manifest)
    if not manifest.classes:
        yield "classes must not be empty"
    for source in manifest.training:
        if not (source.data.strip() and source.licence.strip()):
            yield f"training {source.data!r}: data and licence must both be told"
    for level in manifest.levels:
        yield from _level_mistakes(level)
    yield from _graph_mistakes(manifest)
    yield from _calibration_mistakes(manifest)


def _calibration_mistakes(manifest: Manifest) -> Iterator[str]:
    if (fitted := manifest.calibration) is None:
        return
    yield from (f"calibration {fitted.version}: {mistake}" for mistake in fitted.mistakes())
    if fitted.fitted_with != manifest.finds_by:
        yield f"calibration {fitted.version} was fitted with other graphs, levels or thresholds: fit it again"


def _counting_mistakes(manifest: Manifest) -> Iterator[str]:
    limit, post = manifest.count_limit, manifest.post
    if limit is not None and limit <= 0:
        yield f"count_limit {limit} must be positive, or null for none"
    if post is not None:
        yield from post.mistakes()
        if limit != post.most_per_scan:
            yield f"count_limit {limit} must be post's most_per_scan, {post.most_per_scan}"


def _level_mistakes(level: Level) -> Iterator[str]:
    if min(level.spacing_mm) <= 0:
        yield f"level {level.name}: spacing_mm {level.spacing_mm} must be positive"
    if min(level.halo_voxels) < 0:
        yield f"level {level.name}: halo_voxels {level.halo_voxels} must not be negative"
    if level.core_voxels is not None and min(level.core_voxels) <= 0:
        yield f"level {level.name}: core_voxels {level.core_voxels} must be positive, or null"
    if min(level.multiple_voxels) <= 0:
        yield f"level {level.name}: multiple_voxels {level.multiple_voxels} must be positive"
    if not 0 < level.diameters_mm[0] < level.diameters_mm[1]:
        yield f"level {level.name}: diameters_mm {level.diameters_mm} is no range"
    if not 0 <= level.threshold <= 1:
        yield f"level {level.name}: threshold {level.threshold} must be 0..1"


def _graph_mistakes(manifest: Manifest) -> Iterator[str]:
    held = [(graph.name, graph.precision) for graph in manifest.graphs]
    names = {name for name, _ in held}
    for name, precision in sorted({key for key in held if held.count(key) > 1}):
        yield f"graph {name} has {precision} twice"
    for name in sorted(names):
        if (name, "fp32") not in held:
            yield f"graph {name} has no fp32"
    for level in manifest.levels:
        if level.graph not in names:
            yield f"level {level.name}: there is no graph {level.graph}"
    for graph in manifest.graphs:
        if graph.precision not in PRECISIONS:
            yield f"graph {graph.name}: precision {graph.precision!r} is none of {', '.join(PRECISIONS)}"
        if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", graph.file):
            yield f"graph {graph.name}: file {graph.file!r} must be a plain file name"
        if not re.fullmatch("[0-9a-f]{64}", graph.digest):
            yield f"graph {graph.name} {graph.precision}: digest must be a SHA-256 in lower-case hex"
