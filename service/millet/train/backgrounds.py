"""Chests to draw nodules into: simulated or real, with the room they offer, kept on disk.

A background lies on its own slices and on the network's grid within them, so that nodules are drawn
on the slices of the scan, whatever their thickness, and then brought onto the grid with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from millet.core.geometry import Grid, PointMm
from millet.core.lungs import lungs
from millet.core.resample import resample
from millet.core.volume import Volume, canonical
from millet.phantom import presets
from millet.phantom.spec import Preset, Scan

MARGIN_MM = 24.0
LUNG, PLEURA, VESSEL = 1, 2, 4
"""Bits of `Background.zone`: in a lung; within `NEAR_MM` of its edge; of a vessel."""
NEAR_MM = 2.5
VESSEL_FROM_HU = -600.0
WALL_MM = 4.0
"""What is bright nearer than this to the mask's edge is wall, not vessel."""
LUNG_DILATION_MM = 2.0
TENT_VARIANCE = 1 / 6
"""Of a tent of half-width one, by which resampling blurs where the grid is coarser than the scan."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Background:
    """A chest without known nodules, but for `ignored` ones.

    hu: (D, H, W) int16; the voxels are `spacing_mm` (z, y, x) apart.
    zone: (D, H, W) uint8, bits as above; judged: bool, where false findings count.
    sigma_mm: ranges (low, high) of the scan's blur within and across slices, resampling included.
    noise_hu: standard deviation of the noise in lung, on this grid.
    """

    name: str
    hu: NDArray[np.int16]
    zone: NDArray[np.uint8]
    judged: NDArray[np.bool_]
    spacing_mm: tuple[float, float, float]
    sigma_in_mm: tuple[float, float]
    sigma_across_mm: tuple[float, float]
    noise_hu: float


def scans(seed: int) -> Scan:
    """The protocol of a simulated background: thin slices mostly, soft to sharp, 15 to 60 HU."""
    rng = np.random.default_rng([seed, 77])
    return Scan(
        slice_mm=float(rng.choice([0.6, 0.8, 1.0, 1.0, 1.25, 1.25, 2.0, 2.5])),
        pixel_mm=float(rng.uniform(0.6, 0.85)),
        noise_hu=float(rng.uniform(15, 60)),
        fwhm_mm=float(rng.uniform(0.7, 1.4)),
        edge=float(rng.choice([0.0, 0.0, rng.uniform(0.3, 1.5)])),
    )


def patient(seed: int) -> Preset:
    """Who is scanned: nobody with nodules, but with what is mistaken for them."""
    rng = np.random.default_rng([seed, 79])
    return Preset(
        nodules=0,
        diameter_mm=(3.0, 3.0),
        contrast=bool(rng.uniform() < 0.5),
        emphysema=float(rng.choice([0.0, 0.0, rng.uniform(0.02, 0.3)])),
        scars=int(rng.integers(1, 7)) * int(rng.uniform() < 1 / 3),
        effusion=bool(rng.uniform() < 0.15),
    )


def simulated(seed: int, grid_mm: float) -> Background:
    """Chest `seed` of the first simulator, without nodules."""
    scan = scans(seed)
    scale = float(np.random.default_rng([seed, 78]).uniform(0.7, 1.0))
    phantom = presets.make(patient(seed), seed=seed, scan=scan, scale=scale)
    blur = (scan.fwhm_mm * 0.95, scan.fwhm_mm * 1.05)
    return prepared(f"A{seed}", phantom.volume, grid_mm, fwhm_mm=blur)


def prepared(
    name: str,
    volume: Volume,
    grid_mm: float,
    *,
    fwhm_mm: tuple[float, float] = (0.7, 1.4),
    slice_mm: float | None = None,
    ignored: Sequence[tuple[tuple[float, float, float], float]] = (),
) -> Background:
    """Cut a volume to its lungs and look where nodules can lie.

    `ignored` holds points (x, y, z) with radii, in mm: known findings, which are neither nodules to
    learn nor errors. `slice_mm` is the nominal thickness, where it is not the spacing.
    """
    source = canonical(volume)
    mask = lungs(source)
    across = source.grid.spacing_mm[0]
    wanted = (max(across, grid_mm), grid_mm, grid_mm)
    grid = _same_corner(source.grid, wanted)
    lung = mask.on(grid) > 0
    box = _around(lung, wanted)
    corner = grid.to_patient_array(np.asarray([[float(s.start) for s in box]]))[0]
    cut = Grid(shape=lung[box].shape, spacing_mm=wanted, origin_mm=PointMm(*corner.tolist()), axes=grid.axes)
    hu = np.clip(np.asarray(resample(source, cut).hu, np.float32), -1100, 1500)
    lung = lung[box]
    judged = ndimage.binary_dilation(lung, iterations=max(round(LUNG_DILATION_MM / grid_mm), 1))
    for point, radius in ignored:
        _clear(judged, cut, point, radius)
    tents = [TENT_VARIANCE * w**2 for w in wanted]
    low, high = (float(np.hypot(f / 2.355, np.sqrt(tents[1]))) for f in fwhm_mm)
    slab = slice_mm or across
    z = np.sqrt(slab**2 / 12 + 0.09 + (tents[0] if wanted[0] > across else 0.0))
    return Background(
        name=name,
        hu=np.rint(hu).astype(np.int16),
        zone=_zones(hu, lung, wanted),
        judged=judged,
        spacing_mm=wanted,
        sigma_in_mm=(low, high),
        sigma_across_mm=(float(z) * 0.9, float(z) * 1.15),
        noise_hu=_noise(hu, lung),
    )


def _same_corner(grid: Grid, spacing_mm: tuple[float, float, float]) -> Grid:
    extent = (np.asarray(grid.shape) - 1) * np.asarray(grid.spacing_mm)
    shape = np.floor(extent / np.asarray(spacing_mm)).astype(int) + 1
    return Grid(
        shape=(int(shape[0]), int(shape[1]), int(shape[2])),
        spacing_mm=spacing_mm,
        origin_mm=grid.origin_mm,
        axes=grid.axes,
    )


def _around(lung: NDArray[np.bool_], spacing_mm: tuple[float, float, float]) -> tuple[slice, slice, slice]:
    places = np.argwhere(lung)
    margin = np.ceil(MARGIN_MM / np.asarray(spacing_mm)).astype(int)
    low = np.maximum(places.min(axis=0) - margin, 0)
    high = np.minimum(places.max(axis=0) + margin + 1, lung.shape)
    return (slice(low[0], high[0]), slice(low[1], high[1]), slice(low[2], high[2]))


def _clear(judged: NDArray[np.bool_], grid: Grid, point: tuple[float, float, float], radius: float) -> None:
    centre = grid.to_index_array(np.asarray([point], float))[0]
    reach = radius / np.asarray(grid.spacing_mm)
    low = np.maximum(np.floor(centre - reach).astype(int), 0)
    high = np.maximum(np.ceil(centre + reach).astype(int) + 1, 0)
    block = judged[low[0] : high[0], low[1] : high[1], low[2] : high[2]]
    where = np.indices(block.shape).reshape(3, -1).T + low - centre
    near = np.linalg.norm(where * np.asarray(grid.spacing_mm), axis=1) <= radius
    block[near.reshape(block.shape)] = False


def _zones(
    hu: NDArray[np.floating], lung: NDArray[np.bool_], spacing_mm: tuple[float, float, float]
) -> NDArray[np.uint8]:
    inside = ndimage.distance_transform_edt(lung, spacing_mm)
    smooth = ndimage.gaussian_filter(hu.astype(np.float32), [0.7 / s for s in spacing_mm])
    vessel = (smooth > VESSEL_FROM_HU) & (inside > WALL_MM)
    beside = ndimage.distance_transform_edt(~vessel, spacing_mm) <= NEAR_MM
    zone = LUNG * lung + PLEURA * (lung & (inside <= NEAR_MM)) + VESSEL * (lung & beside)
    return np.asarray(zone, np.uint8)


def _noise(hu: NDArray[np.floating], lung: NDArray[np.bool_]) -> float:
    """Of second differences in x in the darker half of the lung: robust against vessels."""
    bend = (2 * hu[..., 1:-1] - hu[..., :-2] - hu[..., 2:]) / np.sqrt(6)
    quiet = lung[..., 1:-1] & (hu[..., 1:-1] < np.median(hu[lung]))
    return float(1.4826 * np.median(np.abs(bend[quiet])))


def keep(background: Background, path: Path) -> None:
    """Write a background to disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part.npz")
    b = background
    np.savez_compressed(
        part,
        hu=b.hu,
        zone=b.zone,
        judged=b.judged,
        numbers=np.asarray([*b.spacing_mm, *b.sigma_in_mm, *b.sigma_across_mm, b.noise_hu]),
    )
    part.replace(path)


def kept(path: Path) -> Background:
    """Read what `keep` wrote."""
    with np.load(path) as stored:
        n = [float(v) for v in stored["numbers"]]
        return Background(
            name=path.stem,
            hu=stored["hu"],
            zone=stored["zone"],
            judged=stored["judged"],
            spacing_mm=(n[0], n[1], n[2]),
            sigma_in_mm=(n[3], n[4]),
            sigma_across_mm=(n[5], n[6]),
            noise_hu=n[7],
        )


def all_kept(folder: Path) -> Iterator[Background]:
    """Every background in a folder, by name."""
    for path in sorted(folder.glob("*.npz")):
        yield kept(path)
