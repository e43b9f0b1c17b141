"""What the linear models share: coefficients, and predicting with them."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin

from rmodels.callbacks import CallbackSupport
from rmodels.validation import by_batches, prediction_samples

__all__ = ["LinearModel"]


class LinearModel(CallbackSupport, MultiOutputMixin, RegressorMixin, BaseEstimator):
    """A prediction X · coef + intercept."""

    fit_intercept: bool

    def _set_coefficients(
        self, coefficients: NDArray[np.float64], dtype: Any, one_target: bool
    ) -> None:
        """Set what predicts, from the coefficients and, last, the intercept: (d + 1, n_targets)."""
        kept = coefficients.astype(dtype, copy=False)
        if one_target:
            self.coef_ = np.ascontiguousarray(kept[:-1, 0])
            self.intercept_ = kept[-1, 0] if self.fit_intercept else 0.0
        else:
            self.coef_ = np.ascontiguousarray(kept[:-1].T)
            self.intercept_ = kept[-1].copy() if self.fit_intercept else 0.0

    @by_batches
    def predict(self, X: ArrayLike) -> NDArray:
        """Predict by X · coef + intercept.

        Parameters
        ----------
        X : array-like, sparse matrix or scan of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_targets)
        """
        samples = prediction_samples(self, X)
        predicted: NDArray = samples @ self.coef_.T
        predicted += self.intercept_
        return predicted
