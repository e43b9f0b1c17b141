"""All penalties of ridge regression from one decomposition, and what chooses between them.

With D the centred rows times √w, S = DᵀD = V Λ Vᵀ and c = Dᵀ√w (y − ȳ), the coefficients for a
penalty α are V (Λ + α)⁻¹ Vᵀ c: one eigendecomposition serves every α. With fewer rows than columns,
DDᵀ = U Λ Uᵀ and the coefficients are Dᵀ U (Λ + α)⁻¹ Uᵀ √w (y − ȳ).
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial, reduce
from operator import add
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import linalg
from scipy.linalg import lapack

from rmodels.data import Rows, Source
from rmodels.data.source import Without
from rmodels.ops.moments import Gram, Moments
from rmodels.solvers.moments import as_array, compute_gram, compute_moments
from rmodels.solvers.triangular import triangulate

__all__ = [
    "Blocks",
    "LeftOut",
    "Spectrum",
    "add_each",
    "average_squares",
    "collect",
    "cut_ranges",
    "decompose",
    "decompose_ranges",
    "decompose_splits",
    "leave_one_out",
    "sum_others",
    "sum_ranges",
    "sum_training",
]

Matrix = NDArray[np.float64]

_MOST_RATIO = 1e10  # largest over smallest λ + α: above, the rows' own singular values are used
_MOST_LOST = 8.0  # sum of squares of all rows over that of the rows less a fold
_BLOCK = 1 << 16  # numbers of a block of rows
_FEW = 6  # inverses that take less time than eigenvectors
_CARRIED = 1e-10  # α over Σ λ: below, the digits of a Cholesky factor are no bound


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


def decompose(
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
    R, mean, scale = triangulate(source, fit_intercept, moments)
    U, singular, Vt = linalg.svd(R[:d, :d] * scale[:d], full_matrices=False, check_finite=False)
    noise = max(d, source.count) * np.finfo(np.float64).eps * singular[:1]
    kept = singular > noise
    right = singular[kept, np.newaxis] * (U.T @ (R[:d, d:] * scale[d:]))[kept]
    return Spectrum(singular[kept] ** 2, Vt[kept].T, right, mean, weight)


def sum_training(
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
        folds = [compute_moments(rows.take(test), n_threads, added=True) for _, test in splits]
        whole = reduce(add, folds)
    for i, (train, _) in enumerate(splits):
        chosen = rows.take(train)
        if len(train) < rows.n_features:
            rows.assert_finite()
            yield chosen, None
            continue
        if whole is None:
            yield chosen, compute_moments(chosen, n_threads)
            continue
        yield chosen, sum_others(folds, i, whole)


def sum_others(folds: list[Moments], i: int, whole: Moments) -> Moments:
    """Return the moments of all folds but one."""
    found = whole - folds[i]
    lost = whole.scatter.diagonal() > _MOST_LOST * found.scatter.diagonal()
    return reduce(add, folds[:i] + folds[i + 1 :]) if lost.any() else found


def decompose_splits(
    rows: Rows,
    splits: list[tuple[NDArray, NDArray]],
    fit_intercept: bool,
    smallest: float,
    n_threads: int | None,
) -> Iterator[Spectrum]:
    """Yield what gives the coefficients of each split's training rows for every penalty."""
    for training, moments in sum_training(rows, splits, n_threads):
        yield decompose(training, moments, fit_intercept, smallest)


