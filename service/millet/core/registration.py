"""An earlier exam's lungs laid over the current ones: an affine map, then a smooth field.

Theory of operation. Surfaces first: each of some hundred points of the earlier pleura is drawn to the
plane of the current pleura next to it (Chen and Medioni, Image Vision Comput 10:145, 1992), along which it
may slide, as lungs do along ribs. That fits the affine map. What remains is a Gaussian process over a
lattice of knots: smooth, `FIELD_MM` in size where nothing is known, and with a variance at each place that
says how well it is known there. Then nodules speak. Each earlier one has likely partners where the field
puts it, weighed by distance, by that variance and by how dense nodules lie there (coherent point drift,
Myronenko and Song, IEEE TPAMI 32:2262, 2010, with a local variance in place of one for all). What they
agree on makes the field surer, which leaves fewer partners; a few rounds on, each has one or none.
Thus nobody sets a search radius: with five nodules centimetres are searched, among thousands a millimetre.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.spatial import cKDTree

from millet.core.constellation import shift
from millet.core.geometry import Floats
from millet.core.lung_outline import Outline

FIELD_MM = 6.0
"""Standard deviation of what an affine map leaves."""
SMOOTH_MM = 50.0
KNOTS_MM = 50.0
SURFACE_MM = 1.5
"""Standard deviation of a pleura seen twice, in 2 mm voxels and in another breath."""
PLACE_MM = 0.5
"""Standard deviation of a nodule's centre, seen twice."""
STAYING = 0.7
"""Prior probability that a nodule is there at both times."""
MOST_RESIDUAL_MM = 2.0
MOST_BEND_MM = 12.0
MOST_STRETCH = 1.3
_ROUNDS = 7
_PARTNERS = 8
_FAR_MM = 10.0


class Exam(NamedTuple):
    """What is known of one exam: its pleura, and (N, 3) centres of nodules in mm."""

    outline: Outline
    nodules_mm: Floats


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Registration:
    """Where each place of the earlier exam lies in the current one, and how well that is known."""

    affine: Floats
    """(4, 3): rows of a matrix for points with a 1 behind."""
    knots_mm: Floats
    """(M, 3), in the current exam."""
    field: Floats
    """(M, 3), of the knots."""
    covariance: Floats
    """(3 M, 3 M) of it, axis by axis."""
    residual_mm: float
    """Mean distance of the earlier pleura from the current one, each point's at most 10 mm; 0 without it."""

    @property
    def failed(self) -> bool:
        """Whether the two do not fit: too far apart, or only by a stretch that no breath makes."""
        stretch = np.linalg.svd(self.affine[:3], compute_uv=False)
        outside = stretch.max() > MOST_STRETCH or stretch.min() < 1 / MOST_STRETCH
        return bool(outside or self.residual_mm > MOST_RESIDUAL_MM or self.bend_mm > MOST_BEND_MM)

    @property
    def bend_mm(self) -> float:
        """Root mean square of the field at its knots."""
        return float(np.sqrt((self._bent(self.knots_mm) ** 2).sum(axis=1).mean()))

    def there(self, points_mm: Floats) -> Floats:
        """(N, 3) places of the earlier exam in the current one."""
        moved = _moved(self.affine, np.asarray(points_mm, float))
        return moved + self._bent(moved)

    def doubt(self, points_mm: Floats) -> Floats:
        """(N, 3, 3) covariances in mm2 of `there`, a nodule's own uncertainty included."""
        basis = _basis(_moved(self.affine, np.asarray(points_mm, float)), self.knots_mm)
        return _doubt(basis, self.covariance)

    def _bent(self, moved: Floats) -> Floats:
        return np.asarray(_basis(moved, self.knots_mm) @ self.field)


def register(prior: Exam, current: Exam) -> Registration:
    """Lay a prior exam over the current one; see `Registration.failed`.

    `current.outline` should be dense. A prior without lungs is laid over by its nodules alone. Raises
    ValueError where the two have neither in common.
    """
    sides = set(np.unique(prior.outline.side)) & set(np.unique(current.outline.side))
    trees = {int(side): _Wall.of(current.outline, int(side)) for side in sides}
    surface = _Surface.of(prior.outline, trees)
    if trees:
        affine = _start(prior.outline, current.outline, sorted(trees))
        for reach_mm in np.geomspace(40, 10, 12):
            affine = _affine_step(surface, affine, float(reach_mm))
    else:
        voted = shift(prior.nodules_mm, current.nodules_mm)
        if voted is None:
            raise ValueError("neither lungs nor nodules in common")
        affine = np.vstack([np.eye(3), voted])
    return _bend(surface, affine, prior.nodules_mm, current.nodules_mm)


class _Wall(NamedTuple):
    """One lung's current pleura."""

    tree: cKDTree
    outward: Floats

    @classmethod
    def of(cls, outline: Outline, side: int) -> _Wall:
        mine = outline.side == side
        return cls(cKDTree(outline.points_mm[mine]), outline.outward[mine])


