"""What scores of predictions need of rows: of rows in parts, what is known of each adds up."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.utils.metadata_routing import process_routing
from sklearn.utils.validation import assert_all_finite

from rmodels.base.sklearn import is_routing_enabled, takes_weights
from rmodels.base.warnings import warn
from rmodels.data.labels import check_kinds

__all__ = ["SUMMED", "Hits", "Residuals", "check_weight", "route_parameters"]

Matrix = NDArray[np.float64]

SUMMED = ("r2", "neg_mean_squared_error", "neg_root_mean_squared_error", "neg_mean_absolute_error")


def _columns(y: NDArray, predicted: NDArray) -> tuple[NDArray, NDArray]:
    """Return targets and predictions, each (n, n_targets)."""
    Y, P = (part[:, np.newaxis] if part.ndim == 1 else part for part in (y, predicted))
    if Y.shape != P.shape:
        raise ValueError(f"y has {Y.shape[1]} columns, and predictions {P.shape[1]}")
    return Y, P


def check_weight(weight: float) -> None:
    """Raise if the rows that a score is of weigh nothing."""
    if not weight:
        raise ValueError(
            "sample_weight is 0 for every sample that is scored, or for all of a fold: at least "
            "one must be positive"
        )


def route_parameters(
    estimator: Any, params: dict[str, Any], scorer: Any
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what of the parameters of `fit` the scorer and the splitter of folds get."""
    if is_routing_enabled():
        routed = process_routing(estimator, "fit", **params)
        return routed.scorer.score, routed.splitter.split
    if not params or takes_weights(scorer):
        return params, {}
    warn(
        f"The scoring {scorer} does not support sample_weight: the folds are scored without, "
        "which may choose another penalty."
    )
    return {}, {}


@dataclass(frozen=True, eq=False)
class Residuals:
    """What the scores of a regression need of some rows; those of two parts are added.

    Attributes
    ----------
    count : int
    weight : float
        Σ w.
    mean, rest, scatter : ndarray of shape (n_targets,)
        Of y: Σ w y / Σ w, what its rounding lost, and Σ w (y − mean − rest)².
    squares, sizes : ndarray of shape (n_targets,)
        Σ w (y − ŷ)² and Σ w |y − ŷ|.
    """

    measure = "R²"

    count: int
    weight: float
    mean: Matrix
    rest: Matrix
    scatter: Matrix
    squares: Matrix
    sizes: Matrix

    @classmethod
    def of(cls, y: Any, predicted: Any, weights: Any = None) -> "Residuals":
        """Return those of targets and predictions, (n,) or (n, n_targets)."""
        n = len(y)
        Y, P = _columns(np.asarray(y, np.float64), np.asarray(predicted, np.float64))
        assert_all_finite(P, input_name="the predictions")
        w = np.ones(n) if weights is None else np.asarray(weights, np.float64)
        weight = float(w.sum())
        mean = w @ Y / (weight or 1.0)
        rest = w @ (Y - mean) / (weight or 1.0)
        scatter = w @ (Y - mean) ** 2 - weight * rest**2
        left = Y - P
        return cls(n, weight, mean, rest, scatter, w @ left**2, w @ abs(left))

    def __add__(self, other: "Residuals") -> "Residuals":
        weight = self.weight + other.weight
        share = other.weight / weight if weight else 0.0
        apart = other.mean - self.mean + (other.rest - self.rest)
        mean = self.mean + share * apart
        return Residuals(
            self.count + other.count,
            weight,
            mean,
            self.rest + (self.mean - mean + share * apart),
            self.scatter + other.scatter + self.weight * share * apart**2,
            self.squares + other.squares,
            self.sizes + other.sizes,
        )

    @property
    def each(self) -> Matrix:
        """R² of each target; of one that does not vary 1 if all is right, else 0."""
        check_weight(self.weight)
        if self.count < 2:
            message = "R^2 score is not well-defined with less than two samples."
            warn(message, UndefinedMetricWarning)
            return np.full(len(self.mean), np.nan)
        varies = self.scatter > 0
        constant = np.where(self.squares > 0, 0.0, 1.0)
        return np.where(varies, 1 - self.squares / np.where(varies, self.scatter, 1.0), constant)

    @property
    def score(self) -> float:
        """The mean R² of the targets."""
        return float(self.each.mean())

    def tabulate(self) -> dict[str, Matrix]:
        """Return all measures of each target: R², the root of the mean squared error, and so on."""
        return {
            "r2": self.each,
            "rmse": -self.choose("neg_root_mean_squared_error"),
            "mae": -self.choose("neg_mean_absolute_error"),
        }

    def choose(self, scoring: str) -> Matrix:
        """Return a score of each target, by one of the names in `SUMMED`."""
        check_weight(self.weight)
        if scoring == "r2":
            return self.each
        if scoring == "neg_mean_absolute_error":
            return -self.sizes / self.weight
        mean = self.squares / self.weight
        return -mean if scoring == "neg_mean_squared_error" else -np.sqrt(mean)


@dataclass(frozen=True, eq=False)
class Hits:
    """What the accuracy of a classification needs of some rows; those of two parts are added.

    Attributes
    ----------
    weight : float
        Σ w.
    right : ndarray of shape (n_outputs + 1,)
        Σ w of the rows whose label is right, for each output; last, of those where all are.
    """

    measure = "accuracy"

    weight: float
    right: Matrix

    @classmethod
    def of(cls, y: Any, predicted: Any, weights: Any = None) -> "Hits":
        """Return those of labels and predictions, (n,) or (n, n_outputs)."""
        n = len(y)
        Y, P = _columns(np.asarray(y), np.asarray(predicted))
        for one, other in zip(Y.T, P.T, strict=True):
            check_kinds(one, other)
        equal = Y == P
        w = np.ones(n) if weights is None else np.asarray(weights, np.float64)
        return cls(float(w.sum()), w @ np.column_stack([equal, equal.all(axis=1)]))

    def __add__(self, other: "Hits") -> "Hits":
        return Hits(self.weight + other.weight, self.right + other.right)

    @property
    def each(self) -> Matrix:
        """The accuracy of each output."""
        check_weight(self.weight)
        return self.right[:-1] / self.weight

    def tabulate(self) -> dict[str, Matrix]:
        """Return all measures of each output."""
        return {"accuracy": self.each}

    @property
    def score(self) -> float:
        """The share of the rows of which all labels are right."""
        check_weight(self.weight)
        return float(self.right[-1] / self.weight)
