"""Clusters of points of any density: HDBSCAN."""

import operator
from collections.abc import Callable
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.spatial.distance import cdist
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.neighbors import VALID_METRICS

from rmodels import data, ops
from rmodels.base import metrics
from rmodels.base.blockwise import Blockwise, row_blocks
from rmodels.base.callbacks import CallbackSupport
from rmodels.base.estimator import all_or_nothing
from rmodels.base.search import new_search
from rmodels.base.sklearn import Interval, StrOptions
from rmodels.base.sklearn.metrics import PAIRWISE_METRICS
from rmodels.base.state import Absent, HasState, check_is_fitted
from rmodels.base.warnings import warn
from rmodels.cluster._selection import choose, label
from rmodels.config import get_config, thread_count
from rmodels.data import Need
from rmodels.data.arrays import as_kind_of, on_host
from rmodels.data.checks import is_surely_finite
from rmodels.exceptions import NotCoveredError
from rmodels.ops.hierarchy import condense, cut, link
from rmodels.solvers.whole import collect

if TYPE_CHECKING:
    from rmodels.export.graph import Value

__all__ = ["HDBSCAN"]

_INFINITE, _MISSING = -2, -3  # labels of rows that are not finite
_TREES = {"kd_tree": "KDTree", "ball_tree": "BallTree"}
_OF_TREES = frozenset(VALID_METRICS["kd_tree"]) | frozenset(VALID_METRICS["ball_tree"])

# scikit-learn's form of single_linkage_tree_.
_LINES = np.dtype(
    [
        ("left_node", np.intp),
        ("right_node", np.intp),
        ("value", np.float64),
        ("cluster_size", np.intp),
    ]
)


