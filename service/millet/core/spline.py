"""Smooth heights over a grid of rows and columns: a penalised tensor product of cubic B-splines."""

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
    """The basis over one grid, (cells, coefficients), and what bending costs."""

    shape: tuple[int, int]
    basis: Floats
    bending: Floats

    @classmethod
    def over(cls, shape: tuple[int, ...], step_mm: Floats) -> Spline:
        """A basis with knots some `KNOT_MM` apart over (rows, columns) of these steps."""
        knots = [
            max(round((count - 1) * step / KNOT_MM), 2) for count, step in zip(shape, step_mm, strict=True)
        ]
        down, across = (_basis(count, n) for count, n in zip(shape, knots, strict=True))
        basis = (down[:, None, :, None] * across[None, :, None, :]).reshape(shape[0] * shape[1], -1)
        return cls(shape=(shape[0], shape[1]), basis=basis, bending=_bending([n + 3 for n in knots]))

    def fit(self, heights: Floats, weights: Floats, stiffness: float, tolerance: float) -> Floats:
        """The surface (rows, columns) near to heights of positive weight; those far from it lose theirs.

        Where nothing supports it, it goes on as straight as it can.
        """
        use = weights.ravel() > 0
        basis, wanted, trust = self.basis[use], heights.ravel()[use], weights.ravel()[use].astype(float)
        weight, found = trust, np.zeros(len(self.bending))
        for _ in range(ROUNDS):
            normal = basis.T @ (basis * weight[:, None]) + stiffness * self.bending
            normal[np.diag_indices_from(normal)] += 1e-6
            found = np.linalg.solve(normal, basis.T @ (weight * wanted))
            weight = trust / (1 + ((wanted - basis @ found) / tolerance) ** 2) ** 2
        return np.asarray((self.basis @ found).reshape(self.shape))


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
