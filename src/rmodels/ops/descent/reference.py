"""Gradient descent, literally: read this first."""

import numpy as np
from numpy.typing import NDArray

from rmodels.ops.descent import Descent, Gradient, Matrix
from rmodels.ops.moments import Moments


def _with_ones(X: NDArray, shift: Matrix | None = None) -> Matrix:
    """Return Z = [X − shift | 1]."""
    D = X.astype(np.float64) if shift is None else X - shift
    return np.concatenate([D, np.ones((len(D), 1))], axis=1)


def _weights(weights: NDArray | None, n_samples: int) -> Matrix:
    """Return w as a column."""
    w = np.ones(n_samples) if weights is None else weights.astype(np.float64)
    return w[:, np.newaxis]


def _residuals(Z: Matrix, coefficients: Matrix, Y: NDArray) -> Matrix:
    """Return Z coefficients − Y: of a Y far from 0, the intercept less Y is without rounding."""
    difference: Matrix = coefficients[-1] - Y.astype(np.float64)
    return Z[:, :-1] @ coefficients[:-1] + difference


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
        residuals = _residuals(Z, coefficients, Y)
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
        residuals = _residuals(Z, coefficients, Y)
        for step in range(iterations):
            slope = Z.T @ (w * residuals) / weight
            if not fit_intercept:
                slope[-1] = 0
            coefficients -= learning_rate * slope
            residuals = _residuals(Z, coefficients, Y)
            losses[step] = (w * residuals**2).sum(axis=0) / (2 * weight)
    return Descent(coefficients, losses, "reference")


def _normal_equations(moments: Moments, fit_intercept: bool) -> tuple[Matrix, Matrix, Matrix]:
    """Return H = Zᵀ W Z / Σw, c = Zᵀ W Y / Σw and Σ w y² / Σw, Z being [X | 1] or X."""
    d = moments.n_features
    with np.errstate(invalid="ignore", over="ignore"):
        second = moments.about_zero() / moments.weight
    H, c = second[:d, :d], second[:d, d:]
    if fit_intercept:
        means = moments.mean[np.newaxis]
        H = np.block([[H, means[:, :d].T], [means[:, :d], np.ones((1, 1))]])
        c = np.concatenate([c, means[:, d:]])
    return H, c, second.diagonal()[d:]


def steps_from_moments(
    moments: Moments, learning_rate: float, iterations: int, fit_intercept: bool
) -> Descent:
    """w ← w − α (H w − c), `iterations` times; the loss is ½ (Σ w y² / Σw + wᵀ (H w − 2 c))."""
    H, c, squares = _normal_equations(moments, fit_intercept)
    coefficients = np.zeros((moments.n_features + 1, c.shape[1]))
    moving = coefficients[: len(H)]
    losses = np.empty((iterations, c.shape[1]))
    with np.errstate(invalid="ignore", over="ignore"):
        for step in range(iterations):
            moving -= learning_rate * (H @ moving - c)
            losses[step] = (squares + (moving * (H @ moving - 2 * c)).sum(axis=0)) / 2
    return Descent(coefficients, losses, "reference")


def largest_eigenvalue(moments: Moments, fit_intercept: bool) -> float:
    """λ_max of H."""
    H, _, _ = _normal_equations(moments, fit_intercept)
    if not np.isfinite(H).all():
        return np.inf
    return float(np.linalg.eigvalsh(H)[-1]) if len(H) else 0.0
