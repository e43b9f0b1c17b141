"""Curvatures of objectives: their inverse, and what steps tell of it."""

from abc import ABC, abstractmethod

import numpy as np
from scipy.linalg import lapack

from rmodels.ops.glm import Matrix
from rmodels.solvers.losses import Objective

__all__ = ["Corrected", "Curvature"]


class Corrected(ABC):
    """The inverse of a curvature, corrected by steps that were made since.

    Attributes
    ----------
    of_loss : ndarray of shape (n_outputs · (n_features + 1),) * 2, or None
        What it began with: the curvature of the loss, without penalties.
    pairs : list
        Steps with the changes of the gradient along them.
    """

    def __init__(self, of_loss: Matrix | None) -> None:
        self.of_loss = of_loss
        self.pairs: list[tuple[Matrix, Matrix, float]] = []

    @abstractmethod
    def invert(self, q: Matrix) -> Matrix:
        """Return the inverse times a vector, without what steps tell."""

    def overlooks(self, gradient: Matrix, sizes: Matrix) -> float:
        """Return the part of a gradient where no curvature is seen, over what cancels there."""
        return 0.0

    def shorten(self, theta: Matrix) -> Matrix:
        """Return the coefficients of least norm that predict the same: intercepts have none."""
        return theta

    def solve(self, g: Matrix) -> Matrix:
        """Return the inverse times a vector."""
        q = g.copy()
        shares = []
        for s, y, rho in reversed(self.pairs):
            share = rho * (s @ q)
            shares.append(share)
            q -= share * y
        q = self.invert(q)
        for (s, y, rho), share in zip(self.pairs, reversed(shares), strict=True):
            q += (share - rho * (y @ q)) * s
        return q

    def add(self, step: Matrix, change: Matrix) -> None:
        """Correct the curvature by a step and the change of the gradient along it."""
        product = float(step @ change)
        if product > 1e-12 * np.linalg.norm(step) * np.linalg.norm(change):
            self.pairs.append((step, change, 1 / product))


class Curvature(Corrected):
    """The inverse of a curvature that is kept as a matrix."""

    def __init__(self, H: Matrix, objective: Objective) -> None:
        super().__init__(H)
        outputs, width = objective.shape
        H = np.array(H, order="C")
        diagonal = H.ravel()[:: len(H) + 1]  # a view
        diagonal.reshape(outputs, width)[:] += objective.penalties.l2
        if outputs > 1:
            _fill_shifts(H, outputs, width, objective.penalties.l2)
        positive = diagonal > 0
        self._scale = positive / np.sqrt(np.where(positive, diagonal, 1.0))
        scaled = H * self._scale * self._scale[:, np.newaxis]
        # SciPy's functions above LAPACK's take longer than small factors do
        self._factor, info = lapack.dpotrf(scaled, lower=1, clean=0)
        self._definite = not info and self._factor.diagonal().min() ** 2 > len(H) * 1e-15
        if not self._definite:
            values, vectors = np.linalg.eigh(scaled)
            kept = values > len(H) * 1e-15 * max(values[-1], 0)
            self._inverse = (vectors[:, kept], 1 / values[kept])
            self._flat = self._scale[:, np.newaxis] * vectors[:, ~kept]

    def invert(self, q: Matrix) -> Matrix:
        """Return the inverse times a vector, without what steps tell."""
        return self._scale * self._solve(self._scale * q)

    def _solve(self, q: Matrix) -> Matrix:
        if self._definite:
            found: Matrix = lapack.dpotrs(self._factor, q, lower=1)[0]
            return found
        vectors, inverse = self._inverse
        return vectors @ (inverse * (vectors.T @ q))

    def overlooks(self, gradient: Matrix, sizes: Matrix) -> float:
        """Return the part of a gradient where no curvature is seen, over what cancels there."""
        if self._definite or not self._flat.size:
            return 0.0
        whole = abs(self._flat).T @ sizes.ravel()
        parts = abs(self._flat.T @ gradient.ravel())
        return float((parts / np.where(whole > 0, whole, 1.0)).max())

    def shorten(self, theta: Matrix) -> Matrix:
        """Return the coefficients of least norm where columns depend on each other."""
        if self._definite:
            return theta
        outputs, width = theta.shape
        counted = np.arange(theta.size) % width != width - 1
        flat, given = self._flat[counted], theta.ravel()[counted]
        sizes = np.linalg.norm(flat, axis=0)
        shares = np.linalg.lstsq(flat / np.where(sizes > 0, sizes, 1), given, rcond=None)[0]
        shorter: Matrix = theta.ravel() - (self._flat / np.where(sizes > 0, sizes, 1)) @ shares
        return shorter.reshape(outputs, width)


def _fill_shifts(H: Matrix, outputs: int, width: int, l2: Matrix) -> None:
    """Give a curvature to what shifts all outputs' coefficients of a column alike, in place.

    Probabilities do not change with it, and gradients have nothing of it.
    """
    blocks = H.reshape(outputs, width, outputs, width)
    for j in np.flatnonzero(l2 == 0):
        diagonal = np.mean([blocks[k, j, k, j] for k in range(outputs)])
        blocks[:, j, :, j] += diagonal / outputs
