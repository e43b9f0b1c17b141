"""What classifiers and regressors have in common: scores, of rows wherever they are."""

from collections.abc import Callable
from functools import partial
from typing import Any

from numpy.typing import ArrayLike
from sklearn.base import ClassifierMixin, RegressorMixin, is_classifier

from rmodels import data
from rmodels.base.scores import Hits, Residuals
from rmodels.data import Need, Rows
from rmodels.data.arrays import adopt, on_host

__all__ = ["Classifier", "Predictor", "Regressor", "tally"]

_QUERIES = Need(missing="refuse")


class Predictor:
    """What predicts: an estimator with `predict`, which is one line over a method of rows."""

    def _need(self) -> Need:
        """Return what `predict` needs of X."""
        return _QUERIES

    def _width(self) -> int:
        """Return how many targets are predicted."""
        raise NotImplementedError

    def _predict(self, rows: Rows) -> Any:
        """Return the predictions of checked rows: (n_samples,) or (n_samples, n_targets)."""
        raise NotImplementedError

    def _prediction(self) -> Callable[[Rows], Any]:
        """Return what `data.map_rows` needs to predict."""
        return self._predict


def _tally_rows(kind: type[Residuals] | type[Hits], rows: Rows, predicted: Any) -> Any:
    return kind.of(rows.Y, predicted, rows.weights)


def tally(estimator: Any, X: Any, y: Any, sample_weight: Any = None) -> Any:
    """Return `Residuals` or `Hits` of an estimator's predictions.

    Parameters
    ----------
    estimator : Predictor
        Fitted.
    X, y, sample_weight
        As in `score`.
    """
    classifies = is_classifier(estimator)
    classes = estimator._label_sets() if classifies else None
    kind = Hits if classifies else Residuals
    source = data.source(
        estimator,
        X,
        y,
        sample_weight,
        targets="labels" if classifies else "numbers",
        need=estimator._need(),
        reset=False,
        encoded=False,
        classes=classes,
        task="score",
    )
    return source.fold_answers(estimator._prediction(), partial(_tally_rows, kind))


def _score(estimator: Any, measure: Any, X: Any, y: Any, sample_weight: Any) -> float:
    if not data.is_in_memory(X):
        found: float = tally(estimator, X, y, sample_weight).score
        return found
    given, predicted, weights = (
        on_host(adopt(part)) for part in (y, estimator.predict(X), sample_weight)
    )
    return float(measure(given, predicted, sample_weight=weights))


class Classifier(Predictor, ClassifierMixin):
    """scikit-learn's mixin, whose score takes rows wherever they are."""

    classes_: Any

    def _label_sets(self) -> list[Any]:
        """Return the labels of each target."""
        return self.classes_ if isinstance(self.classes_, list) else [self.classes_]

    def _width(self) -> int:
        return len(self._label_sets())

    def score(
        self, X: ArrayLike | None, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> float:
        """Return the mean accuracy of the predictions.

        Parameters
        ----------
        X : array-like, sparse matrix or scan of shape (n_queries, n_features) or None
            As in `predict`.
        y : array-like of shape (n_queries,) or (n_queries, n_outputs)
            Of a scan also a column, or a list of columns; with several, a row counts as right if
            all are.
        sample_weight : array-like of shape (n_queries,), default=None
            Of a scan also a column.

        Returns
        -------
        float

        Examples
        --------
        >>> from rmodels import KNeighborsClassifier
        >>> model = KNeighborsClassifier(1).fit([[0.0], [5.0]], ["red", "blue"])
        >>> model.score([[1.0], [4.0], [6.0], [7.0]], ["red", "blue", "blue", "red"])
        0.75
        """
        from sklearn.metrics import accuracy_score

        return _score(self, accuracy_score, X, y, sample_weight)


class Regressor(Predictor, RegressorMixin):
    """scikit-learn's mixin, whose score takes rows wherever they are."""

    def score(
        self, X: ArrayLike | None, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> float:
        """Return R², 1 − Σ w (y − ŷ)² / Σ w (y − ȳ)², the mean over the targets.

        Parameters
        ----------
        X : array-like, sparse matrix or scan of shape (n_samples, n_features) or None
            As in `predict`.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Of a scan also a column, or a list of columns.
        sample_weight : array-like of shape (n_samples,), default=None
            Of a scan also a column.

        Returns
        -------
        float

        Examples
        --------
        >>> from rmodels import LinearRegression
        >>> model = LinearRegression().fit([[0.0], [1.0], [2.0], [3.0]], [1.0, 3.0, 5.0, 8.0])
        >>> round(model.score([[0.0], [1.0], [2.0], [3.0]], [1.0, 3.0, 5.0, 8.0]), 3)
        0.989
        """
        from sklearn.metrics import r2_score

        return _score(self, r2_score, X, y, sample_weight)
