"""Ridge regression: for one penalty as exact as least squares, and for all of them at once.

With D the centred rows times √w, S = DᵀD = V Λ Vᵀ and c = Dᵀ√w (y − ȳ), the coefficients for a
penalty α are V (Λ + α)⁻¹ Vᵀ c: one eigendecomposition serves every α. With fewer rows than columns,
DDᵀ = U Λ Uᵀ and the coefficients are Dᵀ U (Λ + α)⁻¹ Uᵀ √w (y − ȳ).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial, reduce
from operator import add
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from rmodels.data import Rows, Source
from rmodels.data.source import Without
from rmodels.ops.moments import Moments
from rmodels.solvers import least_squares, statistics
from rmodels.solvers.statistics import array

__all__ = [
    "LeftOut",
    "Ridged",
    "Spectrum",
    "each_added",
    "left_out",
    "ridge",
    "spectrum",
    "training_moments",
    "training_moments_of_ranges",
]

Matrix = NDArray[np.float64]

_MOST_RATIO = 1e10  # largest over smallest λ + α: above, the rows' own singular values are used
_MOST_LOST = 8.0  # sum of squares of all rows over that of the rows less a fold
_BLOCK = 1 << 16  # numbers of a block of rows


class Ridged(NamedTuple):
    """Coefficients and, last, the intercept, (n_features + 1, n_targets), and what found them."""

    coefficients: Matrix
    solver: str
    engine: str
    converged: bool = True


def ridge(
    source: Source,
    penalties: Matrix,
    fit_intercept: bool,
    positive: bool,
    n_threads: int | None,
    moments: Moments | None = None,
) -> Ridged:
    """Minimise Σ w (y − x·coef − intercept)² + α Σ coef², each target with its own α.

    Moments of the source are computed if they are needed and not known.
    """
    d = source.n_features
    rows = source if isinstance(source, Rows) else None
    wide = rows is not None and rows.X.shape[0] < d
    offset = np.zeros(d + source.n_targets)
    coefficients = np.zeros((d + 1, source.n_targets))
    if rows is not None and not positive and not statistics.fits_moments(rows.X):
        rows.assert_finite()
        found, offset, converged = statistics.lsqr(
            rows.X, rows.Y, rows.weights, fit_intercept, penalties
        )
        coefficients[:d] = found
        coefficients[d] = offset[d:] - offset[:d] @ found
        return Ridged(coefficients, "lsqr", "scipy", converged)
    solver = "rows" if positive else "gram" if wide else "moments"
    sums = None
    if rows is not None and positive:
        engine = "scipy"
        rows.assert_finite()
    elif rows is not None and wide:
        products = statistics.gram(rows.X, rows.weights, fit_intercept, n_threads)
        rows, engine = rows.on_host(), products.engine
        if not np.isfinite(products.products.diagonal()).all():
            rows.assert_finite()
        solve = partial(least_squares.from_gram, products, rows, fit_intercept)
        offset = np.zeros(d + source.n_targets)
        if fit_intercept:
            means = np.average(rows.Y.astype(np.float64), axis=0, weights=rows.weights)
            offset = np.concatenate([products.mean, means])
    else:
        sums = moments or statistics.moments(source, n_threads)
        engine, offset = sums.engine, sums.mean
        solve = partial(least_squares.from_moments, sums, source, fit_intercept, n_threads)
    for penalty in np.unique(penalties):
        chosen = penalties == penalty
        solution = None if positive else solve(penalty=float(penalty))
        used = offset
        if solution is None:
            solver = "rows"
            solution, used = least_squares.from_rows(
                source, fit_intercept, float(penalty), positive, sums
            )
        found, intercept = solution.coefficients, solution.intercept
        if intercept is None:
            intercept = used[d:] - used[:d] @ found
        coefficients[:d, chosen] = found[:, chosen]
        if fit_intercept:
            coefficients[d, chosen] = intercept[chosen]
    return Ridged(coefficients, solver, engine)


@dataclass(frozen=True, eq=False)
class Spectrum:
    """What gives the coefficients for every penalty.

    Attributes
    ----------
    values : ndarray of shape (m,)
        λ, at least 0.
    V : ndarray of shape (n_features, m)
    right : ndarray of shape (m, n_targets)
        Vᵀ c.
    mean : ndarray of shape (n_features + n_targets,)
        What is subtracted from the columns: zeros without an intercept.
    weight : float
        Σ w with an intercept, else infinity: one over it is what the intercept adds to a leverage.
    """

    values: Matrix
    V: Matrix
    right: Matrix
    mean: Matrix
    weight: float

    def inverse(self, penalty: float) -> Matrix:
        """Return 1 / (λ + α), 0 where that is 1 / 0: (m,)."""
        total = self.values + penalty
        return np.where(total > 0, 1 / np.where(total > 0, total, 1.0), 0.0)

    def coefficients(self, penalty: float) -> Matrix:
        """Return the coefficients and, last, the intercept: (n_features + 1, n_targets)."""
        d = len(self.V)
        slopes = self.V @ (self.inverse(penalty)[:, np.newaxis] * self.right)
        return np.vstack([slopes, self.mean[d:] - self.mean[:d] @ slopes])


def spectrum(
    source: Source, moments: Moments | None, fit_intercept: bool, smallest: float
) -> Spectrum:
    """Decompose the scatter matrix, or where rounding would decide, the rows.

    Parameters
    ----------
    source : Source
    moments : Moments or None
        Of the source; None for fewer rows than columns.
    fit_intercept : bool
    smallest : float
        The smallest penalty that will be asked for.
    """
    d = source.n_features
    weight = np.inf
    if fit_intercept:
        weight = float(source.weight if moments is None else moments.weight)
    if moments is not None and moments.is_finite:
        mean = moments.mean if fit_intercept else np.zeros(len(moments.mean))
        S = moments.scatter if fit_intercept else moments.about_zero()
        values, V = np.linalg.eigh(S[:d, :d])
        values = np.maximum(values, 0.0)
        if values[-1] + smallest <= _MOST_RATIO * (values[0] + smallest):
            return Spectrum(values, V, V.T @ S[:d, d:], mean, weight)
    R, mean, scale = least_squares.triangular(source, fit_intercept, moments)
    U, singular, Vt = linalg.svd(R[:d, :d] * scale[:d], full_matrices=False, check_finite=False)
    noise = max(d, source.count) * np.finfo(np.float64).eps * singular[:1]
    kept = singular > noise
    right = singular[kept, np.newaxis] * (U.T @ (R[:d, d:] * scale[d:]))[kept]
    return Spectrum(singular[kept] ** 2, Vt[kept].T, right, mean, weight)


def training_moments(
    rows: Rows, splits: list[tuple[NDArray, NDArray]], n_threads: int | None
) -> Iterator[tuple[Rows, Moments | None]]:
    """Yield the training rows of each split and their moments, None if they are fewer than columns.

    If the test rows are a partition, the moments are those of all rows less those of the test rows,
    or where that would lose more than a digit, the sum of those of the other folds.
    """
    n = rows.X.shape[0]
    covered = np.concatenate([test for _, test in splits])
    partition = len(covered) == n and len(np.unique(covered)) == n
    partition &= all(len(train) + len(test) == n for train, test in splits)
    folds, whole = [], None
    if partition:
        folds = [statistics.moments(rows.take(test), n_threads, added=True) for _, test in splits]
        whole = reduce(add, folds)
    for i, (train, _) in enumerate(splits):
        chosen = rows.take(train)
        if len(train) < rows.n_features:
            rows.assert_finite()
            yield chosen, None
            continue
        if whole is None:
            yield chosen, statistics.moments(chosen, n_threads)
            continue
        yield chosen, _others(folds, i, whole)


def _others(folds: list[Moments], i: int, whole: Moments) -> Moments:
    """Return the moments of all folds but one."""
    found = whole - folds[i]
    lost = whole.scatter.diagonal() > _MOST_LOST * found.scatter.diagonal()
    return reduce(add, folds[:i] + folds[i + 1 :]) if lost.any() else found


def training_moments_of_ranges(
    source: Source, ranges: list[range], n_threads: int | None
) -> tuple[list[tuple[Source, Moments]], Moments]:
    """Return the same for test rows that are ranges of all rows' numbers, and the moments of all.

    It takes one pass over the rows.
    """

    def of_part(rows: Rows) -> list[Moments | None]:
        parts = [rows.take(rows.within(numbers)) for numbers in ranges]
        return [
            statistics.moments(part, n_threads, added=True) if len(part.Y) else None
            for part in parts
        ]

    folds: list[Any] = source.fold(of_part, each_added)
    whole: Moments = reduce(add, folds)
    training: list[tuple[Source, Moments]] = [
        (Without(source, numbers), _others(folds, i, whole)) for i, numbers in enumerate(ranges)
    ]
    return training, whole


def each_added(first: list[Any], second: list[Any]) -> list[Any]:
    """Return the sums of what two lists hold, where None is nothing."""
    return [
        a if b is None else b if a is None else a + b for a, b in zip(first, second, strict=True)
    ]


class LeftOut(NamedTuple):
    """Predictions of a row by all others.

    Attributes
    ----------
    residuals : ndarray of shape (n_alphas, n_rows, n_targets)
        y less the prediction of the model of all other rows.
    weights : ndarray of shape (n_rows, 1)
    """

    residuals: Matrix
    weights: Matrix


def left_out(found: Spectrum, rows: Rows, penalties: Matrix) -> Iterator[tuple[slice, LeftOut]]:
    """Yield each row's residual from the model of all others, a block of rows at a time.

    With z = Vᵀ (x − μ) and the leverage h = w (1 / Σw + Σ z² / (λ + α)), it is the residual over
    1 − h.
    """
    d, n = rows.n_features, rows.X.shape[0]
    inverses = np.stack([found.inverse(penalty) for penalty in penalties])
    step = max(1, _BLOCK // max(d, rows.n_targets * len(penalties)))
    for first in range(0, n, step):
        part = slice(first, min(first + step, n))
        Z = (array(rows.X[part]).astype(np.float64) - found.mean[:d]) @ found.V
        w = np.ones(len(Z))
        if rows.weights is not None:
            w = array(rows.weights[part]).astype(np.float64)
        target = array(rows.Y[part]) - found.mean[d:]
        leverage = w * (1 / found.weight + inverses @ (Z**2).T)  # (n_alphas, rows)
        fitted = np.stack([Z @ (inverse[:, np.newaxis] * found.right) for inverse in inverses])
        yield part, LeftOut((target - fitted) / (1 - leverage)[:, :, np.newaxis], w[:, np.newaxis])


def left_out_of_few(
    rows: Rows, penalties: Matrix, fit_intercept: bool, n_threads: int | None
) -> LeftOut:
    """Return the same with at most as many rows as columns, from the products of the rows.

    With G = DDᵀ + α, and no penalty on the intercept, it is (G⁻¹ √w (y − ȳ))ᵢ / (G⁻¹)ᵢᵢ / √wᵢ.
    """
    n = rows.X.shape[0]
    products = statistics.gram(rows.X, rows.weights, fit_intercept, n_threads)
    if not np.isfinite(products.products.diagonal()).all():
        rows.assert_finite()
    rows = rows.on_host()
    w = np.ones(n) if rows.weights is None else rows.weights.astype(np.float64)
    root = np.sqrt(w)[:, np.newaxis]
    K, target = products.products.copy(), rows.Y.astype(np.float64)
    intercept = np.zeros(n, dtype=bool)
    if fit_intercept:
        # √w is the direction that centring leaves empty: make it the last eigenvector
        K += (2 * K.trace() + 1) / w.sum() * np.outer(root, root)
        target = target - np.average(target, axis=0, weights=w)
        intercept[-1] = True
    values, U = np.linalg.eigh(K)
    values = np.maximum(values, 0.0)
    projected = U.T @ (root * target)
    residuals = np.empty((len(penalties), *target.shape))
    for i, penalty in enumerate(penalties):
        inverse = np.where(intercept, 0.0, 1 / (values + penalty))[:, np.newaxis]
        diagonal = U**2 @ inverse
        dual = U @ (inverse * projected)
        # a row without weight is left out of the model as it is
        parts = root * dual
        slopes = rows.X.T @ parts - np.outer(products.mean, parts.sum(axis=0))
        fitted = rows.X @ slopes - products.mean @ slopes
        divisor = np.where(root > 0, diagonal * root, 1.0)
        residuals[i] = np.where(root > 0, dual / divisor, target - fitted)
    return LeftOut(residuals, w[:, np.newaxis])
