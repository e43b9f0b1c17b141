"""Classification by the votes of neighbours."""

from functools import partial
from numbers import Integral
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rmodels.base.estimator import all_or_nothing
from rmodels.base.metrics import Metric
from rmodels.base.sklearn import StrOptions
from rmodels.base.state import check_is_fitted
from rmodels.base.tasks import Classifier
from rmodels.base.warnings import warn
from rmodels.data import Rows, Source
from rmodels.data.arrays import adopt, beside, namespace, on_host
from rmodels.exceptions import NotCoveredError
from rmodels.neighbors._base import NeighborsBase
from rmodels.neighbors._in_graph import GraphNeighbours
from rmodels.neighbors._in_graph import votes as graph_votes
from rmodels.neighbors._predictors import (
    KNeighborsPredictor,
    NeighborsPredictor,
    RadiusNeighborsPredictor,
)
from rmodels.neighbors._weights import Weights, votes

if TYPE_CHECKING:
    from rmodels.export.graph import Value

__all__ = ["KNeighborsClassifier", "RadiusNeighborsClassifier"]


class NeighborsClassifier(Classifier, NeighborsPredictor):
    """Classification by summed weights of neighbours."""

    _attributes: ClassVar = {"classes_": np.ndarray | list, "outputs_2d_": bool}
    _targets = "labels"

    def _fit_classes(self, X: Any, y: Any, sample_weight: Any) -> Source:
        source = self._fit_weighted(X, y, sample_weight)
        self.outputs_2d_ = not source.one_target
        assert source.classes is not None
        self.classes_ = source.classes if self.outputs_2d_ else source.classes[0]
        return source

    def _labels(self) -> list[Any]:
        """Return the classes of each output."""
        return list(self.classes_) if self.outputs_2d_ else [self.classes_]

    def _votes(self, found: Any) -> list[NDArray[np.float64]]:
        """Return the summed weight of each class for each query, for each output."""
        neighbours, near = self._weigh(found)
        return [
            votes(neighbours, near[:, output], len(labels))
            for output, labels in enumerate(self._labels())
        ]

    def _graph_votes(self, X: "Value") -> "list[Value]":
        """Return what `_votes` says, in a graph."""
        found = GraphNeighbours.of(self, X, self._ask(()))
        weights = found.weigh(self)
        codes = on_host(adopt(self._y)).astype(np.int64).reshape(self.n_samples_fit_, -1)
        pairs = zip(codes.T, self._labels(), strict=True)
        return [graph_votes(found.take(each), weights, len(labels)) for each, labels in pairs]

    def _name_outputs(
        self, labels: "list[Value]", probabilities: "list[Value]"
    ) -> "dict[str, Value]":
        """Return what a graph says of each output, by name."""
        if not self.outputs_2d_:
            return {"label": labels[0], "probabilities": probabilities[0]}
        named = {f"probabilities_{i}": each for i, each in enumerate(probabilities)}
        return {"label": labels[0].graph.stack(labels), **named}

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


def _pick(labels: Any, sums: Any) -> Any:
    """Return the label of the largest sum of each query, the first where some are equal."""
    return labels[beside(sums.argmax(axis=1), labels)]


def _count(rows: Rows, sizes: list[int]) -> list[NDArray]:
    """Return the weight of each class, of each output."""
    weights = on_host(rows.weights)
    return [
        np.bincount(on_host(column), weights, size)
        for column, size in zip(rows.Y.T, sizes, strict=True)
    ]


def _add_each(first: list[NDArray], second: list[NDArray]) -> list[NDArray]:
    return [a + b for a, b in zip(first, second, strict=True)]