class HDBSCAN(HasState, CallbackSupport, ClusterMixin, BaseEstimator):
    """Clusters of many points that lie closer than what is about them, whatever their density.

    The core distance c(x) of a point is that to its min_samples-th nearest, itself counted as the
    first; the mutual reachability distance of two is max(c(x), c(z), d(x, z) / alpha). Single
    linkage by it, from one cluster of all points down, loses points until a cluster splits into two
    of at least min_cluster_size. Chosen are the clusters that last: whose stability Σ (λ(x) − λ₀),
    with λ = 1 / distance at which a point drops out, and λ₀ at which the cluster was born, is at
    least the sum of those within them.

    Parameters
    ----------
    min_cluster_size : int, default=5
        Fewer points are no cluster; at least 2.
    min_samples : int, default=None
        Which neighbour's distance is the core distance, the point itself counted: 6 is 5 of the
        package hdbscan, which does not count it. None is min_cluster_size.
    cluster_selection_epsilon : float, default=0.0
        Clusters born of splits at less than this distance are replaced by what they came from.
    max_cluster_size : int, default=None
        Larger clusters are not chosen by "eom".
    metric : str or callable, default="euclidean"
        Those of `NearestNeighbors`; "precomputed": X holds the distances between the points,
        symmetric, with infinity of those that are not known; of a sparse matrix only the entries
        are neighbours, and a point itself is one if it has an entry.
    metric_params : dict, default=None
        Further parameters of the metric.
    alpha : float, default=1.0
        Distances, not core distances, are divided by it.
    algorithm : {"auto", "brute", "kd_tree", "ball_tree"}, default="auto"
        As in `NearestNeighbors`: clusters are the same by each.
    leaf_size : int, default=40
        Accepted for compatibility.
    n_jobs : int, default=None
        Threads; None means all that the settings allow.
    cluster_selection_method : {"eom", "leaf"}, default="eom"
        Choose the most stable clusters (excess of mass), or all that do not split.
    allow_single_cluster : bool, default=False
        Whether the cluster of all points may be chosen.
    store_centers : {"centroid", "medoid", "both"}, default=None
        What else to find of each cluster.
    copy : bool, default=False
        Accepted for compatibility: X is never changed. The warning about its default is
        scikit-learn's.

    Attributes
    ----------
    labels_ : ndarray of shape (n_samples,), int64
        The cluster of each row: -1 of noise, -2 of rows with an infinity, -3 of rows with a NaN. Of
        tensors a tensor.
    probabilities_ : ndarray of shape (n_samples,), float64
        How long a point stays in its cluster: λ(x) / max λ, 0 of noise, NaN of rows with a NaN.
    centroids_ : ndarray of shape (n_clusters, n_features)
        Means of the rows of each cluster, weighted by `probabilities_`.
    medoids_ : ndarray of shape (n_clusters, n_features)
        Rows whose distances to the others of the cluster, weighted so, add up to least.
    single_linkage_tree_ : ndarray of shape (n_samples - 1, 4), float64
        Merges in the form of ``scipy.cluster.hierarchy``; rows that are not finite merge last, at
        infinity.
    condensed_tree_ : ndarray of shape (n_lines, 4), float64
        What drops out of which cluster: the cluster (n_samples is that of all), the row or cluster
        that does, λ, and of how many points.
    selected_clusters_ : ndarray of shape (n_clusters,), int64
        The clusters of `condensed_tree_` that have the labels 0, 1, …
    engine_ : {"reference", "native", "scipy"}
    n_features_in_, feature_names_in_
        As in `KMeans`.

    Notes
    -----
    Distances are those of differences in float64. Of edges that weigh the same, which those of a
    core distance always do, the shorter goes first, then that of the lesser rows: clusters are the
    same for any algorithm, engine and number of threads, and where distances do not tie they do not
    depend on the order of the rows. They are scikit-learn's but for edges that weigh the same:
    there, a sort that is not stable says which goes first.

    Native: no matrix of distances and no lists of neighbours but the first 10; memory beyond X is
    about 400 bytes a row and the packed copy of X of the index. Distances of metrics that the index
    does not have are measured all at once if they fit in the setting `memory_limit`, else a row at
    a time, twice each: n_samples² · n_features operations. Sparse rows become an array, if that
    fits. Medoids need the distances within a cluster.

    A scan or a Dask collection is brought into memory, and refused if it does not fit in the
    setting `memory_limit`: a row is a neighbour of rows in any batch.

    Source: R. J. G. B. Campello, D. Moulavi, J. Sander, "Density-based clustering based on
    hierarchical density estimates", 2013; epsilon: C. Malzer, M. Baum, "A hybrid approach to
    hierarchical density-based cluster selection", 2020; alpha: K. Chaudhuri, S. Dasgupta, "Rates of
    convergence for the cluster tree", 2010.

    Examples
    --------
    >>> from rmodels import HDBSCAN
    >>> X = [[0.0], [0.1], [0.2], [0.4], [2.0], [2.1], [2.3], [2.6], [9.0]]
    >>> model = HDBSCAN(min_cluster_size=3, min_samples=2, copy=True).fit(X)
    >>> model.labels_
    array([ 0,  0,  0,  0,  1,  1,  1,  1, -1])
    >>> model.probabilities_.round(2)
    array([1.  , 1.  , 1.  , 0.5 , 1.  , 1.  , 1.  , 0.67, 0.  ])
    """

    _attributes: ClassVar = {
        "labels_": np.ndarray,
        "probabilities_": np.ndarray,
        "centroids_": np.ndarray | Absent,
        "medoids_": np.ndarray | Absent,
        "single_linkage_tree_": np.ndarray,
        "condensed_tree_": np.ndarray,
        "selected_clusters_": np.ndarray,
    }

    _parameter_constraints: dict = {
        "min_cluster_size": [Interval(Integral, 2, None, closed="left")],
        "min_samples": [Interval(Integral, 1, None, closed="left"), None],
        "cluster_selection_epsilon": [Interval(Real, 0, None, closed="left")],
        "max_cluster_size": [None, Interval(Integral, 1, None, closed="left")],
        "metric": [StrOptions(set(PAIRWISE_METRICS | _OF_TREES) | {"precomputed"}), callable],
        "metric_params": [dict, None],
        "alpha": [Interval(Real, 0, None, closed="neither")],
        "algorithm": [StrOptions(set(metrics.ALGORITHMS))],
        "leaf_size": [Interval(Integral, 1, None, closed="left")],
        "n_jobs": [Integral, None],
        "cluster_selection_method": [StrOptions({"eom", "leaf"})],
        "allow_single_cluster": ["boolean"],
        "store_centers": [None, StrOptions({"centroid", "medoid", "both"})],
        "copy": ["boolean", StrOptions({"warn"})],
    }

    labels_: Any
    probabilities_: Any
    centroids_: NDArray[np.float64]
    medoids_: NDArray[np.float64]
    single_linkage_tree_: NDArray[np.float64]
    condensed_tree_: NDArray[np.float64]
    selected_clusters_: NDArray[np.int64]

    def __init__(
        self,
        min_cluster_size: int = 5,
        min_samples: int | None = None,
        cluster_selection_epsilon: float = 0.0,
        max_cluster_size: int | None = None,
        metric: str | Callable[..., Any] = "euclidean",
        metric_params: dict[str, Any] | None = None,
        alpha: float = 1.0,
        algorithm: str = "auto",
        leaf_size: int = 40,
        n_jobs: int | None = None,
        cluster_selection_method: str = "eom",
        allow_single_cluster: bool = False,
        store_centers: str | None = None,
        copy: bool | str = "warn",
    ) -> None:
        self.min_cluster_size = min_cluster_size
        self.min_samples = min_samples
        self.cluster_selection_epsilon = cluster_selection_epsilon
        self.max_cluster_size = max_cluster_size
        self.metric = metric
        self.metric_params = metric_params
        self.alpha = alpha
        self.algorithm = algorithm
        self.leaf_size = leaf_size
        self.n_jobs = n_jobs
        self.cluster_selection_method = cluster_selection_method
        self.allow_single_cluster = allow_single_cluster
        self.store_centers = store_centers
        self.copy = copy

    def _fits_in_batches(self) -> bool:
        return False  # a row is a neighbour of any

    def _has_checkpoint(self) -> bool:
        return False

    def _is_consistent(self) -> bool:
        n, clusters = len(self.labels_), len(self.selected_clusters_)
        centres = [vars(self)[name] for name in ("centroids_", "medoids_") if hasattr(self, name)]
        return bool(
            self.labels_.shape == self.probabilities_.shape == (n,)
            and self.single_linkage_tree_.shape == (n - 1, 4)
            and self.single_linkage_tree_.dtype == np.float64
            and (self.single_linkage_tree_[:, :2] >= 0).all()
            and (self.single_linkage_tree_[:, :2] < n + np.arange(n - 1)[:, np.newaxis]).all()
            and self.condensed_tree_.ndim == 2
            and self.condensed_tree_.shape[1] == 4
            and self.labels_.max() < clusters
            and all(each.shape == (clusters, self.n_features_in_) for each in centres)
        )

    @property
    def _single_linkage_tree_(self) -> NDArray[Any]:
        """`single_linkage_tree_` as scikit-learn keeps it."""
        return np.rec.fromarrays(self.single_linkage_tree_.T, dtype=_LINES).view(np.ndarray)

    @all_or_nothing
    def fit(self, X: ArrayLike, y: object = None) -> Self:
        """Find the clusters.

        Parameters
        ----------
        X : array-like, sparse matrix, scan or Dask collection of shape (n_samples, n_features)
            With metric="precomputed" distances of shape (n_samples, n_samples). Rows with a NaN or
            an infinity are set aside, and tell nothing of the others.
        y : None
            Not used.

        Returns
        -------
        HDBSCAN
            The estimator itself.

        Raises
        ------
        ValueError
            If there are fewer than two finite rows, or than min_samples, the metric is not one for
            such points or for the algorithm, distances between points are NaN, or precomputed ones
            are not symmetric, have a NaN, or say too little.
        NotCoveredError
            If rows of a scan or a collection do not fit in memory, or the engine asked for by name
            does not have the metric.

        Warns
        -----
        FutureWarning
            If copy is not given: scikit-learn's.
        UserWarning
            If so many precomputed distances are infinite that clusters are only joined by them.

        Examples
        --------
        >>> from rmodels import HDBSCAN
        >>> X = [[0.0], [0.1], [0.2], [5.0], [5.1], [5.2]]
        >>> HDBSCAN(min_cluster_size=3, copy=True).fit(X).labels_
        array([0, 0, 0, 1, 1, 1])
        """
        if isinstance(self.copy, str):
            warn(
                "The default value of `copy` will change from False to True in 1.10. Explicitly "
                "set a value for `copy` to silence this warning.",
                FutureWarning,
            )
        precomputed = isinstance(self.metric, str) and self.metric == "precomputed"
        if precomputed and self.store_centers is not None:
            raise ValueError("Cannot store centers when using a precomputed distance matrix.")
        if precomputed and not data.is_in_memory(X):
            raise ValueError("metric='precomputed' needs the distances in memory: give an array")
        named = _TREES.get(self.algorithm)
        if named and self.metric not in VALID_METRICS[self.algorithm]:
            raise ValueError(
                f"{self.metric} is not a valid metric for a {named}-based algorithm. Please select "
                "a different metric."
            )
        given = X
        indexed = isinstance(self.metric, str) and self.metric in metrics.INDEXED
        need = Need(doubles=not indexed, contiguous=not precomputed)
        rows = collect(data.source(self, X, need=need), "HDBSCAN")
        kept: Any = rows.X
        if precomputed:
            kept = _check_distances(kept, rows.assert_finite)
        elif sparse.issparse(kept) and named:
            raise ValueError("Sparse data matrices only support algorithm `brute`.")
        else:
            ops.choose("span")
        labels = np.zeros(kept.shape[0], np.int64) if precomputed else _find_missing(kept)
        finite = np.flatnonzero(labels == 0)
        points = kept if len(finite) == len(labels) else kept[finite]
        self._cluster(points, labels, finite)
        self.labels_ = as_kind_of(self.labels_, given)
        self.probabilities_ = as_kind_of(self.probabilities_, given)
        return self

    def _cluster(self, points: Any, labels: NDArray[np.int64], finite: NDArray[np.int64]) -> None:
        """Find the clusters of finite points, and set what is found of all rows."""
        n = points.shape[0]
        if n == 1:
            raise ValueError("n_samples=1 while HDBSCAN requires more than one sample")
        k = self.min_cluster_size if self.min_samples is None else self.min_samples
        if k > n:
            raise ValueError(f"min_samples ({k}) must be at most the number of samples in X ({n})")
        metric, parameters = self._choose_metric(points)
        threads = thread_count(self.n_jobs)
        rows = points
        if sparse.issparse(points) and metric != "precomputed":
            metrics.check_sparse(metric, self.algorithm)
            if (
                metric in metrics.INDEXED
                and 8 * n * points.shape[1] <= get_config()["memory_limit"]
            ):
                rows = points.toarray()  # n² sparse differences would take longer
        search = new_search(rows, metric, self.algorithm, metric, parameters, threads)
        ends, weights, _ = search.span(k, self.alpha, threads)
        if metric == "precomputed" and np.isinf(weights[-1]):
            warn(
                "The minimum spanning tree contains edge weights with value infinity. Potentially, "
                "you are missing too many distances in the initial distance matrix for the given "
                "neighborhood size."
            )
        linkage = link(ends, weights)
        tree = condense(linkage, self.min_cluster_size)
        single, epsilon = bool(self.allow_single_cluster), float(self.cluster_selection_epsilon)
        chosen = choose(
            tree,
            n,
            self.cluster_selection_method,
            allow_single_cluster=single,
            epsilon=epsilon,
            max_size=self.max_cluster_size,
        )
        found, strengths = label(tree, n, chosen, epsilon=epsilon)
        self._set_centres(points, found, strengths, metric, parameters, len(chosen))
        self.labels_ = labels
        self.labels_[finite] = found
        self.probabilities_ = np.where(labels == _MISSING, np.nan, 0.0)
        self.probabilities_[finite] = strengths
        self.single_linkage_tree_ = _with_others(linkage, finite, len(labels))
        self.condensed_tree_ = np.column_stack(tree)
        clusters = len(labels) + np.arange(len(tree.parents) - n + 1)
        numbers = np.concatenate([finite, clusters])
        self.condensed_tree_[:, 0] = numbers[tree.parents]
        self.condensed_tree_[:, 1] = numbers[tree.children]
        self.selected_clusters_ = numbers[chosen]
        self.engine_ = search.engine

    def _choose_metric(self, points: Any) -> tuple[Any, dict[str, Any]]:
        """Return the metric's simplest name, and its parameters; of scales, those of the points."""
        metric, given = self.metric, dict(self.metric_params or {})
        if isinstance(metric, str) and metric == "precomputed":
            return metric, {}
        if isinstance(metric, str) and metric == "pyfunc":
            if "func" not in given:
                raise TypeError("metric='pyfunc' needs metric_params={'func': a function of rows}")
            metric = given.pop("func")
        metric, parameters = metrics.choose_metric(metric, self.algorithm, None, given)
        if metric == "seuclidean" and "V" not in parameters:
            parameters["V"] = np.var(points, axis=0, ddof=1, dtype=np.float64)
        if metric == "mahalanobis" and not parameters.keys() & {"V", "VI"}:
            parameters["V"] = np.atleast_2d(np.cov(points.T))
        return metric, parameters

    def _set_centres(
        self,
        points: Any,
        labels: NDArray[np.int64],
        strengths: NDArray[np.float64],
        metric: Any,
        parameters: dict[str, Any],
        count: int,
    ) -> None:
        """Set what store_centers asks for."""
        for name in ("centroids_", "medoids_"):
            self.__dict__.pop(name, None)
        if self.store_centers is None:
            return
        centroids, medoids = np.empty((2, count, points.shape[1]))
        for cluster in range(count):
            members = np.flatnonzero(labels == cluster)
            rows, weights = points[members], strengths[members]
            if self.store_centers != "medoid":
                centroids[cluster] = (rows.T @ weights) / weights.sum()
            if self.store_centers != "centroid":
                medoid = rows[[_find_medoid(rows, weights, metric, parameters)]]
                medoids[cluster] = medoid.toarray() if sparse.issparse(medoid) else medoid
        if self.store_centers != "medoid":
            self.centroids_ = centroids
        if self.store_centers != "centroid":
            self.medoids_ = medoids

    def fit_predict(self, X: ArrayLike, y: object = None) -> Any:
        """Find the clusters, and return which each row belongs to.

        Parameters
        ----------
        X, y
            As in `fit`.

        Returns
        -------
        ndarray of shape (n_samples,), int64
            `labels_`.

        Examples
        --------
        >>> from rmodels import HDBSCAN
        >>> X = [[0.0], [0.1], [0.2], [5.0], [5.1], [5.2]]
        >>> HDBSCAN(min_cluster_size=3, copy=True).fit_predict(X)
        array([0, 0, 0, 1, 1, 1])
        """
        return self.fit(X).labels_

    def dbscan_clustering(self, cut_distance: float, min_cluster_size: int = 5) -> Any:
        """Return the clusters of a density: those of DBSCAN of core points alone.

        Parameters
        ----------
        cut_distance : float
            Points are joined whose mutual reachability distance is less than this.
        min_cluster_size : int, default=5
            Fewer points are noise.

        Returns
        -------
        ndarray of shape (n_samples,), int64
            Labels as `labels_`; clusters are numbered by their first rows.

        Examples
        --------
        >>> from rmodels import HDBSCAN
        >>> model = HDBSCAN(min_cluster_size=2, copy=True).fit([[0.0], [0.1], [5.0], [5.1], [7.0]])
        >>> model.dbscan_clustering(1.0, min_cluster_size=2)
        array([ 0,  0,  1,  1, -1])
        """
        check_is_fitted(self)
        own = on_host(self.labels_)
        least = operator.index(min_cluster_size)
        labels = cut(self.single_linkage_tree_, float(cut_distance), least)
        return as_kind_of(np.where(own < -1, own, labels), self.labels_)

    def _to_graph(self, X: "Value") -> "dict[str, Value]":
        raise NotCoveredError("HDBSCAN tells the clusters of its own rows, and a graph of others")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = self.metric != "precomputed"
        return tags


