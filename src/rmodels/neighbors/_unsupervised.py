"""Searching for neighbours, without targets."""

from typing import TYPE_CHECKING, Any, Self

from numpy.typing import ArrayLike

from rmodels.base.estimator import all_or_nothing
from rmodels.base.metrics import Metric
from rmodels.neighbors._base import KNeighborsMixin, RadiusNeighborsMixin
from rmodels.neighbors._in_graph import GraphNeighbours

if TYPE_CHECKING:
    from rmodels.export.graph import Value

__all__ = ["NearestNeighbors"]


class NearestNeighbors(KNeighborsMixin, RadiusNeighborsMixin):
    """Find the nearest neighbours of queries, or all within a radius.

    The neighbours of a query q are the first n_neighbors points x in the order of (d(x, q), index),
    or all with d(x, q) ≤ radius, with the distances d of float64.

    Parameters
    ----------
    n_neighbors : int, default=5
        Neighbours that `kneighbors` finds unless told otherwise.
    radius : float, default=1.0
        Radius that `radius_neighbors` uses unless told otherwise.
    algorithm, leaf_size, metric, p, metric_params, n_jobs
        As in `KNeighborsClassifier`.

    Attributes
    ----------
    effective_metric_, effective_metric_params_, n_samples_fit_, algorithm_, engine_, \
    n_features_in_, feature_names_in_
        As in `KNeighborsClassifier`.

    Examples
    --------
    >>> from rmodels import NearestNeighbors
    >>> model = NearestNeighbors(n_neighbors=2).fit([[0.0, 0.0], [0.0, 3.0], [4.0, 0.0]])
    >>> distances, indices = model.kneighbors([[0.0, 1.0]])
    >>> distances
    array([[1., 2.]])
    >>> indices
    array([[0, 1]])
    """

    def __init__(
        self,
        *,
        n_neighbors: int = 5,
        radius: float = 1.0,
        algorithm: str = "auto",
        leaf_size: int = 30,
        metric: Metric = "minkowski",
        p: float = 2,
        metric_params: dict[str, Any] | None = None,
        n_jobs: int | None = None,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.radius = radius
        self.algorithm = algorithm
        self.leaf_size = leaf_size
        self.metric = metric
        self.p = p
        self.metric_params = metric_params
        self.n_jobs = n_jobs

    @all_or_nothing
    def fit(self, X: ArrayLike, y: object = None) -> Self:
        """Keep the points.

        Parameters
        ----------
        X : array-like, sparse matrix or scan of shape (n_samples, n_features)
        y : None
            Not used.

        Returns
        -------
        NearestNeighbors
            The estimator itself.

        Examples
        --------
        >>> from rmodels import NearestNeighbors
        >>> model = NearestNeighbors().fit([[0.0, 1.0], [2.0, 3.0]])
        >>> model.n_samples_fit_, model.n_features_in_
        (2, 2)
        """
        self._fit(X)
        return self

    def _to_graph(self, X: "Value") -> "dict[str, Value]":
        found = GraphNeighbours.of(self, X, self._ask_nearest(()))
        return {"distances": found.distances, "indices": found.places}
