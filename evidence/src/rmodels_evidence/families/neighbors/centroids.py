"""Nearest centroids: cases and a problem."""

from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import neighbors as peers

from rmodels import NearestCentroid
from rmodels_evidence.case import Case, relative_to
from rmodels_evidence.labelled import Labelled, generate_classes
from rmodels_evidence.problem import Agreement, Answers, Contender, Goal, Options, Problem, Work

__all__ = ["centroid_cases", "centroid_problems"]

_THRESHOLD = 0.5


@cache
def _rows(name: str) -> Labelled:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 3000)
    X: NDArray = rng.standard_normal((3000, 10)) + 0.2 * y[:, np.newaxis]
    if name == "float64, mean 1e8":
        X = X + 1e8
    if name == "float32, mean 1e5":
        X = (X + 1e5).astype(np.float32)
    if name == "scales 1e-6 to 1e6":
        X = X * np.geomspace(1e-6, 1e6, 10)
    return X, y


def _fit(estimator: Any, name: str, metric: str) -> NDArray:
    model = estimator(metric, shrink_threshold=_THRESHOLD).fit(*_rows(name))
    return np.asarray(model.deviations_).T


@cache
def _deviations(name: str, metric: str) -> NDArray:
    """Return the deviations by their definition, of exact differences of the rows to the first."""
    X, y = _rows(name)
    D = X.astype(np.float64)
    D = D - D[0]
    D -= D.mean(axis=0)
    parts = [D[y == label] for label in range(3)]
    counts = np.array([[len(part)] for part in parts])
    middle = np.mean if metric == "euclidean" else np.median
    centroids = np.array([middle(part, axis=0) for part in parts])
    squares = sum(((A - m) ** 2).sum(axis=0) for A, m in zip(parts, centroids, strict=True))
    s = np.sqrt(squares / (len(y) - 3))
    gaps = centroids - D.mean(axis=0)
    found = gaps / ((s + np.median(s)) * np.sqrt(1 / counts - 1 / len(y)))
    shrunk: NDArray = np.sign(found) * np.maximum(abs(found) - _THRESHOLD, 0.0)
    return shrunk.T


def centroid_cases(quick: bool) -> Iterator[Case]:
    """Yield the cases of nearest centroids.

    Parameters
    ----------
    quick : bool
        Changes nothing.
    """
    for name, tolerance in {
        "plain": 1e-11,
        "float64, mean 1e8": 1e-7,
        "float32, mean 1e5": 1e-9,
        "scales 1e-6 to 1e6": 1e-11,
    }.items():
        for metric in ("euclidean", "manhattan"):
            yield Case(
                "NearestCentroid",
                name,
                f"deviations, {metric}",
                "their definition, from near",
                tolerance,
                partial(_fit, NearestCentroid, name, metric),
                relative_to(partial(_deviations, name, metric)),
                {"scikit-learn": partial(_fit, peers.NearestCentroid, name, metric)},
            )


def _check(data: Labelled, answers: Answers) -> dict[Contender, Agreement]:
    """Compare centroids, or predicted classes, with scikit-learn's."""
    truth = peers.NearestCentroid().fit(*data)
    found = {}
    for contender, answer in answers.items():
        if answer.ndim == 1:
            error = float((answer != truth.predict(data[0])).mean())
            found[contender] = Agreement(error, 0.0, "share of other classes")
        else:
            error = float(np.max(np.abs(answer - truth.centroids_)))
            found[contender] = Agreement(error, 1e-9, "error of a mean")
    return found


def _fitting(estimator: Any, data: Labelled) -> Callable[[], NDArray]:
    return lambda: np.asarray(estimator().fit(*data).centroids_)


def _predicting(estimator: Any, data: Labelled) -> Callable[[], NDArray]:
    model = estimator().fit(*data)
    return lambda: np.asarray(model.predict(data[0]))


def centroid_problems(options: Options) -> Iterator[Problem]:
    """Yield the problems of nearest centroids."""
    n = options.rows(200_000)
    for name, prepare in (("fit", _fitting), ("predict", _predicting)):
        yield Problem(
            f"nearest-centroid-{name}",
            f"NearestCentroid, {name}, {n:,} × 40, 5 classes",
            "neighbors",
            partial(generate_classes, n),
            (
                Contender("rmodels", partial(prepare, NearestCentroid), True),
                Contender("scikit-learn", partial(prepare, peers.NearestCentroid)),
            ),
            _check,
            (Goal(("scikit-learn",), 5 if name == "fit" else 1),),
            Work(n * 40 * 8, n * 40 * (3 if name == "fit" else 15), "float64"),
        )
