"""Gradient descent, literally: read this first."""

import numpy as np
from numpy.typing import NDArray

from rmodels.ops.descent import Descent, Gradient, Matrix


def _with_ones(X: NDArray, shift: Matrix | None = None) -> Matrix:
    """Return Z = [X − shift | 1]."""
    D = X.astype(np.float64) if shift is None else X - shift
    return np.concatenate([D, np.ones((len(D), 1))], axis=1)


def _weights(weights: NDArray | None, n_samples: int) -> Matrix:
    """Return w as a column."""
    w = np.ones(n_samples) if weights is None else weights.astype(np.float64)
    return w[:, np.newaxis]


def gradient(
    X: NDArray,
    Y: NDArray,
    coefficients: Matrix,
    weights: NDArray | None,
    shift: Matrix | None,
    n_threads: int | None,
) -> Gradient:
    """Zᵀ W r / Σw and ½ Σ w r² / Σw, with r = Z coefficients − Y."""
    Z = _with_ones(X, shift)
    w = _weights(weights, len(Z))
    with np.errstate(invalid="ignore", over="ignore"):
        residuals = Z @ coefficients - Y
        slope = Z.T @ (w * residuals) / w.sum()
        losses = (w * residuals**2).sum(axis=0) / (2 * w.sum())
    return Gradient(slope, losses, "reference")


def descent(
    X: NDArray,
    Y: NDArray,
    start: Matrix,
    learning_rate: float,
    iterations: int,
    weights: NDArray | None,
    fit_intercept: bool,
    n_threads: int | None,
) -> Descent:
    """w ← w − α Zᵀ W (Z w − Y) / Σw, `iterations` times."""
    Z = _with_ones(X)
    w = _weights(weights, len(Z))
    weight = w.sum()
    coefficients = start.copy()
    losses = np.empty((iterations, Y.shape[1]))
    with np.errstate(invalid="ignore", over="ignore"):
        residuals = Z @ coefficients - Y
        for step in range(iterations):
            slope = Z.T @ (w * residuals) / weight
            if not fit_intercept:
                slope[-1] = 0
            coefficients -= learning_rate * slope
            residuals = Z @ coefficients - Y
            losses[step] = (w * residuals**2).sum(axis=0) / (2 * weight)
    return Descent(coefficients, losses, "reference")
