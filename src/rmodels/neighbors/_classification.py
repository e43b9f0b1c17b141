"""Classification by the votes of neighbours."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils._param_validation import StrOptions

from rmodels.neighbors._base import KNeighborsMixin, NeighborsBase
from rmodels.neighbors._weights import Weights, needs_distances, neighbor_weights, votes
from rmodels.validation import all_or_nothing, class_targets

__all__ = ["KNeighborsClassifier"]


class KNeighborsClassifier(ClassifierMixin, KNeighborsMixin):
    """Classify by the vote of the k nearest neighbours.

    The class of a query is the one whose neighbours' weights sum to most; of equal sums the
    first in `classes_` wins.

    Parameters
    ----------
    n_neighbors : int, default=5
        k.
    weights : {"uniform", "distance"}, callable or None, default="uniform"
        "uniform" and None count neighbours alike; "distance" by 1 / distance, and where some are at
        distance 0, only those. A callable gets the distances, (n_queries, k), and
        returns weights of the same shape.
    algorithm : {"auto", "brute", "kd_tree", "ball_tree"}, default="auto"
        "brute" compares with every point, both trees with groups of points whose box is near
        enough; the answers are the same. `algorithm_` tells which was used.
    leaf_size : int, default=30
        Accepted for compatibility: a leaf holds the points that the processor compares at once.
    p : float, default=2
        Exponent of the Minkowski metric.
    metric : str, default="minkowski"
        "euclidean" ("l2"), "manhattan" ("l1", "cityblock"), "chebyshev" ("infinity"),
        "minkowski" or "cosine".
    metric_params : dict, default=None
        "p" of the Minkowski metric.
    n_jobs : int, default=None
        Most threads; None means the setting `n_threads`, -1 all processors.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,), or a list of them, one for each output
    outputs_2d_ : bool
        Whether y has more than one column.
    effective_metric_ : str
    effective_metric_params_ : dict
    n_samples_fit_ : int
    algorithm_ : {"brute", "tree"}
    engine_ : {"reference", "native", "gpu"}
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        If X has feature names that are all strings.

    Notes
    -----
    Neighbours are exact, in the order of (distance, index): see `rmodels.ops.nearest`. X is
    kept, not copied, and must not change while the estimator is used.

    Examples
    --------
    >>> from rmodels import KNeighborsClassifier
    >>> model = KNeighborsClassifier(n_neighbors=3).fit([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1])
    >>> model.predict([[1.1]])
    array([0])
    >>> model.predict_proba([[0.9]]).round(3)
    array([[0.667, 0.333]])
    """

    _parameter_constraints: dict = {
        **NeighborsBase._parameter_constraints,
        "weights": [StrOptions({"uniform", "distance"}), callable, None],
    }
    _parameter_constraints.pop("radius")

    def __init__(
        self,
        n_neighbors: int = 5,
        *,
        weights: Weights = "uniform",
        algorithm: str = "auto",
        leaf_size: int = 30,
        p: float = 2,
        metric: str = "minkowski",
        metric_params: dict[str, Any] | None = None,
        n_jobs: int | None = None,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.weights = weights
        self.algorithm = algorithm
        self.leaf_size = leaf_size
        self.p = p
        self.metric = metric
        self.metric_params = metric_params
        self.n_jobs = n_jobs

    @all_or_nothing
    def fit(self, X: ArrayLike, y: ArrayLike) -> "KNeighborsClassifier":
        """Index the points and keep their labels.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Labels: numbers or strings.

        Returns
        -------
        KNeighborsClassifier
            The estimator itself.
        """
        target = self._fit(X, y)
        self.outputs_2d_, classes, self._codes = class_targets(target)
        self.classes_ = classes if self.outputs_2d_ else classes[0]
        return self

    def _class_weights(self, X: ArrayLike | None) -> list[tuple[NDArray, NDArray[np.float64]]]:
        """Return, for each output, its classes and their summed weights for each query."""
        if needs_distances(self.weights):
            distances, indices = self.kneighbors(X)
        else:
            distances, indices = None, self.kneighbors(X, return_distance=False)
        weights = neighbor_weights(distances, self.weights)
        if weights is not None and not np.any(weights, axis=1).all():
            raise ValueError(
                "All neighbors of some sample is getting zero weights. Please modify 'weights' to "
                "avoid this case if you are using a user-defined function."
            )
        outputs = self.classes_ if self.outputs_2d_ else [self.classes_]
        return [
            (classes, votes(self._codes[indices, output], weights, len(classes)))
            for output, classes in enumerate(outputs)
        ]

    def predict(self, X: ArrayLike | None) -> NDArray:
        """Predict the class of each query.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features) or None
            None asks for the indexed points, each predicted without itself.

        Returns
        -------
        ndarray of shape (n_queries,) or (n_queries, n_outputs)
        """
        found = [classes[sums.argmax(axis=1)] for classes, sums in self._class_weights(X)]
        return np.stack(found, axis=1) if self.outputs_2d_ else found[0]

    def predict_proba(self, X: ArrayLike | None) -> Any:
        """Estimate the probability of each class: its share of the weights.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features) or None
            As in `predict`.

        Returns
        -------
        ndarray of shape (n_queries, n_classes), or a list of them, one for each output
        """
        found = [sums / sums.sum(axis=1, keepdims=True) for _, sums in self._class_weights(X)]
        return found if self.outputs_2d_ else found[0]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
