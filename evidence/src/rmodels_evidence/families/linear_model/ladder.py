"""The ladder of gradient descent."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from rmodels.native import in_use
from rmodels_evidence import native
from rmodels_evidence.families.linear_model.problems import (
    ITERATIONS,
    LEARNING_RATE,
    LinearData,
    check_descent,
    check_least_squares,
    headline_data,
    ours,
    scikit_learn,
    sgd_regressor,
)
from rmodels_evidence.ladder import call_on, explain_missing_gpu
from rmodels_evidence.problem import Agreement, Answers, Contender, Options, Problem, Work

__all__ = ["linear_ladder"]

_PYTHON_ROWS = 2_000


def _python_loops(data: LinearData) -> Callable[[], Any]:
    """Return a call of one iteration over the first rows, with no array in sight."""
    rows, targets = data.X[:_PYTHON_ROWS].tolist(), data.y[:_PYTHON_ROWS].tolist()

    def run() -> Any:
        coefficients = [0.0] * len(rows[0])
        intercept = 0.0
        slope, level = [0.0] * len(coefficients), 0.0
        for row, target in zip(rows, targets, strict=True):
            residual = intercept - target
            for coefficient, value in zip(coefficients, row, strict=True):
                residual += coefficient * value
            for column, value in enumerate(row):
                slope[column] += residual * value
            level += residual
        step = LEARNING_RATE / len(rows)
        for column, value in enumerate(slope):
            coefficients[column] -= step * value
        return np.array([*coefficients, intercept - step * level])

    return run


def _check_python_loops(data: LinearData, answers: Answers) -> Mapping[Contender, Agreement]:
    first = LinearData(data.X[:_PYTHON_ROWS], data.y[:_PYTHON_ROWS], data.Q)
    return check_descent(1)(first, answers)


def _two_passes(data: LinearData, *, steps: int, threads: int, wide: bool) -> Callable[[], Any]:
    """Return a call of gradient descent that reads the rows twice in each step."""
    extension = native.load()
    assert extension is not None

    def run() -> Any:
        coefficients = np.zeros(data.X.shape[1] + 1)
        rate = LEARNING_RATE
        extension.descend_in_two_passes(data.X, data.y, rate, steps, threads, wide, coefficients)
        return coefficients

    return run


def linear_ladder(options: Options) -> Problem:
    """Return the ladder, slowest rung first, scikit-learn's marks last."""
    n = options.rows(200_000)
    few, many = 20, 100
    every = ITERATIONS

    def stream(name: str, iterations: int, **rung: Any) -> Contender:
        descend = partial(
            ours,
            iterations=iterations,
            learning_rate=LEARNING_RATE,
            solver="stream",
        )
        return Contender(
            name,
            partial(call_on, prepare=descend, **rung),
            True,
            portion=iterations / every,
            note=f"{iterations} of {every} iterations",
            check=check_descent(iterations),
        )

    def two_passes(name: str, threads: int, wide: bool) -> Contender:
        return Contender(
            f"C++, two passes, {name}",
            partial(_two_passes, steps=many, threads=threads, wide=wide),
            True,
            portion=many / every,
            note=f"{many} of {every} iterations",
            check=check_descent(many),
            unavailable="" if native.load() else f"not measured: {native.ABSENT}",
        )

    threads, chosen = options.threads, in_use()
    best = () if chosen is None else (chosen,)
    native_rungs = [
        rung
        for name in best
        for rung in (
            two_passes("1 thread, scalar", 1, False),
            two_passes(f"1 thread, {name}", 1, True),
            two_passes(f"{threads} threads, {name}", threads, True),
            stream(
                f"C++, fused pass, {threads} threads, {name}",
                many,
                engine="native",
                n_jobs=threads,
            ),
        )
    ]
    closed = partial(
        ours,
        iterations=every,
        learning_rate=LEARNING_RATE,
        solver="moments",
        n_jobs=options.threads,
    )
    closed_rungs = [
        Contender(
            f"closed form, {label}",
            partial(call_on, prepare=closed, engine=engine),
            True,
            unavailable=explain_missing_gpu() if engine == "gpu" else "",
        )
        for engine, label in [
            ("reference", "NumPy reference"),
            *(("native", f"C++, {threads} threads, {name}") for name in best),
            ("gpu", "GPU, with the copy of the data"),
        ]
    ]
    return Problem(
        "ladder-descent",
        f"gradient descent {n:,} × 40, {every} iterations",
        "ladder",
        partial(headline_data, options),
        (
            Contender(
                "Python loops",
                _python_loops,
                True,
                portion=_PYTHON_ROWS / n / every,
                note=f"1 of {every} iterations over {_PYTHON_ROWS:,} of {n:,} rows",
                check=_check_python_loops,
            ),
            stream("NumPy reference", few, engine="reference"),
            *native_rungs,
            *closed_rungs,
            replace(sgd_regressor(), mark=True),
            Contender(
                "LinearRegression of scikit-learn",
                scikit_learn,
                note="the limit of the iterations",
                mark=True,
                check=check_least_squares,
            ),
        ),
        check_descent(every),
        work=Work(n * 40 * 8, n * 41 * 42, "float64"),
        seconds=30.0,
    )
