"""Smooth heights over a grid of rows and columns: a penalised tensor product of cubic B-splines.

On a whole grid the basis of the surface is never written down: rows and columns are summed one after the
other (generalised linear array models: Currie, Durban and Eilers, J R Stat Soc B 68:259, 2006).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from millet.core.geometry import Floats

KNOT_MM = 30.0
"""From knot to knot: fissures bend over some centimetres."""
ROUNDS = 4


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Spline:
    """The bases along rows and columns of one grid, (places, coefficients), and what bending costs."""

    down: Floats
    across: Floats
    bending: Floats

    @classmethod
    def over(cls, shape: tuple[int, ...], step_mm: Floats) -> Spline:
        """A basis with knots some `KNOT_MM` apart over (rows, columns) of these steps."""
        knots = [
            max(round((count - 1) * step / KNOT_MM), 2) for count, step in zip(shape, step_mm, strict=True)
        ]
        down, across = (_basis(count, n) for count, n in zip(shape, knots, strict=True))
        return cls(down=down, across=across, bending=_bending([n + 3 for n in knots]))

    def fit(self, heights: Floats, weights: Floats, stiffness: float, tolerance: float) -> Floats:
        """The surface (rows, columns) near to heights of positive weight; those far from it lose theirs.

        Where nothing supports it, it goes on as straight as it can.
        """
        trust = weights.astype(float)
        weight, found = trust, np.zeros_like(trust)
        for _ in range(ROUNDS):
            normal = self._products(weight) + stiffness * self.bending
            normal[np.diag_indices_from(normal)] += 1e-6
            wanted = self.down.T @ (weight * heights) @ self.across
            solved = np.linalg.solve(normal, wanted.ravel()).reshape(wanted.shape)
            found = self.down @ solved @ self.across.T
            weight = trust / (1 + ((heights - found) / tolerance) ** 2) ** 2
        return found

    def _products(self, weight: Floats) -> Floats:
        """The weighted sums, over all places, of the products of each two coefficients' functions."""
        rows, columns = self.down.shape[1], self.across.shape[1]
        sums = _pairs(self.down).T @ weight @ _pairs(self.across)
        apart = sums.reshape(rows, rows, columns, columns).transpose(0, 2, 1, 3)
        return apart.reshape(rows * columns, -1)


def _pairs(basis: Floats) -> Floats:
    """The products of each two functions of a basis at each place."""
    return (basis[:, :, None] * basis[:, None, :]).reshape(len(basis), -1)


def _basis(count: int, knots: int) -> Floats:
    """Uniform cubic B-splines (places, knots + 3)."""
    at = np.arange(count) * (knots / max(count - 1, 1))
    first = np.minimum(at.astype(int), knots - 1)
    t = at - first
    parts = ((1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3)
    basis = np.zeros((count, knots + 3))
    for k, part in enumerate(parts):
        basis[np.arange(count), first + k] += part / 6
    return basis


def _bending(sizes: Sequence[int]) -> Floats:
    """Second differences along rows, along columns, and twice the mixed ones: those of a thin plate."""
    (one, two), (first, second) = ([np.eye(n) for n in sizes], [np.diff(np.eye(n), axis=0) for n in sizes])
    bent = [np.diff(np.eye(n), 2, axis=0) for n in sizes]
    return np.asarray(
        np.kron(bent[0].T @ bent[0], two)
        + np.kron(one, bent[1].T @ bent[1])
        + 2 * np.kron(first.T @ first, second.T @ second)
    )
