"""Between which volumes a repeated scan of the same nodule would measure it, nineteen times in twenty.

Theory of operation. What changes from scan to scan is noise, and where voxels lie. Noise is summed with
the tissue over the voxels of the nodule and its blur, and shifts what is read as its HU; where voxels
lie matters at the surface, so its share of the volume falls with the size in voxels. The constants were
set on repeated scans of phantoms and are checked on others, of both simulators. What breathing and lying
down anew add in patients (Gietema, Radiology 245:888, 2007: 95 % within 25 %) is not in them.
"""

from __future__ import annotations

import numpy as np

from millet.core.geometry import Floats
from millet.core.levels import GRAIN_MM3, Levels
from millet.core.sizing import LEAST_CONTRAST_HU, diameter_mm
from millet.core.tissue import PART_SOLID, SOLID_SD_HU, Tissue
from millet.core.voi import Vois

SURFACE = 0.06
"""Standard deviation of a volume of one voxel across; it falls with the number of voxels across."""
LEAST_SD = 0.01
OF_CORED = 0.06
"""Where a core ends in glass is uncertain, too."""
NORMAL_95 = 1.96


def volume_sd(some: Vois, level: Levels, made_of: Tissue, volume_mm3: Floats) -> Floats:
    """(N,) the standard deviation of volumes from scan to scan, as a share of them."""
    contrast = np.maximum(made_of.hu - level.background, LEAST_CONTRAST_HU)
    across = diameter_mm(volume_mm3)
    summed_mm3 = np.pi / 6 * (across + 2 * some.blur_mm) ** 3
    of_sum = level.noise / contrast * np.sqrt(GRAIN_MM3 * summed_mm3) / volume_mm3
    of_level = level.noise / np.sqrt(np.maximum(volume_mm3 / 8 / GRAIN_MM3, 1))
    shrunk = of_level * SOLID_SD_HU / np.hypot(of_level, SOLID_SD_HU) / contrast
    voxels = across / some.grid.voxel_mm3 ** (1 / 3)
    cored = np.where(made_of.kinds == PART_SOLID, OF_CORED, 0.0)
    sd: Floats = np.sqrt(of_sum**2 + shrunk**2 + (SURFACE / voxels) ** 2 + LEAST_SD**2 + cored**2)
    return sd


def limits_mm3(volume_mm3: Floats, sd: Floats) -> tuple[Floats, Floats]:
    """(N,) lower and upper limit for a second scan, whose own error adds to the first's."""
    half = NORMAL_95 * np.sqrt(2) * sd
    return volume_mm3 * np.exp(-half), volume_mm3 * np.exp(half)
