"""Least squares from the moments where they carry enough digits, else from the rows themselves.

The moments square the condition number κ of the centred, scaled columns. Up to κ² = 16 they are as
good as the rows. Up to κ² = 10¹⁰ their solution is refined with the residuals of the rows (the
corrected seminormal equations: Björck, "Stability analysis of the method of seminormal equations
for linear least squares problems", 1987). Beyond, the rows are reduced to triangular form by
orthogonal transformations, block by block, and solved by singular values (LAPACK). Above κ² = 10⁶,
either solution of float64 data is refined with residuals in twice the precision.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, optimize
from scipy.linalg import lapack

from rmodels.data.source import Rows, Source
from rmodels.ops.moments import Gram, Moments
from rmodels.solvers.refinement import refined
from rmodels.solvers.statistics import array, gradient, spread

__all__ = [
    "Conditioning",
    "Solution",
    "conditioning_of_gram",
    "conditioning_of_moments",
    "from_gram",
    "from_moments",
    "from_moments_alone",
    "from_rows",
    "nonnegative",
    "penalised",
    "root",
    "triangular",
]

Matrix = NDArray[np.float64]

_EPS = float(np.finfo(np.float64).eps)
_REFINE_ABOVE = 16.0  # κ²: below, the normal equations lose about one digit
_PRECISE_ABOVE = 1e6  # κ²: above, three digits and more are lost without precise residuals
_TOO_ILL = 1e10  # κ²: above, refinement may not converge
_MOST_STEPS = 5
_TINY = 1e-280  # a sum of squares that may have lost digits to underflow
_ROWS_AT_A_TIME = 4096


class Conditioning:
    """Rank and singular values of the centred X, and its condition number.

    Computed when asked for, from a matrix as large as the scatter matrix, which is kept until then
    or until the object is pickled.

    Parameters
    ----------
    singular, number, rank, decided : callable
        Return what the properties give; `decided` by default True.
    """

    def __init__(
        self,
        singular: Callable[[], Matrix],
        number: Callable[[], float],
        rank: Callable[[], int],
        decided: Callable[[], bool] = lambda: True,
    ) -> None:
        self._singular = singular
        self._number = number
        self._rank = rank
        self._decided = decided

    @cached_property
    def decided(self) -> bool:
        """Whether the matrix could tell; if not, the other properties mean nothing."""
        return self._decided()

    @cached_property
    def singular(self) -> Matrix:
        """Singular values of the centred X, descending."""
        return self._singular()

    @cached_property
    def number(self) -> float:
        """Largest over smallest singular value of the centred columns scaled to unit norm.

        With fewer rows than columns: of the centred rows, as they are.
        """
        return self._number()

    @cached_property
    def rank(self) -> int:
        """Directions of the centred X that can be told from rounding."""
        return self._rank()

    def fields(self) -> dict[str, object]:
        """Return what is known, computed now."""
        known = {
            name: self.decided and getattr(self, name) for name in ("singular", "number", "rank")
        }
        return known | {"decided": self.decided}

    __getstate__ = fields

    @classmethod
    def from_fields(
        cls, singular: Matrix, number: float, rank: int, decided: bool
    ) -> "Conditioning":
        """Return one that knows these."""
        return cls(lambda: singular, lambda: number, lambda: rank, lambda: decided)


def _of_scatter(
    scatter: Matrix, rank: int, decided: Callable[[], bool] = lambda: True
) -> Conditioning:
    """Return the conditioning of columns from their scatter matrix."""
    return Conditioning(
        lambda: _roots(scatter),
        lambda: _ratio_of_scaled(scatter) if rank == len(scatter) else np.inf,
        lambda: rank,
        decided,
    )


def _of_products(
    products: Matrix, rank: int, decided: Callable[[], bool] = lambda: True
) -> Conditioning:
    """Return the conditioning of rows from their products."""
    return Conditioning(
        lambda: _roots(products), lambda: _ratio(_roots(products)[:rank]), lambda: rank, decided
    )


def conditioning_of_gram(
    gram: Gram, n_features: int, weights: NDArray | None, fit_intercept: bool
) -> Conditioning:
    """Return the conditioning of the rows."""
    active = len(gram.products) if weights is None else np.count_nonzero(weights)
    rank = min(int(active) - bool(fit_intercept), n_features)

    def decided() -> bool:
        if rank < 1:
            return True
        eigenvalues = np.linalg.eigvalsh(gram.products)
        return bool(eigenvalues[-rank] > eigenvalues[-1] / _TOO_ILL)

    return _of_products(gram.products, rank, decided)


def conditioning_of_moments(
    moments: Moments, source: Source | None, fit_intercept: bool
) -> Conditioning | None:
    """Return the conditioning of the columns; None if they vary too little for moments to tell."""
    d = moments.n_features
    S, used = _scatter(moments, source, fit_intercept)
    if used is None:
        return None
    return _of_scatter(
        S[:d, :d],
        len(used),
        lambda: not len(used) or bool(_factor(S[np.ix_(used, used)])[2] * _TOO_ILL >= 1),
    )


def _scatter(
    moments: Moments, source: Source | None, fit_intercept: bool
) -> tuple[Matrix, NDArray[np.intp] | None]:
    """Return the scatter matrix, and which columns vary; None for those if it cannot tell.

    Without the rows, columns that vary no more than their mean's rounding count as constant.
    """
    d = moments.n_features
    S = moments.scatter if fit_intercept else moments.about_zero()
    squares = S.diagonal()[:d]
    varies = ~_constant(S, moments.mean, moments.weight)[:d] if fit_intercept else squares > 0
    if (squares[squares < _TINY] > 0).any():
        return S, None
    if source is not None and (~varies).any() and spread(source, ~varies).any():
        return S, None  # varies so little that its squares underflow or its mean rounds
    return S, np.flatnonzero(varies)


def _factor(scatter: Matrix, penalty: float = 0.0) -> tuple[Matrix, Matrix, float]:
    """Return the columns' norms, the Cholesky factor of their correlations and about 1 / κ²."""
    scale = np.sqrt(scatter.diagonal() + penalty)
    correlation = scatter / scale / scale[:, np.newaxis]
    correlation[np.diag_indices(len(scale))] = 1.0
    factor, failed = lapack.dpotrf(correlation, lower=1)
    if failed:
        return scale, factor, 0.0
    reciprocal, _ = lapack.dpocon(factor, np.abs(correlation).sum(axis=0).max(), uplo="L")
    return scale, factor, reciprocal