def _check_distances(X: Any, assert_finite: Callable[[], None]) -> Any:
    """Return distances; raise scikit-learn's error if they are not symmetric, or not known.

    Entries of a sparse matrix are sorted, and none stands twice: in a copy.
    """
    if not sparse.issparse(X) and np.isnan(X).any():
        raise ValueError("np.nan values found in precomputed-dense")
    if X.shape[0] != X.shape[1]:
        raise ValueError(
            "The precomputed distance matrix is expected to be symmetric, however it has shape "
            f"{X.shape}. Please verify that the distance matrix was constructed correctly."
        )
    if sparse.issparse(X):
        assert_finite()
        other = X.T.tocsr()
        other.sum_duplicates()
        X = other.T.tocsr()
        same = np.array_equal(X.indptr, other.indptr) and np.array_equal(X.indices, other.indices)
        symmetric = same and _is_close(X.data, other.data)
    else:
        symmetric = all(_is_close(X[rows], X[:, rows].T) for rows in row_blocks(len(X), 8 * len(X)))
    if not symmetric:
        raise ValueError(
            "The precomputed distance matrix is expected to be symmetric, however its values "
            "appear to be asymmetric. Please verify that the distance matrix was constructed "
            "correctly."
        )
    return X


def _is_close(A: NDArray, B: NDArray) -> bool:
    return np.allclose(A, B, rtol=1e-7, atol=1e-9)


