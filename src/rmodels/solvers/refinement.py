"""Refinement of least squares with residuals in twice the precision of float64.

A solver of low accuracy is enough if what is left is known well (iterative refinement: Björck,
"Numerical Methods for Least Squares Problems", 1996, section 2.9). Coefficients, residuals and the
gradient are unevaluated sums of two float64 (Dekker, "A floating-point technique for extending the
available precision", 1971): as long as the steps shrink, they lead to the digits of float64.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from rmodels.data import Rows, Source
from rmodels.solvers.moments import as_array

__all__ = ["add_exactly", "refine"]

Matrix = NDArray[np.float64]
Pair = tuple[Matrix, Matrix]  # high and low part

_EPS = float(np.finfo(np.float64).eps)
_MOST_STEPS = 10
_BLOCK = 1 << 15  # products at a time: their parts stay in the cache


def add_exactly(a: Matrix, b: Matrix) -> Pair:
    """Return a + b, and what its rounding lost."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def _halves(a: Matrix) -> Pair:
    """Return two numbers of 26 bits whose sum is a."""
    scaled = 134217729.0 * a
    high = scaled - (scaled - a)
    return high, a - high


def _product(a: Matrix, b: Matrix) -> Pair:
    """Return a · b, and what its rounding lost."""
    total = a * b
    (ah, al), (bh, bl) = _halves(a), _halves(b)
    return total, ((ah * bh - total) + ah * bl + al * bh) + al * bl


def _add(x: Pair, y: Pair) -> Pair:
    high, low = add_exactly(x[0], y[0])
    return add_exactly(high, low + x[1] + y[1])


def _add_both(x: tuple[Pair, Pair], y: tuple[Pair, Pair]) -> tuple[Pair, Pair]:
    return _add(x[0], y[0]), _add(x[1], y[1])


def _dot(a: Matrix, b: Pair) -> Pair:
    """Return Σ a · b over the first axis."""
    high, low = _product(a, b[0])
    low = low + a * b[1]
    while len(high) > 1:
        half = len(high) // 2
        total, lost = add_exactly(high[:half], high[half : 2 * half])
        lost += low[:half] + low[half : 2 * half]
        if len(high) % 2:
            total, lost = np.vstack([total, high[-1:]]), np.vstack([lost, low[-1:]])
        high, low = total, lost
    return add_exactly(high[0], low[0])


def _gradient(rows: Rows, coefficients: Pair, intercept: Pair) -> tuple[Pair, Pair]:
    """Return Σ w x r, (n_features, n_targets), and Σ w r, (n_targets,), r = y − x·c − intercept."""
    X, Y, weights = rows.X, rows.Y, rows.weights
    d, t = X.shape[1], Y.shape[1]
    slope: Pair = np.zeros((d, t)), np.zeros((d, t))
    total: Pair = np.zeros(t), np.zeros(t)
    step = max(1, _BLOCK // d)
    for first in range(0, X.shape[0], step):
        part = slice(first, first + step)
        block = np.ascontiguousarray(as_array(X[part]), dtype=np.float64)
        columns = np.ascontiguousarray(block.T)
        residuals = np.empty((len(block), t)), np.empty((len(block), t))
        for target in range(t):  # one at a time: the inner loops run over rows
            opposite = -coefficients[0][:, target, np.newaxis], -coefficients[1][:, target, None]
            residuals[0][:, target], residuals[1][:, target] = _dot(columns, opposite)
        residuals = _add(
            residuals, add_exactly(as_array(Y[part]).astype(np.float64), -intercept[0])
        )
        residuals = add_exactly(residuals[0], residuals[1] - intercept[1])
        if weights is not None:
            w = as_array(weights[part]).astype(np.float64)[:, np.newaxis]
            high, low = _product(w, residuals[0])
            residuals = high, low + w * residuals[1]
        found = np.empty((d, t)), np.empty((d, t))
        for target in range(t):
            one = residuals[0][:, target, np.newaxis], residuals[1][:, target, np.newaxis]
            found[0][:, target], found[1][:, target] = _dot(block, one)
        slope = _add(slope, found)
        total = _add(total, _dot(np.ones((len(block), 1)), residuals))
    return slope, total


@np.errstate(over="ignore", invalid="ignore")
def refine(
    solve: Callable[[Matrix], Matrix],
    source: Source,
    mean: Matrix | None,
    coefficients: Matrix,
    offset: Matrix,
    norms: Matrix,
    penalty: float = 0.0,
) -> tuple[Matrix, Matrix] | None:
    """Refine coefficients until they have the digits of float64.

    Parameters
    ----------
    solve : callable
        Multiplies (n_features, n_targets) by about the inverse of the scatter matrix of X and α I.
    source : Source
    mean : ndarray of shape (n_features,), optional
        Means of the columns of X; None if there is no intercept.
    coefficients : ndarray of shape (n_features, n_targets)
        Where to start.
    offset : ndarray of shape (n_targets,)
        Means of the columns of Y; zeros if there is no intercept.
    norms : ndarray of shape (n_features,)
        Norms of the centred columns of X, above 0. A coefficient whose share of the prediction is
        less than 2⁻⁵² of the largest one's need not have more digits than that.
    penalty : float
        α: what is minimised is the sum of squares and α Σ coef².

    Returns
    -------
    coefficients : ndarray of shape (n_features, n_targets)
    intercept : ndarray of shape (n_targets,)
        Or None for both if the steps do not shrink.
    """
    current: Pair = coefficients, np.zeros_like(coefficients)
    intercept: Pair = offset, np.zeros_like(offset)
    if mean is not None:
        intercept = _add(intercept, _dot(-mean[:, np.newaxis], current))
    last = np.inf
    for _ in range(_MOST_STEPS):
        slope, total = source.fold(
            partial(_gradient, coefficients=current, intercept=intercept), _add_both
        )
        weight = source.weight
        if mean is not None:
            high, low = _product(-mean[:, np.newaxis], total[0])
            slope = _add(slope, (high, low - mean[:, np.newaxis] * total[1]))
        if penalty:
            high, low = _product(np.full_like(current[0], -penalty), current[0])
            slope = _add(slope, (high, low - penalty * current[1]))
        step = solve(slope[0])
        if not np.isfinite(step).all():
            return None
        current = _add(current, (step, np.zeros_like(step)))
        if mean is not None:
            moved = _dot(-mean[:, np.newaxis], (step, np.zeros_like(step)))
            intercept = _add(_add(intercept, moved), (total[0] / weight, total[1] / weight))
        share = np.abs(current[0]) * norms[:, np.newaxis]
        share = np.maximum(share, _EPS * share.max(axis=0))
        size = np.nanmax(np.abs(step) * norms[:, np.newaxis] / share, initial=0.0)
        if size <= _EPS:
            return current[0], intercept[0]
        if size > 0.5 * last:
            return None
        last = size
    return None
