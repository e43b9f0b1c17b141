"""What all neighbours estimators share: the points, and searching them."""

import itertools
import warnings
from numbers import Integral, Real
from typing import Any

import numpy as np
import sklearn
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn.base import BaseEstimator, MultiOutputMixin, is_regressor
from sklearn.metrics import DistanceMetric
from sklearn.neighbors import VALID_METRICS, VALID_METRICS_SPARSE, BallTree, KDTree
from sklearn.neighbors import _base as scikit_learn
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from rmodels.base.callbacks import CallbackSupport
from rmodels.config import thread_count
from rmodels.data import dask as partitions
from rmodels.data.arrays import (
    adopted,
    answered_in_kind,
    as_kind_of,
    beside,
    namespace,
    on_host,
)
from rmodels.data.checks import (
    Checked,
    by_batches,
    precomputed_distances,
    search_samples,
    search_targets,
)
from rmodels.data.dask import is_dask
from rmodels.data.formats import as_column
from rmodels.data.scan import Scan
from rmodels.neighbors import _metrics
from rmodels.neighbors._metrics import Metric
from rmodels.neighbors._search import Scanned, Search, search
from rmodels.neighbors._weights import offsets_of, pieces, rows_of

__all__ = ["KNeighborsMixin", "NeighborsBase", "RadiusNeighborsMixin"]

_ALGORITHMS = {"auto": "auto", "ball_tree": "tree", "brute": "brute", "kd_tree": "tree"}
_MODES = 'Unsupported mode, must be one of "connectivity", or "distance" but got "{}" instead'


