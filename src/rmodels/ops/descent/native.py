"""Gradient descent by the compiled extension; from moments as the reference does it."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmodels import native
from rmodels.config import thread_count
from rmodels.ops.chunks import chunks
from rmodels.ops.descent import Descent, Gradient, Matrix, reference
from rmodels.ops.moments import Moments

CALL = 2e8  # multiply-adds of residuals in a native call: 30 to 150 ms
_ALONE = 5e5  # multiply-adds of residuals that take one thread less time than waiting for another


def _row_work(X: NDArray, Y: NDArray) -> int:
    return (X.shape[1] + 8) * max(1, Y.shape[1])


def _threads(work: float, n_threads: int | None) -> int:
    return 1 if work < _ALONE else n_threads or thread_count()


def _weight(weights: NDArray | None, n_samples: int) -> float:
    return float(n_samples if weights is None else weights.sum(dtype=np.float64))


def gradient(
    X: NDArray,
    Y: NDArray,
    coefficients: Matrix,
    weights: NDArray | None,
    shift: Matrix | None,
    n_threads: int | None,
) -> Gradient:
    """Add the rows to the slope, a chunk at a time."""
    row_work = _row_work(X, Y)
    threads = _threads(len(X) * row_work, n_threads)
    weight = _weight(weights, len(X))
    extension: Any = native.load()
    coefficients = np.ascontiguousarray(coefficients)
    slope, squares = np.zeros(coefficients.shape), np.zeros(Y.shape[1])
    for rows in chunks(len(X), max(64, int(CALL / row_work)), "gradient"):
        w = None if weights is None else weights[rows]
        extension.gradient(X[rows], Y[rows], w, shift, coefficients, threads, slope, squares)
    with np.errstate(invalid="ignore"):
        return Gradient(slope / weight, squares / (2 * weight), "native")


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
    """Step along the slope; each pass over the rows also gives the loss before its step."""
    row_work = _row_work(X, Y)
    work = max(1, len(X) * row_work)
    threads = _threads(work, n_threads)
    weight = _weight(weights, len(X))
    extension: Any = native.load()
    coefficients = np.array(start, order="C")
    slope, squares = np.zeros(coefficients.shape), np.zeros((iterations + 1, Y.shape[1]))

    if iterations and work <= 2 * CALL:
        for steps in chunks(iterations, max(1, int(CALL / work)), "descent"):
            extension.descend(
                X,
                Y,
                weights,
                learning_rate,
                weight,
                fit_intercept,
                threads,
                coefficients,
                squares[steps],
            )
        extension.gradient(X, Y, weights, None, coefficients, threads, slope, squares[-1])
    elif iterations:
        step = max(64, int(CALL / row_work))
        starts = range(0, len(X), step)
        for part in chunks((iterations + 1) * len(starts), 1, "descent"):
            iteration, place = divmod(part.start, len(starts))
            rows = slice(starts[place], starts[place] + step)
            w = None if weights is None else weights[rows]
            extension.gradient(
                X[rows], Y[rows], w, None, coefficients, threads, slope, squares[iteration]
            )
            if place == len(starts) - 1 and iteration < iterations:
                with np.errstate(invalid="ignore", over="ignore"):
                    moving = slice(None) if fit_intercept else slice(-1)
                    coefficients[moving] -= learning_rate * (slope[moving] / weight)
                slope[:] = 0
    with np.errstate(invalid="ignore", over="ignore"):
        return Descent(coefficients, squares[1:] / (2 * weight), "native")


def steps_from_moments(
    moments: Moments, learning_rate: float, iterations: int, fit_intercept: bool
) -> Descent:
    """Step as the reference does: the rows are not read, and BLAS multiplies."""
    found = reference.steps_from_moments(moments, learning_rate, iterations, fit_intercept)
    return replace(found, engine="native")


largest_eigenvalue = reference.largest_eigenvalue