def cut_ranges(n_samples: int, n_splits: int) -> list[range]:
    """Return the numbers of the rows of each fold, if folds are consecutive.

    Raises
    ------
    ValueError
        If there are fewer rows than folds.
    """
    if n_splits > n_samples:
        raise ValueError(
            f"Cannot have number of splits n_splits={n_splits} greater than the number of samples: "
            f"n_samples={n_samples}."
        )
    sizes = np.full(n_splits, n_samples // n_splits) + (np.arange(n_splits) < n_samples % n_splits)
    bounds = [0, *np.cumsum(sizes).tolist()]
    return list(map(range, bounds[:-1], bounds[1:]))


def sum_ranges(source: Source, ranges: list[range], n_threads: int | None) -> list[Moments]:
    """Return the moments of the rows of each range of numbers, from one pass over the rows."""

    def of_part(rows: Rows) -> list[Moments | None]:
        parts = [rows.take(rows.within(numbers)) for numbers in ranges]
        return [
            compute_moments(part, n_threads, added=True) if len(part.Y) else None for part in parts
        ]

    folds: list[Any] = source.fold(of_part, add_each)
    return folds


def decompose_ranges(
    source: Source,
    ranges: list[range],
    fit_intercept: bool,
    smallest: float,
    n_threads: int | None,
) -> tuple[list[Spectrum], Moments]:
    """Return the same for test rows that are ranges of all rows' numbers, and the moments of all.

    It takes one pass over the rows, and more where rounding would decide.
    """
    folds = sum_ranges(source, ranges, n_threads)
    whole: Moments = reduce(add, folds)
    found = [
        decompose(Without(source, numbers), sum_others(folds, i, whole), fit_intercept, smallest)
        for i, numbers in enumerate(ranges)
    ]
    return found, whole


def add_each(first: list[Any], second: list[Any]) -> list[Any]:
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


Blocks = Callable[[Rows], Iterable[tuple[slice, LeftOut]]]


def leave_one_out(
    source: Source, penalties: Matrix, fit_intercept: bool, n_threads: int | None
) -> tuple[Blocks, Moments | Gram]:
    """Return what leaves out each row in turn, and the moments of all rows, or their products.

    Parameters
    ----------
    source : Source
    penalties : ndarray of shape (n_alphas,)
    fit_intercept : bool
    n_threads : int or None
        Most threads; None means all.

    Returns
    -------
    blocks : callable
        Of rows of the source in memory, it gives places and their `LeftOut`, a block at a time. It
        holds no rows. With an intercept, the residual of the only row with a weight is NaN.
    known : Moments or Gram
        The products if there are at most as many rows as columns.
    """
    if isinstance(source, Rows) and source.X.shape[0] <= source.n_features:
        gram = compute_gram(source, fit_intercept, n_threads)
        known: Moments | Gram = gram
        blocks: Blocks = partial(_leave_out_of_few, gram, penalties, fit_intercept)
    else:
        known = moments = compute_moments(source, n_threads)
        found = decompose(source, moments, fit_intercept, float(penalties.min()))
        blocks = partial(_leave_out, found, penalties)
    if fit_intercept and source.count == 1:
        blocks = partial(_leave_out_the_only, blocks)
    return blocks, known


def _leave_out_the_only(blocks: Blocks, rows: Rows) -> Iterator[tuple[slice, LeftOut]]:
    """Yield the same where one row has all the weight: without it there is no model."""
    with np.errstate(divide="ignore", invalid="ignore"):
        found = list(blocks(rows))
    for part, (residuals, weights) in found:
        yield part, LeftOut(np.where(weights == 0, residuals, np.nan), weights)


def average_squares(source: Source, blocks: Blocks, n_penalties: int) -> Matrix:
    """Return the mean of w e² over the rows, e the error of a row left out: (n_alphas, n_targets).

    `blocks` is what `leave_one_out` gave for the source and as many penalties.
    """
    shape = n_penalties, source.n_targets + 1  # the source would travel with every task

    def of_part(rows: Rows) -> Matrix:
        total = np.zeros(shape)
        for _, block in blocks(rows):
            total[:, :-1] += (block.weights * block.residuals**2).sum(axis=1)
        total[:, -1] = rows.X.shape[0]
        return total

    total: Matrix = source.fold(of_part)
    return total[:, :-1] / total[:, -1:]


def collect(rows: Rows, blocks: Blocks, n_penalties: int) -> LeftOut:
    """Return the same of each row, by `blocks` as above."""
    n = rows.Y.shape[0]
    residuals, weights = np.empty((n_penalties, n, rows.n_targets)), np.empty((n, 1))
    for part, block in blocks(rows):
        residuals[:, part], weights[part] = block
    return LeftOut(residuals, weights)


def _leave_out(found: Spectrum, penalties: Matrix, rows: Rows) -> Iterator[tuple[slice, LeftOut]]:
    """Yield each row's residual from the model of all others, a block of rows at a time.

    With z = Vᵀ (x − μ) and the leverage h = w (1 / Σw + Σ z² / (λ + α)), it is the residual over
    1 − h.
    """
    d, n = rows.n_features, rows.X.shape[0]
    inverses = np.stack([found.inverse(penalty) for penalty in penalties])
    step = max(1, _BLOCK // max(d, rows.n_targets * len(penalties)))
    for first in range(0, n, step):
        part = slice(first, min(first + step, n))
        Z = (as_array(rows.X[part]).astype(np.float64) - found.mean[:d]) @ found.V
        w = np.ones(len(Z))
        if rows.weights is not None:
            w = as_array(rows.weights[part]).astype(np.float64)
        target = as_array(rows.Y[part]) - found.mean[d:]
        leverage = w * (1 / found.weight + inverses @ (Z**2).T)  # (n_alphas, rows)
        fitted = np.stack([Z @ (inverse[:, np.newaxis] * found.right) for inverse in inverses])
        yield part, LeftOut((target - fitted) / (1 - leverage)[:, :, np.newaxis], w[:, np.newaxis])


def _leave_out_of_few(
    gram: Gram, penalties: Matrix, fit_intercept: bool, rows: Rows
) -> list[tuple[slice, LeftOut]]:
    """Return the same with at most as many rows as columns, from the products of the rows.

    With G = DDᵀ + α, and no penalty on the intercept, it is (G⁻¹ √w (y − ȳ))ᵢ / (G⁻¹)ᵢᵢ / √wᵢ.
    """
    n = rows.X.shape[0]
    rows = rows.on_host()
    w = np.ones(n) if rows.weights is None else rows.weights.astype(np.float64)
    root = np.sqrt(w)[:, np.newaxis]
    target = rows.Y.astype(np.float64)
    if fit_intercept:
        target = target - np.average(target, axis=0, weights=w)
    blank = root[:, 0] == 0  # rows without weight are left out of the model as it is
    residuals = np.empty((len(penalties), *target.shape))
    invert = _invert_products(gram.products, penalties, root if fit_intercept else None)
    for i, penalty in enumerate(penalties):
        dual, diagonal = invert(penalty, root * target)
        residuals[i] = dual / np.where(blank, 1.0, diagonal * root[:, 0])[:, np.newaxis]
        if blank.any():
            parts = root * dual
            slopes = rows.X.T @ parts - np.outer(gram.mean, parts.sum(axis=0))
            fitted = rows.X[blank] @ slopes - gram.mean @ slopes
            residuals[i, blank] = target[blank] - fitted
    return [(slice(None), LeftOut(residuals, w[:, np.newaxis]))]


def _invert_products(
    products: Matrix, penalties: Matrix, root: Matrix | None
) -> Callable[[float, Matrix], tuple[Matrix, Matrix]]:
    """Return what takes α and R, and gives G⁻¹ R and the diagonal of G⁻¹, with G = K + α.

    With `root`, (n, 1), which centring leaves without a square, G⁻¹ is 0 in its direction. Few
    penalties are as many inverses, which take less time than one decomposition.
    """
    K, filled = products, 0.0
    if root is not None:
        # a direction of its own, with the largest eigenvalue
        weight = float((root.T @ root)[0, 0])
        filled = 2 * float(products.trace()) or 1.0
        K = products + filled / weight * (root * root.T)
    if len(penalties) <= _FEW and penalties.min() > _CARRIED * K.trace():

        def invert(penalty: float, right: Matrix) -> tuple[Matrix, Matrix]:
            G = K.copy()
            G.flat[:: len(G) + 1] += penalty
            factor, _ = lapack.dpotrf(G.T, lower=1, clean=0, overwrite_a=1)
            solved, _ = lapack.dpotrs(factor, right, lower=1)
            inverse, _ = lapack.dpotri(factor, lower=1, overwrite_c=1)
            diagonal = inverse.diagonal().copy()
            if root is not None:
                solved -= root * (root.T @ right) / (weight * (filled + penalty))
                diagonal -= root[:, 0] ** 2 / (weight * (filled + penalty))
            return solved, diagonal

        return invert
    values, U = np.linalg.eigh(K)
    values = np.maximum(values, 0.0)

    def invert_by_vectors(penalty: float, right: Matrix) -> tuple[Matrix, Matrix]:
        inverse = 1 / (values + penalty)
        if root is not None:
            inverse[-1] = 0.0
        return U @ (inverse[:, np.newaxis] * (U.T @ right)), U**2 @ inverse

    return invert_by_vectors
