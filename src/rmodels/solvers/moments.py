"""Sums over the rows of a source, on the processor wherever the rows are.

X is an array or a CSR matrix. An array goes to the operations. The moments of a CSR matrix are
those of its entries about zero, by the native engine, or without it by SciPy; where those would
lose digits, and where the reference is asked for, blocks of rows go to the operation as arrays,
within the memory limit.
"""

from dataclasses import fields, replace
from functools import partial, reduce
from operator import add
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from rmodels import ops
from rmodels.config import get_config
from rmodels.data import Rows, Source
from rmodels.data.arrays import beside, namespace, on_gpu, on_host
from rmodels.ops import descent as descent_operation
from rmodels.ops import moments as moments_operation
from rmodels.ops.moments import Gram, GroupMoments, Moments, Scatter

__all__ = [
    "TOO_LARGE",
    "as_array",
    "compute_curvature",
    "compute_gradient",
    "compute_gram",
    "compute_group_moments",
    "compute_moments",
    "find_spread",
    "keeps_digits",
    "sum_entries",
    "sum_gradients",
]

Matrix = NDArray[np.float64]
Statistics = TypeVar("Statistics", Moments, Gram)

TOO_LARGE = "X or y holds values so large that their squares overflow: scale the columns"

_FULL = 0.5  # share of entries above which rows of a sparse matrix are as well an array
_DENSE = 0.1  # share of entries above which products of sparse matrices are slower
_MOST_LOST = 1e3  # W μ² over the scatter of a column: above, a product about zero loses digits
_ROWS_AT_A_TIME = 4096
_FAR = 256.0  # μ² over the variance of a column: above, a sum of moments needs the mean's rest


def as_array(X: Any) -> NDArray:
    """Return rows as an array; those of a tensor are copied to the processor."""
    rows: NDArray = X.toarray() if sparse.issparse(X) else on_host(X)
    return rows


def _copy_to_host(statistics: Statistics) -> Statistics:
    """Return statistics of data on the GPU as arrays on the processor, by one copy."""
    if isinstance(statistics.mean, np.ndarray):
        return statistics
    values = {field.name: getattr(statistics, field.name) for field in fields(statistics)}
    there = {name: value for name, value in values.items() if hasattr(value, "numel")}
    flat = on_host(namespace(statistics.mean).cat([value.reshape(-1) for value in there.values()]))
    for name, value in there.items():
        part, flat = np.split(flat, [value.numel()])
        values[name] = part.reshape(value.shape)
    return type(statistics)(**values)


def compute_moments(source: Source, n_threads: int | None, *, added: bool = False) -> Moments:
    """Return the moments of [X | Y]; where SciPy multiplies sparse matrices, the engine is "scipy".

    They may overflow, but no value that was met is NaN or infinite. They can be added to others
    without loss if `added`.
    """
    added = added or not source.in_memory
    return source.fold(partial(_compute, n_threads=n_threads, added=added), resumable=True)


def _compute(rows: Rows, n_threads: int | None, added: bool) -> Moments:
    """Return the moments of rows in memory, ready to be added to others if `added`."""
    if rows.Y is None:
        rows = replace(rows, Y=beside(np.empty((rows.X.shape[0], 0)), rows.X))
    found = _copy_to_host(_compute_array(rows.X, rows.Y, rows.weights, n_threads))
    if not found.is_finite:
        rows.assert_finite()
    return _with_rest(found, rows) if added else found


def compute_group_moments(
    source: Source, n_groups: int, scatter: Scatter, n_threads: int | None
) -> GroupMoments:
    """Return the moments of the rows of each class: their labels' places are the groups.

    They may overflow, but no value that was met is NaN or infinite.

    Raises
    ------
    ValueError
        If a matrix for each group does not keep the setting `memory_limit`.
    """
    size, limit = 8 * n_groups * source.n_features**2, get_config()["memory_limit"]
    if scatter == "full" and size > limit:
        raise ValueError(
            f"scatter matrices of {n_groups} groups and {source.n_features} columns take "
            f"{size / 1e6:.0f} MB, more than memory_limit, {limit / 1e6:.0f} MB: raise it"
        )
    compute = partial(_compute_groups, n_groups=n_groups, scatter=scatter, n_threads=n_threads)
    return source.fold(compute, resumable=True)


