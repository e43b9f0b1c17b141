"""The command `rmodels demo`: fit, predict and score on real data, beside scikit-learn."""

import argparse
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import datasets
from sklearn.linear_model import LinearRegression as PeerLinearRegression
from sklearn.linear_model import SGDRegressor
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier as PeerKNeighborsClassifier
from sklearn.neighbors import KNeighborsRegressor as PeerKNeighborsRegressor
from sklearn.neighbors import NearestNeighbors as PeerNearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from rmodels import KNeighborsClassifier, KNeighborsRegressor, LinearRegression, NearestNeighbors

__all__ = ["Comparison", "Outcome", "add_arguments", "compare", "comparisons", "run"]

Split = tuple[NDArray, NDArray, NDArray, NDArray]  # X_train, X_test, y_train, y_test

_REPEATS = 5
_SECONDS = 1.0  # a contender that takes longer runs once
_LEARNING_RATE = 0.05
_ITERATIONS = 1000


@dataclass(frozen=True)
class Comparison:
    """One model of ours beside one of scikit-learn's, on the same split.

    Attributes
    ----------
    model, data, peer : str
        What the table says.
    split : tuple of ndarray
        X_train, X_test, y_train, y_test.
    ours, theirs : callable
        Return a new estimator, or a pipeline.
    outputs : callable or None
        Takes a fitted estimator and X_test and returns what is compared; None where scikit-learn
        has no model with the same result, so that only the scores can be compared.
    tolerance : float
        Largest difference allowed, relative to the largest absolute value of theirs.
    """

    model: str
    data: str
    peer: str
    split: Split
    ours: Callable[[], Any]
    theirs: Callable[[], Any]
    outputs: Callable[[Any, NDArray], NDArray] | None
    tolerance: float


@dataclass(frozen=True)
class Outcome:
    """What a comparison gave: scores on the test split, difference, seconds to fit and predict."""

    comparison: Comparison
    our_score: float
    their_score: float
    difference: float | None
    our_time: float
    their_time: float

    @property
    def agrees(self) -> bool:
        """Whether the difference is within the tolerance."""
        return self.difference is None or self.difference <= self.comparison.tolerance


class _LiteralLoop:
    """Gradient descent in NumPy, line by line: every iteration reads every row."""

    def __init__(self, learning_rate: float, iterations: int) -> None:
        self.learning_rate = learning_rate
        self.iterations = iterations

    def fit(self, X: NDArray, y: NDArray) -> "_LiteralLoop":
        self.coef_ = np.zeros(X.shape[1])
        self.intercept_ = 0.0
        for _ in range(self.iterations):
            residuals = X @ self.coef_ + self.intercept_ - y
            self.coef_ -= self.learning_rate * (X.T @ residuals) / len(X)
            self.intercept_ -= self.learning_rate * residuals.mean()
        return self

    def predict(self, X: NDArray) -> NDArray:
        return X @ self.coef_ + self.intercept_

    def score(self, X: NDArray, y: NDArray) -> float:
        return float(1 - ((y - self.predict(X)) ** 2).sum() / ((y - y.mean()) ** 2).sum())


def _coefficients(model: Any, X: NDArray) -> NDArray:
    return np.append(model.coef_, model.intercept_)


def _predictions(model: Any, X: NDArray) -> NDArray:
    return np.asarray(model.predict(X))


def _probabilities(model: Any, X: NDArray) -> NDArray:
    return np.asarray(model.predict_proba(X))


def _distances(model: Any, X: NDArray) -> NDArray:
    return np.asarray(model.kneighbors(X)[0])


