"""Curvatures of wide rows, in the space of the rows: as large as the rows are many.

With Z = (X − centre, 1), weights h and penalties Λ of the columns, (Xᵀ h X + Λ)⁻¹ follows from the
inverse of B = 1 + √h X Λ⁻¹ Xᵀ √h (Woodbury), whose products of rows are found once.

Source: C. E. Rasmussen, C. K. I. Williams, "Gaussian Processes for Machine Learning", 2006,
section 3.4.3 and appendix A.3.

Of several outputs, coefficients are combinations of rows, too: with L Lᵀ = X Λ⁻¹ Xᵀ, L stands for
the rows in columns as few as they are, and at a minimum Λ θ is −Xᵀ r, with r the residuals there.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from scipy import linalg
from scipy.linalg import lapack

from rmodels.config import get_config
from rmodels.data import Rows
from rmodels.ops import glm
from rmodels.ops.glm import Matrix
from rmodels.ops.moments import gram
from rmodels.solvers.curvature import Corrected
from rmodels.solvers.losses import Objective, Penalties, respond

__all__ = ["RowFactor", "RowSpace"]

_ROWS, _COLUMNS = 1500, 3000
_WIDER = 2  # columns for each row, from which the factor takes less time than it saves


class RowSpace:
    """Rows fewer than their columns, and their products, for curvatures at any coefficients.

    One serves all objectives of the same rows whose penalties of columns are in the same
    proportions.
    """

    def __init__(self, objective: Objective) -> None:
        rows = objective.source
        assert isinstance(rows, Rows)
        self._y, self._weights = respond(objective.family, rows, objective.class_weights)
        self.X, self._products = _multiply(objective, rows)

    @staticmethod
    def serves(objective: Objective) -> bool:
        """Return whether the rows are few and dense, and penalties hold all columns.

        Many rows have larger factors than conjugate gradients take time, unless their columns are
        few enough for factors of their own, which are larger still.
        """
        return objective.family.n_outputs == 1 and _are_few(objective)

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


def _are_few(objective: Objective) -> bool:
    rows, l2 = objective.source, objective.penalties.l2
    if not isinstance(rows, Rows):
        return False
    n, d = rows.X.shape
    if not 0 < n < d or (n > _ROWS and d > _COLUMNS) or not isinstance(rows.X, np.ndarray):
        return False
    fits = 16 * n * d + 32 * n * n <= get_config()["memory_limit"]
    return fits and not objective.penalties.has_magnitudes and bool((l2[:-1] > 0).all())


def _multiply(objective: Objective, rows: Rows) -> tuple[Matrix, Matrix]:
    """Return the rows less the centre, and their products under penalties with a first of 1."""
    X = np.array(rows.X, dtype=np.float64, order="C")
    if objective.centre is not None:
        X -= objective.centre
    l2 = objective.penalties.l2[:-1]
    scaled = X if (l2 == l2[0]).all() else X / np.sqrt(l2 / l2[0])
    return X, gram(scaled, centre=False, n_threads=objective.n_threads).products


class RowFactor:
    """Rows fewer than their columns as the factor of their products, for several outputs.

    One serves all objectives of the same rows whose penalties of columns are in the same
    proportions.
    """

    def __init__(self, objective: Objective) -> None:
        rows = objective.source
        assert isinstance(rows, Rows)
        self._X, products = _multiply(objective, rows)
        found, order, rank, _ = lapack.dpstrf(products, lower=1)  # rows may depend on each other
        self._order = order[:rank] - 1
        self._factor = np.tril(found)[:, :rank]
        L = np.empty_like(self._factor)
        L[order - 1] = self._factor
        self._rows = replace(rows, X=L)

    @staticmethod
    def serves(objective: Objective) -> bool:
        """Return whether there are several outputs, and rows few and dense under penalties."""
        if objective.family.n_outputs == 1 or not _are_few(objective):
            return False
        n, d = objective.source.X.shape  # type: ignore[attr-defined]
        return bool(d >= _WIDER * n)

    def reduce(self, objective: Objective) -> Objective:
        """Return the objective of the factor's columns."""
        l2 = objective.penalties.l2
        width = self._factor.shape[1] + 1
        penalties = Penalties(np.append(np.full(width - 1, l2[0]), l2[-1]), np.zeros(width))
        return replace(objective, source=self._rows, penalties=penalties, centre=None, reads=0)

    def narrow(self, theta: Matrix) -> Matrix:
        """Return coefficients of the factor that predict what (n_outputs, n_features + 1) do."""
        rank = len(self._order)
        slopes = np.zeros((rank, len(theta)))
        if rank and theta[:, :-1].any():
            margins = (self._X @ theta[:, :-1].T)[self._order]
            slopes = linalg.solve_triangular(self._factor[:rank], margins, lower=True)
        return np.column_stack([slopes.T, theta[:, -1]])

    def widen(self, theta: Matrix, objective: Objective) -> Matrix:
        """Return the coefficients of the columns, of those of the factor at a minimum."""
        rows, chosen = self._rows, objective.chosen
        if chosen is not None:
            rows = rows.take(np.flatnonzero(chosen))
        y, weights = respond(objective.family, rows, objective.class_weights)
        margins = rows.X @ theta[:, :-1].T + theta[:, -1]
        family, n_threads = objective.family, objective.n_threads
        found = glm.measure(margins, y, family.loss, weights=weights, n_threads=n_threads)
        X = self._X if chosen is None else self._X[chosen]
        return np.column_stack([found.residuals.T @ X / -objective.penalties.l2[:-1], theta[:, -1]])


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