class NeighborsBase(CallbackSupport, MultiOutputMixin, BaseEstimator):
    """Parameters and points of a neighbours estimator."""

    _parameter_constraints: dict = {
        "n_neighbors": [Interval(Integral, 1, None, closed="left"), None],
        "radius": [Interval(Real, 0, None, closed="both"), None],
        "algorithm": [StrOptions(set(_ALGORITHMS))],
        "leaf_size": [Interval(Integral, 1, None, closed="left")],
        "p": [Interval(Real, 0, None, closed="right"), None],
        "metric": [
            StrOptions(set(itertools.chain(*VALID_METRICS.values()))),
            callable,
            DistanceMetric,
        ],
        "metric_params": [dict, None],
        "n_jobs": [Integral, None],
    }

    algorithm: str
    metric: Metric
    metric_params: dict[str, Any] | None
    n_jobs: int | None
    n_neighbors: int | None
    p: float | None
    radius: float | None

    _search: Search

    def _fit(self, X: Any, y: Any = None) -> Any:
        """Check X and y, and prepare the points; return y."""
        if isinstance(X, Scan):
            return self._fit_scan(X, y)
        if is_dask(X):
            return self._fit_partitions(X, y)
        if isinstance(X, scikit_learn.NeighborsBase) and X._tree is None:
            X = X._fit_X
        fitted = isinstance(X, (BallTree, KDTree, NeighborsBase, scikit_learn.NeighborsBase))
        if fitted:
            points, metric = _points_of(X)
        else:
            points = self._samples(X, reset=True)
        target = search_targets(self, points, y) if self._needs_target() else None
        self._set_effective_metric()
        if fitted:
            self._search = (
                X._search
                if isinstance(X, NeighborsBase)
                else search(points, metric, {}, "auto", thread_count(self.n_jobs))
            )
            self.n_features_in_ = points.shape[1]
        else:
            self._search = self._new_search(points)
        self.n_samples_fit_ = points.shape[0]
        self.engine_ = self._search.engine
        self.algorithm_ = self._search.algorithm
        return target

    def _fit_scan(self, scan: Scan, y: Any) -> Any:
        """Check the columns of a scan, and how it is to be searched; return y."""
        y = as_column(y)
        named = y is not None and scan.are_columns(y)
        targets = [] if not named else [y] if isinstance(y, (str, int)) else list(y)
        features = scan.features(targets)
        self._set_effective_metric()
        searched = Scanned(
            scan,
            features,
            self.effective_metric_,
            self.effective_metric_params_,
            _ALGORITHMS[self.algorithm],
        )
        scan.record(self, features)
        scan.check(features)
        target = None
        if self._needs_target():
            numbers = is_regressor(self)
            target = scan.labels(y, targets, numbers) if named else search_targets(self, y, y)
        self.n_samples_fit_ = scan.count(features)
        if target is not None and len(target) != self.n_samples_fit_:
            raise ValueError(f"y has {len(target)} rows, and the scan {self.n_samples_fit_}")
        self._search = searched
        self.engine_, self.algorithm_ = searched.engine, searched.algorithm
        return target

    def _fit_partitions(self, X: Any, y: Any) -> Any:
        """Check the partitions of a Dask collection; return an array of no rows like y."""
        self._set_effective_metric()
        metric, p = _metrics.indexed(self.effective_metric_, self.effective_metric_params_)
        if self._needs_target() and y is None:
            search_targets(self, X, y)  # raises
        X, y = partitions.points(self, X, y if self._needs_target() else None)
        searched = partitions.Partitions(X, y, metric, p, _ALGORITHMS[self.algorithm])
        self._search, self.n_samples_fit_ = searched, searched.count
        self.engine_, self.algorithm_ = searched.engine, searched.algorithm
        return searched.like

    def _needs_target(self) -> bool:
        needed: bool = self.__sklearn_tags__().target_tags.required
        return needed

    def _samples(self, X: Any, reset: bool = False) -> Any:
        """Return checked points or queries, or distances."""
        if isinstance(self.metric, str) and self.metric == "precomputed":
            return precomputed_distances(self, X, reset=reset)
        return search_samples(
            self,
            X,
            floats=isinstance(self.metric, str) and self.metric in _metrics.INDEXED,
            allow_nan=isinstance(self.metric, str) and self.metric == "nan_euclidean",
            reset=reset,
        )

    def _set_effective_metric(self) -> None:
        _metrics.check_algorithm(self.metric, self.algorithm, self.metric_params)
        if "p" in (self.metric_params or {}) and self.p is not None:
            warnings.warn(
                "Parameter p is found in metric_params. The corresponding parameter from __init__ "
                "is ignored.",
                SyntaxWarning,
                stacklevel=5,
            )
        self.effective_metric_, self.effective_metric_params_ = _metrics.effective_metric(
            self.metric, self.p, self.metric_params
        )

    def _new_search(self, points: Any) -> Search:
        algorithm = _ALGORITHMS[self.algorithm]
        if sparse.issparse(points) and self.metric != "precomputed":
            _metrics.check_sparse(self.effective_metric_, self.algorithm)
        elif self.effective_metric_ == "minkowski" and self.effective_metric_params_["p"] < 1:
            if algorithm == "tree":
                raise ValueError(
                    f'algorithm="{self.algorithm}" does not support 0 < p < 1 for the Minkowski '
                    'metric. To resolve this problem either set p >= 1 or algorithm="brute".'
                )
            algorithm = "brute"
            warnings.warn(
                "Mind that for 0 < p < 1, Minkowski metrics are not distance metrics. Continuing "
                "the execution with `algorithm='brute'`.",
                stacklevel=5,
            )
        return search(
            points,
            self.effective_metric_,
            self.effective_metric_params_,
            algorithm,
            thread_count(self.n_jobs),
        )

    def _queries(self, X: Any) -> Any:
        """Return checked queries; None stays None."""
        if X is None:
            return None
        queries = self._samples(X)
        trees = self.algorithm in ("ball_tree", "kd_tree")
        if trees and sparse.issparse(queries) and not sparse.issparse(self._fit_X):
            raise ValueError(
                f"{self.algorithm} does not work with sparse matrices. Densify the data, or "
                "set algorithm='brute'"
            )
        return queries

    @property
    def _fit_X(self) -> Any:
        """The points; other estimators of scikit-learn read it."""
        return self._search.X

    @property
    def _fit_method(self) -> str:
        """What `algorithm_` says, by scikit-learn's name."""
        return {"brute": "brute", "tree": "kd_tree"}[self.algorithm_]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        named = isinstance(self.metric, str)
        precomputed = named and self.metric == "precomputed"
        sparse_metrics = {"minkowski", *VALID_METRICS_SPARSE["brute"]}
        tags.input_tags.sparse = not named or self.metric in sparse_metrics
        tags.input_tags.pairwise = precomputed
        tags.input_tags.positive_only = precomputed
        tags.input_tags.allow_nan = named and self.metric == "nan_euclidean"
        return tags