def _headline() -> Split:
    """Return 200,000 rows of 40 features, columns scaled to unit norm, and 10,000 to predict."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((210_000, 40))
    y = X @ rng.standard_normal(40) + rng.standard_normal(len(X))
    X /= np.linalg.norm(X[:200_000], axis=0)
    return X[:200_000], X[200_000:], y[:200_000], y[200_000:]


def comparisons() -> Iterator[Comparison]:
    """Yield the comparisons of the demonstration, in the order of the table."""
    X, y = datasets.load_diabetes(return_X_y=True)
    diabetes = tuple(train_test_split(X, y, random_state=0))
    X, y = datasets.load_digits(return_X_y=True)
    digits = tuple(train_test_split(X, y, random_state=0))
    X, y = datasets.load_breast_cancer(return_X_y=True)
    cancer = tuple(train_test_split(X, y, random_state=0))
    headline = _headline()

    yield Comparison(
        "least squares",
        "diabetes",
        "LinearRegression",
        diabetes,
        LinearRegression,
        lambda: PeerLinearRegression(tol=0),
        _coefficients,
        1e-10,
    )
    yield Comparison(
        "gradient descent, 1000 steps",
        "diabetes",
        "the literal loop",
        diabetes,
        lambda: LinearRegression(learning_rate=0.5, iterations=1000),
        lambda: _LiteralLoop(0.5, 1000),
        _coefficients,
        1e-10,
    )
    yield Comparison(
        "5 neighbours, regression",
        "diabetes",
        "KNeighborsRegressor",
        diabetes,
        KNeighborsRegressor,
        PeerKNeighborsRegressor,
        _predictions,
        1e-12,
    )
    yield Comparison(
        "5 neighbours, classes",
        "digits",
        "KNeighborsClassifier",
        digits,
        KNeighborsClassifier,
        PeerKNeighborsClassifier,
        _probabilities,
        1e-12,
    )
    yield Comparison(
        "5 nearest, distances",
        "digits",
        "NearestNeighbors",
        digits,
        NearestNeighbors,
        PeerNearestNeighbors,
        _distances,
        1e-12,
    )
    yield Comparison(
        "least squares",
        "breast cancer",
        "LinearRegression",
        cancer,
        LinearRegression,
        lambda: PeerLinearRegression(tol=0),
        _predictions,
        1e-9,
    )
    yield Comparison(
        "scaled, 5 neighbours, classes",
        "breast cancer",
        "KNeighborsClassifier",
        cancer,
        lambda: make_pipeline(StandardScaler(), KNeighborsClassifier()),
        lambda: make_pipeline(StandardScaler(), PeerKNeighborsClassifier()),
        _probabilities,
        1e-12,
    )
    yield Comparison(
        "least squares",
        "200,000 x 40",
        "LinearRegression",
        headline,
        LinearRegression,
        lambda: PeerLinearRegression(tol=0),
        _coefficients,
        1e-10,
    )
    yield Comparison(
        "gradient descent, 1000 steps",
        "200,000 x 40",
        "the literal loop",
        headline,
        lambda: LinearRegression(learning_rate=_LEARNING_RATE, iterations=_ITERATIONS),
        lambda: _LiteralLoop(_LEARNING_RATE, _ITERATIONS),
        _coefficients,
        1e-10,
    )
    yield Comparison(
        "gradient descent, 1000 steps",
        "200,000 x 40",
        "SGDRegressor",
        headline,
        lambda: LinearRegression(learning_rate=_LEARNING_RATE, iterations=_ITERATIONS),
        lambda: SGDRegressor(
            learning_rate="constant",
            eta0=_LEARNING_RATE,
            max_iter=_ITERATIONS,
            penalty=None,
        ),
        None,
        math.inf,
    )


def _timed(create: Callable[[], Any], split: Split) -> tuple[Any, float]:
    """Return a fitted model and the seconds to fit it and to predict the test split."""
    X_train, X_test, y_train, _ = split
    model = create()
    start = time.perf_counter()
    model.fit(X_train, y_train)
    _answer(model, X_test)
    return model, time.perf_counter() - start


def _answer(model: Any, X: NDArray) -> NDArray:
    answer = model.predict(X) if hasattr(model, "predict") else model.kneighbors(X)[1]
    return np.asarray(answer)


def _score(model: Any, split: Split) -> float:
    """Return R² or accuracy on the test split; for a plain search, that of the nearest's label."""
    _, X_test, y_train, y_test = split
    if hasattr(model, "score"):
        return float(model.score(X_test, y_test))
    nearest = model.kneighbors(X_test, n_neighbors=1, return_distance=False)[:, 0]
    return float((y_train[nearest] == y_test).mean())