def _roots(symmetric: Matrix) -> Matrix:
    """Return the singular values of D, descending, from DᵀD or DDᵀ."""
    values: Matrix = np.sqrt(np.maximum(np.linalg.eigvalsh(symmetric)[::-1], 0.0))
    return values


def _ratio(values: Matrix) -> float:
    """Return the first over the last, infinity if that is 0."""
    if not len(values):
        return 1.0
    return float(values[0] / values[-1]) if values[-1] > 0 else np.inf


def _ratio_of_scaled(scatter: Matrix) -> float:
    """Return the condition number of columns scaled to unit norm, from their scatter matrix."""
    norms = np.sqrt(scatter.diagonal())
    if not norms.all():
        return np.inf
    return _ratio(_roots(scatter / norms / norms[:, np.newaxis]))


@dataclass(frozen=True, eq=False)
class Solution:
    """Coefficients of least squares.

    Attributes
    ----------
    coefficients : ndarray of shape (n_features, n_targets)
    conditioning : Conditioning
    intercept : ndarray of shape (n_targets,) or None
        None if the columns' means give it with all digits that the coefficients have.
    """

    coefficients: Matrix
    conditioning: Conditioning
    intercept: Matrix | None = None


def _constant(scatter: Matrix, mean: Matrix, weight: float) -> NDArray[np.bool_]:
    """Return which columns vary no more than the rounding of their mean."""
    return np.sqrt(scatter.diagonal()) <= 4 * _EPS * np.sqrt(weight) * np.abs(mean)


