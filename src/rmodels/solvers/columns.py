"""Means and sums of squares of columns, or of products with them, by reads of the rows alone.

Rows count by their weights, if they have some.
"""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from rmodels.data import Rows, Source
from rmodels.solvers.moments import TOO_LARGE, as_array, sum_entries

__all__ = ["find_mean", "sum_projected", "sum_squares"]

Matrix = NDArray[np.float64]

_NUMBERS = 1 << 18  # of a block


def _blocks(rows: Rows) -> Any:
    return rows.blocks(max(64, _NUMBERS // max(1, rows.n_features)))


def _sum(A: Any, rows: Rows) -> Matrix:
    """Return the sums of columns of rows, each times its weight."""
    if rows.weights is None:
        return np.asarray(A.sum(axis=0, dtype=np.float64)).ravel()
    found: Matrix = as_array(rows.weights).astype(np.float64) @ A
    return found


def find_mean(source: Source) -> tuple[int, Matrix]:
    """Return how many rows there are and the weighted mean of their columns, in two reads.

    Raises
    ------
    ValueError
        If the rows hold a NaN, an infinity, or values whose squares overflow.
    """
    n, sums, squares = source.fold(_sum_columns, _add_each)
    if not np.isfinite(squares).all():
        raise ValueError(TOO_LARGE)
    weight = source.weight if source.has_weights else n
    mean = sums / weight
    return n, mean + source.fold(partial(_sum_gaps, mean=mean)) / weight


def _add_each(first: tuple, second: tuple) -> tuple:
    return tuple(a + b for a, b in zip(first, second, strict=True))


def _sum_columns(rows: Rows) -> tuple[int, Matrix, Matrix]:
    """Return how many rows there are, and the columns' sums and sums of squares."""
    sums, squares = np.zeros(rows.n_features), np.zeros(rows.n_features)
    with np.errstate(over="ignore", invalid="ignore"):
        for part in [rows] if sparse.issparse(rows.X) else _blocks(rows):
            X = part.X if sparse.issparse(part.X) else as_array(part.X)
            X = X.astype(np.float64, copy=False)
            sums += _sum(X, part)
            squares += _sum(X**2, part)
    if not np.isfinite(squares).all():
        rows.assert_finite()
    return rows.X.shape[0], sums, squares


def _sum_gaps(rows: Rows, mean: Matrix) -> Matrix:
    """Return the sums of the columns less their mean: what rounding has left."""
    if sparse.issparse(rows.X):
        return _sum(rows.X, rows) - rows.weight * mean
    total = np.zeros(len(mean))
    for part in _blocks(rows):
        total += _sum(as_array(part.X) - mean, part)
    return total


def sum_squares(source: Source, mean: Matrix) -> Matrix:
    """Return Σ w (x − mean)² of each column: (n_features,)."""
    return source.fold(partial(_sum_squares, mean=mean))


def _sum_squares(rows: Rows, mean: Matrix) -> Matrix:
    if sparse.issparse(rows.X):
        one = np.zeros((rows.X.shape[0], 1), dtype=np.int64)
        found = sum_entries(replace(rows, Y=one), 1)
        gap: Matrix = (found.mean - mean + found.rest)[0]
        squares: Matrix = found.scatter[0] + found.weight[0] * gap**2
        return squares
    total = np.zeros(len(mean))
    for part in _blocks(rows):
        total += _sum((as_array(part.X) - mean) ** 2, part)
    return total


def sum_projected(source: Source, mean: Matrix, axes: Matrix) -> Matrix:
    """Return Σ w ((x − mean) · v)² for each axis v, a row of `axes`: (n_axes,)."""
    return source.fold(partial(_sum_projected, mean=mean, axes=axes))


def _sum_projected(rows: Rows, mean: Matrix, axes: Matrix) -> Matrix:
    if sparse.issparse(rows.X):
        return _sum((rows.X @ axes.T - mean @ axes.T) ** 2, rows)
    total = np.zeros(len(axes))
    for part in _blocks(rows):
        total += _sum(((as_array(part.X) - mean) @ axes.T) ** 2, part)
    return total
