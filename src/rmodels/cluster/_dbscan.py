"""Clusters of points with many neighbours: DBSCAN."""

from collections.abc import Callable
from dataclasses import replace
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.neighbors import sort_graph_by_row_values

from rmodels import data, ops
from rmodels.base import metrics
from rmodels.base.callbacks import CallbackSupport
from rmodels.base.estimator import all_or_nothing
from rmodels.base.search import new_search
from rmodels.base.sklearn import Interval, StrOptions, validate_params
from rmodels.base.sklearn.metrics import PAIRWISE_METRICS
from rmodels.base.state import Absent, HasState
from rmodels.cluster._parted import connect_parts, find_measure
from rmodels.config import thread_count
from rmodels.data.arrays import as_kind_of
from rmodels.exceptions import NotCoveredError
from rmodels.solvers.whole import collect, copy_rows, fits

if TYPE_CHECKING:
    from rmodels.export.graph import Value

__all__ = ["DBSCAN", "dbscan"]


class DBSCAN(HasState, CallbackSupport, ClusterMixin, BaseEstimator):
    """Clusters of points that have many neighbours, and what lies near them.

    Points x and z are neighbours if d(x, z) ≤ eps. A point is *core* if the weights of its
    neighbours, itself among them, add up to at least min_samples. Core points that are neighbours
    are in the same cluster; any other point is in the first of the clusters of the core points that
    it is a neighbour of, and noise if there is none.

    Parameters
    ----------
    eps : float, default=0.5
        Largest distance between neighbours, above 0.
    min_samples : int, default=5
        How many neighbours, or what weight of them, make a point core.
    metric : str or callable, default="euclidean"
        Those of `NearestNeighbors`; "precomputed": X holds the distances between the points, and
        of a sparse matrix only the entries are neighbours.
    metric_params : dict, default=None
        Further parameters of the metric.
    algorithm : {"auto", "ball_tree", "kd_tree", "brute"}, default="auto"
        As in `NearestNeighbors`: clusters are the same by each.
    leaf_size : int, default=30
        Accepted for compatibility.
    p : float, default=None
        Exponent of metric="minkowski"; None is 2.
    n_jobs : int, default=None
        Threads; None means all that the settings allow.

    Attributes
    ----------
    core_sample_indices_ : ndarray of shape (n_core_samples,), int64
        Rows of X that are core, ascending.
    components_ : ndarray or CSR matrix of shape (n_core_samples, n_features)
        These rows; not there if the rows were in parts and these do not fit in the setting
        `memory_limit`.
    labels_ : ndarray of shape (n_samples,), int64
        The cluster of each row, -1 of noise. Clusters are numbered by their first core rows. Of
        tensors a tensor.
    engine_ : {"reference", "native", "scipy"}
    n_features_in_, feature_names_in_
        As in `KMeans`.

    Notes
    -----
    Labels are those of the definition, by distances of differences in float64: the same for any
    algorithm, engine and number of threads, on ties too. Distances that scikit-learn computes from
    products of rows differ from these by rounding, and its algorithms from each other.

    Native: no lists of neighbours are kept; memory beyond X is about 60 bytes a row, and the packed
    copy of X of the index. A point is core as soon as neighbours enough are found, unless weights
    are negative; clusters that have met are not compared again. Worst case: n_samples² · n_features
    operations. Metrics that the index does not have, and precomputed distances, are compared row by
    row, with O(n_samples) memory beyond them.

    A scan or a Dask collection is brought into memory if it fits in the setting `memory_limit`.
    Else each part meets each part, read anew or where it is on the cluster: labels are the same,
    with about 60 bytes a row in memory. That is of Euclidean, Manhattan, Chebyshev and Minkowski
    distances, and of weights that are whole numbers; other rows that do not fit are refused.

    Source: M. Ester, H.-P. Kriegel, J. Sander, X. Xu, "A density-based algorithm for discovering
    clusters in large spatial databases with noise", 1996.

    Examples
    --------
    >>> from rmodels import DBSCAN
    >>> X = [[1.0, 2.0], [2.0, 2.0], [2.0, 3.0], [8.0, 7.0], [8.0, 8.0], [25.0, 80.0]]
    >>> model = DBSCAN(eps=3, min_samples=2).fit(X)
    >>> model.labels_
    array([ 0,  0,  0,  1,  1, -1])
    >>> model.core_sample_indices_
    array([0, 1, 2, 3, 4])
    """

    _attributes: ClassVar = {
        "core_sample_indices_": np.ndarray,
        "components_": np.ndarray | sparse.csr_array | sparse.csr_matrix | Absent,
        "labels_": np.ndarray,
    }

    _parameter_constraints: dict = {
        "eps": [Interval(Real, 0.0, None, closed="neither")],
        "min_samples": [Interval(Integral, 1, None, closed="left")],
        "metric": [StrOptions(set(PAIRWISE_METRICS) | {"precomputed"}), callable],
        "metric_params": [dict, None],
        "algorithm": [StrOptions(set(metrics.ALGORITHMS))],
        "leaf_size": [Interval(Integral, 1, None, closed="left")],
        "p": [Interval(Real, 0.0, None, closed="left"), None],
        "n_jobs": [Integral, None],
    }

    core_sample_indices_: NDArray[np.int64]
    components_: Any
    labels_: Any

    def __init__(
        self,
        eps: float = 0.5,
        *,
        min_samples: int = 5,
        metric: str | Callable[..., Any] = "euclidean",
        metric_params: dict[str, Any] | None = None,
        algorithm: str = "auto",
        leaf_size: int = 30,
        p: float | None = None,
        n_jobs: int | None = None,
    ) -> None:
        self.eps = eps
        self.min_samples = min_samples
        self.metric = metric
        self.metric_params = metric_params
        self.algorithm = algorithm
        self.leaf_size = leaf_size
        self.p = p
        self.n_jobs = n_jobs

    def _fits_in_batches(self) -> bool:
        return False  # a row is a neighbour of any

    def _has_checkpoint(self) -> bool:
        return False

    def _is_consistent(self) -> bool:
        core, n = self.core_sample_indices_, len(self.labels_)
        return bool(
            core.ndim == self.labels_.ndim == 1
            and (
                not hasattr(self, "components_")
                or self.components_.shape == (len(core), self.n_features_in_)
            )
            and (np.diff(core, prepend=-1) > 0).all()
            and (core < n).all()
        )

    @all_or_nothing
    def fit(self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None) -> Self:
        """Find the clusters.

        Parameters
        ----------
        X : array-like, sparse matrix, scan or Dask collection of shape (n_samples, n_features)
            With metric="precomputed" distances, at least 0, of shape (n_samples, n_samples).
        y : None
            Not used.
        sample_weight : array-like of shape (n_samples,), default=None
            A row of weight min_samples is core by itself; one of negative weight can keep its
            neighbours from being core. Of a scan also a column, at least 0 as in a collection.

        Returns
        -------
        DBSCAN
            The estimator itself.

        Raises
        ------
        ValueError
            If the input is empty, has a NaN, infinity or wrong shape, the metric is not one for
            such points, or all weights are 0.
        NotCoveredError
            If rows of a scan or a collection that do not fit in memory are to be compared by
            another metric or have weights that are not whole, or the engine asked for by name does
            not have the metric.

        Examples
        --------
        >>> from rmodels import DBSCAN
        >>> DBSCAN(eps=1.0, min_samples=2).fit([[0.0], [1.0], [5.0]]).labels_
        array([ 0,  0, -1])
        """
        precomputed = isinstance(self.metric, str) and self.metric == "precomputed"
        if precomputed and not data.is_in_memory(X):
            raise ValueError("metric='precomputed' needs the distances in memory: give an array")
        effective, parameters = metrics.choose_metric(
            self.metric, self.algorithm, self.p, self.metric_params
        )
        given = X
        if precomputed and sparse.issparse(X):
            X = _with_diagonal(X)
        if not precomputed:
            ops.choose("connect")
        need = replace(metrics.need_of(self.metric), signed=True)
        source = data.source(self, X, None, sample_weight, need=need)
        n = source.number_rows()
        measure = None
        if not fits(source, n):
            measure = find_measure(source, self.eps, effective, parameters, self.n_jobs)
        if measure is not None:
            core, labels = connect_parts(source, measure, self.min_samples)
            self.core_sample_indices_ = np.flatnonzero(core)
            self.__dict__.pop("components_", None)  # those of a fit before
            if fits(source, len(self.core_sample_indices_)):
                self.components_ = copy_rows(source, self.core_sample_indices_).X
            self.labels_ = labels
            self.engine_ = ops.choose("connect")
            return self
        rows = collect(source, "DBSCAN by this metric or with such weights", n)
        threads = thread_count(self.n_jobs)
        search = new_search(rows.X, self.metric, self.algorithm, effective, parameters, threads)
        weights = None if rows.weights is None else np.asarray(rows.weights, np.float64)
        core, labels = search.connect(self.eps, self.min_samples, weights, threads)
        self.core_sample_indices_ = np.flatnonzero(core)
        # a copy, in the order that the rows were given in
        self.components_ = as_kind_of(rows.X[self.core_sample_indices_], given)
        self.labels_ = as_kind_of(labels, given)
        self.engine_ = search.engine
        return self

    def fit_predict(
        self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None
    ) -> Any:
        """Find the clusters, and return which each row belongs to.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`.

        Returns
        -------
        ndarray of shape (n_samples,), int64
            `labels_`.

        Examples
        --------
        >>> from rmodels import DBSCAN
        >>> DBSCAN(eps=1.0, min_samples=2).fit_predict([[0.0], [1.0], [5.0]])
        array([ 0,  0, -1])
        """
        return self.fit(X, sample_weight=sample_weight).labels_

    def _to_graph(self, X: "Value") -> "dict[str, Value]":
        raise NotCoveredError("DBSCAN tells the clusters of its own rows, and a graph of others")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.pairwise = self.metric == "precomputed"
        return tags


