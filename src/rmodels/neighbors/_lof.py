"""Outliers by the density of their neighbours: the local outlier factor."""

from collections.abc import Callable
from numbers import Real
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import OutlierMixin

from rmodels.base.estimator import Method, all_or_nothing, available_if
from rmodels.base.metrics import Metric
from rmodels.base.sklearn import Interval, StrOptions
from rmodels.base.state import check_is_fitted
from rmodels.base.warnings import warn
from rmodels.data.arrays import adopt, as_dtype, as_kind_of, on_host
from rmodels.exceptions import NotCoveredError
from rmodels.neighbors._answers import PartedSearch
from rmodels.neighbors._base import KNeighborsMixin, NeighborsBase
from rmodels.neighbors._in_graph import GraphNeighbours
from rmodels.solvers.whole import collect

if TYPE_CHECKING:
    from rmodels.export.graph import Value

__all__ = ["LocalOutlierFactor"]

_LEAST = 1e-10  # added to a mean distance, so that k + 1 duplicates have a density
_INCREDIBLE = -1e7  # factors below it come from duplicates
_BLOCK = 1 << 16  # rows whose neighbours are gathered at a time


def _with_novelty(wanted: bool, method: str, instead: str) -> Callable[[Method], Method]:
    """Return a decorator of methods that are there with novelty=True, or only without."""

    def check(self: Any) -> bool:
        if self.novelty != wanted:
            raise AttributeError(
                f"{method} is not available when novelty={self.novelty}. {instead}"
            )
        return True

    return available_if(check)


_TRAINED = "The scores of the points that it is fitted to are negative_outlier_factor_."


