"""What logistic regressions share: which parameters go together, and probabilities."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, log_expit, log_softmax, softmax

from rmodels.base.sklearn.linear_model import SparseCoefMixin
from rmodels.data import Rows
from rmodels.data.arrays import on_host
from rmodels.linear_model._linear_classifier import LinearClassifier
from rmodels.solvers.losses import Family, Penalties

if TYPE_CHECKING:
    from rmodels.export.graph import Value

__all__ = ["SOLVERS", "LogisticModel", "family_of"]

SOLVERS = {"lbfgs", "liblinear", "newton-cg", "newton-cholesky", "sag", "saga"}


def family_of(classes: NDArray) -> Family:
    """Return the losses of labels of some classes."""
    K = len(classes)
    return Family("logistic") if K == 2 else Family("multinomial", n_outputs=K)


class LogisticModel(SparseCoefMixin, LinearClassifier):
    """A linear classifier whose scores are log-odds."""

    solver: str
    dual: bool
    fit_intercept: bool
    intercept_scaling: float

    def _check_solver(self, penalty: str | None) -> None:
        solver = self.solver
        if solver not in ("liblinear", "saga") and penalty not in ("l2", None):
            raise ValueError(
                f"Solver {solver} supports only 'l2' or None penalties, got {penalty} penalty."
            )
        if solver != "liblinear" and self.dual:
            raise ValueError(f"Solver {solver} supports only dual=False, got dual={self.dual}")
        if penalty == "elasticnet" and solver != "saga":
            raise ValueError(
                f"Only 'saga' solver supports elasticnet penalty, got solver={solver}."
            )
        if solver == "liblinear" and penalty is None:
            raise ValueError(
                "C=np.inf as well as penalty=None is not supported for the liblinear solver"
            )
        if solver == "liblinear" and penalty == "l1" and self.dual:
            raise ValueError(
                "Unsupported set of arguments: the combination of penalty='l1' and "
                f"loss='logistic_regression' are not supported when dual={self.dual}, "
                f"Parameters: penalty={penalty!r}, loss='logistic_regression', dual={self.dual}"
            )

    def _check_classes(self, classes: NDArray) -> None:
        if self.solver == "liblinear" and len(classes) > 2:
            raise ValueError(
                "The 'liblinear' solver does not support multiclass classification (n_classes >= "
                "3). Either use another solver or wrap the estimator in a OneVsRestClassifier to "
                "keep applying a one-versus-rest scheme."
            )
        if len(classes) < 2:
            raise ValueError(
                "This solver needs samples of at least 2 classes in the data, but the data "
                f"contains only one class: {classes[0]!r}"
            )

    def _penalties(self, n_features: int, C: float, l1_ratio: float) -> Penalties:
        l2 = np.full(n_features + 1, (1 - l1_ratio) / C)
        l1 = np.full(n_features + 1, l1_ratio / C)
        if self.solver == "liblinear" and self.fit_intercept:
            l2[-1] /= self.intercept_scaling**2
            l1[-1] /= self.intercept_scaling
        else:
            l2[-1] = l1[-1] = 0.0
        return Penalties(l2, l1)

    def predict_proba(self, X: ArrayLike) -> Any:
        """Return the probability of each class.

        Parameters
        ----------
        X : array-like, sparse matrix, scan or Dask collection of shape (n_queries, n_features)

        Returns
        -------
        ndarray of shape (n_queries, n_classes)
            In the order of `classes_`.

        Examples
        --------
        >>> from rmodels import LogisticRegression
        >>> X, y = [[0.0], [1.0], [2.0], [3.0]], ["low", "low", "high", "high"]
        >>> LogisticRegression(C=10.0).fit(X, y).predict_proba([[1.5], [2.0]]).round(3)
        array([[0.5 , 0.5 ],
               [0.79, 0.21]])
        """
        return self._answer(X, "_probabilities", "predict_proba")

    def _probabilities(self, rows: Rows) -> Any:
        scores = on_host(self._decide(rows))
        if scores.ndim == 1:
            return np.column_stack([expit(-scores), expit(scores)])
        return softmax(scores, axis=1)

    def predict_log_proba(self, X: ArrayLike) -> Any:
        """Return the logarithm of the probability of each class.

        Parameters
        ----------
        X : array-like, sparse matrix, scan or Dask collection of shape (n_queries, n_features)

        Returns
        -------
        ndarray of shape (n_queries, n_classes)
            In the order of `classes_`.

        Examples
        --------
        >>> from rmodels import LogisticRegression
        >>> X, y = [[0.0], [1.0], [2.0], [3.0]], ["low", "low", "high", "high"]
        >>> LogisticRegression(C=10.0).fit(X, y).predict_log_proba([[1.5], [90.0]]).round(2)
        array([[  -0.69,   -0.69],
               [  -0.  , -234.62]])
        """
        return self._answer(X, "_log_probabilities", "predict_proba")

    def _log_probabilities(self, rows: Rows) -> Any:
        scores = on_host(self._decide(rows))
        if scores.ndim == 1:
            return np.column_stack([log_expit(-scores), log_expit(scores)])
        return log_softmax(scores, axis=1)

    def _graph_scores(self, scores: "Value", alone: bool) -> "dict[str, Value]":
        columns = scores.graph.stack([scores * 0.0, scores]) if alone else scores
        return {"probabilities": columns.softmax()}

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        if self.solver == "liblinear":
            tags.classifier_tags.multi_class = False
        return tags
