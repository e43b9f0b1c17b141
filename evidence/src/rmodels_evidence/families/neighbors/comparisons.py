"""Nearest neighbours beside scikit-learn's, for the demonstration."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import datasets
from sklearn import neighbors as peers
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from rmodels import KNeighborsClassifier, KNeighborsRegressor, NearestCentroid, NearestNeighbors
from rmodels_evidence.comparison import Comparison

__all__ = ["neighbors_comparisons"]


def _predictions(model: Any, X: NDArray) -> NDArray:
    return np.asarray(model.predict(X))


def _probabilities(model: Any, X: NDArray) -> NDArray:
    return np.asarray(model.predict_proba(X))


def _untied_probabilities(model: Any, X: NDArray) -> NDArray:
    """Return those of rows whose nearest are told from the next: of others, a peer takes any."""
    k = model.n_neighbors
    distances = np.asarray(model.kneighbors(X, n_neighbors=k + 1)[0])
    told = distances[:, k - 1] < distances[:, k]
    return _probabilities(model, X)[told]


def _distances(model: Any, X: NDArray) -> NDArray:
    return np.asarray(model.kneighbors(X)[0])


def neighbors_comparisons() -> Iterator[Comparison]:
    """Yield the comparisons, in the order of the table."""
    X, y = datasets.load_diabetes(return_X_y=True)
    diabetes = tuple(train_test_split(X, y, random_state=0))
    X, y = datasets.load_digits(return_X_y=True)
    digits = tuple(train_test_split(X, y, random_state=0))
    X, y = datasets.load_breast_cancer(return_X_y=True)
    cancer = tuple(train_test_split(X, y, random_state=0))

    yield Comparison(
        "5 neighbours, regression",
        "diabetes",
        "KNeighborsRegressor",
        diabetes,
        KNeighborsRegressor,
        peers.KNeighborsRegressor,
        _predictions,
        1e-12,
    )
    yield Comparison(
        "5 neighbours, classes",
        "digits",
        "KNeighborsClassifier",
        digits,
        KNeighborsClassifier,
        peers.KNeighborsClassifier,
        _untied_probabilities,
        1e-12,
    )
    yield Comparison(
        "5 nearest, distances",
        "digits",
        "NearestNeighbors",
        digits,
        NearestNeighbors,
        peers.NearestNeighbors,
        _distances,
        1e-12,
    )
    yield Comparison(
        "scaled, 5 neighbours, classes",
        "breast cancer",
        "KNeighborsClassifier",
        cancer,
        lambda: make_pipeline(StandardScaler(), KNeighborsClassifier()),
        lambda: make_pipeline(StandardScaler(), peers.KNeighborsClassifier()),
        _probabilities,
        1e-12,
    )
    yield Comparison(
        "nearest centroid",
        "breast cancer",
        "NearestCentroid",
        cancer,
        partial(NearestCentroid, shrink_threshold=0.5, priors="empirical"),
        partial(peers.NearestCentroid, shrink_threshold=0.5, priors="empirical"),
        _probabilities,
        1e-10,
    )
