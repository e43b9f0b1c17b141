"""The triangular factor of rows: orthogonal transformations, a block of rows at a time."""

from collections.abc import Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from rmodels.data import Rows, Source
from rmodels.ops.moments import Moments
from rmodels.solvers.conditioning import TINY
from rmodels.solvers.moments import as_array
from rmodels.solvers.refinement import add_exactly

__all__ = ["penalize", "triangulate"]

Matrix = NDArray[np.float64]

_ROWS_AT_A_TIME = 4096


def _scale_blocks(
    rows: Rows, offset: Matrix, scale: Matrix, rest: Matrix | None = None
) -> Iterator[tuple[slice, Matrix]]:
    """Yield ([X | Y] − offset − rest) / scale, a block of rows at a time."""
    d = rows.n_features
    step = max(_ROWS_AT_A_TIME, 2 * len(offset))
    for first in range(0, rows.X.shape[0], step):
        part = slice(first, first + step)
        block = as_array(rows.X[part])
        Z = np.empty((len(block), len(offset)))
        Z[:, :d] = (block - offset[:d]) / scale[:d]
        if rows.Y is not None:
            Z[:, d:] = (as_array(rows.Y[part]) - offset[d:]) / scale[d:]
        if rest is not None:
            Z -= rest / scale
        yield part, Z


def _sum_scaled(rows: Rows, offset: Matrix, scale: Matrix) -> Matrix:
    """Return the sums of the scaled columns."""
    sums = np.zeros(len(offset))
    for part, Z in _scale_blocks(rows, offset, scale):
        w = None if rows.weights is None else as_array(rows.weights[part]).astype(np.float64)
        sums += Z.sum(axis=0) if w is None else w @ Z
    return sums


def _find_largest(rows: Rows, offset: Matrix) -> Matrix:
    """Return the largest |column − offset|."""
    found = np.zeros(len(offset))
    for _, Z in _scale_blocks(rows, offset, np.ones(len(offset))):
        np.maximum(found, np.abs(Z).max(axis=0), out=found)
    return found


def _triangulate(rows: Rows, offset: Matrix, scale: Matrix, rest: Matrix | None = None) -> Matrix:
    """Return the triangular factor of the scaled columns."""
    R = np.empty((0, len(offset)))
    for part, Z in _scale_blocks(rows, offset, scale, rest):
        if rows.weights is not None:
            Z *= np.sqrt(as_array(rows.weights[part]), dtype=np.float64)[:, np.newaxis]
        R = _stack(R, Z)
    return R


def _stack(R: Matrix, Z: Matrix) -> Matrix:
    """Return the triangular factor of R above Z."""
    (found,) = linalg.qr(np.vstack([R, Z]), mode="r", overwrite_a=True, check_finite=False)
    triangle: Matrix = found[: R.shape[1]]
    return triangle


def triangulate(
    source: Source, fit_intercept: bool, moments: Moments | None = None
) -> tuple[Matrix, Matrix, Matrix]:
    """Reduce the centred, scaled [X | Y] to triangular form by Householder transformations.

    What rounding a mean loses is subtracted, too: columns that are far from 0 would else keep a
    constant part, which makes the rank one more. Of rows that are not in memory, moments that are
    known save passes that find offset and scale.

    Returns
    -------
    R : ndarray of shape (min(n_samples, n_features + n_targets), n_features + n_targets)
        RᵀR is the scatter matrix of the scaled columns.
    offset, scale : ndarray of shape (n_features + n_targets,)
        R belongs to (column − offset) / scale; scale is the largest |column − offset|, or with
        moments its root mean square.
    """

    def largest(offset: Matrix) -> Matrix:
        found = source.fold(partial(_find_largest, offset=offset), np.maximum)
        return np.where(found > 0, found, 1.0)

    offset, rest = np.zeros(source.n_features + source.n_targets), None
    squares = None if moments is None else _sum_squares(moments, fit_intercept)
    if moments is not None and squares is not None and not source.in_memory:
        scale = np.sqrt(squares / moments.weight)
        if fit_intercept:
            sums = source.fold(partial(_sum_scaled, offset=moments.mean, scale=scale))
            offset, rest = add_exactly(moments.mean, scale * (sums / source.weight))
        factor = partial(_triangulate, offset=offset, scale=scale, rest=rest)
        return source.fold(factor, _stack), offset, scale
    if fit_intercept:
        for _ in range(2):  # the second removes the rounding of the first
            scale = largest(offset)
            sums = source.fold(partial(_sum_scaled, offset=offset, scale=scale))
            offset, rest = add_exactly(offset, scale * (sums / source.weight))
    scale = largest(offset)
    factor = partial(_triangulate, offset=offset, scale=scale, rest=rest)
    return source.fold(factor, _stack), offset, scale


def _sum_squares(moments: Moments, fit_intercept: bool) -> Matrix | None:
    """Return the columns' sums of squares, None where they may have overflowed or underflowed."""
    if not moments.is_finite:
        return None
    squares: Matrix = (moments.scatter if fit_intercept else moments.about_zero()).diagonal()
    return None if (squares < TINY).any() else squares


def penalize(R: Matrix, scale: Matrix, penalty: float, d: int) -> Matrix:
    """Return the triangular factor of scaled columns whose squares have a penalty added."""
    if not penalty:
        return R
    rows = np.zeros((d, R.shape[1]))
    rows[np.diag_indices(d)] = np.sqrt(penalty) / scale[:d]
    return _stack(R, rows)
