"""What public pipelines' counts and merging rules leave of perfect detections, and what ours leave."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy import ndimage
from table import Row, write

from millet.core.analysis import Lungs
from millet.core.candidates import merge
from millet.core.geometry import Grid, PointMm, Vector
from millet.core.lungs import LUNG_HU, LungMask
from millet.core.manifest import Graph, Level, Manifest
from millet.core.nodule import Candidate, NoduleClass
from millet.core.volume import Volume
from millet.evaluate import ceilings
from millet.evaluate.match import match
from millet.evaluate.scatter import EXTENT_MM, in_lungs, scattered
from millet.flow.detect import find
from millet.ports import Peaks

COUNTS = (200, 500, 1000, 2000)
SEEDS = range(3)
DIAMETERS_MM = (1.5, 2.0, 3.0, 4.0, 5.0)
SPACING_MM = 0.8
LUNGS_MM = 2.0
MARGIN_MM = 8.0
MERGE_DISTANCE = 1.0
CODE_HU = 100.0
"""A nodule is written as one voxel of this times its diameter in mm."""
AXES = (Vector(0, 0, 1), Vector(0, 1, 0), Vector(1, 0, 0))
OURS = "Millet, whole path"


class PerfectDetector:
    """Reads the nodules that are written in a window, each with a score of 1: a network without fault."""

    precision, provider, device = "fp32", "none", "cpu"

    def detect(self, windows: torch.Tensor) -> list[Peaks]:
        """Find every written voxel; its HU are its diameter."""
        return [self._read(window) for window in windows.numpy()]

    def _read(self, window: NDArray[np.float32]) -> Peaks:
        where = np.argwhere(window > 0)
        diameters = window[tuple(where.T)] / CODE_HU / SPACING_MM
        return Peaks(where.astype(np.float32), diameters, np.ones(len(where), np.float32))


def main() -> None:
    """Print both tables and write them."""
    shares = {(name, n): values for n in COUNTS for name, values in _shares(n).items()}
    names = list(dict.fromkeys(name for name, _ in shares))
    sources = {pipeline.name: pipeline.source for pipeline in ceilings.PUBLISHED}
    rows = [_share_row(name, n, shares[name, n], sources.get(name, "")) for name in names for n in COUNTS]
    write("ceilings", rows + [_anchor_row(a, d) for a in ceilings.ANCHORS for d in DIAMETERS_MM])
    _print(names, shares)


def _shares(count: int) -> dict[str, list[float]]:
    """Of this many nodules, the share that each pipeline leaves, seed by seed."""
    shares: dict[str, list[float]] = {}
    for seed in SEEDS:
        nodules = scattered(count, seed)
        for pipeline in ceilings.PUBLISHED:
            shares.setdefault(pipeline.name, []).append(ceilings.recall(pipeline.kept, nodules))
        volume = _written(nodules)
        shares.setdefault("Millet, merging", []).append(
            len(set(merge(nodules, MERGE_DISTANCE, volume)) & set(nodules)) / count
        )
        shares.setdefault(OURS, []).append(_found(nodules, volume))
    return shares


def _found(nodules: tuple[Candidate, ...], volume: Volume) -> float:
    """The share that is matched one to one after lattice, windows, lungs and merging."""
    found = find(volume, _lungs(), {"perfect": PerfectDetector()}, MANIFEST)
    centres = [np.asarray([c.centre_mm for c in some], float).reshape(-1, 3) for some in (found, nodules)]
    matching = match(*centres, np.asarray([c.diameter_mm for c in nodules]))
    if matching.false:
        raise RuntimeError(f"{len(matching.false)} findings that nobody wrote")
    return len(matching.pairs) / len(nodules)


def _written(nodules: tuple[Candidate, ...]) -> Volume:
    """Lung with every nodule as the voxel nearest to its centre."""
    grid = _grid(SPACING_MM)
    hu = np.full(grid.shape, LUNG_HU, np.int16)
    where = np.rint(grid.to_index_array(np.asarray([c.centre_mm for c in nodules]))).astype(int)
    hu[tuple(where.T)] = np.rint([CODE_HU * c.diameter_mm for c in nodules])
    return Volume(hu=hu, grid=grid)


def _lungs() -> LungMask:
    """The two ellipsoids, and a voxel around them for nodules that rounding moves."""
    grid = _grid(LUNGS_MM)
    points = grid.to_patient_array(np.indices(grid.shape).reshape(3, -1).T.astype(float))
    label = ndimage.grey_dilation(in_lungs(points).reshape(grid.shape).astype(np.uint8), size=3)
    litre = grid.voxel_mm3 / 1e6
    return LungMask(
        label=label,
        hu=np.full(grid.shape, LUNG_HU, np.float32),
        grid=grid,
        litres=Lungs(right_l=float((label == 1).sum()) * litre, left_l=float((label == 2).sum()) * litre),
        cut_at_top=False,
        cut_at_base=False,
    )


def _grid(spacing_mm: float) -> Grid:
    """A lattice of voxels around both lungs."""
    half = [int(np.ceil((extent + MARGIN_MM) / spacing_mm)) for extent in EXTENT_MM]
    z, y, x = (2 * n + 1 for n in reversed(half))
    origin = PointMm(*(-n * spacing_mm for n in half))
    return Grid(shape=(z, y, x), spacing_mm=(spacing_mm,) * 3, origin_mm=origin, axes=AXES)


MANIFEST = Manifest(
    name="perfect",
    version="1",
    licence="Apache-2.0",
    description="reads what is written",
    hu_range=(-1000.0, 1000.0),
    levels=(
        Level(
            name="only",
            graph="perfect",
            spacing_mm=(SPACING_MM,) * 3,
            halo_voxels=(4, 4, 4),
            diameters_mm=(1.0, 10.0),
            threshold=0.5,
        ),
    ),
    graphs=(Graph(name="perfect", precision="fp32", file="none", digest="0" * 64),),
    candidate_floor=0.05,
    merge_distance=MERGE_DISTANCE,
    count_limit=None,
    classes=(NoduleClass.NODULE,),
    training=(),
)


def _share_row(name: str, count: int, values: list[float], source: str) -> Row:
    low, high = min(values), max(values)
    return Row(
        name=f"{name}: share of {count}",
        unit="",
        value=float(np.mean(values)),
        low=low,
        high=high,
        n=len(values),
        target=None if source else 1.0,
        higher_is_better=True,
        strict=not source,
        note=source or "least and most of the seeds",
    )


def _anchor_row(anchors: ceilings.Anchors, diameter_mm: float) -> Row:
    overlaps = ceilings.best_overlaps(anchors, diameter_mm)
    low, high = np.percentile(overlaps, [2.5, 97.5]).tolist()
    return Row(
        name=f"{anchors.name}: best overlap of an anchor with {diameter_mm:g} mm",
        unit="IoU",
        value=float(np.median(overlaps)),
        low=low,
        high=high,
        n=len(overlaps),
        note=f"median and middle 95 % of places in a cell; {anchors.source}",
    )


def _print(names: list[str], shares: dict[tuple[str, int], list[float]]) -> None:
    title = f"of N perfect detections in 4.49 L, share that is left (mean of {len(SEEDS)})"
    table = Table("pipeline", *(f"N = {n:,}" for n in COUNTS), title=title)
    for name in names:
        means = [float(np.mean(shares[name, n])) for n in COUNTS]
        table.add_row(name, *(f"{mean:.3f}" for mean in means), style="bold" if "Millet" in name else None)
    Console().print(table)


if __name__ == "__main__":
    main()