def from_moments(
    moments: Moments,
    source: Source,
    fit_intercept: bool,
    n_threads: int | None,
    penalty: float = 0.0,
) -> Solution | None:
    """Solve by Cholesky factors of the scaled scatter matrix; None if they cannot decide.

    A penalty α adds α Σ coef² to the sum of squares.
    """
    if not moments.is_finite:
        return None
    d = moments.n_features
    S, used = _scatter(moments, source, fit_intercept)
    if used is None:
        return None
    coefficients = np.zeros((d, S.shape[0] - d))
    conditioning = _of_scatter(S[:d, :d], len(used))
    if not len(used):
        return Solution(coefficients, conditioning)
    scale, factor, reciprocal = _factor(S[np.ix_(used, used)], penalty)
    if reciprocal * _TOO_ILL < 1:
        return None
    right = S[used, d:] / scale[:, np.newaxis]
    solved, _ = lapack.dpotrs(factor, right, lower=1)
    coefficients[used] = solved / scale[:, np.newaxis]
    # float32 input has 24 digits to keep, not 53
    enough = _REFINE_ABOVE * (2.0**20 if source.dtype.itemsize < 8 else 1.0)
    if reciprocal * enough >= 1:
        return Solution(coefficients, conditioning)

    shift = moments.mean[:d] if fit_intercept else None
    if reciprocal * _PRECISE_ABOVE < 1 and source.dtype.itemsize == 8:

        def solve(slope: Matrix) -> Matrix:
            step = np.zeros_like(slope)
            solved, _ = lapack.dpotrs(factor, slope[used] / scale[:, np.newaxis], lower=1)
            step[used] = solved / scale[:, np.newaxis]
            return step

        norms = np.ones(d)
        norms[used] = scale
        offset = moments.mean[d:] if fit_intercept else np.zeros(S.shape[0] - d)
        found = refined(solve, source, shift, coefficients, offset, norms, penalty)
        return None if found is None else Solution(found[0], conditioning, found[1])
    shrink = len(used) * _EPS / reciprocal  # what a step leaves of the error before it, at most
    current = np.zeros((d + 1, coefficients.shape[1]))
    current[:d] = coefficients
    if fit_intercept:
        current[d] = moments.mean[d:]
    for _ in range(_MOST_STEPS):
        slope = gradient(source, current, shift, moments.engine, n_threads)
        right = (moments.weight * slope[used] + penalty * current[used]) / scale[:, np.newaxis]
        step, _ = lapack.dpotrs(factor, right, lower=1)
        current[used] -= step / scale[:, np.newaxis]
        if fit_intercept:
            current[d] -= slope[d]
        size = np.abs(step).max(initial=0.0)
        norm = np.abs(current[used] * scale[:, np.newaxis]).max(initial=0.0)
        if size * shrink <= _EPS * norm:
            return Solution(current[:d], conditioning)
        if size > 0.1 * norm:
            break
    return None


def _scaled_blocks(rows: Rows, offset: Matrix, scale: Matrix) -> Iterator[tuple[slice, Matrix]]:
    """Yield ([X | Y] − offset) / scale, a block of rows at a time."""
    d = rows.n_features
    step = max(_ROWS_AT_A_TIME, 2 * len(offset))
    for first in range(0, rows.X.shape[0], step):
        part = slice(first, first + step)
        block = array(rows.X[part])
        Z = np.empty((len(block), len(offset)))
        Z[:, :d] = (block - offset[:d]) / scale[:d]
        Z[:, d:] = (array(rows.Y[part]) - offset[d:]) / scale[d:]
        yield part, Z


def _sums(rows: Rows, offset: Matrix, scale: Matrix) -> Matrix:
    """Return the sums of the scaled columns."""
    sums = np.zeros(len(offset))
    for part, Z in _scaled_blocks(rows, offset, scale):
        w = None if rows.weights is None else array(rows.weights[part]).astype(np.float64)
        sums += Z.sum(axis=0) if w is None else w @ Z
    return sums


def _largest(rows: Rows, offset: Matrix) -> Matrix:
    """Return the largest |column − offset|."""
    found = np.zeros(len(offset))
    for _, Z in _scaled_blocks(rows, offset, np.ones(len(offset))):
        np.maximum(found, np.abs(Z).max(axis=0), out=found)
    return found


def _triangle(rows: Rows, offset: Matrix, scale: Matrix) -> Matrix:
    """Return the triangular factor of the scaled columns."""
    R = np.empty((0, len(offset)))
    for part, Z in _scaled_blocks(rows, offset, scale):
        if rows.weights is not None:
            Z *= np.sqrt(array(rows.weights[part]), dtype=np.float64)[:, np.newaxis]
        R = _stacked(R, Z)
    return R


def _stacked(R: Matrix, Z: Matrix) -> Matrix:
    """Return the triangular factor of R above Z."""
    (found,) = linalg.qr(np.vstack([R, Z]), mode="r", overwrite_a=True, check_finite=False)
    triangle: Matrix = found[: R.shape[1]]
    return triangle