class KNeighborsClassifier(NeighborsClassifier, KNeighborsPredictor):
    """Classify by the vote of the k nearest neighbours.

    The class of a query is the one whose neighbours' weights sum to most,

        ŷ = argmax_c Σ vᵢ over the neighbours i of class c;

    of equal sums the first in `classes_` wins.

    Parameters
    ----------
    n_neighbors : int, default=5
        k.
    weights : {"uniform", "distance"}, callable or None, default="uniform"
        "uniform" and None count neighbours alike; "distance" by 1 / distance, and where some are at
        distance 0, only those. A callable gets the distances, (n_queries, k), and returns weights
        of the same shape.
    algorithm : {"auto", "brute", "kd_tree", "ball_tree"}, default="auto"
        "brute" compares with every point. "kd_tree" and "ball_tree" are one tree of boxes, of which
        those that are near enough are opened: scikit-learn's two differ in the metrics that they
        accept, and so do these. "auto" takes what it expects to be fastest. The answers, ties
        included, are the same; `algorithm_` tells which was used.
    leaf_size : int, default=30
        Without effect, on answers and on speed: a leaf holds the points that the processor compares
        at once, and there is nothing to tune. Accepted for compatibility.
    p : float, default=2
        Exponent of the Minkowski metric.
    metric : str, callable or DistanceMetric, default="minkowski"
        Any metric of scikit-learn. "euclidean" ("l2"), "manhattan" ("l1", "cityblock"),
        "chebyshev" ("infinity"), "minkowski" and "cosine" of dense points are searched by the
        engines of rmodels; all others, sparse points and "precomputed" distances by blocks of
        distances that NumPy and SciPy compute. A callable gets two rows of float64 and returns
        their distance.
    metric_params : dict, default=None
        Parameters of the metric, such as "p", or "w" of a weighted Minkowski metric.
    n_jobs : int, default=None
        Most threads; None means the setting `n_threads`, -1 all processors.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,), or a list of them, one for each output
    outputs_2d_ : bool
        Whether y has more than one column.
    effective_metric_ : str, callable or DistanceMetric
    effective_metric_params_ : dict
    n_samples_fit_ : int
    algorithm_ : {"brute", "tree"}
        What the search of many queries does; decided when it is asked for, or needed.
    engine_ : {"reference", "native", "gpu", "scipy"}
        What searches; "scipy" is the search by blocks.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features,)
        If X has feature names that are all strings.

    Notes
    -----
    Neighbours are exact, in the order of (distance, index): see `rmodels.ops.nearest.index`. X is
    kept, not copied, and must not change while the estimator is used.

    X and y may be tensors or other arrays with DLPack, on the processor or the GPU. Distances,
    indices and predictions are the kind of array that the queries are, on the same device;
    `classes_` is a tensor if X and y are on the GPU.

    With `sample_weight`, the weight of each neighbour is multiplied by that of its point, so that a
    common factor of all points' weights does not matter. k counts points: a point of weight 2 is
    one neighbour whose vote counts twice, and not two points. A point of weight 0 is absent: it is
    nobody's neighbour, for `kneighbors` neither.

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
        metric: Metric = "minkowski",
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
    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Keep the points, ready to be searched, and their labels.

        Parameters
        ----------
        X : array-like, sparse matrix or scan of shape (n_samples, n_features)
            With metric="precomputed", distances of shape (n_samples, n_samples).
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Labels: numbers or strings. Of a scan or a Dask data frame also a column, or a list of
            columns.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the points, at least 0, of at least k points not 0: see the notes. Of a scan
            or a Dask data frame also a column.

        Returns
        -------
        KNeighborsClassifier
            The estimator itself.

        Examples
        --------
        >>> from rmodels import KNeighborsClassifier
        >>> model = KNeighborsClassifier(1).fit([[0.0], [1.0], [5.0]], ["red", "red", "blue"])
        >>> model.classes_.tolist()
        ['blue', 'red']
        """
        self._fit_classes(X, y, sample_weight)
        return self

    def _votes(self, found: Any) -> list[NDArray[np.float64]]:
        sums = super()._votes(found)
        if not sums[0].any(axis=1).all():
            raise ValueError(
                "All neighbors of some sample is getting zero weights. Please modify 'weights' to "
                "avoid this case if you are using a user-defined function."
            )
        return sums

    def predict(self, X: ArrayLike | None) -> NDArray:
        """Predict the class of each query.

        Parameters
        ----------
        X : array-like, sparse matrix or scan of shape (n_queries, n_features) or None
            None asks for the indexed points, each predicted without itself.

        Returns
        -------
        ndarray of shape (n_queries,) or (n_queries, n_outputs)

        Examples
        --------
        >>> from rmodels import KNeighborsClassifier
        >>> model = KNeighborsClassifier(1).fit([[0.0], [1.0], [5.0]], ["red", "red", "blue"])
        >>> model.predict([[0.4], [4.0]]).tolist()
        ['red', 'blue']
        """
        check_is_fitted(self)
        return self._answer(X, self._ask(X), "_decide", "predict")

    def _decide(self, found: Any, queries: Any) -> Any:
        """Return the class of each query."""
        pairs = zip(self._labels(), self._votes(found), strict=True)
        picked = [_pick(labels, sums) for labels, sums in pairs]
        return namespace(picked[0]).stack(picked, 1) if self.outputs_2d_ else picked[0]

    def predict_proba(self, X: ArrayLike | None) -> Any:
        """Estimate the probability of each class: its share of the weights.

        Parameters
        ----------
        X : array-like, sparse matrix or scan of shape (n_queries, n_features) or None
            As in `predict`.

        Returns
        -------
        ndarray of shape (n_queries, n_classes), or a list of them, one for each output

        Examples
        --------
        >>> from rmodels import KNeighborsClassifier
        >>> model = KNeighborsClassifier(2).fit([[0.0], [1.0], [5.0]], ["red", "red", "blue"])
        >>> model.predict_proba([[4.0]])  # in the order of classes_: blue, red
        array([[0.5, 0.5]])
        """
        check_is_fitted(self)
        return self._answer(X, self._ask(X), "_share", "predict_proba")

    def _share(self, found: Any, queries: Any) -> Any:
        """Return the share of each class in each query's weights."""
        shares = [sums / sums.sum(axis=1, keepdims=True) for sums in self._votes(found)]
        return shares if self.outputs_2d_ else shares[0]

    def _to_graph(self, X: "Value") -> "dict[str, Value]":
        sums = self._graph_votes(X)
        labels = [
            X.graph.label(on_host(adopt(classes)), each.argmax())
            for classes, each in zip(self._labels(), sums, strict=True)
        ]
        return self._name_outputs(labels, [each / each.sum(1, keep=True) for each in sums])