class LocalOutlierFactor(KNeighborsMixin, OutlierMixin, NeighborsBase):
    """Outliers: points whose neighbours lie closer together than they do.

    With N(x) the k nearest points of x (itself left out) and d_k(z) the distance of z to its k-th
    nearest,

        reach(x, z) = max(d(x, z), d_k(z)),

        density(x) = 1 / (mean of reach(x, z) over N(x) + 1e-10),

        LOF(x) = mean of density(z) / density(x) over N(x).

    It is about 1 inside of a cluster, whatever its density, and larger outside.

    Parameters
    ----------
    n_neighbors : int, default=20
        k; with more than there are other points, these.
    algorithm, leaf_size, metric, p, metric_params
        As in `KNeighborsClassifier`.
    contamination : "auto" or float, default="auto"
        Share of outliers among the points, above 0 and at most 0.5, which gives `offset_`. "auto"
        takes points with LOF above 1.5.
    novelty : bool, default=False
        Whether other points are asked about, by `predict`, `decision_function` and `score_samples`;
        else there is `fit_predict`.
    n_jobs : int, default=None
        As in `KNeighborsClassifier`.

    Attributes
    ----------
    negative_outlier_factor_ : ndarray of shape (n_samples,)
        −LOF of each point, in the dtype of X; computed in float64.
    n_neighbors_ : int
        k.
    offset_ : float
        Points whose −LOF is below are outliers.
    effective_metric_, effective_metric_params_, n_samples_fit_, algorithm_, engine_, \
    n_features_in_, feature_names_in_
        As in `KNeighborsClassifier`.

    Notes
    -----
    Neighbours are those of (distance, index), on ties too. Memory beyond the points and their
    index: 16 k bytes a point while it is fitted, then 16.

    A scan or a Dask collection is brought into memory, and refused if it does not fit in the
    setting `memory_limit`; queries may be any, as they are answered one by one.

    Source: M. Breunig, H.-P. Kriegel, R. Ng, J. Sander, "LOF: identifying density-based local
    outliers", 2000.

    Examples
    --------
    >>> from rmodels import LocalOutlierFactor
    >>> model = LocalOutlierFactor(n_neighbors=2)
    >>> model.fit_predict([[-1.1], [0.2], [101.1], [0.3]])
    array([ 1,  1, -1,  1])
    >>> model.negative_outlier_factor_.round(4)
    array([ -0.9821,  -1.037 , -73.3697,  -0.9821])
    """

    _attributes: ClassVar = {
        "negative_outlier_factor_": np.ndarray,
        "n_neighbors_": int,
        "offset_": float,
        "_reaches": np.ndarray,  # distance of each point to its k-th nearest
        "_densities": np.ndarray,
    }

    _parameter_constraints: dict = {
        **NeighborsBase._parameter_constraints,
        "contamination": [StrOptions({"auto"}), Interval(Real, 0, 0.5, closed="right")],
        "novelty": ["boolean"],
    }
    _parameter_constraints.pop("radius")

    negative_outlier_factor_: Any
    _reaches: NDArray[np.float64]
    _densities: NDArray[np.float64]

    def __init__(
        self,
        n_neighbors: int = 20,
        *,
        algorithm: str = "auto",
        leaf_size: int = 30,
        metric: Metric = "minkowski",
        p: float = 2,
        metric_params: dict[str, Any] | None = None,
        contamination: float | str = "auto",
        novelty: bool = False,
        n_jobs: int | None = None,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.algorithm = algorithm
        self.leaf_size = leaf_size
        self.metric = metric
        self.p = p
        self.metric_params = metric_params
        self.contamination = contamination
        self.novelty = novelty
        self.n_jobs = n_jobs

    def _is_consistent(self) -> bool:
        n = (self.n_samples_fit_,)
        shapes = [each.shape == n for each in (self._reaches, self._densities)]
        return super()._is_consistent() and all(shapes)

    @all_or_nothing
    def fit(self, X: ArrayLike, y: object = None) -> Self:
        """Keep the points, and find the factor of each.

        Parameters
        ----------
        X : array-like, sparse matrix, scan or Dask collection of shape (n_samples, n_features)
            At least two points. With metric="precomputed" the distances between them.
        y : None
            Not used.

        Returns
        -------
        LocalOutlierFactor
            The estimator itself.

        Raises
        ------
        ValueError
            If X is empty, has a NaN, infinity or wrong shape, or is one point, or if `n_neighbors`
            is None.
        NotCoveredError
            If rows of a scan or a collection do not fit in memory.

        Warns
        -----
        UserWarning
            If there are fewer points than neighbours asked for, or if so many are duplicates that
            factors say nothing.

        Examples
        --------
        >>> from rmodels import LocalOutlierFactor
        >>> model = LocalOutlierFactor(n_neighbors=2, contamination=0.25)
        >>> model.fit([[-1.1], [0.2], [101.1], [0.3]]).offset_.round(2)
        np.float64(-19.12)
        """
        source = self._fit(X)
        if isinstance(self._search, PartedSearch):
            rows = collect(source, type(self).__name__, self.n_samples_fit_)
            self._search = self._new_search(np.ascontiguousarray(rows.X))
            self.engine_ = self._search.engine
        n, k = self.n_samples_fit_, self._check_n_neighbors(None)
        if k > n:
            warn(
                f"n_neighbors ({k}) is greater than the total number of samples "
                f"({n}). n_neighbors will be set to (n_samples - 1) for estimation."
            )
        self.n_neighbors_ = max(1, min(k, n - 1))
        found = self._find(None, self._ask_nearest(None, self.n_neighbors_))
        distances, indices = (on_host(each) for each in found)
        self._reaches = np.ascontiguousarray(distances[:, -1])
        self._densities = self._density(distances, indices)
        factors = as_dtype(self._compare(indices, self._densities), source.dtype)
        self.negative_outlier_factor_ = as_kind_of(factors, X)
        self.offset_ = -1.5
        if self.contamination != "auto":
            self.offset_ = np.float64(np.percentile(factors, 100.0 * float(self.contamination)))
        if factors.min() < _INCREDIBLE and not self.novelty:
            warn(
                "Duplicate values are leading to incorrect results. Increase the number of "
                "neighbors for more accurate results."
            )
        return self

    def _density(self, distances: NDArray, indices: NDArray) -> NDArray[np.float64]:
        """Return the densities of points from their neighbours: (n_queries,)."""
        found = np.empty(len(indices))
        for first in range(0, len(indices), _BLOCK):
            rows = slice(first, first + _BLOCK)
            reach = np.maximum(distances[rows], self._reaches[indices[rows]])
            found[rows] = 1.0 / (reach.mean(axis=1) + _LEAST)
        return found

    def _compare(self, indices: NDArray, densities: NDArray) -> NDArray[np.float64]:
        """Return −LOF of points from their densities and neighbours: (n_queries,)."""
        found = np.empty(len(indices))
        for first in range(0, len(indices), _BLOCK):
            rows = slice(first, first + _BLOCK)
            found[rows] = -self._densities[indices[rows]].mean(axis=1) / densities[rows]
        return found

    @_with_novelty(
        False, "fit_predict", "Use novelty=False to predict on the points that it is fitted to."
    )
    def fit_predict(self, X: ArrayLike, y: object = None) -> Any:
        """Find the factors, and return which points are outliers; not with novelty=True.

        Parameters
        ----------
        X, y
            As in `fit`.

        Returns
        -------
        ndarray of shape (n_samples,), int64
            −1 of outliers, 1 of others. Of a tensor in its kind.

        Examples
        --------
        >>> from rmodels import LocalOutlierFactor
        >>> LocalOutlierFactor(n_neighbors=2).fit_predict([[-1.1], [0.2], [101.1], [0.3]])
        array([ 1,  1, -1,  1])
        """
        return as_kind_of(self.fit(X)._predict(), X)

    def _predict(self) -> NDArray[np.int64]:
        """Return what `fit_predict` says of the points."""
        check_is_fitted(self)
        factors = on_host(adopt(self.negative_outlier_factor_))
        return np.where(factors < self.offset_, -1, 1)

    @_with_novelty(
        True,
        "predict",
        "Use fit_predict to predict on the points that it is fitted to, and novelty=True to "
        "predict on others.",
    )
    def predict(self, X: ArrayLike | None = None) -> Any:
        """Return which queries are outliers; only with novelty=True.

        Parameters
        ----------
        X : array-like, sparse matrix, scan or Dask collection of shape (n_queries, n_features), \
            default=None
            New points: one of those that it is fitted to is a neighbour of itself. None asks for
            the points, each without itself.

        Returns
        -------
        ndarray of shape (n_queries,), int64
            −1 of outliers, 1 of others.

        Examples
        --------
        >>> from rmodels import LocalOutlierFactor
        >>> model = LocalOutlierFactor(2, novelty=True).fit([[0.0], [1.0], [2.0], [3.0]])
        >>> model.predict([[1.5], [9.0]])
        array([ 1, -1])
        """
        if X is None:
            return as_kind_of(self._predict(), self.negative_outlier_factor_)
        return self._answer_queries(X, "predict")

    @_with_novelty(
        True,
        "decision_function",
        f"Use novelty=True to ask about other points. {_TRAINED}",
    )
    def decision_function(self, X: ArrayLike) -> Any:
        """Return −LOF − `offset_`, below 0 of outliers; only with novelty=True.

        Parameters
        ----------
        X : array-like, sparse matrix, scan or Dask collection of shape (n_queries, n_features)
            As in `predict`.

        Returns
        -------
        ndarray of shape (n_queries,)
            In the dtype of X.

        Examples
        --------
        >>> from rmodels import LocalOutlierFactor
        >>> model = LocalOutlierFactor(2, novelty=True).fit([[0.0], [1.0], [2.0], [3.0]])
        >>> model.decision_function([[1.5], [9.0]]).round(2)
        array([ 0.83, -2.83])
        """
        return self._answer_queries(X, "decision_function")

    @_with_novelty(
        True,
        "score_samples",
        f"Use novelty=True to ask about other points. {_TRAINED}",
    )
    def score_samples(self, X: ArrayLike) -> Any:
        """Return −LOF; only with novelty=True.

        Parameters
        ----------
        X : array-like, sparse matrix, scan or Dask collection of shape (n_queries, n_features)
            As in `predict`.

        Returns
        -------
        ndarray of shape (n_queries,)
            In the dtype of X.

        Examples
        --------
        >>> from rmodels import LocalOutlierFactor
        >>> model = LocalOutlierFactor(2, novelty=True).fit([[0.0], [1.0], [2.0], [3.0]])
        >>> model.score_samples([[1.5], [9.0]]).round(2)
        array([-0.67, -4.33])
        """
        return self._answer_queries(X, "score_samples")

    def _ask_queries(self, X: Any) -> Any:
        return self._ask_nearest(X, self.n_neighbors_)

    def _answer_queries(self, X: Any, method: str) -> Any:
        check_is_fitted(self)
        if X is None:
            raise ValueError(f"X is None: {method} is of other points. {_TRAINED}")
        return self._answer(X, self._ask_queries(X), "_judge", method, said=method)

    def _to_graph(self, X: "Value") -> "dict[str, Value]":
        if not self.novelty:
            raise NotCoveredError(
                "LocalOutlierFactor with novelty=False tells of the points that it is fitted to, "
                "and a graph of others: fit with novelty=True"
            )
        near, k = GraphNeighbours.of(self, X, self._ask_queries(())), float(self.n_neighbors_)
        reach = near.distances.maximum(near.take(self._reaches))
        densities = 1.0 / (reach.sum(1) / k + _LEAST)
        factors = near.take(self._densities).sum(1) / k / densities
        scores = (-factors).astype(X.dtype) - self.offset_
        scores = scores.astype(X.dtype)
        return {"label": X.graph.where(scores >= 0.0, 1, -1), "scores": scores}

    def _judge(self, found: Any, queries: Any, said: str) -> Any:
        """Return what a method says of queries whose neighbours are found."""
        distances, indices = (on_host(each) for each in found[:2])
        scores = self._compare(indices, self._density(distances, indices))
        if said == "predict":
            return np.where(as_dtype(scores, queries.dtype) - self.offset_ < 0, -1, 1)
        shift = self.offset_ if said == "decision_function" else 0.0
        return as_dtype(as_dtype(scores, queries.dtype) - shift, queries.dtype)
