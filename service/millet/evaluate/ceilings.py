"""How many nodules public pipelines could report if their networks were perfect.

Each nodule is given as one box of its own size with a high score; then a pipeline's published counts and
merging rules are applied, read from its code at the commit named, and the share that is left is its
ceiling. Nothing is said of its network. Where a count keeps the best of equals, chance chooses. Beside
them stands our own merging.

Best overlaps of anchors say what a box detector may learn at all of a nodule: its anchors lie on the cells
of its finest level, and a nodule is where it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from millet.core.boxes import Boxes, Proposal, select
from millet.core.candidates import merge, ranked
from millet.core.geometry import Floats
from millet.core.nodule import Candidate
from millet.core.volume import Volume
from millet.evaluate.scatter import EXTENT_MM

Candidates = Sequence[Candidate]
Rule = Callable[[Candidates], Candidates]
"""From one perfect candidate for each nodule to those that are left, themselves unchanged."""

NO_COUNT = 1_000_000_000
FOLDS = 5
INFLATION_MM = 8.0
CROP_MM, CROP_STEP_MM, CROP_MARGIN_MM = (128.0, 128.0, 64.0), (96.0, 96.0, 48.0), 10.0
"""CPMNetv2 at 1 mm: width, depth and height of a crop, from crop to crop, and around the lungs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """A published chain of counts and merging rules, and where it is written."""

    name: str
    kept: Rule
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchors:
    """The anchors of a detector's finest level, (x, y, z) in mm, and the cells they are centred in."""

    name: str
    sizes_mm: tuple[tuple[float, float, float], ...]
    cell_mm: tuple[float, float, float]
    source: str


def boxed(iou: float, per_level: int = NO_COUNT, per_scan: int = NO_COUNT, inflate_mm: float = 0.0) -> Rule:
    """Best of a level, overlap, best of a scan (`core.boxes`), on boxes that are made larger first."""
    rules = Boxes(nms_iou=iou, most_per_level=per_level, most_per_scan=per_scan, score_floor=0.0)

    def kept(found: Candidates) -> Candidates:
        swollen = {replace(c, diameter_mm=c.diameter_mm + inflate_mm): c for c in found}
        return [swollen[c] for c in select(map(Proposal, swollen), rules).candidates]

    return kept


def best_of(most: int) -> Rule:
    """The best of a scan."""
    return lambda found: ranked(found)[:most]


def then(*rules: Rule) -> Rule:
    """One rule after the other."""

    def kept(found: Candidates) -> Candidates:
        for rule in rules:
            found = rule(found)
        return found

    return kept


def best_of_crops(most: int) -> Rule:
    """The best of each crop of a grid of overlapping crops; one crop's choice is not another's."""

    def kept(found: Candidates) -> Candidates:
        rng = np.random.default_rng(len(found))
        centres = np.asarray([c.centre_mm for c in found], float).reshape(-1, 3)
        chosen = np.zeros(len(found), bool)
        for corner in _crop_corners():
            inside = np.flatnonzero(((centres >= corner) & (centres < corner + CROP_MM)).all(axis=1))
            chosen[rng.permutation(inside)[:most]] = True
        return [c for c, stays in zip(found, chosen, strict=True) if stays]

    return kept


def ours(merge_distance: float, volume: Volume) -> Rule:
    """Our merging, and nothing else: there is no count."""
    return lambda found: merge(found, merge_distance, volume)


_NNDETECTION = boxed(0.1, per_level=1000, per_scan=100)
_NODULENET = boxed(0.1, inflate_mm=INFLATION_MM)

