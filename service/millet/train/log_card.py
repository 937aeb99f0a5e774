"""What goes with the analytic detector's graph: its manifest and its card."""

from __future__ import annotations

from millet.core.manifest import Graph, Level, Manifest, Source
from millet.core.nodule import NoduleClass

_LEVELS = (("fine", 0.8, 1.5, 8.5), ("middle", 2.0, 6.5, 20.0), ("coarse", 5.0, 17.0, 70.0))
"""Name, grid, and diameters owned, in mm; they overlap, so that nothing falls between two levels."""

_CORE_VOXELS = (112, 160, 160)
"""With its halo about 4 million voxels, for which an engine takes 180 MB."""
_FITTED_ON = tuple(
    Source(data=data, licence="CC BY 3.0")
    for data in (
        "LIDC-IDRI-0028, LIDC-IDRI-0295 (LIDC-IDRI, The Cancer Imaging Archive)",
        "01-0001 (Lung-Fused-CT-Pathology, The Cancer Imaging Archive)",
    )
)
"""Three weights and a bias were fitted on these; no pixel of them is in the model."""


def manifest(digest: str, halo: int) -> Manifest:
    """The manifest of the graph with this digest and halo."""
    return Manifest(
        name="log",
        version="1",
        licence="Apache-2.0",
        description="Laplacian-of-Gaussian blobs judged by how isolated they are; analytic, not trained",
        hu_range=(-1000.0, 100.0),
        levels=tuple(
            Level(
                name=name,
                graph="log",
                spacing_mm=(grid_mm, grid_mm, grid_mm),
                halo_voxels=(halo, halo, halo),
                core_voxels=_CORE_VOXELS,
                diameters_mm=(low, high),
                threshold=0.5,
            )
            for name, grid_mm, low, high in _LEVELS
        ),
        graphs=(Graph(name="log", precision="fp32", file="model.onnx", digest=digest),),
        candidate_floor=0.001,
        merge_distance=1.0,
        count_limit=None,
        classes=(NoduleClass.NODULE, NoduleClass.MASS),
        training=_FITTED_ON,
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
Three weights and a bias, by logistic regression on 3 mm balls implanted in three public CT series. While
fitting, each series was scored with the weights of the other two; the weights were then rounded and the bias
shifted by looking at all three. So there is no held-out series among them, and figures on them are fits:
- LIDC-IDRI-0028 and LIDC-IDRI-0295: LIDC-IDRI, The Cancer Imaging Archive, CC BY 3.0; Armato et al.,
  Med Phys 38:915 (2011), doi 10.7937/K9/TCIA.2015.LO9QL9SX.
- 01-0001: Lung-Fused-CT-Pathology, The Cancer Imaging Archive, CC BY 3.0; Rusu et al.,
  Eur Radiol 27:4209 (2017).

No pixel of them is in the model. Rays, scales, grids and floors were chosen by reasoning, and looked at on
the same three and on the phantom. LIDC-IDRI-0001, 0003 and 0306 played no part in the fit. No FROC claim
follows from so few scans, none of them with more than a handful of true nodules.
`bench/results/first_detector.json` has what was measured, and says for each row whether its background was
fitted on.

## What it misses
- Nodules on the pleura, on a fissure or the diaphragm over a third of their surface: the wall is a way out.
- Nodules on or beside a vessel as wide as themselves.
- Ground-glass nodules: below about 200 HU of contrast the score falls under the operating threshold.
- Small ones: of isolated balls in a phantom with 1 mm slices nearly all from 2.5 mm on, four of five of 2 to
  2.5 mm, one in twenty below 2 mm.
- Nodules no thicker than two slices: of 220 of 3 mm in 2.5 mm slices that were not fitted on it found 150 and
  160 (LIDC-IDRI-0003 and 0306), against 200 to 205 in the 1.25 mm slices of LIDC-IDRI-0295 that were.

## How well it tells sizes
The graph's own diameter serves to look up a level and to begin measuring: it reads 2 mm as 2.5, 4.5 mm as 3.9
and a mass a tenth too small. What is reported is measured on the source's voxels afterwards.

## What it takes for nodules
Knots of small vessels, vessel ends in thick slices, small calcified granulomas (rightly), lymph nodes beside
the fissures, and mucus in bronchi.

## Input and output
`hu` (1, 1, D, H, W) float32, HU clipped to -1000..100, isotropic voxels. `position_voxels` (N, 3) sub-voxel
z, y, x; `diameter_voxels` (N,); `score` (N,) 0..1. Peaks within the halo of the window's rim are not exact
and belong to the neighbouring window; the outermost nine voxels are not searched. Windows
have at least 21 voxels along each axis.

Built by `python -m millet.train.log_bank models/log/1`. Apache-2.0.
"""
