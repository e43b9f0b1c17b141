"""What classifiers by densities have in common: log p(x, c) of every class c decides."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator

from rmodels import data
from rmodels.base.callbacks import CallbackSupport
from rmodels.base.classes import known_classes, one_target
from rmodels.base.state import HasState, check_is_fitted
from rmodels.base.tasks import Classifier
from rmodels.data import WEIGHTLESS, Need, Rows, Source, assert_finite, hold, map_rows
from rmodels.data.arrays import adopt, beside, namespace, on_host
from rmodels.ops import mahalanobis
from rmodels.ops.moments import GroupMoments

if TYPE_CHECKING:
    from rmodels.export.graph import Value

__all__ = [
    "DensityClassifier",
    "ScoringClassifier",
    "check_priors",
    "measure",
]

_QUERIES = Need(sparse=False)  # what is not finite shows in what is found


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


def measure(rows: Rows, centres: Any, precisions: Any) -> Any:
    """Return Σ_j r_cj (x_j − m_cj)² of each row x and class c: (n_samples, n_classes).

    Parameters
    ----------
    rows : Rows
    centres, precisions : ndarray or tensor of shape (n_classes, n_features)
        m and r.
    """
    m, r = (on_host(A).astype(np.float64, copy=False) for A in (centres, precisions))
    return assert_finite(rows, mahalanobis.diagonal(rows.X, m, r))


class DensityClassifier(HasState, CallbackSupport, Classifier, BaseEstimator):
    """Classification by argmax_c log p(x, c); of equal ones the first in `classes_` wins.

    An estimator writes `_joint`, and if it is fitted to parts, leaves what it is made of as
    `_moments`.
    """

    _attributes: ClassVar = {"classes_": np.ndarray}

    classes_: Any
    _moments: GroupMoments

    def _add_up(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None,
        classes: ArrayLike | None,
        compute: Callable[[Source], GroupMoments],
    ) -> tuple[GroupMoments, Source]:
        """Return the moments of all rows so far and these, as `compute` has them, and these."""
        begun = hasattr(self, "classes_")
        known = known_classes(self, classes)
        source = data.source(
            self,
            X,
            y,
            sample_weight,
            targets="labels",
            need=self._need(),
            reset=not begun,
            part=True,
            classes=[known],
        )
        moments = compute(one_target(source))
        if begun:
            moments = self._moments + moments
        if not moments.weight.any():
            raise ValueError(f"{WEIGHTLESS} of all so far")
        return moments, source

    def _need(self) -> Need:
        """Return what it needs of X."""
        return _QUERIES

    def _joint(self, rows: Rows) -> Any:
        """Return log p(x, c) of checked rows, but for a term that all classes share.

        (n_samples, n_classes), where the rows are.
        """
        raise NotImplementedError

    def _answer(self, X: ArrayLike, method: str, task: str) -> Any:
        """Return what a method of checked rows says of each row of X."""
        check_is_fitted(self)
        return map_rows(self, X, getattr(hold(self, X), method), need=self._need(), task=task)

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
        return self.classes_[beside(self._compare(rows).argmax(axis=1), self.classes_)]

    def _log_priors(self) -> Any:
        """Return log π_c of each class, −∞ of one that is never predicted."""
        priors = getattr(self, "class_prior_", None)
        priors = on_host(adopt(self.priors_ if priors is None else priors))
        with np.errstate(divide="ignore"):  # a prior of 0
            return np.log(priors)

    def _compare(self, rows: Rows) -> Any:
        """Return `_joint`, but log π_c for rows so far from all classes that it is −∞ of each."""
        joint = self._joint(rows)
        xp = namespace(joint)
        if bool(xp.isneginf(joint).any()):  # which takes less than asking each row
            joint[xp.isneginf(xp.amax(joint, axis=1))] = beside(self._log_priors(), joint)
        return joint

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
        joint = self._compare(rows)
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

    def _joint_graph(self, X: "Value") -> "Value":
        """Return what `_joint` says, in a graph."""
        raise NotImplementedError

    def _to_graph(self, X: "Value") -> "dict[str, Value]":
        joint = self._joint_graph(X)
        far = joint.max(1, keep=True).equals(-np.inf)
        joint = X.graph.where(far, self._log_priors(), joint)
        label = X.graph.label(on_host(adopt(self.classes_)), joint.argmax())
        return {"label": label, "probabilities": joint.softmax()}


class ScoringClassifier(DensityClassifier):
    """What also says how much one class is likelier than the others."""

    def decision_function(self, X: ArrayLike) -> Any:
        """Return log p(c | x) of each class, but for a term that all classes share.

        Parameters
        ----------
        X : array-like, scan or Dask collection of shape (n_queries, n_features)

        Returns
        -------
        ndarray of shape (n_queries, n_classes), or (n_queries,) of two classes
            In the order of `classes_`; of two classes that of the second less that of the first.

        Examples
        --------
        >>> from rmodels import LinearDiscriminantAnalysis
        >>> X, y = [[0.0], [2.0], [4.0], [6.0]], [0, 0, 1, 1]
        >>> LinearDiscriminantAnalysis().fit(X, y).decision_function([[3.0], [4.0]]).round(6)
        array([0., 4.])
        """
        return self._answer(X, "_decide", "decision_function")

    def _decide(self, rows: Rows) -> Any:
        if len(self.classes_) != 2:
            return self._joint(rows)
        joint = self._compare(rows)
        return joint[:, 1] - joint[:, 0]
