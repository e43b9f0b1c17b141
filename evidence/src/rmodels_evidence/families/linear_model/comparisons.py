"""Linear models beside scikit-learn's, for the demonstration."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import datasets
from sklearn.linear_model import LinearRegression as PeerLinearRegression
from sklearn.linear_model import SGDRegressor
from sklearn.model_selection import train_test_split

from rmodels import LinearRegression
from rmodels_evidence.comparison import Comparison, Split
from rmodels_evidence.families.linear_model.problems import ITERATIONS, LEARNING_RATE

__all__ = ["LiteralLoop", "coefficients", "linear_comparisons"]


class LiteralLoop:
    """Gradient descent in NumPy, line by line: every iteration reads every row."""

    def __init__(self, learning_rate: float, iterations: int) -> None:
        self.learning_rate = learning_rate
        self.iterations = iterations

    def fit(self, X: NDArray, y: NDArray) -> "LiteralLoop":
        """Take all steps."""
        self.coef_ = np.zeros(X.shape[1])
        self.intercept_ = 0.0
        for _ in range(self.iterations):
            residuals = X @ self.coef_ + self.intercept_ - y
            self.coef_ -= self.learning_rate * (X.T @ residuals) / len(X)
            self.intercept_ -= self.learning_rate * residuals.mean()
        return self

    def predict(self, X: NDArray) -> NDArray:
        """Return predictions."""
        return X @ self.coef_ + self.intercept_

    def score(self, X: NDArray, y: NDArray) -> float:
        """Return R²."""
        return float(1 - ((y - self.predict(X)) ** 2).sum() / ((y - y.mean()) ** 2).sum())


def coefficients(model: Any, X: NDArray) -> NDArray:
    """Return coefficients and intercept."""
    return np.append(model.coef_, model.intercept_)


def _predictions(model: Any, X: NDArray) -> NDArray:
    return np.asarray(model.predict(X))


def _headline() -> Split:
    """Return 200,000 rows of 40 features, columns scaled to unit norm, and 10,000 to predict."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((210_000, 40))
    y = X @ rng.standard_normal(40) + rng.standard_normal(len(X))
    X /= np.linalg.norm(X[:200_000], axis=0)
    return X[:200_000], X[200_000:], y[:200_000], y[200_000:]


def linear_comparisons() -> Iterator[Comparison]:
    """Yield the comparisons, in the order of the table."""
    X, y = datasets.load_diabetes(return_X_y=True)
    diabetes = tuple(train_test_split(X, y, random_state=0))
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
        coefficients,
        1e-10,
    )
    yield Comparison(
        "gradient descent, 1000 steps",
        "diabetes",
        "the literal loop",
        diabetes,
        lambda: LinearRegression(learning_rate=0.5, iterations=1000),
        lambda: LiteralLoop(0.5, 1000),
        coefficients,
        1e-10,
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
        "least squares",
        "200,000 x 40",
        "LinearRegression",
        headline,
        LinearRegression,
        lambda: PeerLinearRegression(tol=0),
        coefficients,
        1e-10,
    )
    yield Comparison(
        "gradient descent, 1000 steps",
        "200,000 x 40",
        "the literal loop",
        headline,
        lambda: LinearRegression(learning_rate=LEARNING_RATE, iterations=ITERATIONS),
        lambda: LiteralLoop(LEARNING_RATE, ITERATIONS),
        coefficients,
        1e-10,
    )
    yield Comparison(
        "gradient descent, 1000 steps",
        "200,000 x 40",
        "SGDRegressor",
        headline,
        lambda: LinearRegression(learning_rate=LEARNING_RATE, iterations=ITERATIONS),
        lambda: SGDRegressor(
            learning_rate="constant",
            eta0=LEARNING_RATE,
            max_iter=ITERATIONS,
            penalty=None,
        ),
        None,
        math.inf,
    )
