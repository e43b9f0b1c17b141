"""What the linear models share: coefficients, and predicting with them."""

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn.base import BaseEstimator, MultiOutputMixin

from rmodels.base.callbacks import CallbackSupport
from rmodels.base.state import HasState, check_is_fitted
from rmodels.base.tasks import Regressor
from rmodels.data import Rows, hold, map_rows
from rmodels.data.arrays import (
    adopt,
    as_dtype,
    as_kind_of,
    beside,
    contiguous,
    namespace,
    on_gpu,
    on_host,
)

if TYPE_CHECKING:
    from rmodels.export.graph import Value

__all__ = ["Coefficients", "LinearModel", "bring_together", "dense_coefficients"]


class Coefficients:
    """What holds coefficients and an intercept."""

    fit_intercept: bool
    coef_: Any
    intercept_: Any

    def _set_coefficients(
        self, coefficients: NDArray[np.float64], dtype: Any, one_target: bool, X: Any = None
    ) -> None:
        """Set what predicts, from the coefficients and, last, the intercept: (d + 1, n_targets).

        It is the kind of array that X is, where that is.
        """
        kept = as_dtype(beside(coefficients, adopt(X)), dtype)
        if one_target:
            slopes, intercept = kept[:-1, 0], kept[-1, 0]
        else:
            slopes, intercept = kept[:-1].T, kept[-1]
        self.coef_ = as_kind_of(contiguous(slopes), X)
        self.intercept_ = as_kind_of(intercept, X) if self.fit_intercept else 0.0


def bring_together(X: Any, coef: Any, intercept: Any) -> tuple[Any, Any, Any]:
    """Return rows and coefficients as arrays that can be multiplied: where X is."""
    coef, intercept = adopt(coef), adopt(intercept)
    if on_gpu(X):
        coef, intercept = beside(coef, X), beside(intercept, X)
        dtype = namespace(X).promote_types(X.dtype, coef.dtype)
        X, coef = X.to(dtype), coef.to(dtype)
    else:
        coef, intercept = on_host(coef), on_host(intercept)
    return X, coef, intercept


def dense_coefficients(model: Any) -> tuple[NDArray, Any]:
    """Return coefficients and intercept as arrays on the processor."""
    coef = adopt(model.coef_)
    coef = coef.toarray() if sparse.issparse(coef) else coef
    return on_host(coef), on_host(adopt(model.intercept_))


class LinearModel(
    Coefficients, HasState, CallbackSupport, MultiOutputMixin, Regressor, BaseEstimator
):
    """A prediction X · coef + intercept."""

    _attributes: ClassVar = {
        "coef_": np.ndarray,
        "intercept_": float | np.floating | np.ndarray,
    }

    def _is_consistent(self) -> bool:
        return bool(self.coef_.shape[-1] == self.n_features_in_)

    def _width(self) -> int:
        return 1 if np.ndim(self.intercept_) == 0 and self.coef_.ndim == 1 else len(self.coef_)

    def predict(self, X: ArrayLike) -> Any:
        """Predict by X · coef + intercept.

        Parameters
        ----------
        X : array-like, sparse matrix or scan of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_targets)

        Examples
        --------
        >>> from rmodels import LinearRegression
        >>> LinearRegression().fit([[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0]).predict([[3.0]]).round(6)
        array([7.])
        """
        check_is_fitted(self)
        return map_rows(self, X, hold(self, X)._predict)

    def _predict(self, rows: Rows) -> Any:
        """Return the predictions of checked rows."""
        X, coef, intercept = bring_together(rows.X, self.coef_, self.intercept_)
        predicted = X @ (coef if coef.ndim == 1 else coef.T)
        predicted += intercept
        return predicted

    def _to_graph(self, X: "Value") -> "dict[str, Value]":
        coef, intercept = dense_coefficients(self)
        product = X @ coef.T
        return {"prediction": (product + intercept).astype(product.dtype)}
