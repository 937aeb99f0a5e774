"""Nodules to learn from: how large, how dense, how vague, and their blurred share of each voxel.

A blurred ball has a closed form: with radius R, Gaussian blur s and distance r from the centre

    f(r) = (erf((R - r) / s') + erf((R + r) / s')) / 2
           - s / (r sqrt(2 pi)) (e^(-(r - R)^2 / 2 s^2) - e^(-(r + R)^2 / 2 s^2))

with s' = s sqrt(2). What a thick slice blurs more than its pixels do is added by quadrature along z.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf

Floats = NDArray[np.float32]
Lines = tuple[Floats, Floats, Floats]

NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(5)
LUNG_HU = -850.0
TISSUE_SPAN_HU = 850.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How one nodule looks, wherever it lies.

    `hu` is what it is made of; a `faint_hu` above zero says instead how far its blurred peak stands
    out of the lung. `edge_mm` is the standard deviation of its own vagueness. `axes` are its three
    half axes over its radius, `turn` their directions (rows), `bumps` phases and `rough` the size of
    its irregularity. `core` is the diameter of a solid core over its own, 0 for none.
    """

    kind: str
    diameter_mm: float
    hu: float
    faint_hu: float
    edge_mm: float
    axes: tuple[float, float, float]
    turn: NDArray[np.float64]
    rough: float
    bumps: tuple[float, float, float]
    core: float = 0.0


KINDS = ("solid", "faint", "ground glass", "part solid", "calcified")
SHARES = (0.34, 0.36, 0.2, 0.05, 0.05)


def look(rng: np.random.Generator, kind: str, diameter_mm: float) -> Look:
    """Draw the looks of a nodule of a kind and size."""
    hu, faint, edge, core = 0.0, 0.0, 0.0, 0.0
    if kind == "solid":
        hu, edge = float(np.clip(rng.normal(20, 45), -120, 120)), float(rng.uniform(0.05, 0.3))
    elif kind == "faint":
        faint, edge = float(rng.uniform(200, 620)), float(rng.uniform(0.1, 0.8))
    elif kind == "ground glass":
        hu, edge = float(rng.uniform(-750, -400)), float(rng.uniform(0.1, 0.8))
    elif kind == "part solid":
        hu, edge = float(rng.uniform(-750, -450)), float(rng.uniform(0.1, 0.6))
        core = float(rng.uniform(0.3, 0.7))
    else:
        hu, edge = float(rng.uniform(200, 1000)), float(rng.uniform(0.05, 0.3))
    stretch = np.exp(rng.normal(0, 0.1 if kind in ("solid", "calcified") else 0.16, 3))
    stretch /= np.prod(stretch) ** (1 / 3)
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    return Look(
        kind=kind,
        diameter_mm=diameter_mm,
        hu=hu,
        faint_hu=faint,
        edge_mm=edge,
        axes=(float(stretch[0]), float(stretch[1]), float(stretch[2])),
        turn=turn,
        rough=float(rng.uniform(0, 0.12)),
        bumps=(float(rng.uniform(0, 6.3)), float(rng.uniform(0, 6.3)), float(rng.uniform(0, 6.3))),
        core=core,
    )


def blurred_ball(r: Floats, radius_mm: float, sigma_mm: float) -> Floats:
    """Share (0..1) of a ball after Gaussian blur, at distances r > 0 from its centre."""
    scale = 1 / (sigma_mm * math.sqrt(2))
    flat = (erf((radius_mm - r) * scale) + erf((radius_mm + r) * scale)) / 2
    slope = np.exp(-(((r - radius_mm) * scale) ** 2)) - np.exp(-(((r + radius_mm) * scale) ** 2))
    return np.asarray(np.maximum(flat - sigma_mm / (r * math.sqrt(2 * math.pi)) * slope, 0), np.float32)


def share(seen: Look, lines_mm: Lines, sigma_mm: tuple[float, float], *, size: float = 1.0) -> Floats:
    """Share of each voxel (Z, Y, X) that a nodule, or `size` of its diameter, fills, blurred.

    `lines_mm` are the voxels' z, y and x from its centre, `sigma_mm` the blur in the slice and across.
    """
    radius = seen.diameter_mm / 2 * size
    z, y, x = lines_mm
    blur = math.hypot(sigma_mm[0], seen.edge_mm)
    more = math.sqrt(max(sigma_mm[1] ** 2 - sigma_mm[0] ** 2, 0.0))
    shifts, weights = (NODES * more, WEIGHTS / WEIGHTS.sum()) if more > 0.1 else (np.zeros(1), np.ones(1))
    total = np.zeros((len(z), len(y), len(x)), np.float32)
    form = (seen.turn / np.asarray(seen.axes)[:, None]).astype(np.float32)
    for shift, weight in zip(shifts, weights, strict=True):
        grid = np.stack(np.meshgrid(z + np.float32(shift), y, x, indexing="ij"), -1)
        local = grid @ form.T
        r = np.maximum(np.sqrt((local**2).sum(-1)), 1e-2)
        if seen.rough:
            a, b, c = seen.bumps
            u = local / r[..., None]
            waves = np.sin(3 * u[..., 2] + a) * np.cos(2.6 * u[..., 1] + b) + np.sin(3.4 * u[..., 0] + c)
            r = r / (1 + seen.rough * waves * np.minimum(r / radius, 1))
        total += np.float32(weight) * blurred_ball(r, radius, blur)
    return total


def add(hu: Floats, local: Floats, seen: Look, lines_mm: Lines, sigma_mm: tuple[float, float]) -> float:
    """Add a nodule to a block of a noisy scan, in place; returns the most that it added, in HU.

    `local` is the scan about one millimetre smoothed: where there is tissue already, nothing is added.
    """
    filled = share(seen, lines_mm, sigma_mm)
    if seen.faint_hu:
        room = np.clip(1 - (local - LUNG_HU) / TISSUE_SPAN_HU, 0, 1)
        added = filled * (seen.faint_hu / max(float(filled.max()), 1e-3)) * room
    else:
        added = filled * np.maximum(seen.hu - local, 0)
    if seen.core:
        inner = share(seen, lines_mm, sigma_mm, size=seen.core)
        added = added + inner * np.maximum(20.0 - local - added, 0)
    hu += added
    return float(added.max(initial=0.0))
