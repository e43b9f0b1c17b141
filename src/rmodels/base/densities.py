"""What classifiers by densities have in common: log p(x, c) of every class c decides."""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from rmodels.base.callbacks import CallbackSupport
from rmodels.base.state import HasState
from rmodels.base.tasks import Classifier
from rmodels.data import Need, Rows, hold, map_rows
from rmodels.data.arrays import beside, namespace

__all__ = ["DensityClassifier", "check_priors"]

_QUERIES = Need(sparse=False, missing="refuse")


def check_priors(priors: ArrayLike, n_classes: int) -> Any:
    """Return priors as an array; raise scikit-learn's errors if they are not probabilities."""
    found = np.asarray(priors, dtype=np.float64)
    if found.shape != (n_classes,):
        raise ValueError("Number of priors must match number of classes.")
    if not np.isclose(found.sum(), 1.0):
        raise ValueError("The sum of the priors should be 1.")
    if (found < 0).any():
        raise ValueError("Priors must be non-negative.")
    return found


class DensityClassifier(HasState, CallbackSupport, Classifier, BaseEstimator):
    """Classification by argmax_c log p(x, c); of equal ones the first in `classes_` wins.

    An estimator writes `_joint`.
    """

    _attributes: ClassVar = {"classes_": np.ndarray}

    classes_: Any

    def _need(self) -> Need:
        """Return what `predict` needs of X."""
        return _QUERIES

    def _joint(self, rows: Rows) -> Any:
        """Return log p(x, c) of checked rows, but for a term that all classes share.

        (n_samples, n_classes), where the rows are.
        """
        raise NotImplementedError

    def _answer(self, X: ArrayLike, method: str, task: str) -> Any:
        """Return what a method of checked rows says of each row of X."""
        check_is_fitted(self)
        return map_rows(self, X, getattr(hold(self, X), method), need=_QUERIES, task=task)

    def predict(self, X: ArrayLike) -> Any:
        """Predict the class of each row: that of the largest probability.

        Parameters
        ----------
        X : array-like, scan or Dask collection of shape (n_queries, n_features)

        Returns
        -------
        ndarray of shape (n_queries,)

        Examples
        --------
        >>> from rmodels import GaussianNB
        >>> model = GaussianNB().fit([[0.0], [2.0], [9.0], [11.0]], ["low", "low", "high", "high"])
        >>> model.predict([[3.0], [8.0]]).tolist()
        ['low', 'high']
        """
        return self._answer(X, "_predict", "predict")

    def _predict(self, rows: Rows) -> Any:
        """Return the classes of checked rows."""
        return self.classes_[beside(self._joint(rows).argmax(axis=1), self.classes_)]

    def predict_log_proba(self, X: ArrayLike) -> Any:
        """Return the logarithm of the probability of each class, log p(c | x).

        Parameters
        ----------
        X : array-like, scan or Dask collection of shape (n_queries, n_features)

        Returns
        -------
        ndarray of shape (n_queries, n_classes)
            In the order of `classes_`.

        Examples
        --------
        >>> from rmodels import GaussianNB
        >>> model = GaussianNB().fit([[0.0], [2.0], [4.0], [6.0]], ["low", "low", "high", "high"])
        >>> model.predict_log_proba([[3.0], [7.0]]).round(2)
        array([[ -0.69,  -0.69],
               [ -0.  , -16.  ]])
        """
        return self._answer(X, "_log_probabilities", "predict_proba")

    def _log_probabilities(self, rows: Rows) -> Any:
        joint = self._joint(rows)
        xp = namespace(joint)
        gaps = joint - xp.amax(joint, axis=1, keepdims=True)
        return gaps - xp.log(xp.exp(gaps).sum(axis=1, keepdims=True))

    def predict_proba(self, X: ArrayLike) -> Any:
        """Return the probability of each class, p(c | x).

        Parameters
        ----------
        X : array-like, scan or Dask collection of shape (n_queries, n_features)

        Returns
        -------
        ndarray of shape (n_queries, n_classes)
            In the order of `classes_`.

        Examples
        --------
        >>> from rmodels import GaussianNB
        >>> model = GaussianNB().fit([[0.0], [2.0], [4.0], [6.0]], ["low", "low", "high", "high"])
        >>> model.classes_.tolist(), model.predict_proba([[3.0], [3.5]]).round(2)
        (['high', 'low'], array([[0.5 , 0.5 ],
               [0.88, 0.12]]))
        """
        return self._answer(X, "_probabilities", "predict_proba")

    def _probabilities(self, rows: Rows) -> Any:
        found = self._log_probabilities(rows)
        return namespace(found).exp(found)
