"""Bones and muscles: ribs that slope along the cage, vertebrae and discs, shoulder girdle."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from millet.phantom.second import fields
from millet.phantom.second.anatomy import Chest, spine_y
from millet.phantom.second.fields import Field, Frame

RIBS = 11
RIB_STEP_MM = 23.0
FIRST_RIB_Z = 116.0
VERTEBRA_MM = 24.5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Bones:
    """Levels in mm on the chest's grid: bone of any kind, and muscle."""

    bone: Field
    muscle: Field


def bones(chest: Chest, rng: np.random.Generator) -> Bones:
    """The skeleton and the muscles of a chest."""
    f, scale = chest.frame, chest.frame.scale
    cage, skin = chest.cage / scale, chest.skin / scale
    ribs = _ribs(f, cage, rng)
    bone = np.minimum(np.minimum(_spine(f, rng), ribs), np.minimum(_girdle(f, cage), _sternum(f, cage)))
    bone = np.maximum(bone, skin + 4)
    return Bones(
        bone=np.asarray(bone * scale, np.float32),
        muscle=np.asarray(_muscle(f, cage, skin) * scale, np.float32),
    )


def _ribs(f: Frame, cage: Field, rng: np.random.Generator) -> Field:
    """Ribs as oval tubes 5 mm outside the pleura; each falls from its vertebra to the front."""
    places, widths = [], []
    shell = np.abs(cage - 4.5) < 1.6
    angle = np.arctan2(f.y[shell], np.abs(f.x[shell]))
    here = np.stack([f.x[shell], f.y[shell], f.z[shell]], axis=1)
    turn = (np.pi / 2 - angle) / np.pi
    for number in range(RIBS):
        drop = 16 + 78 * min(1.0, 0.55 + 0.1 * number)
        start = FIRST_RIB_Z - RIB_STEP_MM * number + rng.normal(0, 1.2, 2)[(here[:, 0] > 0).astype(int)]
        height = start - drop * np.clip(turn, 0, 1) ** 1.1
        end = 0.97 - 0.035 * max(number - 5, 0)
        on = (np.abs(here[:, 2] - height) < 1.6) & (turn < end) & (turn > 0.06)
        places.append(here[on])
        widths.append(np.where(turn[on] > 0.85, 3.8, 4.6))
    line, radius = np.concatenate(places), np.concatenate(widths)
    near = np.abs(cage - 4.5) < 14
    flat = np.asarray([1, 1, 0.62])
    where = np.stack([f.x[near], f.y[near], f.z[near]], axis=1)
    far, which = cKDTree(line * flat).query(where * flat, distance_upper_bound=12)
    level = np.full(f.x.shape, 12.0, np.float32)
    level[near] = np.where(np.isfinite(far), far + 2.0 - np.append(radius, 0)[which], 12.0)
    return level


def _spine(f: Frame, rng: np.random.Generator) -> Field:
    """Vertebral bodies waisted between end plates, discs left out, arches and processes."""
    off = f.y - spine_y(f.z)
    phase = np.mod(f.z + rng.uniform(0, VERTEBRA_MM), VERTEBRA_MM) / VERTEBRA_MM - 0.5
    body = np.hypot(f.x / 1.18, np.maximum(off, -np.abs(off))) - (14.5 + 6.0 * phase**2)
    body = np.maximum(body, (np.abs(phase) - 0.41) * VERTEBRA_MM)
    ring = np.abs(np.hypot(f.x, off - 22) - 11.5) - 3.0
    ring = np.maximum(ring, (np.abs(phase) - 0.36) * VERTEBRA_MM)
    spinous = np.hypot(f.x / 0.8, (phase + 0.1) * VERTEBRA_MM / 2.2 - 0.2 * (off - 40)) - 3.2
    spinous = np.maximum(spinous, np.abs(off - 44) - 12)
    lift = 0.45 * np.abs(f.x) - 6
    wings = np.hypot(off - 24 - lift, phase * VERTEBRA_MM) - 5.5 + 0.04 * np.abs(f.x)
    wings = np.maximum(wings, np.abs(f.x) - 33)
    return np.asarray(np.minimum(np.minimum(body, ring), np.minimum(spinous, wings)), np.float32)


def _sternum(f: Frame, cage: Field) -> Field:
    wide = 12 + 6 * np.clip((f.z - 45) / 30, 0, 1) + 2 * np.cos(f.z / 6)
    plate = np.hypot(np.maximum(np.abs(f.x - 2) - wide + 5, 0), (cage - 9.5) * 1.1) - 5.0
    plate = np.maximum(plate, np.maximum(-62 - f.z, f.z - 82))
    return np.asarray(np.where(f.y < 0, plate, 20), np.float32)


def _girdle(f: Frame, cage: Field) -> Field:
    """Scapular blades with their spines, clavicles and the heads of the humeri of raised arms."""
    parts = []
    for side in (-1.0, 1.0):
        out = side * f.x
        blade = np.abs(cage - 17 - 0.06 * (out - 85)) - 1.6
        edge = np.maximum(np.abs(out - 92 + 0.18 * (f.z - 40)) - 32, np.abs(f.z - 48) - 62)
        blade = np.maximum(np.maximum(blade, edge), 25 - f.y)
        ridge = [(side * 70, 98, 88), (side * 110, 88, 108), (side * 138, 55, 122)]
        clavicle = [(side * 20, -58, 92), (side * 60, -50, 112), (side * 105, -8, 128), (side * 132, 28, 132)]
        parts += [
            np.asarray(blade, np.float32),
            fields.tube(f, ridge, [4, 5, 6]),
            fields.tube(f, clavicle, [8, 6, 6, 7]),
            fields.ellipsoid(f, (side * 146, 26, 138), (22, 22, 24)),
        ]
    least = parts[0]
    for part in parts[1:]:
        least = np.minimum(least, part)
    return least


def _muscle(f: Frame, cage: Field, skin: Field) -> Field:
    """Muscle: between the ribs, on the back, the chest and round the shoulder; the rest is fat."""
    front = np.clip(-f.y / 80, 0, 1) * np.clip((f.z + 30) / 60, 0, 1)
    front = front * np.clip((np.abs(f.x) - 12) / 25, 0, 1)
    back = np.clip((f.y - 20) / 60, 0, 1) * np.clip(1.3 - np.abs(np.abs(f.x) - 30) / 70, 0.35, 1)
    shoulder = np.clip((f.z - 55) / 45, 0, 1)
    thick = 7.5 + 13 * front + 20 * back + 42 * shoulder * np.clip(np.abs(f.x) / 60, 0.3, 1)
    fat = 7 + 6 * np.clip(-f.y / 100, 0, 1) + 3 * np.cos(f.z / 40)
    return np.asarray(np.maximum(cage - thick, skin + fat), np.float32)
