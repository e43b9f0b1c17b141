"""What estimators with `cluster_centers_` say of rows."""

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    ClusterMixin,
    TransformerMixin,
)

from rmodels import data
from rmodels.base.callbacks import CallbackSupport
from rmodels.base.state import HasState, check_is_fitted
from rmodels.data import Need, Rows, hold, map_rows
from rmodels.data.arrays import adopt, as_dtype, beside, join, namespace, on_host
from rmodels.ops.mahalanobis import diagonal
from rmodels.solvers.lloyd import assign_rows, sum_squares_to
from rmodels.solvers.seeds import as_dense, assert_no_overflow, dense_blocks

if TYPE_CHECKING:
    from rmodels.export.graph import Value

__all__ = ["Centres"]

Matrix = NDArray[np.float64]

_QUERIES = Need(missing="refuse", exact_weights=True)
_NUMBERS = 1 << 24  # distances that are measured at a time


class Centres(
    HasState,
    CallbackSupport,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    ClusterMixin,
    BaseEstimator,
):
    """An estimator whose `cluster_centers_` tell the cluster of a row: that of the nearest."""

    _attributes: ClassVar = {
        "cluster_centers_": np.ndarray,
        "labels_": np.ndarray,
        "inertia_": float,
    }

    cluster_centers_: Any
    labels_: Any

    def _has_checkpoint(self) -> bool:
        return False

    def _is_consistent(self) -> bool:
        return self.cluster_centers_.ndim == 2 and bool(
            self.cluster_centers_.shape[1] == self.n_features_in_
        )

    @property
    def _n_features_out(self) -> int:
        return int(self.cluster_centers_.shape[0])

    def fit(self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None) -> Self:
        """Find the clusters."""
        raise NotImplementedError

    def _width(self) -> int:
        """Return how many numbers `predict` says of a row."""
        return 1

    def _centres(self) -> Matrix:
        found: Matrix = on_host(adopt(self.cluster_centers_)).astype(np.float64)
        return found

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
        ndarray of shape (n_samples,), int32
            `labels_`, which is what `predict` says of the same rows.

        Examples
        --------
        >>> from rmodels import KMeans
        >>> KMeans(2, random_state=0).fit_predict([[0.0], [1.0], [9.0]])
        array([0, 0, 1], dtype=int32)
        """
        return self.fit(X, sample_weight=sample_weight).labels_

    def predict(self, X: ArrayLike) -> Any:
        """Return which centre is nearest to each row, of equally near ones the first.

        Parameters
        ----------
        X : array-like, sparse matrix, scan or Dask collection of shape (n_queries, n_features)

        Returns
        -------
        ndarray of shape (n_queries,), int32
            By distances in float64, whatever the dtype of X. Of a tensor in its kind, of a Dask
            collection lazy.

        Examples
        --------
        >>> from rmodels import KMeans
        >>> model = KMeans(2, random_state=0).fit([[0.0], [1.0], [9.0]])
        >>> model.predict([[4.0], [7.0]])
        array([0, 1], dtype=int32)
        """
        check_is_fitted(self)
        return map_rows(self, X, hold(self, X)._predict, need=_QUERIES, task="predict")

    def _predict(self, rows: Rows) -> Any:
        return beside(assign_rows(rows, self._centres(), None), rows.X)

    def transform(self, X: ArrayLike) -> Any:
        """Return the distance of each row to each centre.

        Parameters
        ----------
        X : array-like, sparse matrix, scan or Dask collection of shape (n_queries, n_features)

        Returns
        -------
        ndarray of shape (n_queries, n_clusters)
            Of differences, in float64, in the dtype of X. A data frame if scikit-learn's set_output
            asked for one; of a tensor in its kind, of a Dask collection lazy.

        Examples
        --------
        >>> from rmodels import KMeans
        >>> model = KMeans(2, random_state=0).fit([[0.0, 0.0], [3.0, 4.0]])
        >>> model.transform([[0.0, 0.0]])
        array([[5., 0.]])
        """
        check_is_fitted(self)
        return map_rows(self, X, hold(self, X)._transform, need=_QUERIES, task="transform")

    def _transform(self, rows: Rows) -> Any:
        centres = self._centres()
        ones, found = np.ones_like(centres), []
        for part in dense_blocks(rows):
            for block in part.blocks(max(256, _NUMBERS // len(centres))):
                squares = diagonal(as_dense(block.X), centres, ones)
                roots = namespace(squares).sqrt(squares, out=squares)
                found.append(as_dtype(roots, rows.dtype))
        return beside(join(found), rows.X)

    def fit_transform(
        self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None
    ) -> Any:
        """Find the clusters, and return the distance of each row to each centre.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`.

        Returns
        -------
        ndarray of shape (n_samples, n_clusters)
            As of `transform`.

        Examples
        --------
        >>> from rmodels import KMeans
        >>> KMeans(2, random_state=0).fit_transform([[0.0], [5.0]])
        array([[5., 0.],
               [0., 5.]])
        """
        return self.fit(X, sample_weight=sample_weight).transform(X)

    def score(
        self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None
    ) -> float:
        """Return −Σ w ‖x − m‖² of the rows and the centres that are nearest to them.

        Parameters
        ----------
        X : array-like, sparse matrix, scan or Dask collection of shape (n_queries, n_features)
        y : None
            Not used.
        sample_weight : array-like of shape (n_queries,), default=None
            Of a scan also a column.

        Returns
        -------
        float

        Raises
        ------
        ValueError
            If X is not valid, or the sum is more than float64 holds.

        Examples
        --------
        >>> from rmodels import KMeans
        >>> KMeans(1).fit([[0.0], [2.0]]).score([[0.0], [4.0]])
        -10.0
        """
        check_is_fitted(self)
        source = data.source(self, X, None, sample_weight, need=_QUERIES, reset=False, task="score")
        inertia = source.fold(partial(sum_squares_to, centres=self._centres())).value
        assert_no_overflow(inertia)
        return -inertia

    def _to_graph(self, X: "Value") -> "dict[str, Value]":
        squares = X.measure(self._centres())
        return {"label": squares.argmin(), "distances": squares.sqrt().astype(X.dtype)}

    def _to_graph_transform(self, X: "Value") -> "Value":
        return X.measure(self._centres()).sqrt().astype(X.dtype)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