class RadiusNeighborsClassifier(NeighborsClassifier, RadiusNeighborsPredictor):
    """Classify by the vote of all neighbours within a radius.

    The class of a query is the one whose neighbours' weights sum to most; of equal sums the
    first in `classes_` wins. A query without neighbours, or whose neighbours' weights sum to 0, is
    an outlier.

    Parameters
    ----------
    radius : float, default=1.0
        Points at this distance count.
    weights : {"uniform", "distance"}, callable or None, default="uniform"
        As in `KNeighborsClassifier`; a callable gets an array of arrays.
    algorithm, leaf_size, p, metric
        As in `KNeighborsClassifier`.
    outlier_label : label, list of labels, "most_frequent" or None, default=None
        The class of outliers, for each output in a list; None raises where there are some. Of a
        label that is not among the training classes, all probabilities of an outlier are 0.
    metric_params, n_jobs
        As in `KNeighborsClassifier`.

    Attributes
    ----------
    outlier_label_ : list or None
        The label of outliers for each output.
    classes_, outputs_2d_, effective_metric_, effective_metric_params_, n_samples_fit_, \
    algorithm_, engine_, n_features_in_, feature_names_in_
        As in `KNeighborsClassifier`.

    Examples
    --------
    >>> from rmodels import RadiusNeighborsClassifier
    >>> model = RadiusNeighborsClassifier().fit([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1])
    >>> model.predict([[1.5]])
    array([0])
    >>> model.predict_proba([[1.0]]).round(3)
    array([[0.667, 0.333]])
    """

    _attributes: ClassVar = {"outlier_label_": object}

    _parameter_constraints: dict = {
        **NeighborsBase._parameter_constraints,
        "weights": [StrOptions({"uniform", "distance"}), callable, None],
        "outlier_label": [Integral, str, "array-like", None],
    }
    _parameter_constraints.pop("n_neighbors")

    def __init__(
        self,
        radius: float = 1.0,
        *,
        weights: Weights = "uniform",
        algorithm: str = "auto",
        leaf_size: int = 30,
        p: float = 2,
        metric: Metric = "minkowski",
        outlier_label: int | str | list[Any] | None = None,
        metric_params: dict[str, Any] | None = None,
        n_jobs: int | None = None,
    ) -> None:
        self.radius = radius
        self.weights = weights
        self.algorithm = algorithm
        self.leaf_size = leaf_size
        self.p = p
        self.metric = metric
        self.outlier_label = outlier_label
        self.metric_params = metric_params
        self.n_jobs = n_jobs

    @all_or_nothing
    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Keep the points, ready to be searched, and their labels.

        Parameters
        ----------
        X, y
            As in `KNeighborsClassifier`.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the points, at least 0, not all 0; each vote is multiplied by that of its
            point.

        Returns
        -------
        RadiusNeighborsClassifier
            The estimator itself.

        Examples
        --------
        >>> from rmodels import RadiusNeighborsClassifier
        >>> model = RadiusNeighborsClassifier(radius=1.0)
        >>> model = model.fit([[0.0], [1.0], [5.0]], ["red", "red", "blue"])
        >>> model.classes_.tolist()
        ['blue', 'red']
        """
        self.outlier_label_ = self._outlier_labels(self._fit_classes(X, y, sample_weight))
        return self

    def _outlier_labels(self, source: Source) -> Any:
        """Return the label of outliers for each output, checked."""
        classes = self._labels()
        given: Any = self.outlier_label
        if given is None:
            return None
        if isinstance(given, str) and given == "most_frequent":
            counts = source.fold(partial(_count, sizes=list(map(len, classes))), _add_each)
            return [labels[each.argmax()] for labels, each in zip(classes, counts, strict=True)]
        if np.ndim(given) == 0:
            given = [given] * len(classes)
        if len(given) != len(classes):
            raise ValueError(
                f"The length of outlier_label: {given} is inconsistent with the output length: "
                f"{len(classes)}"
            )
        for labels, label in zip(map(on_host, classes), given, strict=True):
            if np.ndim(label):
                raise TypeError(
                    f"The outlier_label of classes {labels} is supposed to be a scalar, got "
                    f"{label}."
                )
            if np.append(labels, label).dtype != labels.dtype:
                raise TypeError(
                    f"The dtype of outlier_label {label} is inconsistent with classes {labels} in "
                    "y."
                )
        return given

    def _shares(self, found: Any) -> list[NDArray[np.float64]]:
        """Return the share of each class in each query's weights, for each output."""
        sums, classes = self._votes(found), self._labels()
        outliers = np.flatnonzero(on_host(~sums[0].any(axis=1)))
        if len(outliers) and self.outlier_label_ is None:
            raise ValueError(
                f"No neighbors found for test samples {outliers!r}, you can try using larger "
                "radius, giving a label for outliers, or considering removing them from your "
                "dataset."
            )
        parts = []
        for output, (labels, shares) in enumerate(zip(classes, sums, strict=True)):
            if len(outliers):
                label = self.outlier_label_[output]
                place = np.flatnonzero(on_host(labels == label))
                if len(place):
                    shares[outliers, place[0]] = 1.0
                else:
                    warn(
                        f"Outlier label {label} is not in training classes. All class "
                        "probabilities of outliers will be assigned with 0.",
                    )
            total = shares.sum(axis=1, keepdims=True)
            parts.append(shares / namespace(total).where(total == 0.0, 1.0, total))
        return parts

    def predict(self, X: ArrayLike | None) -> NDArray:
        """Predict the class of each query.

        Parameters
        ----------
        X : array-like, sparse matrix or scan of shape (n_queries, n_features) or None
            None asks for the indexed points, each predicted without itself.

        Returns
        -------
        ndarray of shape (n_queries,) or (n_queries, n_outputs)

        Raises
        ------
        ValueError
            If a query is an outlier and `outlier_label` is None.

        Examples
        --------
        >>> from rmodels import RadiusNeighborsClassifier
        >>> model = RadiusNeighborsClassifier(1.0, outlier_label="blue")
        >>> model = model.fit([[0.0], [1.0], [5.0]], ["red", "red", "blue"])
        >>> model.predict([[0.4], [4.0], [9.0]]).tolist()
        ['red', 'blue', 'blue']
        """
        check_is_fitted(self)
        return self._answer(X, self._ask(X), "_decide", "predict")

    def _decide(self, found: Any, queries: Any) -> Any:
        """Return the class of each query."""
        picked = []
        shares = self._shares(found)
        for output, labels in enumerate(self._labels()):
            column = _pick(labels, shares[output])
            outliers = beside(~shares[output].any(axis=1), column)
            if outliers.any():
                column[outliers] = self.outlier_label_[output]
            picked.append(column)
        return namespace(picked[0]).stack(picked, 1) if self.outputs_2d_ else picked[0]

    def predict_proba(self, X: ArrayLike | None) -> Any:
        """Estimate the probability of each class: its share of the weights.

        Parameters
        ----------
        X : array-like, sparse matrix or scan of shape (n_queries, n_features) or None
            As in `predict`.

        Returns
        -------
        ndarray of shape (n_queries, n_classes), or a list of them, one for each output

        Raises
        ------
        ValueError
            If a query is an outlier and `outlier_label` is None.

        Examples
        --------
        >>> from rmodels import RadiusNeighborsClassifier
        >>> model = RadiusNeighborsClassifier(4.0)
        >>> model = model.fit([[0.0], [1.0], [5.0]], ["red", "red", "blue"])
        >>> model.predict_proba([[1.0]]).round(3)  # in the order of classes_: blue, red
        array([[0.333, 0.667]])
        """
        check_is_fitted(self)
        return self._answer(X, self._ask(X), "_share", "predict_proba")

    def _share(self, found: Any, queries: Any) -> Any:
        """Return the share of each class in each query's weights."""
        shares = self._shares(found)
        return shares if self.outputs_2d_ else shares[0]

    def _to_graph(self, X: "Value") -> "dict[str, Value]":
        if self.outlier_label_ is None:
            raise NotCoveredError(
                "a row without neighbours is an error, which ONNX cannot raise: set outlier_label, "
                "and fit anew"
            )
        sums = self._graph_votes(X)
        outliers = sums[0].max(1, keep=True) <= 0.0
        labels, shares = [], []
        for classes, label, each in zip(self._labels(), self.outlier_label_, sums, strict=True):
            known = on_host(adopt(classes))
            mine = (known == label).astype(np.float64)
            likely = X.graph.where(outliers, mine, each)
            total = likely.sum(1, keep=True)
            shares.append(likely / X.graph.where(total.equals(0.0), 1.0, total))
            codes = shares[-1].argmax()
            if not mine.any():
                codes = X.graph.where(outliers.reshape(-1), len(known), codes)
            labels.append(X.graph.label(np.append(known, [label]), codes))
        return self._name_outputs(labels, shares)
