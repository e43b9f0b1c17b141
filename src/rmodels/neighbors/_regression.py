"""Regression by the means of neighbours."""

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rmodels.base.estimator import all_or_nothing
from rmodels.base.metrics import Metric
from rmodels.base.sklearn import StrOptions
from rmodels.base.state import check_is_fitted
from rmodels.base.tasks import Regressor
from rmodels.base.warnings import warn
from rmodels.data.arrays import adopt, as_dtype, beside, on_host
from rmodels.neighbors._base import NeighborsBase
from rmodels.neighbors._in_graph import GraphNeighbours
from rmodels.neighbors._in_graph import means as graph_means
from rmodels.neighbors._predictors import (
    KNeighborsPredictor,
    NeighborsPredictor,
    RadiusNeighborsPredictor,
)
from rmodels.neighbors._weights import Weights, means

if TYPE_CHECKING:
    from rmodels.export.graph import Value

__all__ = ["KNeighborsRegressor", "RadiusNeighborsRegressor"]


class NeighborsRegressor(Regressor, NeighborsPredictor):
    """Regression by weighted means of neighbours' targets."""

    _targets = "numbers"

    _y: NDArray
    _without_weight: str  # what to say of queries whose weights sum to 0

    def predict(self, X: ArrayLike | None) -> NDArray:
        """Predict the target of each query.

        Parameters
        ----------
        X : array-like, sparse matrix or scan of shape (n_queries, n_features) or None
            None asks for the indexed points, each predicted without itself.

        Returns
        -------
        ndarray of shape (n_queries,) or (n_queries, n_outputs)

        Warns
        -----
        UserWarning
            If a query has no neighbours, or their weights sum to 0: the prediction is NaN.

        Examples
        --------
        >>> from rmodels import KNeighborsRegressor
        >>> model = KNeighborsRegressor(2).fit([[0.0], [1.0], [5.0]], [1.0, 3.0, 9.0])
        >>> model.predict([[0.4]])
        array([2.])
        """
        check_is_fitted(self)
        return self._answer(X, self._ask(X), "_decide", "predict")

    def _decide(self, found: Any, queries: Any) -> Any:
        """Return the predictions of queries."""
        neighbours, near = self._weigh(found)
        predicted = means(neighbours, near)
        if (predicted != predicted).any():
            warn(f"{self._without_weight}; predicting NaN.")
        if neighbours.weights is None and str(self._y.dtype) in ("float32", "torch.float32"):
            predicted = as_dtype(predicted, beside(self._y[:0], predicted).dtype)
        return predicted[:, 0] if self._y.ndim == 1 else predicted

    def _to_graph(self, X: "Value") -> "dict[str, Value]":
        found = GraphNeighbours.of(self, X, self._ask(()))
        Y = on_host(adopt(self._y))
        near = found.take(Y.reshape(len(Y), -1))
        predicted = graph_means(near, found.weigh(self), self._width())
        if self._sample_weight is None and self.weights != "distance" and Y.dtype == np.float32:
            predicted = predicted.astype(np.float32)
        return {"prediction": predicted.reshape(-1) if Y.ndim == 1 else predicted}


