"""Models of others, brought into the one form that the service runs: graphs, a manifest, a card."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from millet.core.manifest import Graph, Level, Manifest, Source, parse
from millet.core.nodule import NoduleClass
from millet.errors import ModelError
from millet.train import bundle, bundle_weights
from millet.train.box_graph import BoxGraph, export
from millet.train.bundle import INFERENCE, Bundle
from millet.train.bundle_weights import inside
from millet.train.import_card import bundle_card, plain_card
from millet.train.retinanet import RetinaNet, Triple
from millet.train.trial import Trial, examined, tried

GRAPH, FILE = "retinanet", "retinanet.onnx"
MANIFEST, CARD = "manifest.json", "MODEL_CARD.md"
THRESHOLD = 0.5
DIAMETERS_MM = (0.1, 500.0)
"""What the one level of a box detector owns: whatever its boxes say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the importer decides; an empty text or None leaves it to what is imported."""

    name: str = ""
    version: str = ""
    licence: str = ""
    threshold: float | None = None
    """Operating threshold of a bundle, which has none of its own; None for `THRESHOLD`."""
    window: tuple[int, int, int] | None = None
    """Voxels of a bundle's window, in the bundle's order of axes."""
    trust: bool = False
    """Load TorchScript, which is a program."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """A model's manifest, and its other files by name."""

    manifest: Manifest
    files: Mapping[str, bytes]


def read(source: Path, wishes: Wishes) -> Imported:
    """A bundle's folder, an ONNX file with a manifest beside it, or the folder of both. Raises ModelError.

    Every graph has then been looked at and run on two small windows.
    """
    if not source.exists():
        raise ModelError(f"{source} is not there")
    if source.is_dir() and ((source / INFERENCE).exists() or (source / "configs").is_dir()):
        return from_bundle(source, wishes)
    return from_onnx(source, wishes)


def from_bundle(folder: Path, wishes: Wishes) -> Imported:
    """A MONAI bundle in the layout of lung_nodule_ct_detection. Raises ModelError."""
    found = bundle.read(folder)
    network = RetinaNet(found.shape)
    bundle_weights.load(network, bundle_weights.weights(folder, trust=wishes.trust))
    level = _level(found, wishes)
    encoded = export(BoxGraph(network, found.frame, found.shape.strides), level.multiple_voxels)
    manifest = Manifest(
        name=wishes.name or folder.resolve().name,
        version=wishes.version or found.version,
        licence=wishes.licence or found.licence,
        description=found.description,
        hu_range=found.frame.hu_range,
        levels=(level,),
        graphs=(Graph(name=GRAPH, precision="fp32", file=FILE, digest=_digest(encoded)),),
        candidate_floor=found.rules.score_floor,
        merge_distance=1.0,
        count_limit=found.rules.most_per_scan,
        classes=(NoduleClass.NODULE, NoduleClass.MASS),
        training=(Source(data=found.data, licence="not stated in the bundle"),),
        post=found.rules,
    )
    trial = _examined(manifest, {FILE: encoded})
    return Imported(
        manifest=manifest, files={FILE: encoded, CARD: bundle_card(manifest, found, trial).encode()}
    )


def from_onnx(source: Path, wishes: Wishes) -> Imported:
    """Graphs with a manifest, whose digests are worked out where it has none. Raises ModelError."""
    if wishes.threshold is not None or wishes.window or wishes.trust:
        raise ModelError("threshold, window and trust are for bundles; change the manifest of an ONNX file")
    folder = source if source.is_dir() else source.parent
    document = _document(folder)
    for field in ("name", "version", "licence"):
        if wish := getattr(wishes, field):
            document[field] = wish
    parts = document.get("graphs")
    parts = parts if isinstance(parts, list) else []
    names = [str(part.get("file")) for part in parts if isinstance(part, dict)]
    if source.is_file() and names != [source.name]:
        raise ModelError(f"{MANIFEST}: graphs must be {source.name} alone, or import the folder")
    files = {}
    for part, name in zip(parts, names, strict=False):
        if name != Path(name).name:
            raise ModelError(f"{MANIFEST}: graphs file {name!r} must be a plain file name")
        files[name] = inside(folder, name).read_bytes()
        part.setdefault("digest", _digest(files[name]))
    manifest = parse(json.dumps(document))
    for graph in manifest.graphs:
        if _digest(files[graph.file]) != graph.digest:
            raise ModelError(f"{MANIFEST}: graph {graph.name} digest is not that of {graph.file}")
    trial = _examined(manifest, files)
    has_card = (folder / CARD).exists()
    card = inside(folder, CARD).read_bytes() if has_card else plain_card(manifest, trial).encode()
    return Imported(manifest=manifest, files={**files, CARD: card})


def _document(folder: Path) -> dict[str, Any]:
    try:
        document = json.loads(inside(folder, MANIFEST).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"{MANIFEST} is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise ModelError(f"{MANIFEST} must be an object")
    return document


def _level(found: Bundle, wishes: Wishes) -> Level:
    """The one level of a bundle, its window parted into what it owns and what it carries around that."""
    axes = found.frame.axes

    def ours(values: Triple) -> Triple:
        return values[axes.index(0)], values[axes.index(1)], values[axes.index(2)]

    window, stride = ours(wishes.window or found.window), ours(found.shape.strides[-1])
    halo = [-(-side * found.overlap / 2 // step) * step for side, step in zip(window, stride, strict=True)]
    core = [side - 2 * around for side, around in zip(window, halo, strict=True)]
    if any(side % step for side, step in zip(window, stride, strict=True)) or min(core) <= 0:
        raise ModelError(f"a window of {window} (z, y, x) must be a larger multiple of {stride}")
    spacing = found.frame.spacing_mm
    return Level(
        name="boxes",
        graph=GRAPH,
        spacing_mm=(spacing[axes.index(0)], spacing[axes.index(1)], spacing[axes.index(2)]),
        halo_voxels=_triple(halo),
        core_voxels=_triple(core),
        multiple_voxels=stride,
        diameters_mm=DIAMETERS_MM,
        threshold=THRESHOLD if wishes.threshold is None else wishes.threshold,
    )


def _triple(values: list[float]) -> Triple:
    z, y, x = (int(value) for value in values)
    return z, y, x


def _examined(manifest: Manifest, files: Mapping[str, bytes]) -> Trial:
    """Look at every graph and run it in each level that uses it. Raises ModelError."""
    trial = Trial()
    for graph in manifest.graphs:
        examined(files[graph.file], graph.file)
        for level in manifest.levels:
            if level.graph == graph.name:
                trial = tried(files[graph.file], graph.file, level, manifest.hu_range)
    return trial


def _digest(encoded: bytes) -> str:
    return hashlib.sha256(encoded).hexdigest()