class _Pull(NamedTuple):
    """How far, which way and how strongly points are drawn to a wall; and whether each has one."""

    off_mm: Floats
    outward: Floats
    weight: Floats


class _Surface(NamedTuple):
    """The earlier pleura, with the walls that it belongs to."""

    points: Floats
    outward: Floats
    side: NDArray[np.uint8]
    walls: dict[int, _Wall]

    @classmethod
    def of(cls, outline: Outline, walls: dict[int, _Wall]) -> _Surface:
        mine = np.isin(outline.side, list(walls))
        return cls(outline.points_mm[mine], outline.outward[mine], outline.side[mine], walls)

    def pull(self, points: Floats, reach_mm: float) -> _Pull:
        """Of these points, moved: what lies far off or faces another way counts little or nothing."""
        off, outward = np.zeros(len(points)), np.zeros_like(points)
        weight = np.zeros(len(points))
        for side, wall in self.walls.items():
            mine = self.side == side
            far, nearest = wall.tree.query(points[mine])
            normal = wall.outward[nearest]
            off[mine] = ((wall.tree.data[nearest] - points[mine]) * normal).sum(axis=1)
            outward[mine] = normal
            facing = (normal * self.outward[mine]).sum(axis=1) > 0.5
            weight[mine] = facing * np.maximum(1 - (far / reach_mm) ** 2, 0) ** 2
        return _Pull(off, outward, weight)

    def residual_mm(self, points: Floats) -> float:
        """Of these points, moved; those far beyond where the current pleura ends are not asked."""
        ends = [wall.tree.data[:, 2] for wall in self.walls.values()]
        if not ends:
            return 0.0
        low, high = min(end.min() for end in ends), max(end.max() for end in ends)
        asked = (points[:, 2] > low - _FAR_MM) & (points[:, 2] < high + _FAR_MM)
        pull = self.pull(points, _FAR_MM)
        off = np.where(pull.weight > 0, np.minimum(np.abs(pull.off_mm), _FAR_MM), _FAR_MM)
        return float(off[asked].mean()) if asked.any() else _FAR_MM


def _start(prior: Outline, current: Outline, sides: list[int]) -> Floats:
    """Along each axis the box of the lungs that both have onto the other's."""
    ends = [
        np.quantile(one.points_mm[np.isin(one.side, sides)], (0.02, 0.98), axis=0) for one in (prior, current)
    ]
    scale = np.clip((ends[1][1] - ends[1][0]) / np.maximum(ends[0][1] - ends[0][0], 1.0), 0.8, 1.25)
    return np.vstack([np.diag(scale), ends[1].mean(axis=0) - ends[0].mean(axis=0) * scale])


def _moved(affine: Floats, points: Floats) -> Floats:
    return np.asarray(points @ affine[:3] + affine[3])


def _affine_step(surface: _Surface, affine: Floats, reach_mm: float) -> Floats:
    """One more step of the affine map, a little held back."""
    moved = _moved(affine, surface.points)
    pull = surface.pull(moved, reach_mm)
    middle = moved.mean(axis=0)
    local = np.concatenate([(moved - middle) / 100, np.ones((len(moved), 1))], axis=1)
    rows = (local[:, :, None] * pull.outward[:, None, :]).reshape(len(moved), 12)
    normal = rows.T @ (pull.weight[:, None] * rows) + 0.01 * len(moved) * np.eye(12) / 10
    step = np.linalg.solve(normal, rows.T @ (pull.weight * pull.off_mm)).reshape(4, 3)
    turn = np.eye(3) + step[:3] / 100
    shift = step[3] - middle @ step[:3] / 100
    return np.vstack([affine[:3] @ turn, affine[3] @ turn + shift])


def _knots(points: Floats) -> Floats:
    """A lattice over all points, where it has some of them near."""
    low, high = points.min(axis=0), points.max(axis=0)
    lines = [np.linspace(a, b, max(round((b - a) / KNOTS_MM), 1) + 1) for a, b in zip(low, high, strict=True)]
    lattice = np.stack(np.meshgrid(*lines, indexing="ij"), axis=-1).reshape(-1, 3)
    far, _ = cKDTree(points).query(lattice)
    return np.asarray(lattice[far < KNOTS_MM])


def _basis(points: Floats, knots: Floats) -> Floats:
    """(N, M) what each knot counts at each point."""
    squares = (points**2).sum(axis=1)[:, None] + (knots**2).sum(axis=1) - 2 * points @ knots.T
    return np.asarray(np.exp(np.maximum(squares, 0) / (-2 * SMOOTH_MM**2)))


def _doubt(basis: Floats, covariance: Floats) -> Floats:
    count = basis.shape[1]
    blocks = covariance.reshape(3, count, 3, count)
    half = np.tensordot(basis, blocks, axes=(1, 1))  # (N, 3, 3, M)
    known = np.einsum("napm,nm->nap", half, basis, optimize=True)
    return np.asarray(known + np.eye(3) * PLACE_MM**2)


