"""What all neighbours estimators share: the index, and searching it."""

import warnings
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array, csr_matrix
from sklearn.base import BaseEstimator, MultiOutputMixin
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from rmodels.config import thread_count
from rmodels.ops import nearest as ops
from rmodels.validation import indexed_samples, search_samples

__all__ = ["KNeighborsMixin", "NeighborsBase", "RadiusNeighborsMixin"]

# scikit-learn's names of a metric, and the operation's.
_METRICS = {
    "chebyshev": "chebyshev",
    "cityblock": "manhattan",
    "cosine": "cosine",
    "euclidean": "euclidean",
    "infinity": "chebyshev",
    "l1": "manhattan",
    "l2": "euclidean",
    "manhattan": "manhattan",
    "minkowski": "minkowski",
}
_ALGORITHMS = {"auto": "auto", "ball_tree": "tree", "brute": "brute", "kd_tree": "tree"}


class NeighborsBase(MultiOutputMixin, BaseEstimator):
    """Parameters and index of a neighbours estimator."""

    _parameter_constraints: dict = {
        "n_neighbors": [Interval(Integral, 1, None, closed="left"), None],
        "radius": [Interval(Real, 0, None, closed="both"), None],
        "algorithm": [StrOptions(set(_ALGORITHMS))],
        "leaf_size": [Interval(Integral, 1, None, closed="left")],
        "p": [Interval(Real, 0, None, closed="right"), None],
        "metric": [StrOptions(set(_METRICS))],
        "metric_params": [dict, None],
        "n_jobs": [Integral, None],
    }

    algorithm: str
    metric: str
    metric_params: dict[str, Any] | None
    n_jobs: int | None
    n_neighbors: int | None
    p: float | None
    radius: float | None

    def _fit(self, X: ArrayLike, y: Any = None) -> Any:
        """Check X and y, and build the index; return y."""
        samples, target = indexed_samples(self, X, y)
        metric, p = self._effective_metric()
        self._index = ops.index(
            samples,
            metric,
            p,
            algorithm=_ALGORITHMS[self.algorithm],
            n_threads=thread_count(self.n_jobs),
        )
        self.n_samples_fit_ = len(samples)
        self.engine_ = self._index.engine
        self.algorithm_ = self._index.algorithm
        return target

    def _effective_metric(self) -> tuple[str, float]:
        """Set the effective metric and its parameters; return the operation's metric and p."""
        parameters = dict(self.metric_params or {})
        if "p" in parameters and self.p is not None:
            warnings.warn(
                "Parameter p is found in metric_params. The corresponding parameter from __init__ "
                "is ignored.",
                SyntaxWarning,
                stacklevel=5,
            )
        p = parameters.pop("p", self.p)
        if parameters:
            raise ValueError(
                f"metric={self.metric!r} takes no parameter {', '.join(map(repr, parameters))}"
            )
        self.effective_metric_ = self.metric
        self.effective_metric_params_: dict[str, Any] = {}
        if self.metric != "minkowski":
            return _METRICS[self.metric], 2.0
        p = 2 if p is None else p
        named = {1: "manhattan", 2: "euclidean", np.inf: "chebyshev"}.get(p)
        if named is not None:
            self.effective_metric_ = named
            return named, 2.0
        self.effective_metric_params_["p"] = p
        return "minkowski", float(p)

    @property
    def _fit_X(self) -> NDArray:
        """The indexed points."""
        X: NDArray = self._index.X
        return X


