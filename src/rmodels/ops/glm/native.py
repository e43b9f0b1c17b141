"""Losses of linear predictors by the compiled extension."""

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
    loss: Loss,
    power: float,
    centre: Matrix | None,
    weights: Matrix | None,
    curvature: bool,
    n_threads: int | None,
) -> Sums:
    """Evaluate the rows, a chunk at a time; many columns' curvature as weighted moments."""
    (n, d), outputs = X.shape, len(coefficients)
    extension: Any = native.load()
    theta, y = np.ascontiguousarray(coefficients), np.ascontiguousarray(y, dtype=np.float64)
    w = None if weights is None else np.ascontiguousarray(weights, dtype=np.float64)
    gradient, magnitude = np.zeros((outputs, d + 1)), np.zeros((outputs, d + 1))
    row_work = outputs * (3.0 * (d + 1) + _FUNCTIONS)
    H = np.zeros((outputs, d + 1, outputs, d + 1)) if curvature else None
    narrow = curvature and loss != "multinomial" and d < _WIDE
    if narrow:
        row_work += (d + 1) ** 2 / 2
    by_moments = curvature and not narrow
    held = np.empty((min(n, _CURVED_ROWS), outputs)) if by_moments else None
    threads = 1 if n * row_work < _ALONE else n_threads or thread_count()
    step = max(256, int(_CALL / row_work))
    total = 0.0
    for rows in chunks(n, min(step, _CURVED_ROWS) if by_moments else step, "losses"):
        part, w_part = X[rows], None if w is None else w[rows]
        curvatures = None if held is None else held[: len(part)]
        total += extension.evaluate_rows(
            loss,
            power,
            part,
            y[rows],
            w_part,
            theta,
            centre,
            gradient,
            magnitude,
            H if narrow else None,
            curvatures,
            threads,
        )
        if H is not None and by_moments:
            _add_curvature(H, part, centre, curvatures, loss, w_part, n_threads)
    both = None if H is None else H.reshape(outputs * (d + 1), -1)
    return Sums(total, gradient, magnitude, both, "native")


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