def _with_diagonal(X: Any) -> Any:
    """Return a copy of sparse distances in which each point is a neighbour of itself, sorted."""
    entries = sparse.coo_array(X)
    diagonal = np.arange(min(X.shape))
    others = entries.row != entries.col
    found = sparse.csr_matrix(
        (
            np.concatenate([entries.data[others], X.diagonal()]),
            (
                np.concatenate([entries.row[others], diagonal]),
                np.concatenate([entries.col[others], diagonal]),
            ),
        ),
        shape=X.shape,
    )
    return sort_graph_by_row_values(found, warn_when_not_sorted=False)


@validate_params(
    {"X": ["array-like", "sparse matrix"], "sample_weight": ["array-like", None]},
    prefer_skip_nested_validation=False,
)
def dbscan(
    X: Any,
    eps: float = 0.5,
    *,
    min_samples: int = 5,
    metric: str | Callable[..., Any] = "minkowski",
    metric_params: dict[str, Any] | None = None,
    algorithm: str = "auto",
    leaf_size: int = 30,
    p: float | None = 2,
    sample_weight: ArrayLike | None = None,
    n_jobs: int | None = None,
) -> tuple[NDArray[np.int64], Any]:
    """Cluster rows by DBSCAN, and return what `DBSCAN` finds.

    Parameters
    ----------
    X : array-like or sparse matrix of shape (n_samples, n_features) or (n_samples, n_samples)
    eps, min_samples, metric, metric_params, algorithm, leaf_size, p
        As in `DBSCAN`.
    sample_weight : array-like of shape (n_samples,), default=None
        As in `DBSCAN.fit`.
    n_jobs : int, default=None
        As in `DBSCAN`.

    Returns
    -------
    core_samples : ndarray of shape (n_core_samples,)
    labels : ndarray of shape (n_samples,)

    Examples
    --------
    >>> from rmodels import dbscan
    >>> dbscan([[0.0], [1.0], [5.0]], eps=1.0, min_samples=2)
    (array([0, 1]), array([ 0,  0, -1]))
    """
    model = DBSCAN(
        eps,
        min_samples=min_samples,
        metric=metric,
        metric_params=metric_params,
        algorithm=algorithm,
        leaf_size=leaf_size,
        p=p,
        n_jobs=n_jobs,
    ).fit(X, sample_weight=sample_weight)
    return model.core_sample_indices_, model.labels_