def _find_missing(X: Any) -> NDArray[np.int64]:
    """Return the labels of rows that are not finite, and 0 of the others."""
    labels = np.zeros(X.shape[0], dtype=np.int64)
    if is_surely_finite(X.data if sparse.issparse(X) else X):
        return labels
    for outlier, is_one in ((_INFINITE, np.isinf), (_MISSING, np.isnan)):
        if sparse.issparse(X):
            rows = np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))[is_one(X.data)]
        else:
            rows = np.flatnonzero(is_one(X).any(axis=1))
        labels[rows] = outlier
    return labels


def _with_others(
    linkage: NDArray[np.float64], finite: NDArray[np.int64], rows: int
) -> NDArray[np.float64]:
    """Return merges of finite rows as those of all rows, of which the others merge at infinity."""
    n = len(finite)
    if n == rows:
        return linkage
    numbers = np.concatenate([finite, rows + np.arange(n - 1)])
    found = np.empty((rows - 1, 4))
    found[: n - 1] = linkage
    found[: n - 1, :2] = numbers[linkage[:, :2].astype(np.int64)]
    later = np.arange(n - 1, rows - 1)
    found[n - 1 :, 0] = np.delete(np.arange(rows), finite)
    found[n - 1 :, 1] = rows + later - 1
    found[n - 1 :, 2] = np.inf
    found[n - 1 :, 3] = later + 2
    return found


def _find_medoid(
    rows: Any, weights: NDArray[np.float64], metric: Any, parameters: dict[str, Any]
) -> int:
    """Return which row has the least sum of weighted distances from all."""
    n = rows.shape[0]
    sums, measure = np.empty(n), cdist  # by differences
    if metric not in ("euclidean", "l2") or sparse.issparse(rows):
        rows, measure = Blockwise(rows, metric, parameters).X, metrics.distances(metric, parameters)
    for some in row_blocks(n, 4 * n):
        sums[some] = (measure(rows[some], rows) * weights).sum(axis=1)
    return int(sums.argmin())
