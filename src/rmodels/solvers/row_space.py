"""Curvatures of wide rows, in the space of the rows: as large as the rows are many.

With Z = (X − centre, 1), weights h and penalties Λ of the columns, (Xᵀ h X + Λ)⁻¹ follows from the
inverse of B = 1 + √h X Λ⁻¹ Xᵀ √h (Woodbury), whose products of rows are found once.

Source: C. E. Rasmussen, C. K. I. Williams, "Gaussian Processes for Machine Learning", 2006,
section 3.4.3 and appendix A.3.
"""

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
    """Rows fewer than their columns, and their products, for curvatures at any coefficients."""

    def __init__(self, objective: Objective) -> None:
        rows = objective.source
        assert isinstance(rows, Rows)
        self._objective = objective
        self._y, self._weights = respond(objective.family, rows, objective.class_weights)
        self._l2 = objective.penalties.l2[:-1]
        self._X = np.array(rows.X, dtype=np.float64, order="C")
        if objective.centre is not None:
            self._X -= objective.centre
        scaled = self._X / np.sqrt(self._l2)
        self._products = gram(scaled, centre=False, n_threads=objective.n_threads).products
        objective.reads += 1

    @staticmethod
    def serves(objective: Objective) -> bool:
        """Return whether the rows are few and dense, and penalties hold all columns.

        Many rows have larger factors than conjugate gradients take time, unless their columns are
        few enough for factors of their own, which are larger still.
        """
        rows, l2 = objective.source, objective.penalties.l2
        if not isinstance(rows, Rows) or not isinstance(rows.X, np.ndarray):
            return False
        (n, d), outputs = rows.X.shape, objective.family.n_outputs
        fits = 16 * n * d + 32 * n * n <= get_config()["memory_limit"]
        held = not objective.penalties.has_magnitudes and bool((l2[:-1] > 0).all())
        return outputs == 1 and 0 < n < d and (n <= _ROWS or d <= _COLUMNS) and held and fits

    def curve(self, theta: Matrix) -> Corrected | None:
        """Return the curvature of the objective at some coefficients (1, n_features + 1).

        None where it has no digits left: the products of the rows are too large beside 1.
        """
        objective = self._objective
        margins = (self._X @ theta[0, :-1] + theta[0, -1])[:, np.newaxis]
        family = objective.family
        h = glm.measure(
            margins,
            self._y,
            family.loss,
            power=family.power,
            weights=self._weights,
            n_threads=objective.n_threads,
        ).curvatures[:, 0]
        roots = np.sqrt(h)
        B = self._products * roots * roots[:, np.newaxis]
        B.ravel()[:: len(B) + 1] += 1.0
        factor, info = lapack.dpotrf(B, lower=1, clean=0, overwrite_a=1)
        if info:
            return None
        l2 = objective.penalties.l2[-1] if objective.fit_intercept else np.inf
        return _RowCurvature(self._X, self._l2, roots, factor, float(l2))


class _RowCurvature(Corrected):
    """The inverse of a curvature by the factor of B."""

    def __init__(
        self, X: Matrix, l2: Matrix, roots: Matrix, factor: Matrix, l2_of_intercept: float
    ) -> None:
        super().__init__(None)
        self._X, self._l2, self._roots = X, l2, roots
        self._factor = factor
        self._of_ones = self._solve(roots)
        self._of_intercept = l2_of_intercept + float(roots @ self._of_ones)

    def _solve(self, q: Matrix) -> Matrix:
        found: Matrix = lapack.dpotrs(self._factor, q, lower=1)[0]
        return found

    def invert(self, q: Matrix) -> Matrix:
        """Return the inverse times a vector, without what steps tell."""
        of_columns, last = q[:-1], q[-1]
        found = self._solve(self._roots * (self._X @ (of_columns / self._l2)))
        shift = 0.0
        if self._of_intercept > 0:
            shift = (last - float(self._roots @ found)) / self._of_intercept
        along = self._roots * (found + shift * self._of_ones)
        return np.append((of_columns - self._X.T @ along) / self._l2, shift)
