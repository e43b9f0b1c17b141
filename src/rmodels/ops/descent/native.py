"""Gradient descent by the compiled extension."""

from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from rmodels import native
from rmodels.config import thread_count
from rmodels.ops.chunks import chunks
from rmodels.ops.descent import Descent, Gradient, Matrix


def _extension() -> ModuleType:
    extension = native.load()
    if extension is None:
        raise ImportError(native.ABSENT)
    return extension


def gradient(
    X: NDArray,
    Y: NDArray,
    coefficients: Matrix,
    weights: NDArray | None,
    shift: Matrix | None,
    n_threads: int | None,
) -> Gradient:
    """Sum over chunks of rows, about 50 ms of work at a time."""
    n_samples, n_features = X.shape
    n_targets = Y.shape[1]
    work = n_samples * (n_features + 1) * n_targets
    threads = 1 if work < 2e5 else n_threads or thread_count()
    extension = _extension()
    slope, losses, weight = np.zeros((n_features + 1, n_targets)), np.zeros(n_targets), 0.0
    coefficients = np.ascontiguousarray(coefficients)
    step = max(64, int(1e8 / ((n_features + 1) * max(1, n_targets))))
    for rows in chunks(n_samples, step, "gradient"):
        weight += extension.gradient(
            X[rows],
            Y[rows],
            None if weights is None else weights[rows],
            shift,
            coefficients,
            threads,
            slope,
            losses,
        )
    with np.errstate(invalid="ignore"):
        return Gradient(slope / weight, losses / weight, "native")


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
    """Step along the gradient: w ← w − α gradient(w), `iterations` times."""
    coefficients = start.copy()
    losses = np.empty((iterations, Y.shape[1]))
    with np.errstate(invalid="ignore", over="ignore"):
        for step in range(iterations + 1):
            here = gradient(X, Y, coefficients, weights, None, n_threads)
            if step:
                losses[step - 1] = here.losses
            if step < iterations:
                here.gradient[-1] *= fit_intercept
                coefficients -= learning_rate * here.gradient
    return Descent(coefficients, losses, "native")