class KNeighborsRegressor(NeighborsRegressor, KNeighborsPredictor):
    """Predict by the weighted mean of the k nearest neighbours' targets.

    With the weights vᵢ of the neighbours i, ŷ = Σ vᵢ yᵢ / Σ vᵢ, each output on its own.

    Parameters
    ----------
    n_neighbors, weights, algorithm, leaf_size, p, metric, metric_params, n_jobs
        As in `KNeighborsClassifier`.

    Attributes
    ----------
    effective_metric_, effective_metric_params_, n_samples_fit_, algorithm_, engine_, \
    n_features_in_, feature_names_in_
        As in `KNeighborsClassifier`.

    Notes
    -----
    `sample_weight` is as in `KNeighborsClassifier`.

    Examples
    --------
    >>> from rmodels import KNeighborsRegressor
    >>> model = KNeighborsRegressor(n_neighbors=2).fit([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1])
    >>> model.predict([[1.5]])
    array([0.5])
    """

    _without_weight = "The weights of all neighbors of one or more samples are 0"
    _parameter_constraints: dict = {
        **NeighborsBase._parameter_constraints,
        "weights": [StrOptions({"uniform", "distance"}), callable, None],
    }
    _parameter_constraints.pop("radius")

    def __init__(
        self,
        n_neighbors: int = 5,
        *,
        weights: Weights = "uniform",
        algorithm: str = "auto",
        leaf_size: int = 30,
        p: float = 2,
        metric: Metric = "minkowski",
        metric_params: dict[str, Any] | None = None,
        n_jobs: int | None = None,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.weights = weights
        self.algorithm = algorithm
        self.leaf_size = leaf_size
        self.p = p
        self.metric = metric
        self.metric_params = metric_params
        self.n_jobs = n_jobs

    @all_or_nothing
    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Keep the points, ready to be searched, and their targets.

        Parameters
        ----------
        X : array-like, sparse matrix or scan of shape (n_samples, n_features)
            With metric="precomputed", distances of shape (n_samples, n_samples).
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Of a scan or a Dask data frame also a column, or a list of columns.
        sample_weight : array-like of shape (n_samples,), default=None
            As in `KNeighborsClassifier`.

        Returns
        -------
        KNeighborsRegressor
            The estimator itself.

        Examples
        --------
        >>> from rmodels import KNeighborsRegressor
        >>> model = KNeighborsRegressor(2).fit([[0.0], [1.0], [5.0]], [1.0, 3.0, 9.0])
        >>> model.n_samples_fit_
        3
        """
        self._fit_weighted(X, y, sample_weight)
        return self


class RadiusNeighborsRegressor(NeighborsRegressor, RadiusNeighborsPredictor):
    """Predict by the weighted mean of the targets of all neighbours within a radius.

    Parameters
    ----------
    radius : float, default=1.0
        Points at this distance count. A query without neighbours gets NaN, with a warning.
    weights, algorithm, leaf_size, p, metric, metric_params, n_jobs
        As in `RadiusNeighborsClassifier`.

    Attributes
    ----------
    effective_metric_, effective_metric_params_, n_samples_fit_, algorithm_, engine_, \
    n_features_in_, feature_names_in_
        As in `KNeighborsClassifier`.

    Examples
    --------
    >>> from rmodels import RadiusNeighborsRegressor
    >>> model = RadiusNeighborsRegressor().fit([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1])
    >>> model.predict([[1.5]])
    array([0.5])
    """

    _without_weight = "One or more samples have no neighbors within specified radius"
    _parameter_constraints: dict = {
        **NeighborsBase._parameter_constraints,
        "weights": [StrOptions({"uniform", "distance"}), callable, None],
    }
    _parameter_constraints.pop("n_neighbors")

    def __init__(
        self,
        radius: float = 1.0,
        *,
        weights: Weights = "uniform",
        algorithm: str = "auto",
        leaf_size: int = 30,
        p: float = 2,
        metric: Metric = "minkowski",
        metric_params: dict[str, Any] | None = None,
        n_jobs: int | None = None,
    ) -> None:
        self.radius = radius
        self.weights = weights
        self.algorithm = algorithm
        self.leaf_size = leaf_size
        self.p = p
        self.metric = metric
        self.metric_params = metric_params
        self.n_jobs = n_jobs

    @all_or_nothing
    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Keep the points, ready to be searched, and their targets.

        Parameters
        ----------
        X, y
            As in `KNeighborsRegressor`.
        sample_weight : array-like of shape (n_samples,), default=None
            As in `RadiusNeighborsClassifier`.

        Returns
        -------
        RadiusNeighborsRegressor
            The estimator itself.

        Examples
        --------
        >>> from rmodels import RadiusNeighborsRegressor
        >>> model = RadiusNeighborsRegressor(1.0).fit([[0.0], [1.0], [5.0]], [1.0, 3.0, 9.0])
        >>> model.n_samples_fit_
        3
        """
        self._fit_weighted(X, y, sample_weight)
        return self
