"""What linear classifiers share: a score for each class, of which the largest decides."""

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator

from rmodels.base.callbacks import CallbackSupport
from rmodels.base.state import HasState, check_is_fitted
from rmodels.base.tasks import Classifier
from rmodels.data import Rows, hold, map_rows
from rmodels.data.arrays import adopt, beside, on_host
from rmodels.linear_model._base import (
    QUERIES,
    dense_coefficients,
    predict_in_graph,
    predict_linearly,
)

if TYPE_CHECKING:
    from rmodels.export.graph import Value

__all__ = ["LinearClassifier"]


class LinearClassifier(HasState, CallbackSupport, Classifier, BaseEstimator):
    """Classification by the largest of x·coef + intercept; of two classes by its sign."""

    _attributes: ClassVar = {
        "classes_": np.ndarray,
        "coef_": np.ndarray,
        "intercept_": np.ndarray,
    }

    classes_: Any
    coef_: Any
    intercept_: Any

    def _has_checkpoint(self) -> bool:
        return False

    def _answer(self, X: ArrayLike, method: str, task: str) -> Any:
        """Return what a method of checked rows says of each row of X."""
        check_is_fitted(self)
        return map_rows(self, X, getattr(hold(self, X), method), need=QUERIES, task=task)

    def _decide(self, rows: Rows) -> Any:
        """Return the scores of checked rows: (n_samples,) of two classes."""
        scores = predict_linearly(rows, self.coef_, self.intercept_)
        return scores[:, 0] if scores.ndim == 2 and scores.shape[1] == 1 else scores

    def decision_function(self, X: ArrayLike) -> Any:
        """Return x·coef + intercept of each class.

        Parameters
        ----------
        X : array-like, sparse matrix, scan or Dask collection of shape (n_queries, n_features)

        Returns
        -------
        ndarray of shape (n_queries, n_classes), or (n_queries,) of two classes
            In the order of `classes_`; of two classes that of the second.

        Examples
        --------
        >>> from rmodels import Perceptron
        >>> model = Perceptron().fit([[-1.0], [1.0]], ["left", "right"])
        >>> model.decision_function([[-3.0], [3.0]])
        array([-6.,  6.])
        """
        return self._answer(X, "_decide", "decision_function")

    def predict(self, X: ArrayLike) -> Any:
        """Predict the class of each row: that of the largest score, the first of equal ones.

        Parameters
        ----------
        X : array-like, sparse matrix, scan or Dask collection of shape (n_queries, n_features)

        Returns
        -------
        ndarray of shape (n_queries,)

        Examples
        --------
        >>> from rmodels import Perceptron
        >>> model = Perceptron().fit([[-1.0], [1.0]], ["left", "right"])
        >>> model.predict([[-3.0], [3.0]]).tolist()
        ['left', 'right']
        """
        return self._answer(X, "_predict", "predict")

    def _predict(self, rows: Rows) -> Any:
        """Return the classes of checked rows."""
        return self._decode(self._decide(rows))

    def _decode(self, scores: Any) -> Any:
        """Return the classes of scores (n_samples,) or (n_samples, n_classes)."""
        scores = on_host(scores)
        codes = (scores > 0).astype(np.intp) if scores.ndim == 1 else scores.argmax(axis=1)
        return self.classes_[beside(codes, self.classes_)]

    def _to_graph(self, X: "Value") -> "dict[str, Value]":
        coef, intercept = dense_coefficients(self)
        alone = coef.ndim == 1 or len(coef) == 1
        if alone:
            coef, intercept = coef.reshape(-1), intercept[0] if np.ndim(intercept) else intercept
        scores = predict_in_graph(X, coef, intercept)
        codes = (scores > 0).astype(np.int64) if alone else scores.argmax()
        return {
            "label": X.graph.label(on_host(adopt(self.classes_)), codes),
            **self._graph_scores(scores, alone),
        }

    def _graph_scores(self, scores: "Value", alone: bool) -> "dict[str, Value]":
        """Return what a graph says beside labels; `alone` are the scores of two classes."""
        return {"scores": scores}
