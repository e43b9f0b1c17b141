"""Conjugate gradients, literally: one right-hand side after the other."""

from typing import Any

import numpy as np
from scipy import sparse

from rmodels.ops.conjugate import Descents, Matrix


class Equations:
    """The matrix, which multiplies vectors and is never formed."""

    @np.errstate(over="ignore", invalid="ignore")
    def __init__(
        self, X: Any, weights: Matrix | None, centred: bool, dual: bool, n_threads: int | None
    ) -> None:
        n, d = X.shape
        w = np.ones(n) if weights is None else weights
        self.X, self.dual = X.astype(np.float64), dual
        self.mean = self.X.T @ w / w.sum() if centred else np.zeros(d)
        self.root = np.sqrt(w)
        powers = sparse.csr_array((self.X.data**2, self.X.indices, self.X.indptr), shape=X.shape)
        self.squares = powers.T @ w - w.sum() * self.mean**2
        self.diagonal = self.squares
        if dual:
            centred_rows = powers.sum(axis=1) - 2 * (self.X @ self.mean) + self.mean @ self.mean
            self.diagonal = w * centred_rows

    def along_rows(self, B: Matrix) -> Matrix:
        """Return D B."""
        return np.column_stack([self._along_rows(b) for b in B.T])

    def along_columns(self, R: Matrix) -> Matrix:
        """Return Dᵀ R."""
        return np.column_stack([self._along_columns(r) for r in R.T])

    @np.errstate(over="ignore", invalid="ignore")
    def descend(
        self, scale: Matrix, penalty: float, right: Matrix, enough: Matrix, most: int
    ) -> Descents:
        """Follow each side on its own."""
        found = [
            self._follow(scale, penalty, right[:, side], float(enough[side]), most)
            for side in range(right.shape[1])
        ]
        return Descents(
            np.column_stack([solution for solution, *_ in found]),
            np.array([converged for _, converged, *_ in found]),
            [np.array(lengths) for *_, lengths, _ in found],
            [np.array(kept) for *_, kept in found],
        )

    def _multiply(self, v: Matrix, penalty: float) -> Matrix:
        if self.dual:
            return self._along_rows(self._along_columns(v)) + penalty * v
        return self._along_columns(self._along_rows(v)) + penalty * v

    def _along_rows(self, b: Matrix) -> Matrix:
        product: Matrix = self.root * (self.X @ b - self.mean @ b)
        return product

    def _along_columns(self, r: Matrix) -> Matrix:
        weighed = self.root * r
        product: Matrix = self.X.T @ weighed - self.mean * weighed.sum()
        return product

    def _follow(
        self, scale: Matrix, penalty: float, right: Matrix, enough: float, most: int
    ) -> tuple[Matrix, bool, list[float], list[float]]:
        size = np.abs(right).max(initial=0.0)
        size = size if size > 0 else 1.0
        x, residual = np.zeros(len(right)), right / size
        direction, square = residual.copy(), float(residual @ residual)
        lengths: list[float] = []
        kept: list[float] = []
        while not square <= (enough / size) ** 2:
            product = self._multiply(direction / scale, penalty) / scale
            curvature = float(direction @ product)
            if len(lengths) == most or not np.isfinite(square) or not curvature > 0:
                return x, False, lengths, kept
            length = square / curvature
            x += length * direction
            residual -= length * product
            before, square = square, float(residual @ residual)
            lengths.append(length)
            kept.append(square / before)
            direction = residual + kept[-1] * direction
        return size * x, True, lengths, kept
