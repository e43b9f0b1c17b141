"""Densities by kernels, held against their definition and against scikit-learn."""

import math
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import neighbors

from rmodels import KernelDensity
from rmodels_evidence.case import Case
from rmodels_evidence.problem import Contender, Goal, Options, Problem, Work, agree_with

__all__ = ["density_cases", "density_problems"]

_KERNELS = ("gaussian", "exponential", "epanechnikov")
_CASES = (
    "plain",
    "grid",
    "duplicates",
    "weights",
    "far away",
    "between clusters",
    "float64, mean 1e6",
    "float32, mean 1e4",
)


@cache
def _rows(name: str) -> tuple[NDArray, NDArray, NDArray | None]:
    """Return points, queries and weights."""
    rng = np.random.default_rng(0)
    X: NDArray = rng.standard_normal((2000, 3))
    weights = None
    if name == "grid":
        X = np.stack(np.meshgrid(*[np.arange(12.0)] * 3), axis=-1).reshape(-1, 3)
    if name == "duplicates":
        X = np.repeat(X[:100], 20, axis=0)
    if name == "weights":
        weights = rng.integers(1, 9, 2000).astype(float)
    if name == "between clusters":
        X = np.concatenate([X - 30, X + 30])
    Q = np.concatenate([X[:50], X[50:100] + 0.1])
    if name == "far away":
        Q = Q * 300
    if name == "between clusters":
        Q = rng.uniform(-20, 20, (100, 3))
    if name == "float64, mean 1e6":
        return X + 1e6, Q + 1e6, weights
    if name == "float32, mean 1e4":
        return (X + 1e4).astype(np.float32), (Q + 1e4).astype(np.float32), weights
    return X, Q, weights


def _define(kernel: str, name: str) -> NDArray:
    """Return log p in extended precision, of distances in float64."""
    X, Q, weights = _rows(name)
    squares = np.zeros((len(Q), len(X)))
    for q, x in zip(Q.T.astype(np.float64), X.T.astype(np.float64), strict=True):
        squares += (q[:, np.newaxis] - x) ** 2
    t = np.sqrt(squares).astype(np.longdouble)
    w = np.ones(len(X)) if weights is None else weights
    volume = 4 / 3 * math.pi
    integral = {
        "gaussian": (2 * math.pi) ** 1.5,
        "exponential": volume * 6,
        "epanechnikov": volume * 2 / 5,
    }[kernel]
    with np.errstate(divide="ignore"):
        if kernel == "epanechnikov":
            logs = np.log((w * np.where(t < 1, 1 - t * t, 0)).sum(axis=1))
        else:
            v = t * t / 2 if kernel == "gaussian" else t
            least = v.min(axis=1, keepdims=True)
            logs = np.log((w * np.exp(least - v)).sum(axis=1)) - least[:, 0]
    found: NDArray = (logs - math.log(integral * w.sum())).astype(np.float64)
    return found


def _relative(kernel: str, name: str, answers: Sequence[NDArray]) -> list[float]:
    """Return the largest differences over max(1, |log p|); infinite where only one of two is."""
    truth = _define(kernel, name)
    reached = np.isfinite(truth)
    size = np.maximum(1, np.abs(truth[reached]))
    return [
        float((np.abs(answer[reached] - truth[reached]) / size).max())
        if (answer[~reached] == truth[~reached]).all()
        else math.inf
        for answer in answers
    ]


def _score(estimator: Any, kernel: str, name: str) -> NDArray:
    X, Q, weights = _rows(name)
    scores = estimator(kernel=kernel).fit(X, sample_weight=weights).score_samples(Q)
    return np.asarray(scores)


def density_cases() -> Iterator[Case]:
    """Yield what is checked of the estimator."""
    for name in _CASES:
        for kernel in _KERNELS:
            if kernel == "epanechnikov" and name in ("far away", "between clusters"):
                continue  # all −inf
            yield Case(
                "KernelDensity" + (", float32" if "float32" in name else ""),
                name,
                f"log densities, {kernel}",
                "the definition in extended precision",
                2e-14,  # 128 roundings of the sum, 8 of an exponent, 16 of a kernel
                partial(_score, KernelDensity, kernel, name),
                partial(_relative, kernel, name),
                {"scikit-learn": partial(_score, neighbors.KernelDensity, kernel, name)},
            )


def _normal(n: int, queries: int, d: int) -> tuple[NDArray, NDArray]:
    rng = np.random.default_rng(0)
    return rng.standard_normal((n, d)), rng.standard_normal((queries, d))


def _scoring(estimator: Any, data: tuple[NDArray, NDArray]) -> Callable[[], NDArray]:
    X, Q = data
    return lambda: np.asarray(estimator().fit(X).score_samples(Q))


def density_problems(options: Options) -> Iterator[Problem]:
    """Yield what is measured."""
    n, queries, d = options.rows(10_000), options.rows(2_000), 5
    yield Problem(
        "kde",
        f"KernelDensity {n:,} × {d}, {queries:,} queries",
        "neighbors",
        partial(_normal, n, queries, d),
        (
            Contender("rmodels", partial(_scoring, KernelDensity), True),
            Contender("scikit-learn", partial(_scoring, neighbors.KernelDensity)),
        ),
        agree_with("scikit-learn", 1e-9, "difference of log densities"),
        (Goal(("scikit-learn",), 30),),
        Work(n * d * 8, n * queries * (3 * d + 30), "float64"),
    )
