"""What all neighbours estimators share: the points, and searching them."""

import itertools
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import sklearn
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn.base import BaseEstimator, MultiOutputMixin
from sklearn.metrics import DistanceMetric
from sklearn.neighbors import VALID_METRICS, VALID_METRICS_SPARSE, BallTree, KDTree

from rmodels import data
from rmodels.base import metrics
from rmodels.base.callbacks import CallbackSupport
from rmodels.base.metrics import Metric
from rmodels.base.search import (
    Blockwise,
    Indexed,
    Precomputed,
    Present,
    Search,
    SparseRows,
    new_search,
    search,
)
from rmodels.base.sklearn import Interval, StrOptions
from rmodels.base.sklearn import neighbors as scikit_learn
from rmodels.base.state import HasState, check_is_fitted
from rmodels.config import check_n_jobs, thread_count
from rmodels.data import Need, Rows, Source
from rmodels.data.arrays import adopt, as_kind_of, beside, namespace, on_host
from rmodels.data.checks import Targets
from rmodels.neighbors._answers import Answer, Asked, PartedSearch
from rmodels.neighbors._weights import offsets_of, pieces, rows_of
from rmodels.ops.nearest import FEW, nearest_of_few

__all__ = ["KNeighborsMixin", "NeighborsBase", "RadiusNeighborsMixin"]

_MODES = 'Unsupported mode, must be one of "connectivity", or "distance" but got "{}" instead'


