"""Where lung may be, asked of a few planes while the others still arrive.

Air inside the body, a little widened: nearly all that the whole mask will hold (`core.lungs`) lies in boxes
around it. A wrong answer costs time and nothing else: what the mask holds and this has missed is looked
at when the mask is there. On a chest of 4.2 litres windows of 64 planes then hold 22 million voxels where
the mask's own plan holds 18; widened by as much as the mask is closed, 28.
"""

from __future__ import annotations

import cc3d
import numpy as np
import torch
from numpy.typing import NDArray

from millet.core.bits import Mask
from millet.core.lungs import AIR_BELOW_HU, GRID_MM

WIDER_MM = 2.0
LEAST_ML = 2.0
"""Of air in a slab: less is bowel, a sinus or noise."""


def maybe_lung(hu: NDArray[np.float32]) -> Mask:
    """Which columns (y, x) of neighbouring planes (z, y, x) on a 2 mm grid may hold lung."""
    components = cc3d.connected_components(hu < AIR_BELOW_HU, connectivity=6)
    sizes = np.bincount(components.ravel())
    keep = sizes * GRID_MM**3 / 1000 >= LEAST_ML
    keep[0] = False
    for rim in (components[:, [0, -1]], components[:, :, [0, -1]]):
        keep[np.unique(rim)] = False
    columns = torch.from_numpy(keep[components].any(axis=0).astype(np.float32))
    reach = int(WIDER_MM / GRID_MM)
    widened = torch.nn.functional.max_pool2d(columns[None, None], 2 * reach + 1, 1, reach)
    mask: Mask = widened[0, 0].numpy() > 0
    return mask
