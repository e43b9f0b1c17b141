"""Least squares of sparse rows by conjugate gradients, where they are sure to lead to all digits.

With D the centred rows times √w, (DᵀD + α) b = Dᵀ√w (y − ȳ) is solved by products of D and vectors,
columns scaled to unit norm; with fewer rows than columns, (DDᵀ + α) u = √w (y − ȳ) and b = Dᵀu, the
least norm. The solution is refined with the residuals of the rows. M. Hestenes and E. Stiefel,
"Methods of conjugate gradients for solving linear systems", 1952.

Right-hand sides that a model has do not show what X leaves undetermined. So a vector of random
directions is solved for first: it converges only if the matrix has a full rank, and the steps on
the way give its extreme eigenvalues (C. Lanczos, 1950).
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from rmodels.data import Rows
from rmodels.solvers.centred import Centred
from rmodels.solvers.conditioning import TINY
from rmodels.solvers.moments import keeps_digits
from rmodels.solvers.result import LinearFit

__all__ = ["solve"]

Matrix = NDArray[np.float64]
Product = Callable[[Matrix], Matrix]

_EPS = float(np.finfo(np.float64).eps)
_RESIDUAL = 1e-9  # of a solution, over the right-hand side
_MOST_STEPS = 150
_MOST_REFINEMENTS = 8
_LARGEST = 1e4  # κ² of the scaled matrix: above, decompositions are as cheap and surer


class _Descent(NamedTuple):
    """A solution of a system, if the steps led there, and what tells of the steps.

    Attributes
    ----------
    solution : ndarray or None
    lengths : list of float
        Of the steps along their directions.
    kept : list of float
        The share of each direction that is part of the next.
    """

    solution: Matrix | None
    lengths: list[float]
    kept: list[float]

    def squared_condition(self) -> float:
        """Return the largest over the smallest eigenvalue that the steps have shown."""
        if not self.lengths:
            return np.inf
        lengths, kept = np.array(self.lengths), np.array(self.kept)
        diagonal = 1 / lengths
        diagonal[1:] += kept[:-1] / lengths[:-1]
        values = linalg.eigvalsh_tridiagonal(diagonal, np.sqrt(kept[:-1]) / lengths[:-1])
        return float(values[-1] / values[0]) if values[0] > 0 else np.inf


@np.errstate(over="ignore", invalid="ignore")
def solve(
    rows: Rows, fit_intercept: bool, penalties: NDArray[np.float64] | None = None
) -> LinearFit | None:
    """Minimise Σ w (y − x·coef − intercept)² + α Σ coef², each target with its own α.

    Returns
    -------
    LinearFit or None
        None where the minimum is not unique (with fewer rows than columns: that of least norm),
        where convergence is slow, and where squares overflow or underflow: other solvers know what
        to do then.
    """
    rows.assert_finite()
    X, Y, weights = rows.X, rows.Y.astype(np.float64), rows.weights
    X = X.astype(np.float64, copy=False)
    n, d = X.shape
    w = np.ones(n) if weights is None else weights.astype(np.float64)
    offset = np.zeros(d + Y.shape[1])
    if fit_intercept:
        offset = np.concatenate([X.T @ w, w @ Y]) / w.sum()
    mean = offset[:d]
    squared = X.copy()
    squared.data *= squared.data
    squares = squared.T @ w - w.sum() * mean**2
    if not keeps_digits(w.sum(), mean, squares):
        return None
    root = None if weights is None else np.sqrt(w)
    D = Centred(X, mean, root)
    target = Y - offset[d:]
    if root is not None:
        target *= root[:, np.newaxis]
    sizes = np.abs(target).max(axis=0)
    if not np.isfinite(sizes).all() or not np.isfinite(squares).all():
        return None
    sizes = np.where(sizes > 0, sizes, 1.0)
    target /= sizes
    if n <= d:
        squares = w * (squared.sum(axis=1) - 2 * (X @ mean) + mean @ mean)
        if not (squares <= 1 / TINY).all():
            return None
    given = np.zeros(Y.shape[1]) if penalties is None else penalties
    coefficients = np.empty((d, Y.shape[1]))
    for penalty in np.unique(given):
        if n > d:
            system: _System = _Columns(D, float(penalty), squares)
        else:
            system = _Rows(D, float(penalty), squares, np.sqrt(w) if fit_intercept else None)
        if not (system.is_bounded(w) or system.is_well_posed()):
            return None
        for number in np.flatnonzero(given == penalty):
            found = system.refine(target[:, number])
            if found is None:
                return None
            coefficients[:, number] = found * sizes[number]
    intercept = offset[d:] - mean @ coefficients
    return LinearFit(np.vstack([coefficients, intercept]), "krylov", "scipy")


class _System:
    """A positive definite system, scaled to a unit diagonal.

    Parameters
    ----------
    D : Centred
    penalty : float
    squares : ndarray
        The diagonal without the penalty.
    """

    def __init__(self, D: Centred, penalty: float, squares: Matrix) -> None:
        self.D, self.penalty, self.squared_condition = D, penalty, np.inf
        total = squares + penalty
        self.active = total > TINY
        self.underflows = bool((self.active < (total > 0)).any())
        self.sizes = np.sqrt(np.maximum(total, 0.0))
        self.scale = np.where(self.active, self.sizes, np.inf)

    def multiply(self, x: Matrix) -> Matrix:
        """Return the scaled matrix times a vector."""
        raise NotImplementedError

    def probe(self) -> Matrix:
        """Return random directions of what the matrix has to determine."""
        return np.random.default_rng(0).standard_normal(len(self.scale)) * self.active

    def refine(self, target: Matrix) -> Matrix | None:
        """Return the coefficients for a centred target times √w; None if they do not converge."""
        raise NotImplementedError

    def is_bounded(self, w: Matrix) -> bool:
        """Return whether the penalty alone determines all directions, without losing many digits.

        The largest eigenvalue of a matrix is at most the product of the largest sums of magnitudes
        in its columns and in its rows; centring makes it no larger, but for what it takes away.
        """
        if not self.penalty or self.underflows or not self.active.all():
            return False
        least = self.penalty / self.sizes.max() ** 2
        most = self.bound(w) + self.penalty / self.sizes.min() ** 2
        if most > _LARGEST * least:
            return False
        self.squared_condition = 0.0  # what the steps show is enough
        return True

    def bound(self, w: Matrix) -> float:
        """Return at least the largest eigenvalue of the scaled matrix without the penalty."""
        raise NotImplementedError

    def is_well_posed(self) -> bool:
        """Return whether all directions are determined, without losing many digits."""
        if self.underflows or not self.active.any():
            return False
        found = _descend(self.multiply, self.probe())
        if found.solution is not None:
            self.squared_condition = found.squared_condition()
        return self.squared_condition <= _LARGEST

    def is_last(self, step: Matrix, solution: Matrix) -> bool:
        """Return whether what a step leaves of the error before it is less than rounding."""
        left = np.linalg.norm(step * self.sizes) * self.squared_condition * _RESIDUAL
        return bool(left <= _EPS * np.linalg.norm(solution * self.sizes))

    def step(self, slope: Matrix) -> Matrix | None:
        """Return about the inverse of the unscaled matrix times a vector."""
        found = _descend(self.multiply, slope / self.scale)
        if found.solution is None:
            return None
        if found.lengths:
            self.squared_condition = max(self.squared_condition, found.squared_condition())
        return found.solution / self.scale


class _Columns(_System):
    """DᵀD + α."""

    def bound(self, w: Matrix) -> float:
        root, magnitudes = np.sqrt(w), abs(self.D.X)
        rows = root * (magnitudes @ (1 / self.sizes))
        columns = (magnitudes.T @ root) / self.sizes
        return float(rows.max() * columns.max())

    def is_well_posed(self) -> bool:
        return bool(self.active.all()) and super().is_well_posed()

    def multiply(self, x: Matrix) -> Matrix:
        b = x / self.scale
        return (self.D.along_columns(self.D.along_rows(b)) + self.penalty * b) / self.scale

    def refine(self, target: Matrix) -> Matrix | None:
        b = np.zeros(len(self.scale))
        for _ in range(_MOST_REFINEMENTS):
            slope = self.D.along_columns(target - self.D.along_rows(b)) - self.penalty * b
            step = self.step(slope)
            if step is None:
                return None
            b += step
            if self.is_last(step, b):
                return b
        return None


class _Rows(_System):
    """DDᵀ + α; `empty` is the direction that centring leaves without a square."""

    def __init__(self, D: Centred, penalty: float, squares: Matrix, empty: Matrix | None) -> None:
        super().__init__(D, penalty, squares)
        self.empty = None if penalty else empty

    def bound(self, w: Matrix) -> float:
        share, magnitudes = np.sqrt(w) / self.sizes, abs(self.D.X)
        rows = share * np.asarray(magnitudes.sum(axis=1)).ravel()
        columns = magnitudes.T @ share
        lost = np.linalg.norm(share) * np.linalg.norm(self.D.mean)
        return float((np.sqrt(rows.max() * columns.max()) + lost) ** 2)

    def multiply(self, x: Matrix) -> Matrix:
        u = x / self.scale
        return (self.D.along_rows(self.D.along_columns(u)) + self.penalty * u) / self.scale

    def probe(self) -> Matrix:
        found = super().probe()
        return found if self.empty is None else _without(self.sizes * self.empty, found)

    def refine(self, target: Matrix) -> Matrix | None:
        u, b = np.zeros(len(self.scale)), np.zeros(self.D.X.shape[1])
        for _ in range(_MOST_REFINEMENTS):
            slope = target - self.D.along_rows(b) - self.penalty * u
            step = self.step(slope if self.empty is None else _without(self.empty, slope))
            if step is None:
                return None
            u += step
            b += self.D.along_columns(step)
            if self.is_last(step, u):
                return b
        return None


def _without(direction: Matrix, vector: Matrix) -> Matrix:
    """Return what is perpendicular to a direction of a vector."""
    return vector - (direction @ vector) / (direction @ direction) * direction


def _descend(multiply: Product, right: Matrix) -> _Descent:
    """Solve a system by conjugate gradients from zero."""
    size = np.abs(right).max(initial=0.0)
    x, residual = np.zeros(len(right)), right / (size if size > 0 else 1.0)
    direction, square = residual.copy(), float(residual @ residual)
    enough = _RESIDUAL**2 * square
    lengths: list[float] = []
    kept: list[float] = []
    while not square <= enough:
        if len(lengths) == _MOST_STEPS or not np.isfinite(square):
            return _Descent(None, lengths, kept)
        product = multiply(direction)
        curvature = float(direction @ product)
        if not curvature > 0:
            return _Descent(None, lengths, kept)
        length = square / curvature
        x += length * direction
        residual -= length * product
        before, square = square, float(residual @ residual)
        lengths.append(length)
        kept.append(square / before)
        direction *= square / before
        direction += residual
    return _Descent(size * x, lengths, kept)