class NeighborsBase(HasState, CallbackSupport, MultiOutputMixin, BaseEstimator):
    """Parameters and points of a neighbours estimator."""

    _attributes: ClassVar = {
        "n_samples_fit_": int,
        "effective_metric_": str,
        "effective_metric_params_": dict,
        "_search": Indexed | Blockwise | SparseRows | Precomputed | Present,
    }

    _parameter_constraints: dict = {
        "n_neighbors": [Interval(Integral, 1, None, closed="left"), None],
        "radius": [Interval(Real, 0, None, closed="both"), None],
        "algorithm": [StrOptions(set(metrics.ALGORITHMS))],
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

    _search: Search | PartedSearch
    _targets: ClassVar[Targets] = "none"  # what y is

    def _fits_in_batches(self) -> bool:
        return False  # the points are kept

    def _has_checkpoint(self) -> bool:
        return False

    def _is_consistent(self) -> bool:
        return bool(self._fit_X.shape == (self.n_samples_fit_, self.n_features_in_))

    def _fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Source:
        """Check X, y and weights, and prepare the points; return them."""
        check_n_jobs(self.n_jobs)
        fitted, metric = X, None
        if type(X) is not np.ndarray:
            X, metric = _points_of(X)
        self.effective_metric_, self.effective_metric_params_ = metrics.choose_metric(
            self.metric, self.algorithm, self.p, self.metric_params
        )
        source = data.source(
            self, X, y, sample_weight, targets=self._targets, need=self._need(), task="fit"
        )
        if not source.in_memory:
            self._search = PartedSearch(
                source,
                self.effective_metric_,
                self.effective_metric_params_,
                metrics.ALGORITHMS[self.algorithm],
                self.n_jobs,
            )
            self.n_samples_fit_ = source.number_rows()
        else:
            assert isinstance(source, Rows)
            if metric is not None and isinstance(fitted, NeighborsBase):
                self._search = fitted._search
            elif metric is not None:
                self._search = search(source.X, metric, {}, "auto", self.n_jobs)
            else:
                self._search = self._new_search(source.X)
            self.n_samples_fit_ = source.X.shape[0]
        self.engine_ = self._search.engine
        return source

    @property
    def algorithm_(self) -> str:
        """What the search of many queries does: decided when it is asked for, or needed."""
        return self._search.algorithm

    def _need(self) -> Need:
        """Return what points and queries have to be: by the metric of the fit."""
        return metrics.need_of(self.effective_metric_)

    def _new_search(self, points: Any) -> Search:
        return new_search(
            points,
            self.metric,
            self.algorithm,
            self.effective_metric_,
            self.effective_metric_params_,
            self.n_jobs,
        )

    def _find(self, queries: Any, asked: Asked) -> tuple[Any, ...]:
        """Return the neighbours of checked queries; None asks for those of the points."""
        trees = self.algorithm in ("ball_tree", "kd_tree")
        if trees and sparse.issparse(queries) and not sparse.issparse(self._fit_X):
            raise ValueError(
                f"{self.algorithm} does not work with sparse matrices. Densify the data, or "
                "set algorithm='brute'"
            )
        if isinstance(queries, np.ndarray):
            queries = np.ascontiguousarray(queries)  # those of a scan are not
        found: tuple[Any, ...]
        if isinstance(self._search, PartedSearch):
            found = self._search.find(queries, asked)
        else:
            threads = self._count_threads(queries)
            if asked.k:
                found = self._search.nearest(queries, asked.k, threads)
            else:
                found = self._search.within(queries, asked.radius, threads)
        return found

    def _count_threads(self, queries: Any) -> int:
        """Return most threads of a search; little work has one, without asking for processors."""
        count = self.n_samples_fit_ if queries is None else queries.shape[0]
        values = count * self.n_samples_fit_ * self.n_features_in_
        return 1 if self.n_jobs != 0 and values < FEW else thread_count(self.n_jobs)

    @property
    def _others(self) -> list[NDArray]:
        """What is found with each neighbour of points that are not in memory, of no rows."""
        return []

    def _answer(self, X: Any, asked: Asked, method: str, task: str, **options: Any) -> Any:
        """Return what a method says of the neighbours of queries, in the kind that they are.

        Queries that are None are the points, each without itself. The method is given what was
        found, and the queries: as `Rows`, or a few as the array that they are.
        """
        search = self._search
        if (
            asked.k
            and type(search) is Indexed
            and "feature_names_in_" not in vars(self)
            and self.n_jobs != 0
            and (found := nearest_of_few(search.index, X, asked.k)) is not None
        ):
            return getattr(self, method)(found, X, **options)
        answer = Answer(data.hold(self, X), asked, method, options)
        if X is None:
            return answer.finish(None, None)
        return data.map_rows(self, X, answer, need=self._need(), task=task)

    @property
    def _fit_X(self) -> Any:
        """The points, if they are in memory; other estimators of scikit-learn read it."""
        if isinstance(self._search, PartedSearch):
            raise AttributeError("the points are not in memory: _fit_X is not there")
        return self._search.X

    @property
    def _fit_method(self) -> str:
        """What `algorithm_` says, by scikit-learn's name, if its trees have the metric."""
        tree = self.algorithm_ == "tree" and self.effective_metric_ in VALID_METRICS["kd_tree"]
        return "kd_tree" if tree else "brute"

    @property
    def _tree(self) -> KDTree | None:
        """What an estimator of scikit-learn reads that is fitted to this one: a tree of its own."""
        if self._fit_method == "brute":
            return None
        parameters = {k: v for k, v in self.effective_metric_params_.items() if v is not None}
        return KDTree(self._fit_X, metric=self.effective_metric_, **parameters)

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
        asked = self._ask_nearest(X, n_neighbors)
        return self._answer(X, asked, "_name", "kneighbors", return_distance=return_distance)

    def _name(self, found: Any, queries: Any, return_distance: bool) -> Any:
        """Return the neighbours as `kneighbors` does."""
        distances, indices, *_ = found
        return (distances, indices) if return_distance else indices

    def _count_searched(self) -> int:
        """Return how many points a query's neighbours are among."""
        return self.n_samples_fit_

    def _ask_nearest(self, X: Any, n_neighbors: int | None = None) -> Asked:
        """Return what is asked for: as many neighbours as there can be, at most."""
        check_is_fitted(self)
        k = self._check_n_neighbors(n_neighbors)
        n = self._count_searched()
        if k > n - (X is None):
            sign = "<" if X is None else "<="
            queries = n if X is None else getattr(X, "shape", (None,))[0]
            counted = f", n_samples = {queries}" if isinstance(queries, Integral) else ""
            raise ValueError(
                f"Expected n_neighbors {sign} n_samples_fit, but n_neighbors = {k}, "
                f"n_samples_fit = {n}{counted}"
            )
        return Asked(k)

    def _check_n_neighbors(self, n_neighbors: int | None) -> int:
        if n_neighbors is None:
            n_neighbors = self.n_neighbors
            if n_neighbors is None:
                raise ValueError("n_neighbors is None: give a number of neighbours")
        if type(n_neighbors) is not int and not isinstance(n_neighbors, Integral):
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
        asked = self._ask_nearest(X, n_neighbors)
        return self._answer(X, asked, "_draw_nearest", "kneighbors_graph", mode=mode)

    def _draw_nearest(self, found: Any, queries: Any, mode: str) -> Any:
        """Return the graph of the nearest neighbours."""
        distances, indices = (on_host(each) for each in found[:2])
        m, k = indices.shape
        weights = np.ones(indices.shape) if mode == "connectivity" else distances
        offsets = np.arange(0, m * k + 1, k)
        return _graph(weights.ravel(), indices.ravel(), offsets, self.n_samples_fit_)


class RadiusNeighborsMixin(NeighborsBase, scikit_learn.RadiusNeighborsMixin):
    """Searches for all within a radius."""

    def _ask_within(self, X: Any, radius: Any = None) -> Asked:
        """Return what is asked for: all within a radius, or within one for each query."""
        check_is_fitted(self)
        return Asked(0, self._check_radius(radius, several=X is None or data.is_in_memory(X)))

    def _find(self, queries: Any, asked: Asked) -> tuple[Any, ...]:
        """Return the neighbours of checked queries by distance; None asks for the points'."""
        if asked.k or not np.ndim(asked.radius):
            return super()._find(queries, asked)
        largest = Asked(0, float(np.max(asked.radius)))
        offsets, distances, indices, *others = super()._find(queries, largest)
        m = len(offsets) - 1
        rows = rows_of(offsets)
        limits = beside(np.broadcast_to(asked.radius, m).astype(float), distances)
        near = distances <= limits[rows]
        counts = namespace(rows).bincount(rows[near], minlength=m)
        return offsets_of(counts), distances[near], indices[near], *(A[near] for A in others)

    def _by_index(self, found: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return the neighbours of each query in the order of their indices."""
        offsets, distances, indices, *_ = found
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
        radius = on_host(adopt(radius))
        if not (_are_real(given := np.asarray(radius)) and np.all(given >= 0)):
            raise ValueError(f"radius must be a number of at least 0. Got {radius!r}")
        if not several and np.ndim(radius):
            raise ValueError("radius must be one number for queries in batches or partitions")
        return radius if np.ndim(radius) else float(radius)

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
        return self._answer(
            X,
            self._ask_within(X, radius),
            "_list",
            "radius_neighbors",
            return_distance=return_distance,
            sort_results=sort_results,
        )

    def _list(
        self, found: Any, queries: Rows | None, return_distance: bool, sort_results: bool
    ) -> Any:
        """Return the neighbours as `radius_neighbors` does."""
        offsets, distances, indices, *_ = found if sort_results else self._by_index(found)
        if queries is not None and queries.given is not None:
            distances, indices = as_kind_of((distances, indices), queries.given)
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
        return self._answer(
            X,
            self._ask_within(X, radius),
            "_draw_within",
            "radius_neighbors_graph",
            mode=mode,
            sort_results=sort_results,
        )

    def _draw_within(self, found: Any, queries: Rows | None, mode: str, sort_results: bool) -> Any:
        """Return the graph of the neighbours within a radius."""
        offsets, distances, indices = map(
            on_host, (found if sort_results else self._by_index(found))[:3]
        )
        weights = distances if mode == "distance" else np.ones(len(indices))
        return _graph(weights, indices, offsets, self.n_samples_fit_)


def _are_real(A: NDArray) -> bool:
    """Return whether an array holds real numbers."""
    return A.dtype.kind in "biuf" or (
        A.dtype == object and all(isinstance(each, Real) for each in A.flat)
    )


def _points_of(X: Any) -> tuple[Any, Metric | None]:
    """Return the points of a fitted estimator or tree, and its metric; X itself if it is not one.

    The metric is None where the one that is asked for is to serve.
    """
    if isinstance(X, NeighborsBase):
        return X._fit_X, X.effective_metric_
    theirs = isinstance(X, scikit_learn.NeighborsBase)
    tree = scikit_learn.tree_of(X) if theirs else X if isinstance(X, (BallTree, KDTree)) else None
    if tree is None:
        return X._fit_X if theirs else X, None
    (metric,) = (part for part in tree.__getstate__() if isinstance(part, DistanceMetric))
    if isinstance(metric, type(DistanceMetric.get_metric("euclidean"))):
        return np.asarray(tree.data), "euclidean"
    return np.asarray(tree.data), metric


def _graph(data: NDArray, indices: NDArray, offsets: NDArray, columns: int) -> Any:
    """Return a CSR matrix or array as scikit-learn does, with indices of the same type."""
    parts, shape = (data, indices, offsets), (len(offsets) - 1, columns)
    interface = sklearn.get_config().get("sparse_interface")
    if interface is None:  # before scikit-learn 1.9: old paths through graphs take int32 alone
        return sparse.csr_matrix(parts, shape=shape)
    graph = sparse.csr_array(parts, shape=shape)
    return graph if interface == "sparray" else sparse.csr_matrix(graph)