def compare(comparison: Comparison) -> Outcome:
    """Fit both models in turn, several times if that is quick, and compare what they give.

    Parameters
    ----------
    comparison : Comparison

    Returns
    -------
    Outcome
        Times are medians.
    """
    ours: list[float] = []
    theirs: list[float] = []
    for repeat in range(_REPEATS):
        if repeat == 0 or min(ours) < _SECONDS:
            our_model, seconds = _timed(comparison.ours, comparison.split)
            ours.append(seconds)
        if repeat == 0 or min(theirs) < _SECONDS:
            their_model, seconds = _timed(comparison.theirs, comparison.split)
            theirs.append(seconds)
    difference = None
    if comparison.outputs is not None:
        X_test = comparison.split[1]
        found = comparison.outputs(our_model, X_test)
        expected = comparison.outputs(their_model, X_test)
        difference = float(np.abs(found - expected).max() / np.abs(expected).max())
        if math.isnan(difference):
            difference = math.inf
    return Outcome(
        comparison,
        _score(our_model, comparison.split),
        _score(their_model, comparison.split),
        difference,
        float(np.median(ours)),
        float(np.median(theirs)),
    )


_HEADINGS = (
    "model", "data", "beside", "our score", "theirs", "difference", "allowed", "our time",
    "theirs", "ratio", "",
)  # fmt: skip
_WIDTHS = (29, 13, 20, 9, 7, 10, 8, 10, 10, 7, 5)


def _line(cells: tuple[str, ...]) -> str:
    left = 3
    aligned = [
        f"{cell:<{width}}" if place < left else f"{cell:>{width}}"
        for place, (cell, width) in enumerate(zip(cells, _WIDTHS, strict=True))
    ]
    return " ".join(aligned).rstrip()


def _seconds(value: float) -> str:
    return f"{value:.2f} s" if value >= 1 else f"{1000 * value:.2f} ms"


def _cells(outcome: Outcome) -> tuple[str, ...]:
    comparison = outcome.comparison
    difference = "other path" if outcome.difference is None else f"{outcome.difference:.0e}"
    return (
        comparison.model,
        comparison.data,
        comparison.peer,
        f"{outcome.our_score:.4f}",
        f"{outcome.their_score:.4f}",
        difference,
        "" if outcome.difference is None else f"{comparison.tolerance:.0e}",
        _seconds(outcome.our_time),
        _seconds(outcome.their_time),
        f"{outcome.their_time / outcome.our_time:.1f}x",
        "ok" if outcome.agrees else "WRONG",
    )


_NOTES = """
score       R² or accuracy on the test split
difference  largest difference of coefficients, predictions, probabilities or distances, relative
            to the largest of theirs; LinearRegression beside ours has tol=0, which drops nothing;
            SGDRegressor takes another path, with 200,000 small steps where the others take one
time        fit and predict, median of runs in turn; ratio: theirs over ours

Where to look next
  README.md              what this is, the engines, an example
  rmodels.show_versions  which engine and instruction set runs here
  src/rmodels/ops        each operation: its contract, the readable reference, the native engine
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to a parser: it has none."""


def run(arguments: argparse.Namespace) -> int:
    """Print the table of all comparisons.

    Returns
    -------
    int
        0 if every difference is within its tolerance, else 1.
    """
    print(_line(_HEADINGS))
    print(_line(tuple("-" * width for width in _WIDTHS)))
    wrong = []
    for comparison in comparisons():
        outcome = compare(comparison)
        print(_line(_cells(outcome)), flush=True)
        if not outcome.agrees:
            wrong.append(comparison)
    print(_NOTES.rstrip("\n"))
    if wrong:
        names = "; ".join(f"{each.model} on {each.data}" for each in wrong)
        print(f"\nAbove the tolerance: {names}")
    return 1 if wrong else 0
