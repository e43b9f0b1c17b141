"""Least squares from the moments where they carry enough digits, else from the rows themselves.

The moments square the condition number κ of the centred, scaled columns. Up to κ² = 16 they are as
good as the rows. Up to κ² = 10¹⁰ their solution is refined with the residuals of the rows (the
corrected seminormal equations: Björck, "Stability analysis of the method of seminormal equations
for linear least squares problems", 1987). Beyond, the rows are reduced to triangular form by
orthogonal transformations, block by block, and solved by singular values (LAPACK). Above κ² = 10⁶,
either solution of float64 data is refined with residuals in twice the precision. Products of the
rows, where those are fewer, follow the first two rules; their refinement gives the least norm.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy import linalg
from scipy.linalg import lapack

from rmodels.data import Rows, Source
from rmodels.ops.moments import Gram, Moments
from rmodels.solvers import conjugate_gradients, lsqr
from rmodels.solvers.blas import blas_threads
from rmodels.solvers.centred import Centred
from rmodels.solvers.conditioning import (
    TINY,
    TOO_ILL,
    Conditioning,
    divide,
    factorize,
    find_constant,
    from_products,
    from_scatter,
    select_columns,
    take,
)
from rmodels.solvers.dummies import count_dummies
from rmodels.solvers.moments import compute_gradient, compute_gram, compute_moments
from rmodels.solvers.nonnegative import solve_nonnegative, take_root
from rmodels.solvers.plan import Route, plan_least_squares, smaller_side
from rmodels.solvers.refinement import refine
from rmodels.solvers.result import LinearFit
from rmodels.solvers.triangular import penalize, triangulate

__all__ = [
    "Read",
    "Solution",
    "read",
    "solve",
    "solve_by_products",
    "solve_moments_alone",
    "solve_penalty",
]

Matrix = NDArray[np.float64]

_EPS = float(np.finfo(np.float64).eps)
_REFINE_ABOVE = 16.0  # κ²: below, the normal equations lose about one digit
_PRECISE_ABOVE = 1e6  # κ²: above, three digits and more are lost without precise residuals
_MOST_SQUARED = 1e8  # κ²: above, moments alone may lose half of the digits
_MOST_STEPS = 5
_MOST_DUAL_STEPS = 2
_FAR = 256.0  # Σw Σ μ² over the sum of squares: above, products about zero lose digits


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


@dataclass(frozen=True, eq=False)
class Read:
    """What the first read of the rows gave: moments, products, or with route "rows" nothing.

    Attributes
    ----------
    solve : callable or None
        Takes `penalty`; gives a `Solution`, or None if the sums are too ill-conditioned to decide.
    offset : ndarray of shape (n_features + n_targets,)
        Means of the columns.
    engine : str
        What computed it.
    moments : Moments or None
    """

    solve: Callable[..., Solution | None] | None
    offset: Matrix
    engine: str
    moments: Moments | None


def read(
    source: Source,
    route: Route,
    fit_intercept: bool,
    n_threads: int | None,
    known: Moments | Gram | None = None,
) -> Read:
    """Read the rows by a route; not again, if it leads by sums that are known."""
    if route.solver == "gram":
        assert isinstance(source, Rows)
        gram = known if isinstance(known, Gram) else compute_gram(source, fit_intercept, n_threads)
        rows = source.on_host()
        target_mean = np.average(rows.Y.astype(np.float64), axis=0, weights=rows.weights)
        offset = np.concatenate([gram.mean, target_mean])
        return Read(partial(_solve_gram, gram, rows, fit_intercept), offset, gram.engine, None)
    if isinstance(source, Rows) and route.solver == "rows":
        source.assert_finite()
        return Read(None, np.zeros(source.n_features + source.n_targets), "scipy", None)
    moments = known if isinstance(known, Moments) else compute_moments(source, n_threads)
    by_moments = partial(_solve_moments, moments, source, fit_intercept, n_threads)
    chosen = by_moments if route.solver == "moments" else None
    return Read(chosen, moments.mean, moments.engine, moments)


def solve_penalty(
    known: Read,
    source: Source,
    fit_intercept: bool,
    penalty: float = 0.0,
    positive: bool = False,
    moments: Moments | None = None,
) -> tuple[Matrix, Conditioning, bool]:
    """Solve by what is known of the rows, or where that cannot decide, by the rows.

    Parameters
    ----------
    known : Read
        Of the source.
    source : Source
    fit_intercept : bool
    penalty : float
        α: what is minimised is the sum of squares and α Σ coef².
    positive : bool
        Whether the coefficients must be at least 0; of a `Read` by the route "rows".
    moments : Moments, optional
        Of the source; they save reads of rows that are not in memory.

    Returns
    -------
    coefficients : ndarray of shape (n_features + 1, n_targets)
        The last row is the intercept.
    conditioning : Conditioning
    by_rows : bool
        Whether the rows decided.
    """
    offset, d = known.offset, source.n_features
    solution = None if known.solve is None else known.solve(penalty=penalty)
    by_rows = solution is None
    if solution is None:
        solution, offset = _solve_rows(source, fit_intercept, penalty, positive, moments)
    slopes, intercept = solution.coefficients, solution.intercept
    if not fit_intercept:
        intercept = np.zeros(slopes.shape[1])
    elif intercept is None:
        intercept = offset[d:] - offset[:d] @ slopes
    return np.vstack([slopes, intercept]), solution.conditioning, by_rows


def solve_by_products(
    source: Source,
    route: Route,
    fit_intercept: bool,
    n_threads: int | None,
    penalties: NDArray[np.float64] | None = None,
) -> tuple[LinearFit | None, Route]:
    """Solve by products of sparse rows and vectors, if that is the route.

    Returns
    -------
    LinearFit or None
        None if another route is to be gone.
    Route
        That one.
    """
    if route.solver not in ("krylov", "lsqr"):
        return None, route
    assert isinstance(source, Rows)
    with blas_threads(1, 1):  # for vectors
        if route.solver == "krylov":
            assert route.otherwise is not None
            found = conjugate_gradients.solve(source, fit_intercept, penalties, n_threads)
            if found is not None:
                return found, route
            route = route.otherwise
        if route.solver == "lsqr":
            return lsqr.solve(source, fit_intercept, penalties), route
    return None, route


def solve(
    source: Source,
    fit_intercept: bool,
    *,
    solver: str = "auto",
    positive: bool = False,
    n_threads: int | None = None,
) -> LinearFit:
    """Minimise Σ w (y − x·coef − intercept)²; with the least norm where that is not unique.

    Parameters
    ----------
    source : Source
    fit_intercept : bool
    solver : {"auto", "moments", "gram", "rows"}
        What `plan_least_squares` is asked for.
    positive : bool
        Whether the coefficients must be at least 0.
    n_threads : int, optional
        Most threads; None means all.
    """
    route = plan_least_squares(source, solver, positive)
    fitted, route = solve_by_products(source, route, fit_intercept, n_threads)
    if fitted is not None:
        return fitted
    with blas_threads(smaller_side(source), n_threads or 1):
        known = read(source, route, fit_intercept, n_threads)
        moments = known.moments
        if positive and moments is None and solver == "auto":
            moments = compute_moments(source, n_threads)  # one read to six of "rows"; to be kept
        coefficients, conditioning, by_rows = solve_penalty(
            known, source, fit_intercept, 0.0, positive, None if solver == "rows" else moments
        )
        full_rank = min(int(source.count) - fit_intercept, source.n_features)
        told = conditioning.rank
        if told < full_rank and route.solver != "gram" and not positive:
            summed = moments or compute_moments(source, n_threads)
            told += count_dummies(summed, fit_intercept)
        warned = _warn_of_rank(conditioning.rank, told, full_rank)
        return LinearFit(
            coefficients,
            "rows" if by_rows else route.solver,
            known.engine,
            conditioning,
            moments if moments is not None and moments.is_finite else None,
            warnings=() if positive else warned,
        )


def solve_moments_alone(
    moments: Moments, count: int, fit_intercept: bool, positive: bool = False
) -> LinearFit:
    """Minimise the same without the rows.

    Parameters
    ----------
    moments : Moments
    count : int
        How many rows have a weight that is not 0.
    fit_intercept, positive : bool
        As in `solve`.
    """
    d = moments.n_features
    solution, squared = _solve_alone(moments, fit_intercept)
    warned: tuple[Warning, ...] = ()
    if squared > _MOST_SQUARED:
        ill = linalg.LinAlgWarning(
            f"the moments of X are ill-conditioned (κ² = {squared:.2g}): about "
            f"{max(0, int(15.6 - np.log10(squared)))} digits of the coefficients are right. "
            "Scale or remove columns, or fit the rows at once."
        )
        warned = (ill,)
    slopes = solution.coefficients
    if positive:
        slopes = solve_nonnegative(*take_root(moments, fit_intercept), d)
    else:
        rank, full_rank = solution.conditioning.rank, min(count - fit_intercept, d)
        told = rank + count_dummies(moments, fit_intercept) if rank < full_rank else rank
        warned += _warn_of_rank(rank, told, full_rank)
    intercept = np.zeros(slopes.shape[1])
    if fit_intercept:
        intercept = moments.mean[d:] - moments.mean[:d] @ slopes
    return LinearFit(
        np.vstack([slopes, intercept]),
        "moments",
        moments.engine,
        solution.conditioning,
        moments,
        warnings=warned,
    )


def _warn_of_rank(rank: int, told: int, full_rank: int) -> tuple[Warning, ...]:
    """Return what is to be said of columns that are dependent, more than dummies `told` of."""
    if told >= full_rank:
        return ()
    message = (
        f"X has rank {rank} where {full_rank} is possible: some columns are constant "
        "or a combination of others. The coefficients are not unique; those of minimum "
        "norm are returned."
    )
    return (UserWarning(message),)


def _solve_moments(
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
    S, used = select_columns(moments, source, fit_intercept)
    if used is None:
        return None
    coefficients = np.zeros((d, S.shape[0] - d))
    conditioning = from_scatter(S[:d, :d], len(used))
    if not len(used):
        return Solution(coefficients, conditioning)
    scale, factor, reciprocal = factorize(take(S, used), penalty)
    if reciprocal * TOO_ILL < 1:
        return None
    right = S[used, d:] / scale[:, np.newaxis]
    solved, _ = lapack.dpotrs(factor, right, lower=1)
    coefficients[used] = solved / scale[:, np.newaxis]
    if reciprocal * _enough(source) >= 1:
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
        found = refine(solve, source, shift, coefficients, offset, norms, penalty)
        return None if found is None else Solution(found[0], conditioning, found[1])
    shrink = len(used) * _EPS / reciprocal  # what a step leaves of the error before it, at most
    current = np.zeros((d + 1, coefficients.shape[1]))
    current[:d] = coefficients
    if fit_intercept:
        current[d] = moments.mean[d:]
    for _ in range(_MOST_STEPS):
        slope = compute_gradient(source, current, shift, moments.engine, n_threads)
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


def _enough(source: Source) -> float:
    """Return the κ² up to which sums give the digits that the rows have."""
    # float32 input has 24 digits to keep, not 53
    return _REFINE_ABOVE * (2.0**20 if source.dtype.itemsize < 8 else 1.0)


def _solve_rows(
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
    R, offset, scale = triangulate(source, fit_intercept, moments)
    R = penalize(R, scale, penalty, d)
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
    U, values, Vt = np.linalg.svd(equal)  # SciPy's takes no empty matrix before 1.14
    rank = int((values > max(n, d) * _EPS * values[:1]).sum())
    conditioning = Conditioning(
        lambda: linalg.svdvals(triangle * sizes, check_finite=False),
        lambda: divide(linalg.svdvals(triangle, check_finite=False)),
        lambda: rank,
    )
    if positive:
        return Solution(solve_nonnegative(R, scale, d), conditioning), offset
    coefficients = np.zeros((d, source.n_targets))
    if not rank:
        return Solution(coefficients, conditioning), offset
    right = U[:, :rank].T @ R[:d, d:]
    solved = Vt[:rank].T @ (right / values[:rank, np.newaxis]) / columns[:, np.newaxis]
    coefficients[used] = _shorten(solved, Vt[rank:] / columns) * scale[d:]
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
    found = refine(solve, source, shift, coefficients, offset[d:], sizes, penalty)
    if found is not None:
        return Solution(found[0], conditioning, found[1]), offset
    return Solution(coefficients, conditioning), offset


def _shorten(coefficients: Matrix, null: Matrix) -> Matrix:
    """Return the coefficients of least norm that differ by rows of `null` only."""
    if not len(null):
        return coefficients
    # The minimum norm is that of the coefficients of the columns as they came.
    basis, _ = linalg.qr(null.T, mode="economic", check_finite=False)
    return coefficients - basis @ (basis.T @ coefficients)


def _solve_alone(moments: Moments, fit_intercept: bool) -> tuple[Solution, float]:
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
    constant = find_constant(S, moments.mean, moments.weight)[:d] if fit_intercept else squares == 0
    used = np.flatnonzero(~constant)
    coefficients = np.zeros((d, S.shape[0] - d))
    if not len(used):
        return Solution(coefficients, from_scatter(S[:d, :d], 0)), 1.0
    norms = np.sqrt(squares[used])
    values, V = np.linalg.eigh(take(S, used) / norms / norms[:, np.newaxis])
    rank = int((values > len(values) * _EPS * values[-1]).sum())
    kept, lost = V[:, len(used) - rank :], V[:, : len(used) - rank]
    values = values[len(used) - rank :, np.newaxis]
    solved = kept @ (kept.T @ (S[used, d:] / norms[:, np.newaxis]) / values) / norms[:, np.newaxis]
    coefficients[used] = _shorten(solved, lost.T / norms)
    squared = float(values[-1, 0] / values[0, 0])
    return Solution(coefficients, from_scatter(S[:d, :d], rank)), squared


def _solve_gram(
    gram: Gram, rows: Rows, fit_intercept: bool, penalty: float = 0.0
) -> Solution | None:
    """Solve for the least norm with fewer rows than columns; None if the products cannot decide.

    w = Dᵀ u with (K + α I) u = √W (y − ȳ), D the centred rows and K = D Dᵀ.
    """
    X, Y, weights = rows.X, rows.Y, rows.weights
    n = X.shape[0]
    root = (np.ones(n) if weights is None else np.sqrt(weights, dtype=np.float64))[:, np.newaxis]
    rank = int((root > 0).sum()) - bool(fit_intercept)
    if rank < 1 or not TINY < gram.products.diagonal().max() < np.inf:
        return None
    # above, the rows give more digits; of the least norm they do not
    most = TOO_ILL if rank < X.shape[1] else _PRECISE_ABOVE
    invert, told = _invert_products(gram.products, root, rank, fit_intercept, penalty, most)
    if invert is None:
        return None
    target = Y.astype(np.float64)
    if fit_intercept:
        target = target - np.average(target, axis=0, weights=root[:, 0] ** 2)
    target = root * target
    weight = float((root**2).sum())
    far = weight * (gram.mean @ gram.mean) > _FAR * gram.products.trace()
    D = Centred(X, gram.mean, None if weights is None else root[:, 0], far)
    dual = invert(target)
    coefficients = D.along_columns(dual)
    if told * _enough(rows) < 1:
        shrink = n * _EPS / told  # what a step leaves of the error before it, at most
        for _ in range(_MOST_DUAL_STEPS):
            step = invert(target - D.along_rows(coefficients) - penalty * dual)
            dual += step
            coefficients += D.along_columns(step)
            if np.abs(step).max() * shrink <= _EPS * np.abs(dual).max():
                break
    return Solution(coefficients, from_products(gram.products, rank))


def _invert_products(
    products: Matrix,
    root: Matrix,
    rank: int,
    fit_intercept: bool,
    penalty: float,
    most: float,
) -> tuple[Callable[[Matrix], Matrix] | None, float]:
    """Return what multiplies by (K + α I)⁻¹ in the `rank` directions of K, and about 1 / κ² there.

    None if they cannot be told, or the largest is above `most` times the smallest. By a Cholesky
    factor where nothing but √w, which centring leaves empty, is without a square; else by
    eigenvectors.
    """
    n = len(products)
    if rank + bool(fit_intercept) == n:
        filled = products
        if fit_intercept:
            filled = products + (products.trace() / (root.T @ root)[0, 0] / n) * (root * root.T)
        squares = filled.diagonal() + penalty
        told = 0.0
        if (squares > 0).all():
            scale, factor, told = factorize(filled, penalty)
            told *= (scale.min() / scale.max()) ** 2  # of the matrix without the scale
        if told * most >= 1:

            def solve(right: Matrix) -> Matrix:
                found, _ = lapack.dpotrs(factor, right / scale[:, np.newaxis], lower=1)
                found /= scale[:, np.newaxis]
                if fit_intercept:
                    found -= root * ((root.T @ found) / (root.T @ root))
                return found

            return solve, told
        # the bound is often far above what eigenvectors would tell, which take long; where it is
        # this far above, the rows are asked, which have more digits anyway
        if told * most * np.sqrt(n) < 1:
            return None, told
    eigenvalues, U = np.linalg.eigh(products)
    kept = slice(n - rank, None)
    values = np.maximum(eigenvalues[kept], 0.0) + penalty
    if not values[0] * most > values[-1]:
        return None, 0.0
    inverse = U[:, kept] / values
    return lambda right: inverse @ (U[:, kept].T @ right), float(values[0] / values[-1])
