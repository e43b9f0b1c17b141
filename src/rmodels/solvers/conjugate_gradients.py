"""Least squares of sparse rows by conjugate gradients, where they are sure to lead to all digits.

With D the centred rows times √w, (DᵀD + α) b = Dᵀ√w (y − ȳ) is solved by products of D and vectors,
columns scaled to unit norm; with fewer rows than columns, (DDᵀ + α) u = √w (y − ȳ) and b = Dᵀu, the
least norm. The solution is refined with the residuals of the rows. M. Hestenes and E. Stiefel,
"Methods of conjugate gradients for solving linear systems", 1952.

Right-hand sides that a model has do not show what X leaves undetermined. So a vector of random
directions is solved for beside them: it converges only if the matrix has a full rank, and the steps
on the way give its extreme eigenvalues (C. Lanczos, 1950).
"""

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

from rmodels.config import thread_count
from rmodels.data import Rows
from rmodels.ops.conjugate import FEW, MANY, Descents, NormalEquations
from rmodels.solvers.blas import count_free
from rmodels.solvers.conditioning import TINY
from rmodels.solvers.moments import keeps_digits
from rmodels.solvers.result import LinearFit

__all__ = ["solve"]

Matrix = NDArray[np.float64]

_EPS = float(np.finfo(np.float64).eps)
_SINGLE = 2.0**-28  # what rounding to float32 hides
_RESIDUAL = 1e-9  # of a solution, over the right-hand side
_MOST_STEPS = 150
_MOST_REFINEMENTS = 8
_MOST_LINES = 2**31 - 1  # of `NormalEquations`
_LARGEST = 1e4  # κ² of the scaled matrix: above, decompositions are as cheap and surer


@np.errstate(over="ignore", invalid="ignore")
def solve(
    rows: Rows,
    fit_intercept: bool,
    penalties: NDArray[np.float64] | None = None,
    n_threads: int | None = None,
) -> LinearFit | None:
    """Minimise Σ w (y − x·coef − intercept)² + α Σ coef², each target with its own α.

    Returns
    -------
    LinearFit or None
        None where the minimum is not unique (with fewer rows than columns: that of least norm),
        where convergence is slow, and where squares overflow or underflow: other solvers know what
        to do then.
    """
    X, Y = rows.X, rows.Y.astype(np.float64)
    n, d = X.shape
    if max(n, d) > _MOST_LINES:
        return None
    weights = None if rows.weights is None else rows.weights.astype(np.float64)
    w = np.ones(n) if weights is None else weights
    equations = NormalEquations(
        X,
        weights,
        centred=fit_intercept,
        dual=n <= d,
        n_threads=_count_threads(X.nnz, n_threads or thread_count()),
    )
    mean, squares = equations.mean, equations.squares
    if not np.isfinite(squares).all():
        rows.assert_finite()
        return None
    if not keeps_digits(w.sum(), mean, squares):
        return None
    if n <= d and not (equations.diagonal <= 1 / TINY).all():
        return None
    offset = w @ Y / w.sum() if fit_intercept else np.zeros(Y.shape[1])
    target = Y - offset
    if weights is not None:
        target *= np.sqrt(w)[:, np.newaxis]
    sizes = np.abs(target).max(axis=0)
    if not np.isfinite(sizes).all():
        return None
    sizes = np.where(sizes > 0, sizes, 1.0)
    target /= sizes
    given = np.zeros(Y.shape[1]) if penalties is None else penalties
    rounding = _SINGLE if X.dtype == np.float32 else _EPS
    coefficients = np.empty((d, Y.shape[1]))
    for penalty in np.unique(given):
        if n > d:
            system: _System = _Columns(equations, float(penalty))
        else:
            empty = np.sqrt(w)[:, np.newaxis] if fit_intercept and not penalty else None
            system = _Rows(equations, float(penalty), empty)
        chosen = given == penalty
        found = system.solve(target[:, chosen], rounding)
        if found is None:
            return None
        coefficients[:, chosen] = found * sizes[chosen]
    intercept = offset - mean @ coefficients
    return LinearFit(np.vstack([coefficients, intercept]), "krylov", equations.engine)


def _count_threads(entries: int, n_threads: int) -> int:
    """Return how many threads take part in short steps: only where processors are free for them."""
    if n_threads == 1 or not FEW <= entries < MANY:
        return n_threads
    return max(1, min(n_threads, count_free()))


