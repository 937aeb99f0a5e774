"""Fluid between lung and chest wall, as far as a mask at 2 mm shows it.

A pleural effusion of a supine patient is a layer of 0 to 25 HU that lies against the back half of a
lung and against the ribs. What is looked for is that layer: a normal chest has some millilitres of fat
and muscle that blur to the same HU, an effusion has tens. Fluid denser than `FLUID_HU`, loculated in
front, or below `LEAST_CONTACT_ML` of contact is not found. No real effusion was at hand: the bar was set
between what six real chests without one show and what the case phantom shows.
"""

from __future__ import annotations

import cc3d
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from millet.core.analysis import Effusion
from millet.core.lungs import GRID_MM, LungMask, Mask
from millet.core.nodule import Side

FLUID_HU = (-20.0, 28.0)
"""Mean attenuation of the layer; muscle, spleen and liver are denser, fat is thinner."""
SMOOTHING_MM = 3.0
CONTACT_MM = (2.0, 10.0)
"""The layer next to the lung that is counted; nearer voxels are blurred by the lung itself."""
RIB_WITHIN_MM = 30.0
BONE_HU = 180.0
LEAST_CONTACT_ML = 7.0
"""The largest such layer in six real chests without effusion was 4.0 mL, the case phantom's 10."""
DEEPEST_MM = 40.0
AERATED_HU = -500.0

Hu = NDArray[np.float32]


def effusions(lungs: LungMask) -> tuple[Effusion, ...]:
    """The pleural effusions of an exam, right before left; volumes are lower bounds."""
    if not lungs.found:
        return ()
    hu = lungs.hu
    near_bone = _distance_mm(ndimage.gaussian_filter(hu, 0.7) > BONE_HU) < RIB_WITHIN_MM
    fluid = _fluid(hu) & near_bone
    aerated = np.where(hu < AERATED_HU, lungs.label, 0)
    found = [_beside(side, aerated == label, fluid) for side, label in ((Side.RIGHT, 1), (Side.LEFT, 2))]
    return tuple(effusion for effusion in found if effusion)


def _fluid(hu: Hu) -> Mask:
    """Homogeneous fluid, at least 8 mm thick."""
    smooth = ndimage.gaussian_filter(hu, SMOOTHING_MM / GRID_MM)
    within = (FLUID_HU[0] < smooth) & (smooth < FLUID_HU[1])
    opened: Mask = ndimage.binary_opening(within, iterations=2)
    return opened


def _beside(side: Side, lung: Mask, fluid: Mask) -> Effusion | None:
    """The layer against the back half of one lung, and the fluid that hangs together with it."""
    if not lung.any():
        return None
    distance_mm = _distance_mm(lung)
    place = fluid & (distance_mm < DEEPEST_MM)
    place[:, : int(np.median(np.nonzero(lung)[1]))] = False
    layer = _largest(place & (CONTACT_MM[0] < distance_mm) & (distance_mm <= CONTACT_MM[1]))
    if _millilitres(layer) < LEAST_CONTACT_ML:
        return None
    pieces = cc3d.connected_components(place, connectivity=6)
    body = np.isin(pieces, np.setdiff1d(np.unique(pieces[layer]), [0]))
    return Effusion(side=side, volume_ml=round(_millilitres(body), -1))


def _largest(mask: Mask) -> Mask:
    pieces = cc3d.connected_components(mask, connectivity=26)
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    largest: Mask = (pieces == int(np.argmax(sizes))) & mask
    return largest


def _distance_mm(mask: Mask) -> NDArray[np.float64]:
    if not mask.any():
        return np.full(mask.shape, np.inf)
    distance: NDArray[np.float64] = ndimage.distance_transform_edt(~mask) * GRID_MM
    return distance


def _millilitres(mask: Mask) -> float:
    return float(mask.sum()) * GRID_MM**3 / 1000