def triangular(
    source: Source, fit_intercept: bool, moments: Moments | None = None
) -> tuple[Matrix, Matrix, Matrix]:
    """Reduce the centred, scaled [X | Y] to triangular form by Householder transformations.

    Of rows that are not in memory, moments that are known save passes that find offset and scale.

    Returns
    -------
    R : ndarray of shape (min(n_samples, n_features + n_targets), n_features + n_targets)
        RᵀR is the scatter matrix of the scaled columns.
    offset, scale : ndarray of shape (n_features + n_targets,)
        R belongs to (column − offset) / scale; scale is the largest |column − offset|, or with
        moments its root mean square.
    """

    def largest(offset: Matrix) -> Matrix:
        found = source.fold(partial(_largest, offset=offset), np.maximum)
        return np.where(found > 0, found, 1.0)

    offset = np.zeros(source.n_features + source.n_targets)
    squares = None if moments is None else _squares(moments, fit_intercept)
    if moments is not None and squares is not None and not source.in_memory:
        scale = np.sqrt(squares / moments.weight)
        if fit_intercept:
            sums = source.fold(partial(_sums, offset=moments.mean, scale=scale))
            offset = moments.mean + scale * (sums / source.weight)
        return source.fold(partial(_triangle, offset=offset, scale=scale), _stacked), offset, scale
    if fit_intercept:
        for _ in range(2):  # the second removes the rounding of the first
            scale = largest(offset)
            sums = source.fold(partial(_sums, offset=offset, scale=scale))
            offset = offset + scale * (sums / source.weight)
    scale = largest(offset)
    return source.fold(partial(_triangle, offset=offset, scale=scale), _stacked), offset, scale


def _squares(moments: Moments, fit_intercept: bool) -> Matrix | None:
    """Return the columns' sums of squares, None where they may have overflowed or underflowed."""
    if not moments.is_finite:
        return None
    squares: Matrix = (moments.scatter if fit_intercept else moments.about_zero()).diagonal()
    return None if (squares < _TINY).any() else squares


def penalised(R: Matrix, scale: Matrix, penalty: float, d: int) -> Matrix:
    """Return the triangular factor of scaled columns whose squares have a penalty added."""
    if not penalty:
        return R
    rows = np.zeros((d, R.shape[1]))
    rows[np.diag_indices(d)] = np.sqrt(penalty) / scale[:d]
    return _stacked(R, rows)


def nonnegative(R: Matrix, scale: Matrix, d: int) -> Matrix:
    """Return the coefficients of least squares that are at least 0: (n_features, n_targets).

    RᵀR is the scatter matrix of the columns over `scale`, d of them features. Lawson and Hanson,
    "Solving Least Squares Problems", 1974.
    """
    solved = np.column_stack([optimize.nnls(R[:, :d], right)[0] for right in R[:, d:].T])
    found: Matrix = solved / scale[:d, np.newaxis] * scale[d:]
    return found


def from_rows(
    source: Source,
    fit_intercept: bool,
    penalty: float = 0.0,
    positive: bool = False,
    moments: Moments | None = None,
) -> tuple[Solution, Matrix]:
    """Solve by singular values of the triangular factor; also return the columns' offsets.

    With `positive`, the coefficients are those that are at least 0.
    """
    n, weight, d = source.count, source.weight, source.n_features
    R, offset, scale = triangular(source, fit_intercept, moments)
    R = penalised(R, scale, penalty, d)
    # Columns of equal norm, but those that vary no more than their mean's rounding are constant.
    norms = np.sqrt((R[:, :d] ** 2).sum(axis=0))
    rounding = 4 * _EPS * np.abs(offset[:d]) if fit_intercept else np.zeros(d)
    noise = rounding * np.sqrt(weight)
    norms = np.where(norms * scale[:d] > noise, norms, 0.0)
    used = np.flatnonzero(norms)
    equal = R[:d, used] / norms[used]
    columns = norms[used] * scale[used]
    triangle = R[:d, :d] / np.where(norms > 0, norms, np.inf)
    sizes = norms * scale[:d]
    U, values, Vt = linalg.svd(equal, full_matrices=True, check_finite=False)
    rank = int((values > max(n, d) * _EPS * values[:1]).sum())
    conditioning = Conditioning(
        lambda: linalg.svdvals(triangle * sizes, check_finite=False),
        lambda: _ratio(linalg.svdvals(triangle, check_finite=False)),
        lambda: rank,
    )
    if positive:
        return Solution(nonnegative(R, scale, d), conditioning), offset
    coefficients = np.zeros((d, source.n_targets))
    if not rank:
        return Solution(coefficients, conditioning), offset
    right = U[:, :rank].T @ R[:d, d:]
    solved = Vt[:rank].T @ (right / values[:rank, np.newaxis]) / columns[:, np.newaxis]
    coefficients[used] = _shortest(solved, Vt[rank:] / columns) * scale[d:]
    ill = values[0] ** 2 > _PRECISE_ABOVE * values[-1] ** 2
    if rank < len(used) or not ill or source.dtype.itemsize < 8:
        return Solution(coefficients, conditioning), offset

    def solve(slope: Matrix) -> Matrix:
        step = np.zeros_like(slope)
        projected = Vt @ (slope[used] / columns[:, np.newaxis]) / values[:, np.newaxis] ** 2
        step[used] = Vt.T @ projected / columns[:, np.newaxis]
        return step

    sizes = np.where(norms > 0, sizes, 1.0)
    shift = offset[:d] if fit_intercept else None
    found = refined(solve, source, shift, coefficients, offset[d:], sizes, penalty)
    if found is not None:
        return Solution(found[0], conditioning, found[1]), offset
    return Solution(coefficients, conditioning), offset


