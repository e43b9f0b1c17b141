"""Classification by the nearest centroid of a class."""

from numbers import Real
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from rmodels import data
from rmodels.base.classes import one_target
from rmodels.base.densities import ScoringClassifier, measure
from rmodels.base.estimator import all_or_nothing, available_if
from rmodels.base.search import Search, SparseRows, search
from rmodels.base.sklearn import Interval, StrOptions
from rmodels.base.warnings import warn
from rmodels.config import get_config, thread_count
from rmodels.data import Need, Rows, Source
from rmodels.data.arrays import (
    adopt,
    as_dtype,
    as_kind_of,
    beside,
    contiguous,
    join,
    namespace,
    on_host,
)
from rmodels.exceptions import NotCoveredError
from rmodels.ops.moments import GroupMoments
from rmodels.solvers.medians import find_medians
from rmodels.solvers.moments import TOO_LARGE, compute_group_moments

if TYPE_CHECKING:
    from rmodels.export.graph import Value

__all__ = ["NearestCentroid"]

Matrix = NDArray[np.float64]

_QUERIES = Need()  # what is not finite shows in the distances, or is searched for
_NUMBERS = 1 << 18  # of a block
_MOST_DISTANCES = 1 << 21  # that are held at a time
_UNIT = 2.0**-53


