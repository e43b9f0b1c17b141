"""Gradient descent on half the mean squared error: all steps at once, or one by one.

From the moments, or from the products of the rows, every step follows by `closed_form`; on the GPU
by `rmodels.ops.descent.steps_from_moments`. "stream" reads all rows in each step.
"""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import linalg
from sklearn.exceptions import ConvergenceWarning

from rmodels.config import get_config
from rmodels.data import Rows, Source
from rmodels.data.arrays import beside, on_gpu, on_host
from rmodels.ops import choose
from rmodels.ops import descent as operation
from rmodels.ops.moments import Moments
from rmodels.solvers import closed_form
from rmodels.solvers.blas import blas_threads
from rmodels.solvers.conditioning import condition_gram, condition_moments
from rmodels.solvers.moments import (
    TOO_LARGE,
    compute_curvature,
    compute_gram,
    compute_moments,
    sum_gradients,
)
from rmodels.solvers.plan import plan_descent, smaller_side
from rmodels.solvers.result import LinearFit

__all__ = ["descend", "descend_moments", "iterate_eigenvalue", "solve_eigenvalue"]

Matrix = NDArray[np.float64]

_FEW = 256  # columns: their eigenvectors take LAPACK less time than it takes to start kernels
_MOST_DECOMPOSED = 1024  # columns: more take LAPACK longer than Lanczos takes for one eigenvalue


def descend(
    source: Source,
    iterations: int,
    learning_rate: float | str,
    fit_intercept: bool,
    *,
    solver: str = "auto",
    n_threads: int | None = None,
) -> LinearFit:
    """Take steps of full-batch gradient descent from zero.

    Parameters
    ----------
    source : Source
    iterations : int
    learning_rate : float or "auto"
        α; "auto" is one over the largest eigenvalue of the second moments of [X 1].
    fit_intercept : bool
    solver : {"auto", "moments", "gram", "stream"}
        What `plan_descent` is asked for.
    n_threads : int, optional
        Most threads; None means all.

    Raises
    ------
    ValueError
        If squares of X or Y overflow where moments or products are needed, or the coefficients do
        because the learning rate is too large.
    """
    route = plan_descent(source, iterations, learning_rate, solver)
    with blas_threads(smaller_side(source), n_threads or 1):
        if route.solver == "gram":
            assert isinstance(source, Rows)
            return _descend_gram(source, iterations, learning_rate, fit_intercept, n_threads)
        if route.solver == "stream":
            source.keep_rows()
        if route.solver == "stream" and learning_rate != "auto":
            return _stream(source, iterations, float(learning_rate), fit_intercept, n_threads)
        moments = compute_moments(source, n_threads)
        if not moments.is_finite:
            raise ValueError(TOO_LARGE)
        if route.solver == "stream":
            found = _apply_closed_form(moments, source, iterations, learning_rate, fit_intercept)
            assert found.learning_rate is not None
            streamed = _stream(source, iterations, found.learning_rate, fit_intercept, n_threads)
            return replace(streamed, conditioning=found.conditioning, moments=moments)
        if isinstance(source, Rows) and _stays_on_gpu(source, iterations):
            return _descend_on_gpu(moments, source, iterations, learning_rate, fit_intercept)
        return descend_moments(moments, iterations, learning_rate, fit_intercept, source=source)


def descend_moments(
    moments: Moments,
    iterations: int,
    learning_rate: float | str,
    fit_intercept: bool,
    *,
    source: Source | None = None,
) -> LinearFit:
    """Return the same from moments, by eigenvectors.

    The source, if it is given, tells columns that do not vary from those that hardly do.
    """
    found = _apply_closed_form(moments, source, iterations, learning_rate, fit_intercept)
    assert isinstance(found.history, closed_form.ClosedForm)
    return _check_convergence(found, float(found.history.eigenvalues[-1:].sum()), iterations)


def _apply_closed_form(
    moments: Moments,
    source: Source | None,
    iterations: int,
    learning_rate: float | str,
    fit_intercept: bool,
) -> LinearFit:
    """Return where the steps lead, whether they converge or not."""
    coefficients, history = closed_form.descend_moments(
        moments, fit_intercept, learning_rate, iterations
    )
    return LinearFit(
        coefficients,
        "moments",
        moments.engine,
        condition_moments(moments, source, fit_intercept),
        moments,
        history.learning_rate,
        history,
    )


def _descend_gram(
    source: Rows,
    iterations: int,
    learning_rate: float | str,
    fit_intercept: bool,
    n_threads: int | None,
) -> LinearFit:
    """Return the same from the products of the rows."""
    gram = compute_gram(source, fit_intercept, n_threads)
    if not np.isfinite(gram.products.diagonal()).all():
        raise ValueError(TOO_LARGE)
    rows = source.on_host()
    coefficients, history = closed_form.descend_gram(
        gram, rows.X, rows.Y, rows.weights, fit_intercept, learning_rate, iterations
    )
    found = LinearFit(
        coefficients,
        "gram",
        gram.engine,
        condition_gram(gram, rows.n_features, rows.weights, fit_intercept),
        learning_rate=history.learning_rate,
        history=history,
    )
    return _check_convergence(found, float(history.eigenvalues[-1:].sum()), iterations)


def _stays_on_gpu(rows: Rows, iterations: int) -> bool:
    """Return whether X is on the GPU, and eigenvectors on the processor would take longer.

    All iterations' coefficients are computed there, which have to keep the memory limit.
    """
    if not on_gpu(rows.X):
        return False
    size = 24 * (rows.n_features + 1) * rows.n_targets * iterations
    return rows.n_features > _FEW and bool(size <= get_config()["memory_limit"])


