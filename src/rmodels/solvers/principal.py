"""Principal axes: eigenvectors of a scatter matrix, or singular vectors of the rows.

With D the centred rows, σ and v are the singular values and right singular vectors of D: the
eigenvectors of the scatter matrix S = DᵀD = V diag(σ²) Vᵀ. Rounding leaves an error of about ε σ₁²
in every σ², so that a small one has few digits there, or none. Where an axis that is asked for
would keep fewer than eight, its digits come from a Cholesky factor of S scaled to a unit diagonal,
if that is well-conditioned (columns of different units), else from the rows themselves.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse
from scipy.special import gammaln

from rmodels.config import thread_count
from rmodels.data import Rows, Source
from rmodels.ops.moments import Moments
from rmodels.solvers.blas import blas_threads
from rmodels.solvers.columns import find_mean, sum_squares
from rmodels.solvers.conditioning import factorize
from rmodels.solvers.krylov import find_largest, iterate
from rmodels.solvers.moments import TOO_LARGE, as_array, compute_gram, compute_moments
from rmodels.solvers.triangular import triangulate

__all__ = [
    "Axes",
    "choose_by_evidence",
    "choose_by_share",
    "decompose",
    "decompose_moments",
    "turn",
]

Matrix = NDArray[np.float64]
Choice = Callable[[Matrix, float], int]

_LEAST_SHARE = 1e-8  # of the largest σ²: below, a σ² of the moments has fewer than eight digits
_LEAST_SCALED = 1e-7  # 1 / condition of the scatter scaled to a unit diagonal, for the same digits
_NUMBERS = 1 << 18  # of a block
_DENSE_SIDE = 4000  # of the smaller side: up to there, moments or products are formed
_SPARSE_SIDE = 500
_FEW_SIDE = 300  # from there on, a few eigenvectors of a matrix are found one by one
_WIDTH = 2  # of their blocks
_LEAST_SIDES = 5  # of the smaller side over the axes that are asked for, for a few of them
_SAME = 1 - 2.0**-20  # entries of an axis that are the same but for rounding


@dataclass(frozen=True, eq=False)
class Axes:
    """Principal axes of rows.

    Attributes
    ----------
    n_samples : int
    weight : float
        Σ w; n_samples of rows without weights.
    mean : ndarray of shape (n_features,)
        What is subtracted from the rows; zeros if they are not centred.
    squares : ndarray of shape (min(n_samples, n_features),)
        σ², descending; with "krylov" only those that are asked for.
    components : ndarray of shape (at least as many as asked for, n_features)
        The axes, of unit length, the largest entry of each positive.
    total : float
        The sum of all σ², of those too that `squares` lacks.
    solver : {"moments", "gram", "rows", "krylov"}
        What they were found from.
    engine : str
        What computed the moments or products.
    moments : Moments or None
        Of the rows, if they were computed.
    has_digits, rest_has_digits : bool
        Whether every σ² that is asked for has eight digits or more, and the mean of the others.
    """

    n_samples: int
    weight: float
    mean: Matrix
    squares: Matrix
    components: Matrix
    total: float
    solver: str
    engine: str
    moments: Moments | None = None
    has_digits: bool = True
    rest_has_digits: bool = True


def decompose(
    source: Source,
    choose: Choice,
    n_threads: int | None,
    *,
    asked: int | None = None,
    centre: bool = True,
) -> Axes:
    """Return the principal axes of rows.

    Parameters
    ----------
    source : Source
        D is of the rows times √w, if they have weights: a weight stands for as many equal rows.
    choose : callable
        Of all σ², descending, and Σ w: how many axes are asked for.
    n_threads : int or None
    asked : int or None
        How many are asked for, if that is known beforehand.
    centre : bool
        Whether the mean is subtracted.

    Raises
    ------
    ValueError
        If the rows hold a NaN, an infinity, or values whose squares overflow.
    """
    if asked is not None and _prefers_krylov(source, asked):
        return _iterate(source, asked, centre)
    if isinstance(source, Rows) and source.X.shape[0] < source.n_features:
        return _decompose_few(source, choose, asked, centre, n_threads)
    moments = compute_moments(source, n_threads, added=True)
    with blas_threads(source.n_features, n_threads or thread_count()):
        found = decompose_moments(moments, choose, asked=asked, centre=centre)
    if found.has_digits and found.rest_has_digits:
        return found
    return _decompose_rows(source, found, centre)


def decompose_moments(
    moments: Moments, choose: Choice, *, asked: int | None = None, centre: bool = True
) -> Axes:
    """Return the principal axes from moments; `has_digits` tells whether they should be."""
    if not moments.is_finite:
        raise ValueError(TOO_LARGE)
    d, n = moments.n_features, moments.n_samples
    S = (moments.scatter if centre else moments.about_zero())[:d, :d]
    squares, components = _find_eigenvectors(S, asked)
    total = float(np.trace(S))
    most = min(n - centre, d)  # of n centred rows, the last σ is 0
    k = min(choose(np.maximum(squares[:n], 0.0), moments.weight), most)
    least = _LEAST_SHARE * max(squares[0], 0.0)
    rest = total - np.maximum(squares[:k], 0.0).sum()
    has_digits = bool((squares[:k] >= least).all())
    rest_has_digits = k >= most or bool(rest / (most - k) >= least)
    if not (has_digits and rest_has_digits):
        factor = _factorize_scaled(S)
        if factor is not None:
            _, singular, components = linalg.svd(factor, full_matrices=False, check_finite=False)
            squares, has_digits, rest_has_digits = singular**2, True, True
    mean = moments.mean[:d] if centre else np.zeros(d)
    found = _sort(n, moments.weight, mean, squares, components, "moments", moments.engine)
    if len(squares) < d:
        found = replace(found, total=total)
    return replace(found, moments=moments, has_digits=has_digits, rest_has_digits=rest_has_digits)


def _find_eigenvectors(S: Matrix, asked: int | None) -> tuple[Matrix, Matrix]:
    """Return eigenvalues, descending, and eigenvectors as rows; of a few only those."""
    side = len(S)
    if asked is not None and asked and side > _FEW_SIDE and _LEAST_SIDES * asked <= side:
        squares, V, residual = iterate(lambda block: S @ block, side, asked, _WIDTH)
        if residual <= _LEAST_SHARE:
            return squares, V.T
    squares, V = np.linalg.eigh(S)
    return squares[::-1], V.T[::-1]


def _sort(
    n: int,
    weight: float,
    mean: Matrix,
    squares: Matrix,
    components: Matrix,
    solver: str,
    engine: str,
) -> Axes:
    order = np.argsort(-squares, kind="stable")[: min(n, len(mean))]
    squares = np.maximum(squares[order], 0.0)
    axes = turn(components[order[: len(components)]])
    return Axes(n, weight, mean, squares, axes, float(squares.sum()), solver, engine)


def _prefers_krylov(source: Source, k: int) -> bool:
    """Return whether a few axes are found by fewer operations, or in less memory, from products."""
    rows = source.X.shape[0] if isinstance(source, Rows) else source.n_features
    side = min(rows, source.n_features)
    if k == 0 or _LEAST_SIDES * k > side or source.has_weights:
        return False
    thin = isinstance(source, Rows) and sparse.issparse(source.X)
    return side > (_SPARSE_SIDE if thin else _DENSE_SIDE)


def _iterate(source: Source, k: int, centre: bool) -> Axes:
    """Return the largest axes by products with the rows."""
    n, mean = find_mean(source)
    mean = mean if centre else np.zeros(len(mean))
    values, vectors, residual = find_largest(source, k, mean)
    found = _sort(n, n, mean, values, vectors, "krylov", "scipy")
    total = float(sum_squares(source, mean).sum())
    has_digits = residual <= _LEAST_SHARE and bool(values[-1] >= _LEAST_SHARE * values[0])
    return replace(found, total=total, has_digits=has_digits)


def turn(components: Matrix) -> Matrix:
    """Return axes, as rows, with the largest entry positive; of those that are near, the first.

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels.solvers.principal import turn
    >>> turn(np.array([[0.6, -0.8], [-0.8, 0.6]]))
    array([[-0.6,  0.8],
           [ 0.8, -0.6]])
    """
    sizes = np.abs(components)
    first = (sizes >= _SAME * sizes.max(axis=1, keepdims=True)).argmax(axis=1)
    signs = np.sign(components[np.arange(len(components)), first])
    return components * np.where(signs == 0, 1.0, signs)[:, np.newaxis]


def _factorize_scaled(S: Matrix) -> Matrix | None:
    """Return R with RᵀR = S to as many digits as S has, column by column; None if it is ill."""
    varying = np.flatnonzero(S.diagonal() > 0)
    found = np.zeros(S.shape)
    if len(varying):
        part = np.ix_(varying, varying)
        scale, factor, reciprocal = factorize(S[part])
        if reciprocal < _LEAST_SCALED:
            return None
        found[part] = np.tril(factor).T * scale
    return found


def _decompose_rows(source: Source, known: Axes, centre: bool) -> Axes:
    """Return the axes from a triangular factor of the rows, of which moments are known."""
    R, mean, scale = triangulate(source, centre, known.moments)
    d = source.n_features
    _, singular, components = linalg.svd(
        R[:, :d] * scale[:d], full_matrices=False, check_finite=False
    )
    squares = singular**2
    found = _sort(
        known.n_samples, known.weight, mean[:d], squares, components, "rows", known.engine
    )
    return replace(found, moments=known.moments)


def _decompose_few(
    rows: Rows, choose: Choice, asked: int | None, centre: bool, n_threads: int | None
) -> Axes:
    """Return the axes of fewer rows than columns: from the products of the rows, K = U Λ Uᵀ."""
    n, weight = rows.X.shape[0], rows.weight
    products = compute_gram(rows, centre, n_threads)
    K = products.products
    if not np.isfinite(K.diagonal()).all():
        raise ValueError(TOO_LARGE)
    squares, U = _find_eigenvectors(K, asked)
    U = U.T
    k = choose(np.maximum(squares, 0.0), weight)
    roots = 1.0 if rows.weights is None else np.sqrt(as_array(rows.weights), dtype=np.float64)
    if (squares[:k] >= _LEAST_SHARE * squares[0]).all() and squares[0] > 0:
        parts = (U[:, :k] / np.sqrt(squares[:k])).T * roots
        components = _multiply(parts, rows, products.mean)
        found = _sort(n, weight, products.mean, squares, components, "gram", products.engine)
        return replace(found, total=float(np.trace(K))) if len(squares) < n else found
    whole = as_array(rows.X).astype(np.float64)
    whole -= products.mean
    if centre:  # what rounding the mean has left
        whole -= roots**2 @ whole / weight if np.ndim(roots) else whole.mean(axis=0)
    whole *= np.reshape(roots, (-1, 1))
    _, singular, components = linalg.svd(
        whole, full_matrices=False, overwrite_a=True, check_finite=False
    )
    return _sort(n, weight, products.mean, singular**2, components, "rows", products.engine)


def _multiply(parts: Matrix, rows: Rows, mean: Matrix) -> Matrix:
    """Return the product of `parts`, (k, n_samples), and the centred rows, in blocks of columns."""
    n, d = rows.X.shape
    X = rows.X.tocsc() if hasattr(rows.X, "tocsc") else rows.X
    found = np.empty((len(parts), d))
    step = max(64, _NUMBERS // n)
    for first in range(0, d, step):
        columns = slice(first, first + step)
        found[:, columns] = parts @ (as_array(X[:, columns]) - mean[columns])
    return found


def choose_by_share(squares: Matrix, share: float) -> int:
    """Return the fewest axes whose σ² make more than a share of all."""
    total = squares.sum()
    if not total:
        return 1
    # a sum that is the share but for rounding is not more
    shares = np.cumsum(squares) / total - 4 * len(squares) * np.finfo(np.float64).eps
    return min(int(np.searchsorted(shares, share, side="right")) + 1, len(squares))


def choose_by_evidence(variances: Matrix, n_samples: float) -> int:
    """Return the number of axes that is most likely, from 1 to n_features - 1.

    By Laplace's approximation of the evidence: T. P. Minka, "Automatic choice of dimensionality for
    PCA", 2000, equations 30 and 77.

    Parameters
    ----------
    variances : ndarray of shape (n_features,)
        Eigenvalues of the covariance, descending.
    n_samples : float
        Or Σ w.
    """
    d = len(variances)
    ranks = [rank for rank in range(1, d) if variances[rank - 1] >= _NO_VARIANCE]
    evidence = [_log_evidence(variances, rank, n_samples) for rank in ranks]
    return ranks[int(np.argmax(evidence))] if ranks else 0


_NO_VARIANCE = 1e-15


def _log_evidence(variances: Matrix, rank: int, n: float) -> float:
    d = len(variances)
    sizes = (d - np.arange(rank)) / 2
    directions = -rank * np.log(2) + np.sum(gammaln(sizes) - np.log(np.pi) * sizes)
    noise = max(_NO_VARIANCE, float(variances[rank:].mean()))
    fit = -n / 2 * (np.log(variances[:rank]).sum() + (d - rank) * np.log(noise))
    free = d * rank - rank * (rank + 1) / 2
    model = np.where(np.arange(d) < rank, variances, noise)
    i, j = np.triu_indices(rank, 1, d)
    gaps = (variances[i] - variances[j]) * (1 / model[j] - 1 / model[i])
    curvature = np.sum(np.log(n * gaps[gaps > 0]))  # of equal variances no direction is better
    constants = np.log(2 * np.pi) * (free + rank) / 2 - rank * np.log(n) / 2
    return float(directions + fit + constants - curvature / 2)
