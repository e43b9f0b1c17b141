"""Losses of linear predictors by their formulas: read this first."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rmodels.ops.glm import Loss, Matrix, Measures, Sums


@np.errstate(all="ignore")
def measure(
    margins: Matrix,
    y: Matrix,
    loss: Loss,
    power: float,
    weights: Matrix | None,
    n_threads: int | None,
) -> Measures:
    """Follow the formulas, with small residuals not as differences of large numbers."""
    if loss == "multinomial":
        losses, r, h = _multinomial(margins, y.astype(np.intp))
    else:
        m = margins[:, 0]
        if loss == "logistic":
            losses, r, h = _logistic(m, y)
        elif loss == "tweedie":
            losses, r, h = _tweedie(m, y, power)
        else:
            losses, r, h = _tweedie_identity(m, y, power)
        r, h = r[:, np.newaxis], h[:, np.newaxis]
    if weights is not None:
        losses, r = losses * weights, r * weights[:, np.newaxis]
        if loss != "multinomial":
            h = h * weights[:, np.newaxis]
    return Measures(float(losses.sum()), r, h)


def _logistic(m: Matrix, y: Matrix) -> tuple[Matrix, Matrix, Matrix]:
    # −m if y is 1: the loss is log(1 + exp a) then, and its derivative by a is 1 / (1 + exp −a)
    a = np.where(y > 0, -m, m)
    e = np.exp(-abs(a))
    small, large = e / (1 + e), 1 / (1 + e)
    losses = np.maximum(a, 0) + np.log1p(e)
    p = np.where(a > 0, large, small)
    return losses, np.where(y > 0, -p, p), small * large


def _multinomial(m: Matrix, y: NDArray[np.intp]) -> tuple[Matrix, Matrix, Matrix]:
    rows, top = np.arange(len(m)), m.argmax(axis=1)
    largest = m[rows, top]
    e = np.exp(m - largest[:, np.newaxis])
    e[rows, top] = 0.0
    others = e.sum(axis=1)
    e[rows, top] = 1.0
    p = e / (1 + others)[:, np.newaxis]
    losses = np.log1p(others) + (largest - m[rows, y])
    r = p.copy()
    r[rows, y] = 0.0
    r[rows, y] = -r.sum(axis=1)
    return losses, r, p


def _tweedie(m: Matrix, y: Matrix, power: float) -> tuple[Matrix, Matrix, Matrix]:
    if power == 1:
        mu = np.exp(m)
        return mu - y * m, mu - y, mu
    if power == 2:
        ratio = y * np.exp(-m)
        return m + ratio, 1 - ratio, ratio
    a, b = np.exp((2 - power) * m), y * np.exp((1 - power) * m)
    convex = 1 < power < 2
    h = (2 - power) * a + (power - 1) * b if convex else a
    return a / (2 - power) - b / (1 - power), a - b, h


def _tweedie_identity(m: Matrix, y: Matrix, power: float) -> tuple[Matrix, Matrix, Matrix]:
    if power == 0:
        return 0.5 * m * m - y * m, m - y, np.ones_like(m)
    if power == 1:
        losses = m - np.where(y == 0, 0.0, y * np.log(m))
    elif power == 2:
        losses = np.log(m) + y / m
    else:
        losses = m ** (2 - power) / (2 - power) - y * m ** (1 - power) / (1 - power)
    h = m**-power
    return np.where(m > 0, losses, np.nan), (m - y) * h, h


def evaluate(
    X: NDArray,
    y: Matrix,
    coefficients: Matrix,
    chosen: Sequence[NDArray | None],
    loss: Loss,
    power: float,
    centre: Matrix | None,
    weights: Matrix | None,
    curvature: Sequence[bool],
    n_threads: int | None,
) -> list[Sums]:
    """Σ w r z and Σ w h z zᵀ, of all rows that count for a set at once."""
    Z = np.ones((X.shape[0], X.shape[1] + 1))
    Z[:, :-1] = X
    if centre is not None:
        Z[:, :-1] -= centre
    found = []
    for theta, mask, curved in zip(coefficients, chosen, curvature, strict=True):
        rows = slice(None) if mask is None else mask
        of_rows = None if weights is None else weights[rows]
        found.append(_evaluate(Z[rows], y[rows], theta, loss, power, of_rows, curved))
    return found


@np.errstate(all="ignore")
def _evaluate(
    Z: Matrix,
    y: Matrix,
    theta: Matrix,
    loss: Loss,
    power: float,
    weights: Matrix | None,
    curved: bool,
) -> Sums:
    found = measure(Z @ theta.T, y, loss, power, weights, None)
    gradient, magnitude = found.residuals.T @ Z, abs(found.residuals).T @ abs(Z)
    H = _sum_curvatures(Z, found.curvatures, loss, weights) if curved else None
    return Sums(found.loss, gradient, magnitude, H, "reference")


def _sum_curvatures(Z: Matrix, h: Matrix, loss: Loss, weights: Matrix | None) -> Matrix:
    if loss != "multinomial":
        return (Z * h).T @ Z
    (n, width), n_classes = Z.shape, h.shape[1]
    w = np.ones(n) if weights is None else weights
    H = np.empty((n_classes, width, n_classes, width))
    for k in range(n_classes):
        for c in range(n_classes):
            others = h.sum(axis=1) - h[:, k] if c == k else -h[:, c]
            H[k, :, c] = (Z * (w * h[:, k] * others)[:, np.newaxis]).T @ Z
    return H.reshape(n_classes * width, -1)