def _descend_on_gpu(
    moments: Moments,
    rows: Rows,
    iterations: int,
    learning_rate: float | str,
    fit_intercept: bool,
) -> LinearFit:
    """Return the same with coefficients and losses as tensors where X is."""
    mean, scatter = beside(moments.mean, rows.X), beside(moments.scatter, rows.X)
    there = replace(moments, mean=mean, scatter=scatter)
    largest = operation.largest_eigenvalue(there, fit_intercept)
    if not np.isfinite(largest):
        raise ValueError(TOO_LARGE)
    rate = learning_rate
    if rate == "auto":
        rate = 1.0 / largest if largest else 1.0
    steps = operation.steps_from_moments(there, float(rate), iterations, fit_intercept)
    found = LinearFit(
        steps.coefficients,
        "moments",
        moments.engine,
        condition_moments(moments, rows, fit_intercept),
        moments,
        float(rate),
        steps.losses,
    )
    return _check_convergence(found, largest, iterations)


def _stream(
    source: Source,
    iterations: int,
    learning_rate: float,
    fit_intercept: bool,
    n_threads: int | None,
) -> LinearFit:
    """Return what the literal loop leads to."""
    steps, first = _take_steps(source, learning_rate, iterations, fit_intercept, n_threads)
    coefficients: Matrix = on_host(steps.coefficients)
    if isinstance(source, Rows) and not (np.isfinite(coefficients).all() and iterations):
        source.assert_finite()
    found = LinearFit(
        coefficients,
        "stream",
        steps.engine,
        learning_rate=learning_rate,
        history=steps.losses,
    )
    with np.errstate(over="ignore", invalid="ignore"):
        losses = np.vstack([first, on_host(steps.losses)])
        falls = losses[1:] <= losses[:-1] * (1 + 1e-9)
    if falls.all():
        return found
    chosen = solve_eigenvalue if source.n_features <= _MOST_DECOMPOSED else iterate_eigenvalue
    return _check_convergence(found, chosen(source, fit_intercept, n_threads), iterations)


def _take_steps(
    source: Source,
    learning_rate: float,
    iterations: int,
    fit_intercept: bool,
    n_threads: int | None,
) -> tuple[operation.Descent, Matrix]:
    """Take steps from zero as `rmodels.ops.descent.descent` does; of parts, a fold for each.

    Also return the losses before the first, (n_targets,).
    """
    start = np.zeros((source.n_features + 1, source.n_targets))
    if isinstance(source, Rows):
        with np.errstate(over="ignore", invalid="ignore"):
            squares = np.square(on_host(source.Y), dtype=np.float64)
            first = 0.5 * np.average(squares, axis=0, weights=on_host(source.weights))
        return operation.descent(
            source.X,
            source.Y,
            start,
            learning_rate,
            iterations,
            source.weights,
            fit_intercept=fit_intercept,
            n_threads=n_threads,
        ), first
    coefficients, losses = start, np.empty((iterations + 1, source.n_targets))
    for step in range(iterations + 1):
        with np.errstate(over="ignore", invalid="ignore"):
            sums = source.fold(
                partial(sum_gradients, coefficients=coefficients, n_threads=n_threads)
            )
            sums = sums / source.weight
            losses[step] = sums[-1]
            if step < iterations:
                coefficients = coefficients - learning_rate * sums[:-1]
        if not fit_intercept:
            coefficients[-1] = 0.0
    return operation.Descent(coefficients, losses[1:], choose("descent")), losses[0]


def _check_convergence(found: LinearFit, largest: float, iterations: int) -> LinearFit:
    """Return what was found, with a warning if α is above 2 / λ_max.

    Raises
    ------
    ValueError
        If that made the coefficients overflow.
    """
    rate = found.learning_rate
    assert rate is not None
    if rate * largest <= 2 * (1 + 1e-12):
        return found
    advice = (
        f"learning_rate={rate:g} is too large for gradient descent to converge on this data: "
        f"the largest stable one is {2 / largest:.6g}. Choose a smaller one, or 'auto'."
    )
    coefficients: Any = on_host(found.coefficients)
    if not np.isfinite(coefficients).all():
        raise ValueError(f"The coefficients overflowed in {iterations} iterations: {advice}")
    return replace(found, warnings=(*found.warnings, ConvergenceWarning(advice)))


def solve_eigenvalue(source: Source, fit_intercept: bool, n_threads: int | None) -> float:
    """Return λ_max of the second moments of [X 1] from these; infinity if they overflow."""
    return operation.largest_eigenvalue(compute_moments(source, n_threads), fit_intercept)


def iterate_eigenvalue(source: Source, fit_intercept: bool, n_threads: int | None) -> float:
    """Return the same by Lanczos iterations, each one read of the rows."""
    d = source.n_features

    def product(vector: Matrix) -> Matrix:
        vector = vector.reshape(-1, 1).copy()
        if not fit_intercept:
            vector[-1] = 0
        found = compute_curvature(source, vector, n_threads)[:, 0]
        if not fit_intercept:
            found[-1] = 0
        return found

    start = product(np.random.default_rng(0).standard_normal(d + 1))
    if not np.isfinite(start).all():
        return np.inf
    if not start.any():
        return 0.0
    operator = linalg.LinearOperator((d + 1, d + 1), matvec=product, dtype=np.float64)
    values = linalg.eigsh(operator, k=1, which="LA", v0=start, tol=1e-13, return_eigenvectors=False)
    return float(values[0])