def _shortest(coefficients: Matrix, null: Matrix) -> Matrix:
    """Return the coefficients of least norm that differ by rows of `null` only."""
    if not len(null):
        return coefficients
    # The minimum norm is that of the coefficients of the columns as they came.
    basis, _ = linalg.qr(null.T, mode="economic", check_finite=False)
    return coefficients - basis @ (basis.T @ coefficients)


def from_moments_alone(moments: Moments, fit_intercept: bool) -> tuple[Solution, float]:
    """Solve by eigenvectors of the scaled scatter matrix, without the rows.

    Returns
    -------
    Solution
    squared : float
        κ² of the directions that are kept: times 2⁻⁵³, the relative error that rounding the moments
        leaves.
    """
    d = moments.n_features
    S = moments.scatter if fit_intercept else moments.about_zero()
    squares = S.diagonal()[:d]
    constant = _constant(S, moments.mean, moments.weight)[:d] if fit_intercept else squares == 0
    used = np.flatnonzero(~constant)
    coefficients = np.zeros((d, S.shape[0] - d))
    if not len(used):
        return Solution(coefficients, _of_scatter(S[:d, :d], 0)), 1.0
    norms = np.sqrt(squares[used])
    values, V = np.linalg.eigh(S[np.ix_(used, used)] / norms / norms[:, np.newaxis])
    rank = int((values > len(values) * _EPS * values[-1]).sum())
    kept, lost = V[:, len(used) - rank :], V[:, : len(used) - rank]
    values = values[len(used) - rank :, np.newaxis]
    solved = kept @ (kept.T @ (S[used, d:] / norms[:, np.newaxis]) / values) / norms[:, np.newaxis]
    coefficients[used] = _shortest(solved, lost.T / norms)
    squared = float(values[-1, 0] / values[0, 0])
    return Solution(coefficients, _of_scatter(S[:d, :d], rank)), squared


def root(moments: Moments, fit_intercept: bool) -> tuple[Matrix, Matrix]:
    """Return R and a scale such that RᵀR is the scatter matrix of the columns over the scale."""
    S = moments.scatter if fit_intercept else moments.about_zero()
    norms = np.sqrt(S.diagonal())
    scale = np.where(norms > 0, norms, 1.0)
    values, V = np.linalg.eigh(S / scale / scale[:, np.newaxis])
    R: Matrix = np.sqrt(np.maximum(values, 0.0))[:, np.newaxis] * V.T
    return R, scale


def from_gram(gram: Gram, rows: Rows, fit_intercept: bool, penalty: float = 0.0) -> Solution | None:
    """Solve for the minimum norm with fewer rows than columns; None if the products cannot decide.

    w = Dᵀ u with (K + α I) u = √W (y − ȳ), D the centred rows and K = D Dᵀ.
    """
    X, Y, weights = rows.X, rows.Y, rows.weights
    n = X.shape[0]
    root = (np.ones(n) if weights is None else np.sqrt(weights, dtype=np.float64))[:, np.newaxis]
    eigenvalues, U = np.linalg.eigh(gram.products)
    rank = int((root > 0).sum()) - bool(fit_intercept)
    if rank < 1:
        return None
    kept = slice(n - rank, None)
    values = np.maximum(eigenvalues[kept], 0.0) + penalty
    if not values[0] * _TOO_ILL > values[-1]:
        return None
    inverse = U[:, kept] / values
    target = Y.astype(np.float64)
    if fit_intercept:
        target = target - np.average(target, axis=0, weights=root[:, 0] ** 2)
    dual = np.zeros_like(target)
    coefficients = np.zeros((X.shape[1], target.shape[1]))
    for _ in range(3):  # the first solves, the others refine
        fitted = X @ coefficients - gram.mean @ coefficients
        step = inverse @ (U[:, kept].T @ (root * (target - fitted) - penalty * dual))
        dual += step
        coefficients += X.T @ (root * step) - np.outer(gram.mean, (root * step).sum(axis=0))
    return Solution(coefficients, _of_products(gram.products, rank))
