"""Values in the place of missing ones, held against their definition and against scikit-learn."""

from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import datasets, impute, linear_model
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from rmodels import KNNImputer, LinearRegression
from rmodels_evidence.case import Case, relative_to
from rmodels_evidence.comparison import Comparison
from rmodels_evidence.families import Family
from rmodels_evidence.problem import Contender, Goal, Options, Problem, Work, agree_with

__all__ = ["FAMILY"]

_K = 5


def _fill_in(model: Any, X: NDArray) -> NDArray:
    return np.asarray(model[0].transform(X))


def _comparisons() -> Iterator[Comparison]:
    X, y = datasets.load_diabetes(return_X_y=True)
    X[np.random.default_rng(0).random(X.shape) < 0.1] = np.nan
    yield Comparison(
        "10 % missing, filled in",
        "diabetes",
        "KNNImputer",
        tuple(train_test_split(X, y, random_state=0)),
        lambda: make_pipeline(KNNImputer(), LinearRegression()),
        lambda: make_pipeline(impute.KNNImputer(), linear_model.LinearRegression()),
        _fill_in,
        1e-10,
    )


_CASES = ("plain", "grid", "duplicates", "few features", "float64, mean 1e6", "float32, mean 1e4")


@cache
def _rows(name: str) -> NDArray:
    rng = np.random.default_rng(0)
    X: NDArray = rng.standard_normal((400, 6))
    if name == "grid":
        X = rng.integers(0, 3, (400, 6)).astype(np.float64)
    if name == "duplicates":
        X = np.repeat(X[:100], 4, axis=0)
    if name == "few features":
        X = X[:, :2]
    if "mean" in name:
        X = X + float(name.rpartition(" ")[2])
    if "float32" in name:
        X = X.astype(np.float32)
    gone = rng.random(X.shape) < 0.2
    return np.where(gone, X.dtype.type(np.nan), X)


def _define(weights: str, name: str) -> NDArray:
    """Return what is filled in, value by value: donors by (distance, row), of differences."""
    X = _rows(name).astype(np.float64)
    found = []
    for row, column in np.argwhere(np.isnan(X)):
        both = ~np.isnan(X) & ~np.isnan(X[row])
        shared = both.sum(axis=1)
        squares = np.zeros(len(X))
        for gap, use in zip((X - X[row]).T, both.T, strict=True):
            squares += np.where(use, gap, 0.0) ** 2
        with np.errstate(divide="ignore", invalid="ignore"):
            away = np.sqrt(X.shape[1] / shared * squares)
        able = np.flatnonzero(~np.isnan(X[:, column]) & (shared > 0))
        near = able[np.argsort(away[able], kind="stable")[:_K]]
        with np.errstate(divide="ignore"):
            w = 1 / away[near] if weights == "distance" else np.ones(len(near))
        w = np.isinf(w).astype(float) if np.isinf(w).any() else w
        values = X[near, column] if len(near) else X[~np.isnan(X[:, column]), column]
        found.append(np.average(values, weights=w if len(near) else None))
    return np.array(found)


def _fill(estimator: Any, weights: str, name: str) -> NDArray:
    X = _rows(name)
    filled = estimator(n_neighbors=_K, weights=weights).fit_transform(X)
    return np.asarray(filled[np.isnan(X)], np.float64)


def _cases(quick: bool) -> Iterator[Case]:
    for name in _CASES:
        for weights in ("uniform", "distance"):
            single = "float32" in name
            yield Case(
                "KNNImputer" + (", float32" if single else ""),
                name,
                f"values, {weights} weights",
                "the definition in float64",
                2**-24 * 1.01 if single else 1e-14,  # values are rounded to float32
                partial(_fill, KNNImputer, weights, name),
                relative_to(partial(_define, weights, name)),
                {"scikit-learn": partial(_fill, impute.KNNImputer, weights, name)},
            )


def _with_gaps(n: int, d: int) -> NDArray:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, d))
    return np.where(rng.random((n, d)) < 0.1, np.nan, X)


def _filling(estimator: Any, X: NDArray) -> Callable[[], NDArray]:
    return lambda: np.asarray(estimator().fit_transform(X))


def _problems(options: Options) -> Iterator[Problem]:
    n, d = options.rows(20_000), 8
    yield Problem(
        "knn-imputer",
        f"KNNImputer {n:,} × {d}, 10 % missing",
        "impute",
        partial(_with_gaps, n, d),
        (
            Contender("rmodels", partial(_filling, KNNImputer), True),
            Contender("scikit-learn", partial(_filling, impute.KNNImputer)),
        ),
        agree_with("scikit-learn", 1e-9, "difference of a value"),
        (Goal(("scikit-learn",), 30),),
        Work(n * d * 8, 0.57 * n * n * d * 2, "float64"),  # of rows that lack a value
    )


FAMILY = Family(comparisons=_comparisons, cases=_cases, suite="impute", problems=_problems)