class NearestCentroid(ScoringClassifier):
    """Classification by the nearest centroid of a class.

    With m_c and n_c the centroid and the number of rows of each of K classes, m the mean of all n
    rows, and s_j the standard deviation of column j within the classes,

        s_j² = Σ_i (x_ij − m_cj)² / (n − K),   s₀ the median of all s_j,

        deviation_cj = (m_cj − m_j) / ((s_j + s₀) √(1/n_c − 1/n)).

    Deviations that do not exceed `shrink_threshold` are taken as 0, and all others shrink by it: a
    column whose deviations are all 0 tells no classes apart. The means come from one read of X.

    Parameters
    ----------
    metric : {"euclidean", "manhattan"}, default="euclidean"
        "euclidean": centroids are means. "manhattan": medians, for which all rows must be in
        memory; then there is no `partial_fit`, and `predict` is all that is said of rows.
    shrink_threshold : float, default=None
        Above 0; None leaves the centroids as they are.
    priors : {"uniform", "empirical"} or array-like of shape (n_classes,), default="uniform"
        π; "empirical" are the classes' shares of the weights. If all are equal, `predict` takes the
        class of the nearest centroid. If not, columns are divided by s (but where that is 0), and
        it takes the class of the largest 2 log π_c − d(x, m_c)², which is what `decision_function`
        says.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    centroids_ : ndarray of shape (n_classes, n_features)
        In float64, as all here; of tensors a tensor. Zeros of a class without weight, which is not
        predicted.
    class_prior_ : ndarray of shape (n_classes,)
        π.
    within_class_std_dev_ : ndarray of shape (n_features,)
        s.
    deviations_ : ndarray of shape (n_classes, n_features)
        As above, shrunk by the threshold.
    engine_ : {"reference", "native", "gpu", "scipy"}
        What computed the moments; "scipy" of sparse X.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features,)
        If X has feature names that are all strings.

    Notes
    -----
    n_samples · n_features operations, and memory for a few arrays of n_classes by n_features.
    Sparse X: as many operations as it has entries, and two copies of it.

    Source: R. Tibshirani, T. Hastie, B. Narasimhan, G. Chu, "Diagnosis of multiple cancer types by
    shrunken centroids of gene expression", 2002.

    Examples
    --------
    >>> from rmodels import NearestCentroid
    >>> X, y = [[0.0, 1.0], [2.0, 2.0], [9.0, 1.0], [11.0, 2.0]], ["low", "low", "high", "high"]
    >>> model = NearestCentroid(shrink_threshold=1.0).fit(X, y)
    >>> model.centroids_.round(6)
    array([[8.762563, 1.5     ],
           [2.237437, 1.5     ]])
    >>> model.predict([[4.0, 9.0], [8.0, -9.0]]).tolist()
    ['low', 'high']
    """

    _attributes: ClassVar = {
        "centroids_": np.ndarray,
        "class_prior_": np.ndarray,
        "within_class_std_dev_": np.ndarray,
        "deviations_": np.ndarray,
        "_moments": GroupMoments,
    }

    _parameter_constraints: dict = {
        "metric": [StrOptions({"manhattan", "euclidean"})],
        "shrink_threshold": [Interval(Real, 0, None, closed="neither"), None],
        "priors": ["array-like", StrOptions({"empirical", "uniform"})],
    }

    def __init__(
        self,
        metric: str = "euclidean",
        *,
        shrink_threshold: float | None = None,
        priors: ArrayLike | str = "uniform",
    ) -> None:
        self.metric = metric
        self.shrink_threshold = shrink_threshold
        self.priors = priors

    def _fits_in_batches(self) -> bool:
        return self.metric == "euclidean"  # medians do not add up

    def _is_consistent(self) -> bool:
        shape = len(self.classes_), self.n_features_in_
        return self.centroids_.shape == shape and self._moments.mean.shape == shape

    def _need(self) -> Need:
        return _QUERIES

    @all_or_nothing
    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Find the centroid of each class.

        Parameters
        ----------
        X : array-like, sparse matrix or scan of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
            Labels of at least two classes. Of a scan also a column.
        sample_weight : array-like of shape (n_samples,), default=None
            Of a scan also a column. At least 0, not all 0. A weight stands for as many equal rows.

        Returns
        -------
        NearestCentroid
            The estimator itself.

        Raises
        ------
        ValueError
            If the input is empty, has a NaN, infinity or wrong shape, no column varies, the weights
            add up to no more than the number of classes, or the priors are negative.
        NotCoveredError
            If metric="manhattan" and the rows are not in memory.

        Examples
        --------
        >>> from rmodels import NearestCentroid
        >>> X, y = [[0.0], [1.0], [5.0], [7.0], [8.0], [18.0]], [0, 0, 0, 1, 1, 1]
        >>> NearestCentroid().fit(X, y).centroids_.ravel()
        array([ 2., 11.])
        >>> NearestCentroid(metric="manhattan").fit(X, y).centroids_.ravel()
        array([1., 8.])
        """
        source = one_target(data.source(self, X, y, sample_weight, targets="labels"))
        if self.metric == "euclidean":
            return self._set_centroids(self._compute(source), None, source, X)
        if not isinstance(source, Rows):
            raise NotCoveredError(
                "metric='manhattan' takes medians, which need all rows in memory: give an "
                "array, or metric='euclidean'"
            )
        moments = self._compute(source)
        medians = find_medians(source, len(moments.weight))
        return self._set_centroids(moments, medians, source, X)

    def _adds_up(self) -> bool:
        if self.metric == "euclidean":
            return True
        raise AttributeError("medians of batches do not add up: partial_fit needs euclidean")

    @available_if(_adds_up)
    @all_or_nothing
    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Fit the model to all rows so far and these: moments of batches add up.

        Batches of any size in any order lead to the result of `fit` on all rows together. `fit`
        starts anew; `partial_fit` after `fit` goes on. Only with metric="euclidean".

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`, with the same columns each time. Weights may be 0 for all of a batch, but
            not for all so far.
        classes : array-like of shape (n_classes,), default=None
            All labels that may come; needed in the first call.

        Returns
        -------
        NearestCentroid
            The estimator itself.

        Raises
        ------
        ValueError
            As in `fit`, and if y holds a label that is not among the classes.

        Examples
        --------
        >>> from rmodels import NearestCentroid
        >>> model = NearestCentroid()
        >>> model = model.partial_fit([[0.0], [2.0], [4.0]], [0, 0, 1], classes=[0, 1])
        >>> model.partial_fit([[6.0]], [1]).centroids_.ravel()
        array([1., 5.])
        """
        moments, source = self._add_up(X, y, sample_weight, classes, self._compute)
        return self._set_centroids(moments, None, source, X)

    def _compute(self, source: Source) -> GroupMoments:
        assert source.classes is not None
        n_classes = len(source.classes[0])
        if n_classes < 2:
            raise ValueError(
                "The number of classes has to be greater than one; got "
                f"{n_classes} class{'es' * (n_classes != 1)}"
            )
        return compute_group_moments(source, n_classes, "diagonal", source.threads(None))

    def _find_priors(self, moments: GroupMoments) -> Matrix:
        """Return what the parameter asks for; scikit-learn's error and warning if it is odd."""
        n_classes = len(moments.weight)
        if isinstance(self.priors, str):
            if self.priors == "uniform":
                return np.full(n_classes, 1 / n_classes)
            shares: Matrix = moments.weight / moments.weight.sum()
            return shares
        priors = np.array(self.priors, dtype=np.float64)
        if priors.shape != (n_classes,):
            raise ValueError(f"priors has shape {priors.shape}, and there are {n_classes} classes")
        if (priors < 0).any():
            raise ValueError("priors must be non-negative")
        if not np.isclose(priors.sum(), 1.0):
            warn("The priors do not sum to 1. Normalizing such that it sums to one.")
            priors = priors / priors.sum()
        return priors

    def _set_centroids(
        self, moments: GroupMoments, medians: Matrix | None, source: Source, X: Any
    ) -> "NearestCentroid":
        if not moments.is_finite:
            raise ValueError(TOO_LARGE)
        weights = moments.weight[:, np.newaxis]
        total, present = weights.sum(), weights > 0
        apart = moments.spread_of_means()
        centroids, away = moments.mean, np.zeros_like(moments.mean)
        if medians is not None:
            centroids, away = medians, np.where(present, (centroids - medians) + moments.rest, 0.0)
        squares = (moments.scatter + weights * away**2).sum(axis=0)
        rounding = 4 * total * (_UNIT * abs(moments.mean).max(axis=0)) ** 2
        squares[squares <= rounding] = 0.0  # columns that do not vary within the classes
        between = (apart**2).sum(axis=0)
        if (squares + between <= 4 * rounding).all():
            raise ValueError("All features have zero variance. Division by zero.")
        freedom = total - np.count_nonzero(present)
        if freedom <= 0 and squares.any():
            raise ValueError(
                f"sample_weight adds up to {total:.3g}, and has to be more than the number of "
                "classes: a weight stands for as many equal rows"
            )
        deviation = np.sqrt(squares / (freedom if freedom > 0 else 1.0))
        if not deviation.all():
            warn(
                "self.within_class_std_dev_ has at least 1 zero standard deviation."
                "Inputs within the same classes for at least 1 feature are identical."
            )
        heavy = np.where(present, weights, 1.0)
        gaps = np.where(present, apart / np.sqrt(heavy) - away, 0.0)  # of the mean of all rows
        scale = np.sqrt(np.maximum(1 / heavy - 1 / total, 0.0)) * (deviation + np.median(deviation))
        if self.shrink_threshold:
            middle = moments.mean - (apart / np.sqrt(heavy) - moments.rest)
            gaps = np.sign(gaps) * np.maximum(abs(gaps) - self.shrink_threshold * scale, 0.0)
            centroids = np.where(present, middle + gaps, 0.0)
        with np.errstate(divide="ignore", over="ignore"):
            deviations = np.divide(gaps, scale, out=np.zeros_like(gaps), where=gaps != 0)
        priors = self._find_priors(moments)
        assert source.classes is not None
        self.classes_, self.engine_ = source.classes[0], moments.engine
        self._moments = moments
        self.centroids_, self.deviations_ = as_kind_of(centroids, X), as_kind_of(deviations, X)
        self.within_class_std_dev_ = as_kind_of(deviation, X)
        self.class_prior_ = as_kind_of(priors, X)
        return self

    def _predict(self, rows: Rows) -> Any:
        priors = on_host(adopt(self.class_prior_))
        if not np.isclose(priors, 1 / len(priors)).all():
            return super()._predict(rows)
        present = np.flatnonzero(self._moments.weight > 0)
        centroids = on_host(adopt(self.centroids_))[present]
        places = _find_nearest(rows, centroids, self.metric)
        return self.classes_[beside(present[places], self.classes_)]

    def _joint(self, rows: Rows) -> Any:
        """Return 2 log π_c − d(x, m_c)² of checked rows, in columns divided by s."""
        centroids, spread, constants = self._densities()
        if self.metric == "manhattan" or sparse.issparse(rows.X):
            rows.assert_finite()
        if self.metric == "manhattan":
            squares = _measure_manhattan(rows, centroids, spread) ** 2
        elif sparse.issparse(rows.X):
            squares = _measure_sparse(rows.X, centroids, spread)
        else:
            squares = measure(rows, centroids, np.broadcast_to(spread**-2, centroids.shape))
        return beside(constants, squares) - squares

    def _to_graph(self, X: "Value") -> "dict[str, Value]":
        priors, classes = on_host(adopt(self.class_prior_)), on_host(adopt(self.classes_))
        centroids = on_host(adopt(self.centroids_)).astype(np.float64)
        present = np.flatnonzero(self._moments.weight > 0)
        joint = self._joint_graph(X)
        if np.isclose(priors, 1 / len(priors)).all():
            near = centroids[present]
            gaps = X.measure(near) if self._is_euclidean() else X.nearness(near, self.metric, 1.0)
            label = X.graph.label(classes[present], gaps.argmin())
        else:
            label = X.graph.label(classes, joint.argmax())
        return {"label": label} | (
            {"probabilities": joint.softmax()} if self._is_euclidean() else {}
        )

    def _joint_graph(self, X: "Value") -> "Value":
        centroids, spread, constants = self._densities()
        if self._is_euclidean():
            squares = X.measure(centroids, np.broadcast_to(spread**-2, centroids.shape))
        else:
            away = (X.astype(np.float64).expand(1) - centroids).abs() @ (1 / spread)
            squares = away * away
        return constants - squares

    def _densities(self) -> tuple[Matrix, Matrix, Matrix]:
        """Return m, s (1 where it is 0), and 2 log π_c, which is −∞ of a class without rows."""
        spread = on_host(adopt(self.within_class_std_dev_))
        constants = 2.0 * self._log_priors()
        return on_host(adopt(self.centroids_)), np.where(spread > 0, spread, 1.0), constants

    def _log_priors(self) -> Matrix:
        found: Matrix = super()._log_priors()
        found[self._moments.weight == 0] = -np.inf
        return found

    def _is_euclidean(self) -> bool:
        return self.metric == "euclidean"

    decision_function = available_if(_is_euclidean)(ScoringClassifier.decision_function)
    predict_proba = available_if(_is_euclidean)(ScoringClassifier.predict_proba)
    predict_log_proba = available_if(_is_euclidean)(ScoringClassifier.predict_log_proba)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def _find_nearest(rows: Rows, centroids: Matrix, metric: str) -> NDArray[np.int64]:
    """Return which centroid is nearest to each row, the first of equal ones."""
    if metric == "euclidean" and not sparse.issparse(rows.X):
        ones, step = np.ones_like(centroids), max(256, _MOST_DISTANCES // len(centroids))
        found = [measure(part, centroids, ones).argmin(axis=1) for part in rows.blocks(step)]
        return np.asarray(on_host(join(found)))
    rows.assert_finite()
    X, threads, points = rows.X, thread_count(), beside(centroids, rows.X)
    among: Search
    if not sparse.issparse(X):
        X, among = contiguous(X), search(points, metric, {}, "brute", threads)
    elif metric == "euclidean" and get_config()["engine"] == "auto":
        among = SparseRows(sparse.csr_array(points), cosine=False)
    else:
        among = search(points, metric, {}, "brute", threads)
    return np.asarray(on_host(among.nearest(X, 1, threads)[1]))[:, 0]


def _measure_manhattan(rows: Rows, centroids: Matrix, spread: Matrix) -> Any:
    """Return Σ_j abs(x_j − m_cj) / s_j: (n_samples, n_classes)."""
    found = []
    for part in rows.blocks(max(64, _NUMBERS // rows.n_features)):
        X = part.X.toarray() if sparse.issparse(part.X) else part.X
        X = as_dtype(X, np.dtype(np.float64))
        scale = beside(1 / spread, X)
        each = [abs(X - beside(centroid, X)) @ scale for centroid in centroids]
        found.append(namespace(X).stack(each, 1))
    return join(found)


def _measure_sparse(X: Any, centroids: Matrix, spread: Matrix) -> Matrix:
    """Return Σ_j (x_j − m_cj)² / s_j² by products, to the rounding of ‖x / s‖² + ‖m / s‖²."""
    X, precision = X.astype(np.float64, copy=False), spread**-2
    products = X @ (centroids * precision).T
    squares = (X.multiply(X) @ precision)[:, np.newaxis] + (centroids**2) @ precision
    return np.maximum(squares - 2.0 * products, 0.0)
