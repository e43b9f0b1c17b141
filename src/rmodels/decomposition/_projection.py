"""What projects rows on components, and goes back."""

import copy
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.linalg import LinAlgWarning
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin

from rmodels import data
from rmodels.base.callbacks import CallbackSupport
from rmodels.base.state import HasState, check_is_fitted
from rmodels.base.warnings import warn
from rmodels.data import Need, Rows, hold, map_rows
from rmodels.data.arrays import adopt, as_dtype, beside, join, namespace, on_host
from rmodels.solvers.principal import Axes

if TYPE_CHECKING:
    from rmodels.export.graph import Value

__all__ = ["QUERIES", "ROWS_AT_A_TIME", "Matrix", "Projection"]

Matrix = NDArray[np.float64]

QUERIES = Need(missing="refuse")
ROWS_AT_A_TIME = 4096

_SCORES = Need(sparse=False, missing="refuse")


class Projection(
    HasState, CallbackSupport, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator
):
    """An estimator with `components_` and, as `_centre`, what is subtracted from the rows first."""

    _attributes: ClassVar = {
        "components_": np.ndarray,
        "explained_variance_": np.ndarray,
        "explained_variance_ratio_": np.ndarray,
        "singular_values_": np.ndarray,
        "solver_": str,
        "_centre": np.ndarray,
    }

    components_: Any
    explained_variance_: Any
    _centre: Matrix

    def _is_consistent(self) -> bool:
        return bool(self.components_.shape[1] == self.n_features_in_ == len(self._centre))

    @property
    def _n_features_out(self) -> int:
        return int(self.components_.shape[0])

    def transform(self, X: ArrayLike) -> Any:
        """Project rows on the components: (x − mean) · v, over √λ with `whiten`.

        Parameters
        ----------
        X : array-like, sparse matrix, scan or Dask collection of shape (n_queries, n_features)

        Returns
        -------
        ndarray of shape (n_queries, n_components)
            A data frame if scikit-learn's set_output asked for one; of a tensor in its kind, of a
            Dask collection lazy.

        Examples
        --------
        >>> from rmodels import PCA
        >>> PCA(1).fit([[0.0, 0.0], [3.0, 4.0]]).transform([[6.0, 8.0]]).round(6)
        array([[7.5]])
        """
        check_is_fitted(self)
        return map_rows(self, X, hold(self, X)._transform, need=QUERIES, task="transform")

    def _warn_of_digits(self, axes: Axes) -> None:
        if not axes.has_digits:
            warn(
                "the smallest components that were asked for have fewer than eight digits: ask for "
                "fewer, or scale the columns",
                LinAlgWarning,
            )

    def _scales(self) -> Any:
        """Return what the results are divided by, as a column, or 1."""
        return 1

    def _transform(self, rows: Rows) -> Any:
        """Return the projections of checked rows."""
        components = on_host(adopt(self.components_)) / self._scales()
        if sparse.issparse(rows.X):
            return self._project_sparse(rows, components)
        components = beside(components, rows.X)
        return join([D @ components.T for D in self._subtract_mean(rows, components)])

    def _project_sparse(self, rows: Rows, components: NDArray) -> NDArray:
        """Return the projections of sparse rows: in float64, of which the mean takes digits."""
        dtype, wide = np.result_type(components, rows.X.dtype), components.astype(np.float64).T
        shift = self._centre @ wide
        blocks = rows.blocks(ROWS_AT_A_TIME)
        return np.concatenate([(block.X @ wide - shift).astype(dtype) for block in blocks])

    def _to_graph(self, X: "Value") -> "dict[str, Value]":
        components = on_host(adopt(self.components_)) / self._scales()
        gaps = (X - self._centre).astype(np.result_type(components, X.dtype))
        return {"transformed": gaps @ components.T}

    def _subtract_mean(self, rows: Rows, like: Any) -> Iterator[Any]:
        """Yield the rows less their mean, a block at a time, in the wider of the two dtypes."""
        centre = beside(self._centre, rows.X)
        dtype = namespace(like).result_type(like, rows.X)
        for block in rows.blocks(ROWS_AT_A_TIME):
            yield as_dtype(block.X - centre, dtype)

    def inverse_transform(self, X: ArrayLike) -> Any:
        """Return the rows of which X would be the projections: x · v + mean.

        Parameters
        ----------
        X : array-like, scan or Dask collection of shape (n_queries, n_components)

        Returns
        -------
        ndarray of shape (n_queries, n_features)

        Examples
        --------
        >>> from rmodels import PCA
        >>> model = PCA(1).fit([[0.0, 0.0], [3.0, 4.0]])
        >>> model.inverse_transform([[7.5]]).round(6)
        array([[6., 8.]])
        """
        check_is_fitted(self)
        scores = copy.copy(self)  # its columns are those of X
        source = data.source(scores, X, need=_SCORES, task="inverse_transform")
        if source.n_features != len(self.components_):
            raise ValueError(
                f"X has {source.n_features} features, but {type(self).__name__} has "
                f"{len(self.components_)} components to go back from"
            )
        return source.map(hold(self, X)._restore)

    def _restore(self, rows: Rows) -> Any:
        """Return the rows that have these projections."""
        components = beside(on_host(adopt(self.components_)) * self._scales(), rows.X)
        dtype = namespace(components).result_type(components, rows.X)
        centre = as_dtype(beside(self._centre, rows.X), dtype)
        return as_dtype(rows.X, dtype) @ as_dtype(components, dtype) + centre
