"""What the linear models share: coefficients, and predicting with them."""

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn.base import BaseEstimator, MultiOutputMixin

from rmodels.base.callbacks import CallbackSupport
from rmodels.base.state import HasState, check_is_fitted
from rmodels.base.tasks import Regressor
from rmodels.data import Need, Rows, assert_finite, hold, map_rows
from rmodels.data.arrays import (
    adopt,
    as_dtype,
    as_kind_of,
    beside,
    contiguous,
    namespace,
    on_host,
)
from rmodels.ops.affine import affine

if TYPE_CHECKING:
    from rmodels.export.graph import Value

__all__ = [
    "QUERIES",
    "Coefficients",
    "LinearModel",
    "check_some",
    "dense_coefficients",
    "predict_in_graph",
    "predict_linearly",
]

QUERIES = Need()  # what is not finite shows in what is found


def check_some(name: str, values: Any) -> None:
    """Raise an error if there is nothing to choose from."""
    if np.size(values) == 0:
        raise ValueError(f"{name} is empty: give at least one number to try")


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


def predict_linearly(rows: Rows, coef: Any, intercept: Any) -> Any:
    """Return X · coef + intercept, where X is; raise an error if X is not finite.

    Parameters
    ----------
    rows : Rows
        Checked but for NaN and infinity.
    coef : array or sparse matrix of shape (n_features,) or (n_targets, n_features)
    intercept : float or array of shape (), (1,), (n_targets,) or (1, n_targets)

    Returns
    -------
    ndarray or tensor of shape (n_samples,) or (n_samples, n_targets)
    """
    coef, intercept = adopt(coef), adopt(intercept)
    if sparse.issparse(rows.X) or sparse.issparse(coef):
        rows.assert_finite()
        found = on_host(rows.X) @ (coef if sparse.issparse(coef) else on_host(coef)).T
        found = found.toarray() if sparse.issparse(found) else found
        return found + on_host(intercept)
    w = beside(coef, rows.X)
    each = w.reshape(-1, w.shape[-1])
    plain = np.isscalar(intercept) and not hasattr(intercept, "dtype")
    if plain or not hasattr(intercept, "reshape"):
        intercept = np.asarray(intercept)
    b = beside(intercept, rows.X).reshape(-1)
    if len(b) != len(each):
        b = namespace(w).broadcast_to(b, (len(each),))
    found = assert_finite(rows, affine(rows.X, each, b))
    if plain:  # a number of Python's decides no dtype
        with np.errstate(over="ignore"):
            found = as_dtype(found, namespace(w).result_type(rows.X, w))
    return found if w.ndim == 2 else found[:, 0]


def dense_coefficients(model: Any) -> tuple[NDArray, Any]:
    """Return coefficients and intercept as arrays on the processor."""
    coef = adopt(model.coef_)
    coef = coef.toarray() if sparse.issparse(coef) else coef
    return on_host(coef), on_host(adopt(model.intercept_))


def predict_in_graph(X: "Value", coef: NDArray, intercept: Any) -> "Value":
    """Return what `predict_linearly` says, in a graph: in the dtype of all three together."""
    dtype = np.result_type(X.dtype, coef.dtype, intercept)
    return X.astype(dtype) @ coef.T + intercept


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
        return map_rows(self, X, hold(self, X)._predict, need=QUERIES)

    def _predict(self, rows: Rows) -> Any:
        """Return the predictions of checked rows."""
        return predict_linearly(rows, self.coef_, self.intercept_)

    def _to_graph(self, X: "Value") -> "dict[str, Value]":
        return {"prediction": predict_in_graph(X, *dense_coefficients(self))}
