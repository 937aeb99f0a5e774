"""The contract of a model: everything the code must know to run it travels with its weights."""

from __future__ import annotations

from dataclasses import dataclass

from millet.core.nodule import NoduleClass


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """One pass of the graph over the scan on one grid.

    `diameters_mm` is the range whose candidates this level owns; `halo_voxels` is what a window must
    carry on every side so that the peaks of its core are exact.
    """

    name: str
    spacing_mm: tuple[float, float, float]
    """(z, y, x)."""
    halo_voxels: tuple[int, int, int]
    diameters_mm: tuple[float, float]
    threshold: float
    """Operating threshold on the score, 0..1: at or above it a candidate is reported."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """`manifest.json`, checked."""

    name: str
    version: str
    digest: str
    """SHA-256 of model.onnx in hex; another digest refuses to start."""
    licence: str
    hu_range: tuple[float, float]
    """HU are clipped to this before they enter the graph."""
    levels: tuple[Level, ...]
    candidate_floor: float
    """The lowest score that is kept at all (`candidates.csv`)."""
    merge_distance: float
    """Two candidates nearer than this times the larger radius are one; in radii."""
    count_limit: int | None
    """The most findings this model can return, None for no limit."""
    classes: tuple[NoduleClass, ...]
    description: str