class KNeighborsMixin(NeighborsBase):
    """Searches for the k nearest."""

    def kneighbors(
        self,
        X: ArrayLike | None = None,
        n_neighbors: int | None = None,
        return_distance: bool = True,
    ) -> Any:
        """Find the nearest neighbours of each query.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features), default=None
            None asks for the neighbours of each indexed point, itself left out.
        n_neighbors : int, default=None
            The default is the estimator's.
        return_distance : bool, default=True

        Returns
        -------
        neigh_dist : ndarray of shape (n_queries, n_neighbors), float64
            Only if `return_distance`.
        neigh_ind : ndarray of shape (n_queries, n_neighbors), int64
            In the order of (distance, index).

        Raises
        ------
        ValueError
            If there are fewer indexed points than neighbours asked for, or X is not valid.
        """
        check_is_fitted(self)
        k = self._check_n_neighbors(n_neighbors)
        queries = None if X is None else search_samples(self, X)
        n = self.n_samples_fit_
        if k > n - (queries is None):
            sign = "<" if queries is None else "<="
            raise ValueError(
                f"Expected n_neighbors {sign} n_samples_fit, but n_neighbors = {k}, "
                f"n_samples_fit = {n}, n_samples = {n if queries is None else len(queries)}"
            )
        distances, indices = ops.nearest(
            self._index, queries, k, n_threads=thread_count(self.n_jobs)
        )
        return (distances, indices) if return_distance else indices

    def _check_n_neighbors(self, n_neighbors: int | None) -> int:
        if n_neighbors is None:
            n_neighbors = self.n_neighbors
            if n_neighbors is None:
                raise ValueError("n_neighbors is None: give a number of neighbours")
        if not isinstance(n_neighbors, Integral):
            raise TypeError(
                f"n_neighbors does not take {type(n_neighbors)} value, enter integer value"
            )
        if n_neighbors <= 0:
            raise ValueError(f"Expected n_neighbors > 0. Got {n_neighbors}")
        return int(n_neighbors)

    def kneighbors_graph(
        self,
        X: ArrayLike | None = None,
        n_neighbors: int | None = None,
        mode: str = "connectivity",
    ) -> csr_matrix:
        """Compute the weighted graph of the nearest neighbours.

        Parameters
        ----------
        X, n_neighbors
            As in `kneighbors`.
        mode : {"connectivity", "distance"}, default="connectivity"
            Whether the edges hold ones or distances.

        Returns
        -------
        sparse matrix of shape (n_queries, n_samples_fit) in CSR format
        """
        if mode == "distance":
            data, indices = self.kneighbors(X, n_neighbors)
        elif mode == "connectivity":
            indices = self.kneighbors(X, n_neighbors, return_distance=False)
            data = np.ones(indices.shape)
        else:
            raise ValueError(
                'Unsupported mode, must be one of "connectivity", '
                f'or "distance" but got "{mode}" instead'
            )
        m, k = indices.shape
        offsets = np.arange(0, m * k + 1, k)
        return _graph(data.ravel(), indices.ravel(), offsets, self.n_samples_fit_)


class RadiusNeighborsMixin(NeighborsBase):
    """Searches for all within a radius."""

    def _within(
        self, X: ArrayLike | None, radius: float | None
    ) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
        """Return offsets, distances and indices."""
        check_is_fitted(self)
        queries = None if X is None else search_samples(self, X)
        if radius is None:
            radius = self.radius
        if radius is None or not radius >= 0:
            raise ValueError(f"radius must be a number of at least 0. Got {radius}")
        return ops.within(self._index, queries, float(radius), n_threads=thread_count(self.n_jobs))

    def radius_neighbors(
        self,
        X: ArrayLike | None = None,
        radius: float | None = None,
        return_distance: bool = True,
        sort_results: bool = False,
    ) -> Any:
        """Find all neighbours within a radius of each query; those on the boundary count.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features), default=None
            None asks for the neighbours of each indexed point, itself left out.
        radius : float, default=None
            The default is the estimator's.
        return_distance : bool, default=True
        sort_results : bool, default=False
            Results are always in the order of (distance, index).

        Returns
        -------
        neigh_dist : ndarray of shape (n_queries,) of arrays
            Only if `return_distance`.
        neigh_ind : ndarray of shape (n_queries,) of arrays
        """
        if sort_results and not return_distance:
            raise ValueError("return_distance must be True if sort_results is True.")
        offsets, distances, indices = self._within(X, radius)
        if not return_distance:
            return _pieces(indices, offsets)
        return _pieces(distances, offsets), _pieces(indices, offsets)

    def radius_neighbors_graph(
        self,
        X: ArrayLike | None = None,
        radius: float | None = None,
        mode: str = "connectivity",
        sort_results: bool = False,
    ) -> csr_matrix:
        """Compute the weighted graph of neighbours within a radius.

        Parameters
        ----------
        X, radius, sort_results
            As in `radius_neighbors`.
        mode : {"connectivity", "distance"}, default="connectivity"
            Whether the edges hold ones or distances.

        Returns
        -------
        sparse matrix of shape (n_queries, n_samples_fit) in CSR format
        """
        if mode not in ("connectivity", "distance"):
            raise ValueError(
                'Unsupported mode, must be one of "connectivity", '
                f'or "distance" but got "{mode}" instead'
            )
        offsets, distances, indices = self._within(X, radius)
        data = distances if mode == "distance" else np.ones(len(indices))
        return _graph(data, indices, offsets, self.n_samples_fit_)


def _graph(data: NDArray, indices: NDArray, offsets: NDArray, columns: int) -> csr_matrix:
    array = csr_array((data, indices, offsets), shape=(len(offsets) - 1, columns))
    return csr_matrix(array)


def _pieces(values: NDArray, offsets: NDArray) -> NDArray[np.object_]:
    """Return an array of arrays: values[offsets[i]:offsets[i + 1]]."""
    pieces = np.empty(len(offsets) - 1, dtype=object)
    for i in range(len(pieces)):
        pieces[i] = values[offsets[i] : offsets[i + 1]]
    return pieces
