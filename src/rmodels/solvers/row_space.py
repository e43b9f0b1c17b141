"""Curvatures of wide rows, in the space of the rows: as large as the rows are many.

With Z = (X − centre, 1), weights h and penalties Λ of the columns, (Xᵀ h X + Λ)⁻¹ follows from the
inverse of B = 1 + √h X Λ⁻¹ Xᵀ √h (Woodbury), whose products of rows are found once.

Source: C. E. Rasmussen, C. K. I. Williams, "Gaussian Processes for Machine Learning", 2006,
section 3.4.3 and appendix A.3.
"""

from typing import Any

import numpy as np
from scipy.linalg import lapack

from rmodels.config import get_config
from rmodels.data import Rows
from rmodels.ops import glm
from rmodels.ops.glm import Matrix
from rmodels.ops.moments import gram
from rmodels.solvers.curvature import Corrected
from rmodels.solvers.losses import Objective, respond

__all__ = ["RowSpace"]

_ROWS, _COLUMNS = 1500, 3000


class RowSpace:
    """Rows fewer than their columns, and their products, for curvatures at any coefficients.

    One serves all objectives of the same rows whose penalties of columns are in the same
    proportions.
    """

    def __init__(self, objective: Objective) -> None:
        rows = objective.source
        assert isinstance(rows, Rows)
        self._y, self._weights = respond(objective.family, rows, objective.class_weights)
        self._shares = objective.penalties.l2[:-1] / objective.penalties.l2[0]
        self.X = np.array(rows.X, dtype=np.float64, order="C")
        if objective.centre is not None:
            self.X -= objective.centre
        scaled = self.X / np.sqrt(self._shares)
        self._products = gram(scaled, centre=False, n_threads=objective.n_threads).products

    @staticmethod
    def serves(objective: Objective) -> bool:
        """Return whether the rows are few and dense, and penalties hold all columns.

        Many rows have larger factors than conjugate gradients take time, unless their columns are
        few enough for factors of their own, which are larger still.
        """
        rows, l2 = objective.source, objective.penalties.l2
        if objective.family.n_outputs > 1 or not isinstance(rows, Rows):
            return False
        n, d = rows.X.shape
        if not 0 < n < d or (n > _ROWS and d > _COLUMNS) or not isinstance(rows.X, np.ndarray):
            return False
        fits = 16 * n * d + 32 * n * n <= get_config()["memory_limit"]
        return fits and not objective.penalties.has_magnitudes and bool((l2[:-1] > 0).all())

    def curve(self, theta: Matrix, objective: Objective) -> Corrected | None:
        """Return the curvature of an objective at some coefficients (1, n_features + 1).

        None where it has no digits left: the products of the rows are too large beside 1.
        """
        l2, chosen = objective.penalties.l2, objective.chosen
        rows: Any = slice(None) if chosen is None else np.flatnonzero(chosen)
        margins = (self.X @ theta[0, :-1] + theta[0, -1])[rows, np.newaxis]
        family = objective.family
        h = glm.measure(
            margins,
            self._y[rows],
            family.loss,
            power=family.power,
            weights=None if self._weights is None else self._weights[rows],
            n_threads=objective.n_threads,
        ).curvatures[:, 0]
        roots = np.sqrt(h)
        own = self._products if chosen is None else self._products[np.ix_(rows, rows)]
        B = own * (roots / l2[0]) * roots[:, np.newaxis]
        B.ravel()[:: len(B) + 1] += 1.0
        factor, info = lapack.dpotrf(B, lower=1, clean=0, overwrite_a=1)
        if info:
            return None
        of_intercept = l2[-1] if objective.fit_intercept else np.inf
        return _RowCurvature(self.X, rows, l2[:-1], roots, factor, float(of_intercept))


class _RowCurvature(Corrected):
    """The inverse of a curvature by the factor of B."""

    def __init__(
        self,
        X: Matrix,
        rows: Any,
        l2: Matrix,
        roots: Matrix,
        factor: Matrix,
        l2_of_intercept: float,
    ) -> None:
        super().__init__(None)
        self._X, self._rows, self._l2, self._roots = X, rows, l2, roots
        self._factor = factor
        self._of_ones = self._solve(roots)
        self._of_intercept = l2_of_intercept + float(roots @ self._of_ones)

    def _solve(self, q: Matrix) -> Matrix:
        found: Matrix = lapack.dpotrs(self._factor, q, lower=1)[0]
        return found

    def invert(self, q: Matrix) -> Matrix:
        """Return the inverse times a vector, without what steps tell."""
        of_columns, last = q[:-1], q[-1]
        found = self._solve(self._roots * (self._X @ (of_columns / self._l2))[self._rows])
        shift = 0.0
        if self._of_intercept > 0:
            shift = (last - float(self._roots @ found)) / self._of_intercept
        along = np.zeros(len(self._X))
        along[self._rows] = self._roots * (found + shift * self._of_ones)
        return np.append((of_columns - self._X.T @ along) / self._l2, shift)
