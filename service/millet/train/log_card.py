"""What goes with the analytic detector's graph: its manifest and its card."""

from __future__ import annotations

from millet.core.manifest import Level, Manifest
from millet.core.nodule import NoduleClass

_LEVELS = (("fine", 0.8, 1.5, 8.5), ("middle", 2.0, 6.5, 20.0), ("coarse", 5.0, 17.0, 70.0))
"""Name, grid, and diameters owned, in mm; they overlap, so that nothing falls between two levels."""


def manifest(digest: str, halo: int) -> Manifest:
    """The manifest of the graph with this digest and halo."""
    return Manifest(
        name="log",
        version="1",
        digest=digest,
        licence="Apache-2.0",
        hu_range=(-1000.0, 100.0),
        levels=tuple(
            Level(
                name=name,
                spacing_mm=(grid_mm, grid_mm, grid_mm),
                halo_voxels=(halo, halo, halo),
                diameters_mm=(low, high),
                threshold=0.5,
            )
            for name, grid_mm, low, high in _LEVELS
        ),
        candidate_floor=0.001,
        merge_distance=1.0,
        count_limit=None,
        classes=(NoduleClass.NODULE, NoduleClass.MASS),
        description="Laplacian-of-Gaussian blobs judged by how isolated they are; analytic, not trained",
    )


CARD = """# log/1: isolated blobs, an analytic nodule detector

Triage aid and research software, not a medical device; it makes no diagnosis.

## What it is
A fully convolutional ONNX graph without trained layers. A Laplacian-of-Gaussian bank (four scales) proposes
bright blobs; rays from each blob's centre measure how far one must come down to leave it: in the worst
direction, in the worst pair of opposite directions, and on the whole. A logistic of the three is the score.
It is run on three grids (0.8, 2 and 5 mm), each owning a range of diameters; `manifest.json` has the figures.

## Limits by design: none on the number of findings
No TopK, no cap, no normalisation over the window: a score depends on nothing farther than the halo
(13 voxels: 10 mm on the fine grid, 26 and 65 mm on the others).

## What was fitted, and on what
Three weights and a bias, by logistic regression, on 3 mm balls implanted in three public CT series (LIDC-IDRI
0028 and 0295, Lung-Fused-CT-Pathology 01-0001), each series checked with weights of the other two, then
rounded. Everything else was chosen by reasoning. No FROC claim follows from so few scans.

## What it misses
- Nodules on the pleura, on a fissure or the diaphragm over a third of their surface: the wall is a way out.
- Nodules on or beside a vessel as wide as themselves.
- Ground-glass nodules: below about 150 HU of contrast the score falls under the operating threshold.
- Nodules under 2.5 mm, and those under the slice thickness.

## What it takes for nodules
Knots of small vessels, vessel ends in thick slices, small calcified granulomas (rightly), lymph nodes beside
the fissures, and mucus in bronchi.

## Input and output
`hu` (1, 1, D, H, W) float32, HU clipped to -1000..100, isotropic voxels. `position_voxels` (N, 3) sub-voxel
z, y, x; `diameter_voxels` (N,); `score` (N,) 0..1. Peaks within the halo of the window's rim are not exact
and belong to the neighbouring window.

Built by `python -m millet.train.log_bank models/log/1`. Apache-2.0.
"""
