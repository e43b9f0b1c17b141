"""Scores of predictions, wherever these are: scikit-learn computes them on the processor."""

from typing import Any

from numpy.typing import ArrayLike
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.metrics import accuracy_score, r2_score

from rmodels.arrays import adopted, on_host

__all__ = ["Classifier", "Regressor"]


def _scored(measure: Any, estimator: Any, X: Any, y: Any, sample_weight: Any) -> float:
    given, predicted, weights = (
        on_host(adopted(part)) for part in (y, estimator.predict(X), sample_weight)
    )
    return float(measure(given, predicted, sample_weight=weights))


class Classifier(ClassifierMixin):
    """scikit-learn's mixin, whose score takes arrays on the GPU, too."""

    def score(
        self, X: ArrayLike | None, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> float:
        """Return the mean accuracy of the predictions.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_queries, n_features) or None
            As in `predict`.
        y : array-like of shape (n_queries,) or (n_queries, n_outputs)
        sample_weight : array-like of shape (n_queries,), default=None

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
        return _scored(accuracy_score, self, X, y, sample_weight)


class Regressor(RegressorMixin):
    """scikit-learn's mixin, whose score takes arrays on the GPU, too."""

    def score(
        self, X: ArrayLike | None, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> float:
        """Return R², 1 − Σ w (y − ŷ)² / Σ w (y − ȳ)², the mean over the targets.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features) or None
            As in `predict`.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
        sample_weight : array-like of shape (n_samples,), default=None

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
        return _scored(r2_score, self, X, y, sample_weight)
