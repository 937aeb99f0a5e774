"""A small made-up chest for training tests: lung with a wall and one vessel."""

import numpy as np

from millet.train.backgrounds import LUNG, PLEURA, VESSEL, Background


def chest(spacing_mm: tuple[float, float, float] = (1.25, 1.0, 1.0), *, noise_hu: float = 20.0) -> Background:
    """A block of lung (48 x 60 x 60 voxels) behind a wall, with a vessel along y."""
    rng = np.random.default_rng(3)
    hu = np.full((48, 60, 60), -860.0)
    hu[:, :6] = 40
    hu[24:27, :, 30:33] = 30
    zone = np.full(hu.shape, LUNG, np.uint8)
    zone[:, :6] = 0
    zone[:, 6:9] |= PLEURA
    zone[22:29, 9:, 28:35] |= VESSEL
    return Background(
        name="block",
        hu=np.rint(hu + rng.normal(0, noise_hu, hu.shape)).astype(np.int16),
        zone=zone,
        judged=(zone & LUNG) > 0,
        spacing_mm=spacing_mm,
        sigma_in_mm=(0.5, 0.7),
        sigma_across_mm=(0.45, 0.55),
        noise_hu=noise_hu,
    )
