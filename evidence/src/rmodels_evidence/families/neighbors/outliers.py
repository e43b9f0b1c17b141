"""The local outlier factor, held against its definition and against scikit-learn."""

import importlib
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import neighbors

from rmodels import LocalOutlierFactor
from rmodels_evidence.case import Case, relative_to
from rmodels_evidence.problem import (
    INTELEX,
    Agreement,
    Answers,
    Contender,
    Goal,
    Options,
    Problem,
    Work,
)

__all__ = ["outlier_cases", "outlier_problems"]

_K = 10
_CASES = ("plain", "grid", "duplicates", "float64, mean 1e6", "float32, mean 1e4")


@cache
def _points(name: str) -> NDArray:
    rng = np.random.default_rng(0)
    X: NDArray = rng.standard_normal((500, 4)) * rng.choice([0.1, 1.0, 5.0], (500, 1))
    if name == "grid":
        return np.stack(np.meshgrid(*[np.arange(8.0)] * 3), axis=-1).reshape(-1, 3)
    if name == "duplicates":
        return np.repeat(X[:100], 5, axis=0)
    if name == "float64, mean 1e6":
        return X + 1e6
    if name == "float32, mean 1e4":
        return (X + 1e4).astype(np.float32)
    return X


def _define(name: str) -> NDArray:
    """Return −LOF: distances of differences, neighbours by (distance, index)."""
    X = _points(name).astype(np.float64)
    squares = np.zeros((len(X), len(X)))
    for x in X.T:
        squares += (x[:, np.newaxis] - x) ** 2
    distances = np.sqrt(squares)
    order = np.argsort(distances, axis=1, kind="stable")[:, : _K + 1]
    near = np.array([[j for j in row if j != i][:_K] for i, row in enumerate(order)])
    reach = distances[np.arange(len(X)), near[:, -1]]
    between = np.maximum(np.take_along_axis(distances, near, axis=1), reach[near])
    density = 1.0 / (between.mean(axis=1) + 1e-10)
    found: NDArray = -density[near].mean(axis=1) / density
    return found


def _fit(estimator: Any, name: str) -> NDArray:
    return np.asarray(estimator(_K).fit(_points(name)).negative_outlier_factor_)


def outlier_cases() -> Iterator[Case]:
    """Yield what is checked of the estimator."""
    for name in _CASES:
        yield Case(
            "LocalOutlierFactor" + (", float32" if "float32" in name else ""),
            name,
            "factors",
            "the definition in float64",
            2**-24 * 1.01 if "float32" in name else 1e-12,  # the factors are rounded to float32
            partial(_fit, LocalOutlierFactor, name),
            relative_to(partial(_define, name)),
            {"scikit-learn": partial(_fit, neighbors.LocalOutlierFactor, name)},
        )


def _normal(n: int, d: int) -> NDArray:
    return np.random.default_rng(0).standard_normal((n, d))


def _fitting(estimator: Any, X: NDArray) -> Callable[[], NDArray]:
    model = estimator(n_jobs=-1)
    return lambda: np.asarray(model.fit(X).negative_outlier_factor_)


def _fitting_of_intelex(X: NDArray) -> Callable[[], NDArray]:
    return _fitting(importlib.import_module("sklearnex.neighbors").LocalOutlierFactor, X)


def _check(X: NDArray, answers: Answers) -> dict[Contender, Agreement]:
    truth = next(each for contender, each in answers.items() if contender.name == "scikit-learn")
    return {
        contender: Agreement(
            float(np.abs(answer / truth - 1).max()), 1e-6, "relative error of the factors"
        )
        for contender, answer in answers.items()
    }


def outlier_problems(options: Options) -> Iterator[Problem]:
    """Yield what is measured."""
    n, d = options.rows(20_000), 10
    yield Problem(
        "lof",
        f"LocalOutlierFactor {n:,} × {d}, 20 neighbours",
        "neighbors",
        partial(_normal, n, d),
        (
            Contender("rmodels", partial(_fitting, LocalOutlierFactor), True),
            Contender("scikit-learn", partial(_fitting, neighbors.LocalOutlierFactor)),
            Contender(INTELEX, _fitting_of_intelex, peer=INTELEX),
        ),
        _check,
        (Goal(("scikit-learn",), 25), Goal((INTELEX,), 5)),
        Work(n * d * 8, n * n * d, "float32"),
    )