class _System:
    """A positive definite system, scaled to a unit diagonal.

    Parameters
    ----------
    equations : NormalEquations
    penalty : float
    """

    def __init__(self, equations: NormalEquations, penalty: float) -> None:
        self.equations, self.penalty = equations, penalty
        total = equations.diagonal + penalty
        self.active = total > TINY
        self.underflows = bool((self.active < (total > 0)).any())
        self.sizes = np.sqrt(np.maximum(total, 0.0))[:, np.newaxis]
        self.scale = np.where(self.active[:, np.newaxis], self.sizes, np.inf)

    def is_whole(self) -> bool:
        """Return whether nothing is known to be undetermined before a step."""
        return not self.underflows and bool(self.active.any())

    def probe(self) -> Matrix:
        """Return random directions of what the matrix has to determine."""
        found: Matrix = np.random.default_rng(0).standard_normal(self.scale.shape)
        return found * self.active[:, np.newaxis]

    def find_right(self, rest: Matrix) -> Matrix:
        """Return the right-hand sides of what is left of targets."""
        raise NotImplementedError

    def find_rest(self, target: Matrix, x: Matrix, coefficients: Matrix) -> Matrix:
        """Return the right-hand sides of what a solution leaves, from the rows."""
        raise NotImplementedError

    def lead(self, x: Matrix) -> Matrix:
        """Return the coefficients that a solution leads to."""
        raise NotImplementedError

    def solve(self, target: Matrix, rounding: float) -> Matrix | None:
        """Return the coefficients for centred targets times √w; None if they do not converge.

        What is left of an error, over the solution, is at most `rounding`. The first steps are
        those of random directions as well: they tell whether all directions are determined, without
        losing many digits.
        """
        if not self.is_whole():
            return None
        count = target.shape[1]
        x, coefficients = (
            np.zeros((len(self.scale), count)),
            np.zeros((len(self.equations.mean), count)),
        )
        right = np.hstack([self.find_right(target) / self.scale, self.probe()])
        enough = _RESIDUAL * np.linalg.norm(right, axis=0)
        found = self.descend(right, enough)
        if found is None:
            return None
        least, most = _find_extremes(found)
        if not most <= _LARGEST * least:
            return None
        step, left, rest = found.solutions[:, :count], enough[:count], np.arange(count)
        for _ in range(_MOST_REFINEMENTS):
            step /= self.scale
            x[:, rest] += step
            coefficients[:, rest] += self.lead(step)
            enough = rounding * least * np.linalg.norm(x[:, rest] * self.sizes, axis=0)
            rest, enough = rest[left > enough], enough[left > enough]
            if not len(rest):
                return coefficients
            right = self.find_rest(target[:, rest], x[:, rest], coefficients[:, rest])
            right /= self.scale
            left = np.maximum(_RESIDUAL * np.linalg.norm(right, axis=0), 0.5 * enough)
            found = self.descend(right, left)
            if found is None:
                return None
            step = found.solutions
        return None

    def descend(self, right: Matrix, enough: Matrix) -> Descents | None:
        """Return solutions of the scaled system, if the steps led there."""
        scale = self.scale[:, 0]
        found = self.equations.descend(scale, self.penalty, right, enough, _MOST_STEPS)
        return found if found.converged.all() else None


class _Columns(_System):
    """DᵀD + α."""

    def is_whole(self) -> bool:
        return super().is_whole() and bool(self.active.all())

    def find_right(self, rest: Matrix) -> Matrix:
        return self.equations.along_columns(rest)

    def find_rest(self, target: Matrix, x: Matrix, coefficients: Matrix) -> Matrix:
        rest = target - self.equations.along_rows(coefficients)
        return self.find_right(rest) - self.penalty * coefficients

    def lead(self, x: Matrix) -> Matrix:
        return x


class _Rows(_System):
    """DDᵀ + α; `empty` is the direction that centring leaves without a square."""

    def __init__(self, equations: NormalEquations, penalty: float, empty: Matrix | None) -> None:
        super().__init__(equations, penalty)
        self.empty = empty

    def probe(self) -> Matrix:
        found = super().probe()
        return found if self.empty is None else _without(self.sizes * self.empty, found)

    def find_right(self, rest: Matrix) -> Matrix:
        return rest if self.empty is None else _without(self.empty, rest)

    def find_rest(self, target: Matrix, x: Matrix, coefficients: Matrix) -> Matrix:
        return self.find_right(target - self.equations.along_rows(coefficients) - self.penalty * x)

    def lead(self, x: Matrix) -> Matrix:
        return self.equations.along_columns(x)


def _without(direction: Matrix, vectors: Matrix) -> Matrix:
    """Return what is perpendicular to a direction of vectors."""
    return vectors - direction * ((direction.T @ vectors) / (direction.T @ direction))


def _find_extremes(found: Descents) -> tuple[float, float]:
    """Return the smallest and the largest eigenvalue that the steps have shown, or 0 and ∞."""
    least, most = np.inf, 0.0
    for lengths, kept in zip(found.lengths, found.kept, strict=True):
        if not len(lengths):
            continue
        values = 1 / lengths  # the diagonal of a tridiagonal matrix
        values[1:] += kept[:-1] / lengths[:-1]
        if len(values) > 1:
            values, failed = lapack.dsterf(values, np.sqrt(kept[:-1]) / lengths[:-1])
            if failed:
                return 0.0, np.inf
        least, most = min(least, float(values[0])), max(most, float(values[-1]))
    return least, most
