"""Clusters of points with many neighbours."""

import importlib
import math
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import cluster

from rmodels import DBSCAN
from rmodels_evidence.case import Case, share_differing
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

__all__ = ["density_cases", "density_problems"]

Rows = tuple[NDArray, float, NDArray | None]  # points, eps and weights
Clusters = tuple[NDArray, NDArray]

_ENOUGH = 5


@cache
def _rows(name: str) -> Rows:
    """Return the points of a case, the radius and the weights."""
    rng = np.random.default_rng(0)
    X: NDArray = rng.standard_normal((600, 3)) + 4 * rng.integers(0, 4, (600, 1))
    line = np.arange(20.0)
    grid = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    if name == "grid of 0.1":
        return grid * 0.1, 0.1, None
    if name == "whole numbers from 1e8":
        return grid + 1e8, 1.0, None
    if name == "duplicates":
        return np.repeat(X[:60], 10, axis=0), 0.4, None
    if name == "weights, some negative":
        return X, 0.6, rng.integers(-2, 5, 600).astype(np.float64)
    if name == "weights of 0.2":
        return X, 0.6, np.full(600, 0.2)
    if name == "float64, mean 1e6":
        return X + 1e6, 0.6, None
    if name == "float32, mean 1e4":
        return (X + 1e4).astype(np.float32), 0.6, None
    return X, 0.6, None


_CASES = (
    "plain",
    "grid of 0.1",
    "whole numbers from 1e8",
    "duplicates",
    "weights, some negative",
    "weights of 0.2",
    "float64, mean 1e6",
    "float32, mean 1e4",
)


def _define(name: str) -> Clusters:
    """Return who is core, and the labels: by distances of differences, and a search by depth."""
    X, eps, weights = _rows(name)
    w = np.ones(len(X)) if weights is None else weights
    enough = 1 if name == "weights of 0.2" else _ENOUGH
    squares = np.zeros((len(X), len(X)))
    for x in X.T.astype(np.float64):
        squares += (x[:, np.newaxis] - x) ** 2
    near = np.sqrt(squares) <= eps
    core = np.array([math.fsum(w[row]) >= enough for row in near])
    labels = np.full(len(X), -1)
    for start in np.flatnonzero(core):
        if labels[start] >= 0:
            continue
        number = labels.max() + 1
        stack = [int(start)]
        while stack:
            row = stack.pop()
            if labels[row] < 0:
                labels[row] = number
                stack += np.flatnonzero(near[row]).tolist() if core[row] else []
    return core, labels


def _cluster(estimator: Any, name: str) -> Clusters:
    X, eps, weights = _rows(name)
    enough = 1 if name == "weights of 0.2" else _ENOUGH
    model = estimator(eps=eps, min_samples=enough).fit(X, sample_weight=weights)
    core = np.zeros(len(X), dtype=bool)
    core[model.core_sample_indices_] = True
    return core, np.asarray(model.labels_)


def density_cases() -> Iterator[Case]:
    """Yield what is checked of each estimator."""
    for name in _CASES:
        yield Case(
            "DBSCAN",
            name,
            "core and labels",
            "the definition in float64",
            0.0,
            partial(_cluster, DBSCAN, name),
            share_differing(partial(_define, name)),
            {"scikit-learn": partial(_cluster, cluster.DBSCAN, name)},
        )


def _blobs(n: int) -> NDArray:
    rng = np.random.default_rng(0)
    middles = rng.uniform(-10, 10, (30, 2))
    return middles[rng.integers(0, 30, n)] + rng.standard_normal((n, 2))


def _normal(n: int, d: int) -> NDArray:
    return np.random.default_rng(0).standard_normal((n, d))


def _clustering(estimator: Any, eps: float, enough: int, X: NDArray) -> Callable[[], NDArray]:
    model = estimator(eps=eps, min_samples=enough, n_jobs=-1)
    return lambda: np.asarray(model.fit(X).labels_)


def _clustering_of_intelex(eps: float, enough: int, X: NDArray) -> Callable[[], NDArray]:
    return _clustering(importlib.import_module("sklearnex.cluster").DBSCAN, eps, enough, X)


def _check_labels(X: NDArray, answers: Answers) -> dict[Contender, Agreement]:
    """Compare with the labels of scikit-learn, whose distances tie with the radius by no chance."""
    truth = next(each for contender, each in answers.items() if contender.name == "scikit-learn")
    return {
        contender: Agreement(float((answer != truth).mean()), 0.0, "share of other labels")
        for contender, answer in answers.items()
    }


def _problem(
    name: str, title: str, data: Callable[[], Any], eps: float, goals: tuple[Goal, ...], work: Work
) -> Problem:
    enough = 10
    return Problem(
        name,
        title,
        "cluster",
        data,
        (
            Contender("rmodels", partial(_clustering, DBSCAN, eps, enough), True),
            Contender("scikit-learn", partial(_clustering, cluster.DBSCAN, eps, enough)),
            Contender(INTELEX, partial(_clustering_of_intelex, eps, enough), peer=INTELEX),
        ),
        _check_labels,
        goals,
        work,
    )


def density_problems(options: Options) -> Iterator[Problem]:
    """Yield what is measured."""
    n = options.rows(50_000)
    yield _problem(
        "dbscan-plane",
        f"DBSCAN {n:,} × 2, 30 clusters",
        partial(_blobs, n),
        0.15,
        (Goal(("scikit-learn",), 12), Goal((INTELEX,), 40)),
        Work(n * 2 * 8, n * 200 * 6, "float32"),
    )
    n = options.rows(20_000)
    yield _problem(
        "dbscan-wide",
        f"DBSCAN {n:,} × 20, one cluster",
        partial(_normal, n, 20),
        4.0,
        (Goal(("scikit-learn",), 7),),
        Work(n * 20 * 8, n * n * 20, "float32"),
    )