def _compute_groups(
    rows: Rows, n_groups: int, scatter: Scatter, n_threads: int | None
) -> GroupMoments:
    if not sparse.issparse(rows.X):
        found = _sum_groups(rows, n_groups, scatter, n_threads)
    elif scatter == "diagonal" and get_config()["engine"] == "auto":
        found = sum_entries(rows, n_groups)
    else:
        step = max(1, get_config()["memory_limit"] // (16 * rows.n_features))
        parts = (replace(part, X=as_array(part.X)) for part in rows.blocks(step))
        found = reduce(add, (_sum_groups(part, n_groups, scatter, n_threads) for part in parts))
    if not found.is_finite:
        rows.assert_finite()
    return found


def _sum_groups(rows: Rows, n_groups: int, scatter: Scatter, n_threads: int | None) -> GroupMoments:
    nothing = beside(np.empty((rows.X.shape[0], 0)), rows.X)
    groups, weights = rows.Y[:, 0], rows.weights
    return moments_operation.group_moments(
        rows.X, nothing, groups, n_groups, weights, scatter=scatter, n_threads=n_threads
    )


@np.errstate(over="ignore", invalid="ignore")
def sum_entries(rows: Rows, n_groups: int) -> GroupMoments:
    """Return the sums of squares of groups of a CSR matrix: of its entries, and of the zeros.

    Y holds the groups. All terms of a sum of squares are at least 0, so that no digits are lost.
    """
    X = sparse.csr_array(rows.X, dtype=np.float64, copy=True)
    X.sum_duplicates()
    n, d = X.shape
    groups = rows.Y[:, 0]
    w = np.ones(n) if rows.weights is None else rows.weights.astype(np.float64)
    count = np.bincount(groups, minlength=n_groups).astype(np.int64)
    weight: Matrix = np.bincount(groups, w, n_groups).astype(np.float64)
    weighing = sparse.csr_array((w, (groups, np.arange(n))), shape=(n_groups, n))
    there = sparse.csr_array((np.ones(X.nnz), X.indices, X.indptr), shape=(n, d))
    heavy = np.where(weight > 0, weight, 1.0)[:, np.newaxis]
    mean = (weighing @ X).toarray() / heavy
    X.data -= mean[np.repeat(groups, np.diff(X.indptr)), X.indices]
    gaps = (weighing @ X).toarray()
    X.data **= 2
    squares = (weighing @ X).toarray()
    zeros = weight[:, np.newaxis] - (weighing @ there).toarray()
    far = (weight[:, np.newaxis] * mean**2 > _MOST_LOST * squares).any(axis=0)
    if rows.weights is not None and far.any():  # a difference of sums of weights has lost digits
        zeros[:, far] = _weigh_zeros(there[:, far], weighing)
    rest = (gaps - zeros * mean) / heavy
    squares += zeros * mean**2
    squares = np.maximum(squares - weight[:, np.newaxis] * rest**2, 0.0)
    return GroupMoments(d, count, weight, mean, squares, "diagonal", "scipy", rest)


def _weigh_zeros(there: Any, weighing: Any) -> Matrix:
    """Return the weights of what is not there in each column, by groups: (n_groups, n_columns)."""
    total = np.zeros((weighing.shape[0], there.shape[1]))
    for first in range(0, there.shape[0], _ROWS_AT_A_TIME):
        part = slice(first, first + _ROWS_AT_A_TIME)
        total += weighing[:, part] @ (there[part].toarray() == 0)
    return total


def _with_rest(found: Moments, rows: Rows) -> Moments:
    """Return moments that know what rounding the means of far columns lost."""
    if isinstance(found.rest, np.ndarray):
        return found
    with np.errstate(over="ignore", invalid="ignore"):
        far = found.weight * found.mean**2 > _FAR * found.scatter.diagonal()
    if not found.weight or not far.any():
        return found
    d = found.n_features
    if on_gpu(rows.X):
        parts = (rows.X, found.mean[:d]), (rows.Y, found.mean[d:])
        gaps = [_mean_about(A, centre, rows.weights) for A, centre in parts]
        return replace(found, rest=np.concatenate(gaps))
    lost = np.zeros(len(far))
    for first in range(0, rows.X.shape[0], _ROWS_AT_A_TIME):
        block = slice(first, first + _ROWS_AT_A_TIME)
        Z = np.hstack([as_array(rows.X[block])[:, far[:d]], rows.Y[block][:, far[d:]]])
        D = Z.astype(np.float64) - found.mean[far]
        lost[far] += D.sum(axis=0) if rows.weights is None else rows.weights[block] @ D
    return replace(found, rest=lost / found.weight)


def _mean_about(A: Any, centre: Matrix, weights: Any) -> Matrix:
    """Return the mean of the rows of a tensor less a constant: a gradient at residuals of 1."""
    if not A.shape[1]:
        return np.empty(0)
    start = np.zeros((A.shape[1] + 1, 1))
    start[-1] = 1.0
    blank = namespace(A).zeros((len(A), 1), device=A.device)
    found = descent_operation.gradient(A, blank, start, weights, shift=centre)
    return as_array(found.gradient)[:-1, 0]


def _compute_array(X: Any, Y: NDArray, weights: NDArray | None, n_threads: int | None) -> Moments:
    if not sparse.issparse(X):
        return moments_operation.moments(X, Y, weights, n_threads=n_threads)
    n, d = X.shape
    engine = _sparse_engine()
    if engine is not None and X.nnz <= _DENSE * n * d:
        found = _multiply_columns(X, Y, weights, engine, n_threads)
        squares = found.scatter.diagonal()[:d]
        if keeps_digits(found.weight, found.mean[:d], squares):
            return found
    step = max(1, get_config()["memory_limit"] // (16 * d))
    parts = (
        moments_operation.moments(
            as_array(X[rows]),
            Y[rows],
            None if weights is None else weights[rows],
            n_threads=n_threads,
        )
        for rows in (slice(first, first + step) for first in range(0, n, step))
    )
    found = next(parts)
    for part in parts:
        found = found + part
    return found


@np.errstate(over="ignore", invalid="ignore")
def keeps_digits(weight: float, mean: Matrix, squares: Matrix) -> bool:
    """Return whether products about zero, of columns of a mean and scatter, keep their digits."""
    return bool((weight * mean**2 <= _MOST_LOST * squares).all())


def _sparse_engine() -> str | None:
    """Return what multiplies sparse matrices; None if they are to be made arrays."""
    asked = get_config()["engine"]
    if asked in ("auto", "native") and ops.choose("moments", asked) == "native":
        return "native"
    return "scipy" if asked == "auto" else None


def _multiply(X: Any, weights: NDArray | None, engine: str, n_threads: int | None) -> Matrix:
    """Return Σ w x xᵀ of the rows of a CSR matrix."""
    name = "native" if engine == "native" else "reference"
    return moments_operation.sparse_products(X, weights, engine=name, n_threads=n_threads)


@np.errstate(over="ignore", invalid="ignore")
def _multiply_columns(
    X: Any, Y: NDArray, weights: NDArray | None, engine: str, n_threads: int | None
) -> Moments:
    """Return the moments by products about zero."""
    n, d = X.shape
    w = np.ones(n) if weights is None else weights.astype(np.float64)
    weight = float(w.sum())
    D = Y.astype(np.float64)
    target_mean = w @ D / weight
    D -= target_mean
    D *= w[:, np.newaxis]
    sums = X.T @ np.column_stack([w, D])
    mean = np.concatenate([sums[:, 0] / weight, target_mean])
    lost = D.sum(axis=0)  # what rounding left of the centred targets' mean
    scatter = np.empty((len(mean), len(mean)))
    np.subtract(
        _multiply(X, weights, engine, n_threads),
        (weight * mean[:d, np.newaxis]) * mean[:d],
        out=scatter[:d, :d],
    )
    scatter[:d, d:] = sums[:, 1:] - np.outer(mean[:d], lost)
    scatter[d:, :d] = scatter[:d, d:].T
    scatter[d:, d:] = D.T @ (Y - target_mean)
    return Moments(n, d, weight, mean, scatter, engine, centred_late=True)


def compute_gram(rows: Rows, centre: bool, n_threads: int | None) -> Gram:
    """Return the inner products of the centred rows; where SciPy multiplies, the engine is "scipy".

    They may overflow, but no value that was met is NaN or infinite.
    """
    found = _multiply_rows(rows.X, rows.weights, centre, n_threads)
    if not np.isfinite(found.products.diagonal()).all():
        rows.assert_finite()
    return found


def _multiply_rows(X: Any, weights: NDArray | None, centre: bool, n_threads: int | None) -> Gram:
    if not sparse.issparse(X):
        return _copy_to_host(moments_operation.gram(X, weights, centre=centre, n_threads=n_threads))
    n, d = X.shape
    w = np.ones(n) if weights is None else weights.astype(np.float64)
    engine = _sparse_engine()
    if engine is not None:
        with np.errstate(over="ignore", invalid="ignore"):
            mean = w @ X / w.sum() if centre else np.zeros(d)
            lost = X @ mean - 0.5 * (mean @ mean)
            products = _multiply(X.T.tocsr(), None, engine, n_threads)
            squares = products.diagonal().copy()
            products -= lost
            products -= lost[:, np.newaxis]
            precise = (squares <= _MOST_LOST * products.diagonal()).all()
            if weights is not None:
                products *= np.sqrt(w)
                products *= np.sqrt(w)[:, np.newaxis]
        if precise or not centre:
            return Gram(mean, products, engine)
    columns = X.tocsc()
    step = max(1, get_config()["memory_limit"] // (24 * n))
    parts = [
        moments_operation.gram(
            columns[:, first : first + step].toarray(), weights, centre=centre, n_threads=n_threads
        )
        for first in range(0, d, step)
    ]
    mean = np.concatenate([part.mean for part in parts])
    return Gram(mean, np.sum([part.products for part in parts], axis=0), parts[0].engine)


def compute_gradient(
    source: Source,
    coefficients: Matrix,
    shift: Matrix | None,
    engine: str,
    n_threads: int | None,
) -> Matrix:
    """Return the gradient as `rmodels.ops.descent.gradient` does."""
    if isinstance(source, Rows):
        return _gradient(source, coefficients, shift, engine, n_threads)

    def weigh(rows: Rows) -> Matrix:
        weight = rows.weight
        if not weight:
            return np.zeros_like(coefficients)
        return weight * _gradient(rows, coefficients, shift, engine, n_threads)

    total: Matrix = source.fold(weigh) / source.weight
    return total


def _gradient(
    rows: Rows,
    coefficients: Matrix,
    shift: Matrix | None,
    engine: str | None,
    n_threads: int | None,
) -> Matrix:
    X, Y, weights = rows.X, rows.Y, rows.weights
    if not sparse.issparse(X):
        found = descent_operation.gradient(
            X, Y, coefficients, weights, shift=shift, engine=engine, n_threads=n_threads
        )
        return as_array(found.gradient)
    if shift is not None and X.nnz > _FULL * X.shape[0] * X.shape[1]:  # columns may be far from 0
        return _gradient_of_blocks(rows, coefficients, shift, n_threads)
    slopes, intercept = coefficients[:-1], coefficients[-1]
    products = X @ slopes
    if shift is not None:
        products -= shift @ slopes
    residuals = products + (intercept - Y)
    if weights is not None:
        residuals *= weights[:, np.newaxis]
    total = residuals.sum(axis=0)
    slope = X.T @ residuals
    if shift is not None:
        slope -= np.outer(shift, total)
    return np.vstack([slope, total]) / rows.weight


def _gradient_of_blocks(
    rows: Rows, coefficients: Matrix, shift: Matrix, n_threads: int | None
) -> Matrix:
    """Return the gradient of sparse rows of which most values are there, as arrays."""
    total = np.zeros_like(coefficients)
    for part in rows.blocks(_ROWS_AT_A_TIME):
        if part.weight:
            block = replace(part, X=as_array(part.X))
            total += part.weight * _gradient(block, coefficients, shift, None, n_threads)
    return total / rows.weight


def sum_gradients(rows: Rows, coefficients: Matrix, n_threads: int | None) -> Matrix:
    """Return Σ w times the gradient and, last, the losses: (n_features + 2, n_targets)."""
    weight = rows.weight
    if not weight:
        return np.zeros((len(coefficients) + 1, coefficients.shape[1]))
    found = descent_operation.gradient(
        rows.X, rows.Y, coefficients, rows.weights, n_threads=n_threads
    )
    total: Matrix = weight * np.vstack([as_array(found.gradient), as_array(found.losses)])
    if not np.isfinite(total).all():
        rows.assert_finite()
    return total


def compute_curvature(source: Source, vector: Matrix, n_threads: int | None) -> Matrix:
    """Return the second moments of [X 1] times a vector: (n_features + 1, 1)."""

    def of_part(rows: Rows) -> Matrix:
        zeros = beside(np.zeros((rows.X.shape[0], 1)), rows.X)
        alike = Rows(rows.X, zeros, rows.weights, rows.assert_finite)
        return sum_gradients(alike, vector, n_threads)[:-1]

    total: Matrix = source.fold(of_part) / source.weight
    return total


def find_spread(source: Source, columns: NDArray) -> Matrix:
    """Return the largest less the smallest value of some columns."""

    def extremes(rows: Rows) -> Matrix:
        chosen = on_host(rows.X[:, columns])
        found = chosen.max(axis=0), -chosen.min(axis=0)
        return np.vstack([each.toarray() if sparse.issparse(each) else each for each in found])

    total: Matrix = source.fold(extremes, np.maximum).sum(axis=0)
    return total
