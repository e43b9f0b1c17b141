"""Regression by the means of neighbours."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import RegressorMixin
from sklearn.utils._param_validation import StrOptions

from rmodels.neighbors._base import KNeighborsMixin, NeighborsBase
from rmodels.neighbors._weights import Weights, needs_distances, neighbor_weights
from rmodels.validation import all_or_nothing

__all__ = ["KNeighborsRegressor"]


class KNeighborsRegressor(RegressorMixin, KNeighborsMixin):
    """Predict by the weighted mean of the k nearest neighbours' targets.

    Parameters
    ----------
    n_neighbors, weights, algorithm, leaf_size, p, metric, metric_params, n_jobs
        As in `KNeighborsClassifier`.

    Attributes
    ----------
    effective_metric_ : str
    effective_metric_params_ : dict
    n_samples_fit_ : int
    algorithm_ : {"brute", "tree"}
    engine_ : {"reference", "native", "gpu"}
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        If X has feature names that are all strings.

    Notes
    -----
    Neighbours are exact, in the order of (distance, index): see `rmodels.ops.nearest`. X is
    kept, not copied, and must not change while the estimator is used.

    Examples
    --------
    >>> from rmodels import KNeighborsRegressor
    >>> model = KNeighborsRegressor(n_neighbors=2).fit([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1])
    >>> model.predict([[1.5]])
    array([0.5])
    """

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
        metric: str = "minkowski",
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
    def fit(self, X: ArrayLike, y: ArrayLike) -> "KNeighborsRegressor":
        """Index the points and keep their targets.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)

        Returns
        -------
        KNeighborsRegressor
            The estimator itself.
        """
        self._y = self._fit(X, y)
        return self

    def predict(self, X: ArrayLike | None) -> NDArray:
        """Predict the target of each query.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features) or None
            None asks for the indexed points, each predicted without itself.

        Returns
        -------
        ndarray of shape (n_queries,) or (n_queries, n_outputs)
        """
        if not needs_distances(self.weights):
            indices = self.kneighbors(X, return_distance=False)
            mean: NDArray = self._y[indices].mean(axis=1)
            return mean
        distances, indices = self.kneighbors(X)
        weights = neighbor_weights(distances, self.weights)
        return _weighted_mean(self._y[indices], weights)


def _weighted_mean(targets: NDArray, weights: NDArray | None) -> NDArray:
    """Return Σ w y / Σ w over the neighbours: targets are (n_queries, k) or (n_queries, k, t)."""
    if weights is None:
        plain: NDArray = targets.mean(axis=1)
        return plain
    total = weights.sum(axis=1)
    if targets.ndim == 3:
        return np.einsum("mkt,mk->mt", targets, weights) / total[:, np.newaxis]
    weighted: NDArray = (targets * weights).sum(axis=1) / total
    return weighted
