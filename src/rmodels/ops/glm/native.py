"""Losses of linear predictors by the compiled extension."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmodels import native
from rmodels.config import thread_count
from rmodels.ops.chunks import chunks
from rmodels.ops.glm import Loss, Matrix, Measures, Sums
from rmodels.ops.moments import moments

_CALL = 1e9  # multiply-adds in a native call: 20 to 100 ms
_ALONE = 1e6  # multiply-adds that take one thread less time than starting another
_FUNCTIONS = 40  # multiply-adds that the functions of a margin take
_CURVED_ROWS = 1 << 15  # whose curvatures are held at a time
_WIDE = 192  # columns from which threads share the curvature of rows, which moments do


def measure(
    margins: Matrix,
    y: Matrix,
    loss: Loss,
    power: float,
    weights: Matrix | None,
    n_threads: int | None,
) -> Measures:
    """Measure the rows, a chunk at a time."""
    n, outputs = margins.shape
    extension: Any = native.load()
    residuals, curvatures = np.empty((n, outputs)), np.empty((n, outputs))
    margins, y = np.ascontiguousarray(margins), np.ascontiguousarray(y, dtype=np.float64)
    w = None if weights is None else np.ascontiguousarray(weights, dtype=np.float64)
    work = _FUNCTIONS * max(1, outputs)
    threads = 1 if n * work < _ALONE else n_threads or thread_count()
    total = 0.0
    for rows in chunks(n, max(256, int(_CALL / work)), "losses"):
        total += extension.measure_rows(
            loss,
            power,
            margins[rows],
            y[rows],
            None if w is None else w[rows],
            residuals[rows],
            curvatures[rows],
            threads,
        )
    return Measures(total, residuals, curvatures)


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
    """Evaluate the rows, a chunk at a time; many columns' curvature as weighted moments."""
    (n, d), (count, outputs, width) = X.shape, coefficients.shape
    theta, y = np.ascontiguousarray(coefficients), np.ascontiguousarray(y, dtype=np.float64)
    w = None if weights is None else np.ascontiguousarray(weights, dtype=np.float64)
    losses, gradients, magnitudes = np.zeros(count), np.zeros(theta.shape), np.zeros(theta.shape)
    H: list[Any] = [None] * count
    row_work = count * outputs * (3.0 * width + _FUNCTIONS)
    by_moments = False
    if any(curvature):
        H = [np.zeros((outputs, width) * 2) if curved else None for curved in curvature]
        by_moments = loss == "multinomial" or d >= _WIDE
        row_work += 0.0 if by_moments else sum(map(bool, curvature)) * width**2 / 2
    threads = 1 if n * row_work < _ALONE else n_threads or thread_count()
    step = max(256, int(_CALL / max(1.0, row_work)))
    extension: Any = native.load()
    call, sums = extension.evaluate_rows, (losses, gradients, magnitudes, H, None)
    if by_moments:
        held = np.empty((min(n, _CURVED_ROWS), outputs))
        for rows in chunks(n, min(step, _CURVED_ROWS), "losses"):
            part, y_part, w_part = X[rows], y[rows], None if w is None else w[rows]
            h = held[: len(part)]
            for s, mask in enumerate(chosen):
                one = slice(s, s + 1)
                own = losses[one], gradients[one], magnitudes[one], [None], h
                masks = [None if mask is None else np.ascontiguousarray(mask[rows])]
                call(loss, power, part, y_part, w_part, theta[one], masks, centre, *own, threads)
                if H[s] is not None:
                    _add_curvature(H[s], part, centre, h, loss, w_part, n_threads)
    else:
        for rows in chunks(n, step, "losses"):
            masks = [None if mask is None else np.ascontiguousarray(mask[rows]) for mask in chosen]
            w_part = None if w is None else w[rows]
            call(loss, power, X[rows], y[rows], w_part, theta, masks, centre, *sums, threads)
    found = []
    for s in range(count):
        both = None if H[s] is None else H[s].reshape(outputs * width, -1)
        found.append(Sums(float(losses[s]), gradients[s], magnitudes[s], both, "native"))
    return found


def _add_curvature(
    H: NDArray,
    X: NDArray,
    centre: Matrix | None,
    curvatures: Any,
    loss: Loss,
    weights: Matrix | None,
    n_threads: int | None,
) -> None:
    outputs = len(H)
    if loss != "multinomial":
        H[0, :, 0] += _products(X, centre, curvatures[:, 0], n_threads)
        return
    w = 1.0 if weights is None else weights
    for k in range(outputs):
        p = curvatures[:, k]
        for c in range(k):
            block = _products(X, centre, w * p * curvatures[:, c], n_threads)
            H[k, :, c] -= block
            H[c, :, k] -= block
            H[k, :, k] += block
            H[c, :, c] += block


def _products(
    X: NDArray, centre: Matrix | None, weights: Matrix, n_threads: int | None
) -> NDArray[np.float64]:
    """Return Σ h z zᵀ with z = (x − centre, 1), from moments about the mean."""
    none = np.empty((len(X), 0))
    found = moments(X, none, weights, engine="native", n_threads=n_threads)
    mean = (found.mean if centre is None else found.mean - centre) + found.rest
    side = len(mean) + 1
    products = np.empty((side, side))
    products[:-1, :-1] = found.scatter + found.weight * np.outer(mean, mean)
    products[-1, :-1] = products[:-1, -1] = found.weight * mean
    products[-1, -1] = found.weight
    return products