PUBLISHED = (
    Pipeline(
        name="MONAI bundle, 300 boxes",
        kept=boxed(0.22, per_level=1000, per_scan=300),
        source="Project-MONAI model-zoo lung_nodule_ct_detection @dfae206d, configs/inference.json:81",
    ),
    Pipeline(
        name="nnDetection, 100 a model",
        kept=_NNDETECTION,
        source="MIC-DKFZ/nnDetection @97a58f3, nndet/inference/ensembler/detection.py:190-215, 964",
    ),
    Pipeline(
        name="nnDetection, five folds at best",
        kept=best_of(FOLDS * 100),
        source="the same, each fold keeping other nodules",
    ),
    Pipeline(
        name="NoduleNet, overlap of inflated boxes",
        kept=_NODULENET,
        source="uci-cbcl/NoduleNet @364621c, config.py:37, 81; dataset/bbox_reader.py:91",
    ),
    Pipeline(
        name="NoduleNet and LUNA16's 100 marks",
        kept=then(_NODULENET, best_of(100)),
        source="the same, evaluation script :507",
    ),
    Pipeline(
        name="SANet, 300 marks",
        kept=then(_NODULENET, best_of(300)),
        source="mj129/SANet @58d2042, config.py:22-41, evaluation script :529",
    ),
    Pipeline(
        name="CPMNetv2, 20 a crop",
        kept=best_of_crops(20),
        source="zunzhumu/CPMNetv2 @5d43371, infer.py:52, 70; dataload/split_combine.py",
    ),
    Pipeline(
        name="CPMNetv2, 40 a scan",
        kept=then(best_of_crops(20), boxed(0.05, per_scan=40)),
        source="the same, infer.py:133, 151 (its aneurysm example)",
    ),
    Pipeline(
        name="grt123, five decide",
        kept=then(boxed(0.05), best_of(5)),
        source="lfz/DSB2017 @0ac3eb9, main.py:64; net_classifier.py:15",
    ),
)

_MONAI_MM = (0.703125, 0.703125, 1.25)
ANCHORS = (
    Anchors(
        name="MONAI bundle",
        sizes_mm=tuple(
            (x * _MONAI_MM[0], y * _MONAI_MM[1], z * _MONAI_MM[2])
            for x, y, z in ((6, 8, 4), (8, 6, 5), (10, 10, 6))
        ),
        cell_mm=(4 * _MONAI_MM[0], 4 * _MONAI_MM[1], 2 * _MONAI_MM[2]),
        source="lung_nodule_ct_detection @dfae206d, configs/inference.json:35-58",
    ),
    Anchors(
        name="DeepLung",
        sizes_mm=((5, 5, 5), (10, 10, 10), (20, 20, 20)),
        cell_mm=(4, 4, 4),
        source="wentaozhu/DeepLung @0fedeae, detector/res18.py:6-20",
    ),
    Anchors(
        name="grt123",
        sizes_mm=((10, 10, 10), (30, 30, 30), (60, 60, 60)),
        cell_mm=(4, 4, 4),
        source="lfz/DSB2017 @0ac3eb9, training/detector/net_detector.py:6-9",
    ),
)


def recall(rule: Rule, nodules: Candidates) -> float:
    """The share of the nodules that a rule leaves, each counted once."""
    return len(set(rule(nodules)) & set(nodules)) / len(nodules)


def best_overlaps(anchors: Anchors, diameter_mm: float, places: int = 5000, seed: int = 0) -> Floats:
    """(places,) the best intersection over union of any anchor with a nodule's box, somewhere in a cell.

    Args:
        anchors: those of the finest level; of each size the anchor of the nearest cell is the best.
        diameter_mm: the side of the nodule's box.
        places: how many places in the cell are tried, at random.
        seed: of the places.
    """
    offset = np.random.default_rng(seed).uniform(-0.5, 0.5, (places, 3)) * np.asarray(anchors.cell_mm)
    overlaps = np.zeros(places)
    for size in np.asarray(anchors.sizes_mm, float):
        most = np.minimum(size, diameter_mm)
        common = np.clip((size + diameter_mm) / 2 - np.abs(offset), 0, most).prod(axis=1)
        overlaps = np.maximum(overlaps, common / (size.prod() + diameter_mm**3 - common))
    return overlaps


def _crop_corners() -> list[Floats]:
    """The lowest corner of every crop: from that of the lungs' box and its margin on, until it is full."""
    low = -(np.asarray(EXTENT_MM) + CROP_MARGIN_MM)
    counts = np.ceil(-2 * low / CROP_STEP_MM).astype(int)
    return [low + np.asarray(n) * CROP_STEP_MM for n in product(*map(range, counts.tolist()))]