def _bend(surface: _Surface, affine: Floats, nodules: Floats, current: Floats) -> Registration:
    """The smooth field: of the pleura, then of nodules too."""
    moved, spots = _moved(affine, surface.points), _moved(affine, nodules)
    knots = _knots(np.concatenate([moved, spots]))
    prior = _basis(knots, knots) / FIELD_MM**2 + 1e-6 * np.eye(len(knots))
    on_wall, on_spots = _basis(moved, knots), _basis(spots, knots)
    field = np.zeros_like(knots)
    partners = _Partners.of(current)
    target, weight = np.zeros_like(spots), np.zeros(len(spots))
    for number in range(_ROUNDS):
        at = moved + on_wall @ field
        pull = surface.pull(at, 20.0 if number < 2 else _FAR_MM)
        field, covariance = _solved(
            prior,
            (on_wall, pull, pull.off_mm + (on_wall @ field * pull.outward).sum(axis=1)),
            (on_spots, weight, target - spots),
        )
        if number and len(spots) and len(current):
            target, weight = partners.of_spots(spots + on_spots @ field, _doubt(on_spots, covariance))
    return Registration(
        affine=affine,
        knots_mm=knots,
        field=field,
        covariance=covariance,
        residual_mm=surface.residual_mm(moved + on_wall @ field),
    )


def _solved(
    prior: Floats, walls: tuple[Floats, _Pull, Floats], spots: tuple[Floats, Floats, Floats]
) -> tuple[Floats, Floats]:
    """The field (M, 3) that fits best, and its covariance (3 M, 3 M)."""
    on_wall, pull, off = walls
    on_spots, weight, shift = spots
    count = len(prior)
    one = prior + on_spots.T @ (weight[:, None] * on_spots)
    rows = (pull.outward[:, :, None] * on_wall[:, None, :]).reshape(len(on_wall), 3 * count)
    firm = pull.weight / SURFACE_MM**2
    whole = rows.T @ (firm[:, None] * rows)
    for axis in range(3):
        here = slice(axis * count, (axis + 1) * count)
        whole[here, here] += one
    wanted = rows.T @ (firm * off) + (on_spots.T @ (weight[:, None] * shift)).T.ravel()
    factor = cho_factor(whole)
    covariance = cho_solve(factor, np.eye(3 * count))
    return np.asarray(covariance @ wanted).reshape(3, count).T, np.asarray(covariance)


class _Partners(NamedTuple):
    """The current nodules, and how densely they lie around each."""

    tree: cKDTree
    crowd: Floats
    """Nodules per mm3."""

    @classmethod
    def of(cls, nodules: Floats) -> _Partners:
        tree = cKDTree(np.asarray(nodules, float).reshape(-1, 3))
        return cls(tree, crowding(tree))

    def of_spots(self, spots: Floats, doubt: Floats) -> tuple[Floats, Floats]:
        """Where each of (N, 3) moved nodules is drawn to, and how strongly (1 / mm2)."""
        reach = 4 * np.sqrt(np.linalg.eigvalsh(doubt)[:, -1].max())
        far, near = self.tree.query(spots, k=min(_PARTNERS, self.tree.n), distance_upper_bound=reach)
        far, near = far.reshape(len(spots), -1), near.reshape(len(spots), -1)
        there = np.isfinite(far)
        near = np.where(there, near, 0)
        off = self.tree.data[near] - spots[:, None]
        odds = np.where(there, STAYING * density(off, doubt) / self.crowd[near], 0)
        share = odds / (1 - STAYING + odds.sum(axis=1, keepdims=True))
        claimed = np.bincount(near.ravel(), share.ravel(), minlength=self.tree.n)
        share /= np.maximum(claimed, 1)[near]
        whole = share.sum(axis=1)
        some = np.maximum(whole, 1e-12)[:, None]
        mean = (share[..., None] * off).sum(axis=1) / some
        spread = (share * ((off - mean[:, None]) ** 2).sum(axis=2)).sum(axis=1) / some[:, 0] / 3
        return spots + mean, whole / (PLACE_MM**2 + spread)


def density(off_mm: Floats, covariance: Floats) -> Floats:
    """(N, K) of a normal law with (N, 3, 3) covariances at (N, K, 3) offsets, per mm3."""
    inverse = np.linalg.inv(covariance)
    squares = np.einsum("nka,nab,nkb->nk", off_mm, inverse, off_mm, optimize=True)
    scale = np.sqrt((2 * np.pi) ** 3 * np.linalg.det(covariance))
    return np.asarray(np.exp(-squares / 2) / scale[:, None])


def crowding(tree: cKDTree) -> Floats:
    """(N,) how many nodules there are per mm3 around each of a tree, itself left out; few are thin."""
    others = min(8, tree.n - 1)
    if others < 1:
        return np.full(tree.n, 1e-6)
    far, _ = tree.query(tree.data, k=others + 1)
    volume = 4 / 3 * np.pi * np.maximum(far[:, -1], 1.0) ** 3
    return np.asarray(np.maximum(others / volume, 1e-6))
