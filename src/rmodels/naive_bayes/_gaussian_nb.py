"""Naive Bayes with normal distributions."""

from collections.abc import Sequence
from numbers import Real
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rmodels import data
from rmodels.base.classes import one_target
from rmodels.base.densities import DensityClassifier, check_priors, measure
from rmodels.base.estimator import all_or_nothing
from rmodels.base.sklearn import Interval
from rmodels.data import Rows, Source
from rmodels.data.arrays import adopt, as_kind_of, beside, namespace, on_host
from rmodels.ops import mahalanobis
from rmodels.ops.moments import GroupMoments
from rmodels.solvers.moments import TOO_LARGE, compute_group_moments

if TYPE_CHECKING:
    from rmodels.export.graph import Value

Matrix = NDArray[np.float64]

__all__ = ["GaussianNB"]


class GaussianNB(DensityClassifier):
    """Naive Bayes: within a class, columns are independent and normal.

        log p(x, c) = log π_c − ½ Σ_j [(x_j − θ_cj)² / v_cj + log 2π v_cj],

    with θ and v the mean and variance of each column in each class, and the share ε of the largest
    variance of a column added to every v. All come from one read of X.

    Parameters
    ----------
    priors : array-like of shape (n_classes,), default=None
        π; None for the classes' shares of the weights.
    var_smoothing : float, default=1e-9
        ε, at least 0.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    class_count_ : ndarray of shape (n_classes,)
        Σ w of each class.
    class_prior_ : ndarray of shape (n_classes,)
        π.
    theta_ : ndarray of shape (n_classes, n_features)
        θ, in float64 as all here; of tensors a tensor.
    var_ : ndarray of shape (n_classes, n_features)
        v, with what was added.
    epsilon_ : float
        What was added: ε times the largest variance of a column, over all classes.
    engine_ : {"reference", "native", "gpu"}
        What computed the moments.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features,)
        If X has feature names that are all strings.

    Notes
    -----
    n_samples · n_features operations, and memory for a few arrays of n_classes by n_features.

    Examples
    --------
    >>> from rmodels import GaussianNB
    >>> model = GaussianNB().fit([[0.0], [2.0], [9.0], [11.0]], ["low", "low", "high", "high"])
    >>> model.theta_.ravel(), model.var_.ravel().round(6)
    (array([10.,  1.]), array([1., 1.]))
    >>> model.predict([[4.0], [8.0]]).tolist()
    ['low', 'high']
    """

    _attributes: ClassVar = {
        "class_count_": np.ndarray,
        "class_prior_": np.ndarray,
        "theta_": np.ndarray,
        "var_": np.ndarray,
        "epsilon_": float,
        "_moments": GroupMoments,
    }

    _parameter_constraints: dict = {
        "priors": ["array-like", None],
        "var_smoothing": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self, *, priors: Sequence[float] | ArrayLike | None = None, var_smoothing: float = 1e-9
    ) -> None:
        self.priors = priors
        self.var_smoothing = var_smoothing

    def _is_consistent(self) -> bool:
        shape = len(self.classes_), self.n_features_in_
        return self.theta_.shape == shape and self.var_.shape == shape

    @all_or_nothing
    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Find mean and variance of each column in each class.

        Parameters
        ----------
        X : array-like or scan of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
            Labels. Of a scan also a column.
        sample_weight : array-like of shape (n_samples,), default=None
            Of a scan also a column. At least 0, not all 0.

        Returns
        -------
        GaussianNB
            The estimator itself.

        Raises
        ------
        ValueError
            If the input is empty, has a NaN, infinity or wrong shape, or the priors are not
            probabilities.

        Examples
        --------
        >>> from rmodels import GaussianNB
        >>> model = GaussianNB().fit([[0.0], [2.0], [10.0]], [0, 0, 1], [1.0, 3.0, 4.0])
        >>> model.theta_.ravel(), model.class_prior_
        (array([ 1.5, 10. ]), array([0.5, 0.5]))
        """
        source = data.source(self, X, y, sample_weight, targets="labels", need=self._need())
        return self._set_moments(self._compute(one_target(source)), source, X)

    @all_or_nothing
    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Fit the model to all rows so far and these: moments of batches add up.

        Batches of any size in any order lead to the result of `fit` on all rows together, what is
        added to the variances included. `fit` starts anew; `partial_fit` after `fit` goes on.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`, with the same columns each time. Weights may be 0 for all of a batch, but
            not for all so far.
        classes : array-like of shape (n_classes,), default=None
            All labels that may come; needed in the first call.

        Returns
        -------
        GaussianNB
            The estimator itself.

        Raises
        ------
        ValueError
            As in `fit`, and if y holds a label that is not among the classes.

        Examples
        --------
        >>> from rmodels import GaussianNB
        >>> model = GaussianNB().partial_fit([[0.0], [2.0]], [0, 0], classes=[0, 1])
        >>> model.partial_fit([[4.0], [6.0]], [0, 1]).theta_.ravel()
        array([2., 6.])
        """
        moments, source = self._add_up(X, y, sample_weight, classes, self._compute)
        return self._set_moments(moments, source, X)

    def _compute(self, source: Source) -> GroupMoments:
        assert source.classes is not None
        threads = source.threads(None)
        return compute_group_moments(source, len(source.classes[0]), "diagonal", threads)

    def _set_moments(self, moments: GroupMoments, source: Source, X: Any) -> "GaussianNB":
        if not moments.is_finite:
            raise ValueError(TOO_LARGE)
        weight = moments.weight.sum()
        between = (moments.spread_of_means() ** 2).sum(axis=0)
        largest = ((moments.scatter.sum(axis=0) + between) / weight).max()
        self.epsilon_ = float(self.var_smoothing * largest)
        heavy = np.where(moments.weight > 0, moments.weight, 1.0)[:, np.newaxis]
        priors = moments.weight / weight
        if self.priors is not None:
            priors = check_priors(self.priors, len(moments.weight))
        assert source.classes is not None
        self.classes_ = source.classes[0]
        self.class_count_ = as_kind_of(moments.weight, X)
        self.class_prior_ = as_kind_of(priors, X)
        self.theta_ = as_kind_of(moments.mean, X)
        self.var_ = as_kind_of(moments.scatter / heavy + self.epsilon_, X)
        self._moments, self.engine_ = moments, moments.engine
        return self

    def predict_joint_log_proba(self, X: ArrayLike) -> Any:
        """Return log p(x, c) of each class.

        Parameters
        ----------
        X : array-like, scan or Dask collection of shape (n_queries, n_features)

        Returns
        -------
        ndarray of shape (n_queries, n_classes)
            In the order of `classes_`. Where a variance is 0, but for a term that all classes
            share.

        Examples
        --------
        >>> from rmodels import GaussianNB
        >>> model = GaussianNB().fit([[0.0], [2.0], [9.0], [11.0]], [0, 0, 1, 1])
        >>> model.predict_joint_log_proba([[1.0]]).round(4)  # log ½ − ½ log 2π, and 81 / 2 less
        array([[ -1.6121, -42.1121]])
        """
        return self._answer(X, "_joint", "predict_proba")

    def _densities(self) -> tuple[Matrix, Matrix, Matrix]:
        """Return log π_c − ½ Σ log 2π v, 1 / v, and where v is 0: 1, and left out of the others."""
        variances = on_host(adopt(self.var_)).astype(np.float64, copy=False)
        with np.errstate(divide="ignore", over="ignore"):
            precisions = 1.0 / variances
        flat = ~np.isfinite(precisions)
        logarithms = np.log(2 * np.pi * np.where(flat, 1.0, variances))
        constants = self._log_priors() - 0.5 * logarithms.sum(axis=1)
        return constants, np.where(flat, 0.0, precisions), flat.astype(np.float64)

    def _joint(self, rows: Rows) -> Any:
        """Return log p(x, c) of checked rows, but for what all classes share if a variance is 0."""
        constants, precisions, flat = self._densities()
        theta = adopt(self.theta_)
        joint = measure(rows, theta, precisions)
        xp = namespace(joint)
        if flat.any():  # where a precision is 0, squares that overflow leave NaN
            joint = xp.nan_to_num(joint, nan=np.inf, posinf=np.inf)
        joint *= -0.5
        joint += beside(constants, rows.X)
        if not flat.any():
            return joint
        # In the limit of equal, small variances, the nearest class is infinitely likelier than the
        # others, of these one with more of them.
        gaps = xp.nan_to_num(measure(rows, theta, flat), nan=np.inf, posinf=np.inf)
        out, counts = (beside(each, joint) for each in _rank(constants, flat))
        gaps = gaps + out
        counts = xp.where(gaps == xp.amin(gaps, axis=1, keepdims=True), counts, -2.0)
        return xp.where(counts == xp.amax(counts, axis=1, keepdims=True), joint, -np.inf)

    def _predict(self, rows: Rows) -> Any:
        """Return the classes of checked rows: the places of the largest log p(x, c)."""
        constants, precisions, flat = self._densities()
        if flat.any():
            return super()._predict(rows)
        centres = on_host(adopt(self.theta_)).astype(np.float64, copy=False)
        places, finite = mahalanobis.classify(rows.X, centres, precisions, constants)
        if not finite:
            return super()._predict(rows)  # which says where, or goes by what overflows
        return self.classes_[beside(places, self.classes_)]

    def _joint_graph(self, X: "Value") -> "Value":
        constants, precisions, flat = self._densities()
        theta = on_host(adopt(self.theta_))
        joint = X.measure(theta, precisions)
        if not flat.any():
            return joint * -0.5 + constants
        where, (out, counts) = X.graph.where, _rank(constants, flat)
        joint = where(joint.is_nan(), np.inf, joint) * -0.5 + constants
        gaps = X.measure(theta, flat)
        near = -(where(gaps.is_nan(), np.inf, gaps) + out)
        found = where(near.equals(near.max(1, keep=True)), counts, -2.0)
        return where(found.equals(found.max(1, keep=True)), joint, -np.inf)


def _rank(constants: Matrix, flat: Matrix) -> tuple[Matrix, Matrix]:
    """Return what puts off a class with a prior of 0, and in how many columns each is `flat`."""
    never = np.isneginf(constants)
    return np.where(never, np.inf, 0.0), np.where(never, -1.0, flat.sum(axis=1))