class KNeighborsMixin(NeighborsBase, scikit_learn.KNeighborsMixin):
    """Searches for the k nearest."""

    @by_batches
    @answered_in_kind
    def kneighbors(
        self,
        X: ArrayLike | None = None,
        n_neighbors: int | None = None,
        return_distance: bool = True,
    ) -> Any:
        """Find the nearest neighbours of each query.

        Parameters
        ----------
        X : array-like, sparse matrix or scan of shape (n_queries, n_features), default=None
            None asks for the neighbours of each indexed point, itself left out; behind more than k
            duplicates of lower index, the first of them is left out in its place. With
            metric="precomputed", the distances of each query to each point.
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

        Examples
        --------
        >>> from rmodels import NearestNeighbors
        >>> model = NearestNeighbors(n_neighbors=1).fit([[0.0], [1.0], [3.0]])
        >>> model.kneighbors([[2.5]])
        (array([[0.5]]), array([[2]]))
        >>> model.kneighbors(n_neighbors=2, return_distance=False)  # of each point, without itself
        array([[1, 2],
               [0, 2],
               [1, 0]])
        """
        distances, indices = self._nearest(X, n_neighbors)
        return (distances, indices) if return_distance else indices

    def _nearest(self, X: Any, n_neighbors: int | None) -> tuple[Any, Any]:
        """Return what `kneighbors` returns, as ndarrays or, for queries on the GPU, tensors."""
        check_is_fitted(self)
        k = self._check_n_neighbors(n_neighbors)
        queries = self._queries(X)
        n = self.n_samples_fit_
        if k > n - (queries is None):
            sign = "<" if queries is None else "<="
            raise ValueError(
                f"Expected n_neighbors {sign} n_samples_fit, but n_neighbors = {k}, "
                f"n_samples_fit = {n}, n_samples = {n if queries is None else queries.shape[0]}"
            )
        return self._search.nearest(queries, k, thread_count(self.n_jobs))

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
    ) -> Any:
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

        Raises
        ------
        ValueError
            As `kneighbors` does, and if `mode` is another.

        Examples
        --------
        >>> from rmodels import NearestNeighbors
        >>> model = NearestNeighbors(n_neighbors=1).fit([[0.0], [1.0], [3.0]])
        >>> model.kneighbors_graph([[2.5]], mode="distance").toarray()
        array([[0. , 0. , 0.5]])
        """
        if mode not in ("connectivity", "distance"):
            raise ValueError(_MODES.format(mode))
        data, indices = map(on_host, self._nearest(X, n_neighbors))
        if mode == "connectivity":
            data = np.ones(indices.shape)
        m, k = indices.shape
        offsets = np.arange(0, m * k + 1, k)
        return _graph(data.ravel(), indices.ravel(), offsets, self.n_samples_fit_)


class RadiusNeighborsMixin(NeighborsBase, scikit_learn.RadiusNeighborsMixin):
    """Searches for all within a radius."""

    def _within(
        self, X: Any, radius: float | NDArray | None, by_distance: bool
    ) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
        """Return offsets, distances and indices, each query's by distance or by index."""
        check_is_fitted(self)
        queries = self._queries(X)
        radius = self._check_radius(radius, several=not isinstance(X, Checked))
        found = self._search.within(queries, float(np.max(radius)), thread_count(self.n_jobs))
        if np.ndim(radius):
            offsets, distances, indices = found
            m = len(offsets) - 1
            rows = rows_of(offsets)
            near = distances <= beside(np.broadcast_to(radius, m).astype(float), distances)[rows]
            counts = namespace(rows).bincount(rows[near], minlength=m)
            found = offsets_of(counts), distances[near], indices[near]
        if by_distance:
            return found
        offsets, distances, indices = found
        if not isinstance(indices, np.ndarray):
            order = indices.argsort(stable=True)
            order = order[rows_of(offsets)[order].argsort(stable=True)]
            return offsets, distances[order], indices[order]
        shape = len(offsets) - 1, self.n_samples_fit_
        graph = sparse.csr_array((distances, indices, offsets), shape=shape)
        graph.sort_indices()
        return offsets, graph.data, graph.indices.astype(np.int64, copy=False)

    def _check_radius(self, radius: Any, *, several: bool) -> Any:
        """Return a radius, or one for each query if there may be several."""
        if radius is None:
            radius = self.radius
        radius = on_host(adopted(radius))
        if radius is None or not np.all(np.asarray(radius) >= 0):
            raise ValueError(f"radius must be a number of at least 0. Got {radius}")
        if not several and np.ndim(radius):
            raise ValueError("radius must be one number for queries in batches or partitions")
        return radius

    @by_batches
    def radius_neighbors(
        self,
        X: ArrayLike | None = None,
        radius: float | NDArray | None = None,
        return_distance: bool = True,
        sort_results: bool = False,
    ) -> Any:
        """Find all neighbours within a radius of each query; those on the boundary count.

        Parameters
        ----------
        X : array-like, sparse matrix or scan of shape (n_queries, n_features), default=None
            None asks for the neighbours of each indexed point, itself left out.
        radius : float or array-like of shape (n_queries,), default=None
            The default is the estimator's. One number if X is a scan or in partitions.
        return_distance : bool, default=True
        sort_results : bool, default=False
            Whether the neighbours are in the order of (distance, index); else in that of index.

        Returns
        -------
        neigh_dist : ndarray of shape (n_queries,) of arrays
            Only if `return_distance`.
        neigh_ind : ndarray of shape (n_queries,) of arrays

        Raises
        ------
        ValueError
            If a radius is negative, X is not valid, or results are to be sorted without distances.

        Examples
        --------
        >>> from rmodels import NearestNeighbors
        >>> model = NearestNeighbors(radius=2.0).fit([[0.0], [1.0], [3.0]])
        >>> distances, indices = model.radius_neighbors([[2.0]], sort_results=True)
        >>> distances[0], indices[0].tolist()
        (array([1., 1., 2.]), [1, 2, 0])
        """
        if sort_results and not return_distance:
            raise ValueError("return_distance must be True if sort_results is True.")
        offsets, distances, indices = self._within(X, radius, sort_results)
        if X is not None and not isinstance(X, Checked):
            distances, indices = as_kind_of((distances, indices), X)
        if not return_distance:
            return pieces(indices, offsets)
        return pieces(distances, offsets), pieces(indices, offsets)

    def radius_neighbors_graph(
        self,
        X: ArrayLike | None = None,
        radius: float | None = None,
        mode: str = "connectivity",
        sort_results: bool = False,
    ) -> Any:
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

        Raises
        ------
        ValueError
            As `radius_neighbors` does, and if `mode` is another.

        Examples
        --------
        >>> from rmodels import NearestNeighbors
        >>> model = NearestNeighbors(radius=1.0).fit([[0.0], [1.0], [3.0]])
        >>> model.radius_neighbors_graph([[2.0]], mode="distance").toarray()
        array([[0., 1., 1.]])
        """
        if mode not in ("connectivity", "distance"):
            raise ValueError(_MODES.format(mode))
        offsets, distances, indices = map(on_host, self._within(X, radius, sort_results))
        data = distances if mode == "distance" else np.ones(len(indices))
        return _graph(data, indices, offsets, self.n_samples_fit_)


def _points_of(fitted: Any) -> tuple[Any, Metric]:
    """Return the points of a fitted estimator or tree, and its metric."""
    if isinstance(fitted, NeighborsBase):
        return fitted._fit_X, fitted.effective_metric_
    tree = fitted if isinstance(fitted, (BallTree, KDTree)) else fitted._tree
    (metric,) = (part for part in tree.__getstate__() if isinstance(part, DistanceMetric))
    if isinstance(metric, type(DistanceMetric.get_metric("euclidean"))):
        return np.asarray(tree.data), "euclidean"
    return np.asarray(tree.data), metric


def _graph(data: NDArray, indices: NDArray, offsets: NDArray, columns: int) -> Any:
    """Return a CSR matrix or array, as scikit-learn's setting says."""
    graph = sparse.csr_array((data, indices, offsets), shape=(len(offsets) - 1, columns))
    if sklearn.get_config().get("sparse_interface", "spmatrix") == "sparray":
        return graph
    return sparse.csr_matrix(graph)
