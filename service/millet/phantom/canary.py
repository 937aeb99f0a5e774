"""The chest that the canary is: the smallest that is analysed, with nodules of every size that matters.

46 slices, 0.6 MB. It is drawn once, in a few seconds; what is new with each run is its number, of which its
identifiers are a function.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from millet.core.canary import PATIENT, Planted

if TYPE_CHECKING:
    from millet.phantom.spec import Phantom

SEED = 3
SCALE = 0.3
NODULES, DIAMETER_MM = 10, (4.0, 9.0)
PIXEL_MM, SLICE_MM = 1.4, 2.0


def draw() -> Phantom:
    """The chest."""
    from millet.phantom import presets  # which loads torch

    preset = presets.Preset(name="canary", nodules=NODULES, diameter_mm=DIAMETER_MM, patient=PATIENT)
    scan = presets.Scan(pixel_mm=PIXEL_MM, slice_mm=SLICE_MM)
    return presets.make(preset, seed=SEED, scale=SCALE, scan=scan)


def instances(chest: Phantom, number: int) -> Sequence[bytes]:
    """It as a CT series that was never sent before, in DICOM files."""
    from millet.phantom import dicom

    return dicom.encoded(replace(chest, seed=number))


def planted(chest: Phantom) -> Sequence[Planted]:
    """Its nodules."""
    return [Planted(centre_mm=one.centre_mm, diameter_mm=one.diameter_mm) for one in chest.truth]
