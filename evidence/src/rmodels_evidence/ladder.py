"""The ladder: one problem solved again and again, each rung one idea faster."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from rmodels import native
from rmodels.config import config_context
from rmodels_evidence import gpu, linear, neighbors
from rmodels_evidence import native as measurements
from rmodels_evidence.problem import Agreement, Answers, Contender, Options, Problem, Work

__all__ = ["instruction_set", "ladder_problems"]

_PYTHON_ROWS = 2_000


@contextmanager
def instruction_set(name: str) -> Iterator[None]:
    """Force an instruction set by RMODELS_ISA."""
    before = os.environ.get("RMODELS_ISA")
    os.environ["RMODELS_ISA"] = name
    try:
        yield
    finally:
        if before is None:
            del os.environ["RMODELS_ISA"]
        else:
            os.environ["RMODELS_ISA"] = before


def _rung(
    data: Any,
    *,
    prepare: Callable[..., Callable[[], Any]],
    engine: str,
    isa: str | None = None,
    **parameters: Any,
) -> Callable[[], Any]:
    """Return one of our own calls on a given engine and instruction set."""
    call = prepare(data, **parameters)

    def run() -> Any:
        with config_context(engine=engine):
            if isa is None:
                return call()
            with instruction_set(isa):
                return call()

    return run


def _python_loops(data: linear.LinearData) -> Callable[[], Any]:
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
        step = linear.LEARNING_RATE / len(rows)
        for column, value in enumerate(slope):
            coefficients[column] -= step * value
        return np.array([*coefficients, intercept - step * level])

    return run


def _check_python_loops(data: linear.LinearData, answers: Answers) -> Mapping[Contender, Agreement]:
    first = linear.LinearData(data.X[:_PYTHON_ROWS], data.y[:_PYTHON_ROWS], data.Q)
    return linear.check_descent(1)(first, answers)


def _two_passes(
    data: linear.LinearData, *, steps: int, threads: int, wide: bool
) -> Callable[[], Any]:
    """Return a call of gradient descent that reads the rows twice in each step."""
    extension = measurements.load()
    assert extension is not None

    def run() -> Any:
        coefficients = np.zeros(data.X.shape[1] + 1)
        rate = linear.LEARNING_RATE
        extension.descend_in_two_passes(data.X, data.y, rate, steps, threads, wide, coefficients)
        return coefficients

    return run


def _without_gpu() -> str:
    """Return what a rung of the GPU says where there is none to measure."""
    return "not measured: no GPU" if gpu.unavailable() else ""


def _set_in_use() -> tuple[str, ...]:
    """Return the native engine's instruction set; nothing without the engine."""
    return () if measurements.load() is None else (str(native.in_use()),)


def _sets_slowest_first() -> tuple[str, ...]:
    return native.instruction_sets()[::-1]


def _descent(options: Options) -> Problem:
    n = options.rows(200_000)
    few, many = 20, 100
    every = linear.ITERATIONS

    def stream(name: str, iterations: int, **rung: Any) -> Contender:
        descend = partial(
            linear.ours,
            iterations=iterations,
            learning_rate=linear.LEARNING_RATE,
            solver="stream",
        )
        return Contender(
            name,
            partial(_rung, prepare=descend, **rung),
            True,
            portion=iterations / every,
            note=f"{iterations} of {every} iterations",
            check=linear.check_descent(iterations),
        )

    def two_passes(name: str, threads: int, wide: bool) -> Contender:
        return Contender(
            f"C++, two passes, {name}",
            partial(_two_passes, steps=many, threads=threads, wide=wide),
            True,
            portion=many / every,
            note=f"{many} of {every} iterations",
            check=linear.check_descent(many),
        )

    threads, best = options.threads, _set_in_use()
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
        linear.ours,
        iterations=every,
        learning_rate=linear.LEARNING_RATE,
        solver="moments",
        n_jobs=options.threads,
    )
    closed_rungs = [
        Contender(
            f"closed form, {label}",
            partial(_rung, prepare=closed, engine=engine),
            True,
            unavailable=_without_gpu() if engine == "gpu" else "",
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
        partial(linear.headline_data, options),
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
            replace(linear.sgd_regressor(), mark=True),
            Contender(
                "LinearRegression of scikit-learn",
                linear.scikit_learn,
                note="the limit of the iterations",
                mark=True,
                check=linear.check_least_squares,
            ),
        ),
        linear.check_descent(every),
        work=Work(n * 40 * 8, n * 41 * 42, "float64"),
    )


def _neighbors(options: Options) -> Problem:
    n, q = options.rows(100_000), options.rows(10_000)

    def brute(name: str, queries: int, **rung: Any) -> Contender:
        return Contender(
            name,
            partial(
                _rung,
                prepare=partial(neighbors.ours, queries=queries, algorithm="brute"),
                **rung,
            ),
            True,
            portion=queries / q,
            note="" if queries == q else f"{queries:,} of {q:,} queries",
        )

    sets = _sets_slowest_first()
    native_rungs = [
        brute(
            f"C++ group minima, 1 thread, {name}",
            q // 4,
            engine="native",
            isa=name,
            n_jobs=1,
        )
        for name in sets
    ]
    if sets:
        threads = options.threads
        native_rungs.append(
            brute(
                f"C++ group minima, {threads} threads, {sets[-1]}",
                q,
                engine="native",
                n_jobs=threads,
            )
        )
        native_rungs.append(
            Contender(
                f"C++ tree, {threads} threads, {sets[-1]}",
                partial(
                    _rung,
                    prepare=partial(_tree, n_jobs=threads),
                    engine="native",
                ),
                True,
            )
        )
    on_gpu = brute("GPU group minima, with the copy of the data", q, engine="gpu")
    few, some = 20, 250
    return Problem(
        "ladder-neighbors",
        f"k-NN {n:,} points, {q:,} queries, 40 features of 6 latent dimensions, k=5",
        "ladder",
        partial(neighbors.latent, n, q, 40, 6, 5),
        (
            brute("NumPy reference", few, engine="reference"),
            Contender(
                "NumPy, BLAS expansion",
                partial(neighbors.numpy_expansion, queries=some),
                portion=some / q,
                note=f"{some} of {q:,} queries",
            ),
            *native_rungs,
            replace(on_gpu, unavailable=_without_gpu()),
            Contender(
                "brute force of scikit-learn",
                partial(neighbors.scikit_learn, algorithm="brute", n_jobs=options.threads),
                mark=True,
            ),
        ),
        neighbors.check_neighbors,
        work=Work(4.0 * n * 40, 2.0 * n * q * 40, "float32"),
    )


def _tree(data: neighbors.NeighborsData, *, n_jobs: int) -> Callable[[], neighbors.Answer]:
    """Return a call that builds a tree and searches it."""
    from rmodels import NearestNeighbors

    def run() -> neighbors.Answer:
        model = NearestNeighbors(n_neighbors=data.k, algorithm="kd_tree", n_jobs=n_jobs).fit(data.X)
        if model.algorithm_ != "tree":
            raise RuntimeError(f"the engine built no tree, but {model.algorithm_}")
        found: neighbors.Answer = model.kneighbors(data.Q)
        return found

    return run


def ladder_problems(options: Options) -> list[Problem]:
    """Return the ladders: slowest rung first, scikit-learn's marks last."""
    return [_descent(options), _neighbors(options)]
