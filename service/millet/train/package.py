"""From trained networks to a model folder: graphs in three precisions, manifest and card."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from millet.core.manifest import Graph, Level, Manifest, Source, written
from millet.core.nodule import NoduleClass
from millet.train.course import Learned
from millet.train.export import peaks_graph
from millet.train.net import HALO, STRIDE, multiply_adds_per_voxel
from millet.train.quantise import quantised
from millet.train.windows import window

HU_RANGE = (-1000.0, 100.0)
FLOOR = 0.02
MERGE_DISTANCE = 1.0
CALIBRATION_WINDOWS = 24
CALIBRATION_SEED = 98


def write(folder: Path, learned: Sequence[Learned], training: Sequence[Source], card: str) -> Manifest:
    """Write the model folder `<name>/<version>`; what lies there is replaced."""
    files: dict[str, bytes] = {}
    graphs = []
    for one in learned:
        for precision, encoded in exported(one).items():
            file = f"{one.subject.name}.{precision}.onnx"
            files[file] = encoded
            digest = hashlib.sha256(encoded).hexdigest()
            graphs.append(Graph(name=one.subject.name, precision=precision, file=file, digest=digest))
    made = manifest(folder, learned, graphs, training)
    folder.mkdir(parents=True, exist_ok=True)
    for file, encoded in files.items():
        (folder / file).write_bytes(encoded)
    (folder / "manifest.json").write_text(written(made), encoding="utf-8")
    (folder / "MODEL_CARD.md").write_text(card, encoding="utf-8")
    return made


def exported(learned: Learned) -> Mapping[str, bytes]:
    """The graphs of one network by precision."""
    name = learned.subject.name
    single = peaks_graph(learned.net, name=name, floor=FLOOR, hu_range=HU_RANGE)
    half = peaks_graph(learned.net, name=name, floor=FLOOR, hu_range=HU_RANGE, half=True)
    return {"fp32": single, "fp16": half, "int8": quantised(single, _windows(learned))}


def _windows(learned: Learned) -> Iterator[NDArray[np.float32]]:
    """What an int8 graph's ranges are taken from: windows of held-out chests, some of them crowded."""
    for index in range(CALIBRATION_WINDOWS):
        yield window(learned.validation, learned.subject.recipe, CALIBRATION_SEED, index).hu


def manifest(
    folder: Path, learned: Sequence[Learned], graphs: Sequence[Graph], training: Sequence[Source]
) -> Manifest:
    """The manifest of a model whose folder ends in its name and version."""
    per_voxel = 2 * multiply_adds_per_voxel() / 1000
    return Manifest(
        name=folder.parent.name,
        version=folder.name,
        licence="Apache-2.0",
        description=f"Centre heat at one voxel, no limit on findings; {per_voxel:.1f} kFLOP a voxel",
        hu_range=HU_RANGE,
        levels=tuple(_level(one) for one in learned),
        graphs=tuple(graphs),
        candidate_floor=FLOOR,
        merge_distance=MERGE_DISTANCE,
        count_limit=None,
        classes=(NoduleClass.NODULE, NoduleClass.MASS),
        training=tuple(training),
    )


def _level(learned: Learned) -> Level:
    grid_mm = learned.subject.recipe.grid_mm
    return Level(
        name=learned.subject.name,
        graph=learned.subject.name,
        spacing_mm=(grid_mm, grid_mm, grid_mm),
        halo_voxels=(HALO, HALO, HALO),
        multiple_voxels=(STRIDE, STRIDE, STRIDE),
        diameters_mm=learned.subject.diameters_mm,
        threshold=round(learned.threshold, 4),
    )
