"""Linear discriminant analysis: classes with one covariance."""

from collections.abc import Sequence
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy import linalg
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin

from rmodels import data
from rmodels.base.classes import one_target
from rmodels.base.estimator import all_or_nothing, available_if
from rmodels.base.sklearn import HasMethods, Interval, StrOptions
from rmodels.base.state import Absent, check_is_fitted
from rmodels.base.warnings import warn
from rmodels.config import thread_count
from rmodels.data import Need, Rows, Source, assert_finite, hold, map_rows
from rmodels.data.arrays import adopt, as_dtype, beside, convert_like, join, on_host
from rmodels.discriminant_analysis._base import DENSE, ROWS_AT_A_TIME, Discriminant, Matrix
from rmodels.ops.affine import affine
from rmodels.ops.moments import GroupMoments
from rmodels.solvers.blas import blas_threads
from rmodels.solvers.covariance import ledoit_wolf, scales_of, shrink, sum_fourth_powers
from rmodels.solvers.moments import TOO_LARGE, compute_group_moments
from rmodels.solvers.principal import turn

if TYPE_CHECKING:
    from rmodels.export.graph import Value

__all__ = ["LinearDiscriminantAnalysis"]

_QUERIES = Need(sparse=False, missing="refuse")
_NEAR = 1024.0  # what scores of the mean may add up to: 13 digits of their differences are left
_FEW_DIGITS = 1e-8  # of the largest eigenvalue: below, one has fewer than eight digits


class LinearDiscriminantAnalysis(ClassNamePrefixFeaturesOutMixin, TransformerMixin, Discriminant):
    """Linear discriminant analysis: every class is normal, all with one covariance.

        log p(x, c) = log π_c − ½ (x − μ_c)ᵀ S⁻¹ (x − μ_c) + const,   S = Σ_k n_k S_k / n,

    with μ_c and S_c the mean and covariance (over n_c) of class c: the boundaries are planes. All
    come from one read of X. `transform` projects on the directions in which the means are farthest
    apart, measured by S.

    Parameters
    ----------
    solver : {"svd", "lsqr", "eigen"}, default="svd"
        What becomes of directions in which no class varies: "svd" leaves them out, up to `tol`, in
        columns scaled to a standard deviation of 1 within the classes; "lsqr" takes the shortest
        solution, and has no `transform`; "eigen" refuses them. All three give the same otherwise.
    shrinkage : "auto", float or None, default=None
        Share of S that is replaced by a multiple of the identity; "auto" estimates the best for
        each class (Ledoit and Wolf), which takes another read. Not with "svd".
    priors : array-like of shape (n_classes,), default=None
        π; None for the classes' shares of the weights. S does not depend on them.
    n_components : int, default=None
        Columns of `transform`; at most min(n_classes − 1, n_features), which None takes.
    store_covariance : bool, default=False
        Whether solver="svd" keeps `covariance_`; the others always do.
    tol : float, default=1e-4
        With "svd": standard deviations within the classes up to this are taken as 0.
    covariance_estimator : estimator, default=None
        Whose `fit` on the rows of a class leaves the covariance of the class in `covariance_`; not
        with "svd", of weighted rows, or of rows that are not in memory.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    means_ : ndarray of shape (n_classes, n_features)
    priors_ : ndarray of shape (n_classes,)
    xbar_ : ndarray of shape (n_features,)
        Σ π_c μ_c.
    coef_ : ndarray of shape (n_classes, n_features), or (1, n_features) of two classes
        S⁻¹ (μ_c − xbar), in the dtype of X; of two classes that of the second less that of the
        first.
    intercept_ : ndarray of shape (n_classes,), or (1,) of two classes
    covariance_ : ndarray of shape (n_features, n_features)
        S.
    scalings_ : ndarray of shape (n_features, n_directions)
        Directions of `transform`. Not with "lsqr".
    explained_variance_ratio_ : ndarray of shape (n_components,)
        Shares of the spread of the means. Not with "lsqr".
    engine_ : {"reference", "native", "gpu"}
        What computed the moments.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features,)
        If X has feature names that are all strings.

    Notes
    -----
    n_samples · n_features² / 2 multiply-adds, and memory for a few matrices of n_features by
    n_features, of which a fitted model keeps one.

    scikit-learn's "lsqr" and "eigen" weigh the covariances of the classes by `priors`, its "svd"
    by their sizes; here all do by their sizes. Scores are measured from `xbar_` with every solver,
    so that an offset of the columns costs no digits.

    Source: T. Hastie, R. Tibshirani, J. Friedman, "The Elements of Statistical Learning", 2009,
    section 4.3.

    Examples
    --------
    >>> from rmodels import LinearDiscriminantAnalysis
    >>> X, y = [[0.0], [2.0], [4.0], [6.0]], ["low", "low", "high", "high"]
    >>> model = LinearDiscriminantAnalysis().fit(X, y)
    >>> model.means_.ravel(), model.coef_.round(6), model.predict([[2.9], [3.1]]).tolist()
    (array([5., 1.]), array([[-4.]]), ['low', 'high'])
    """

    _attributes: ClassVar = {
        "xbar_": np.ndarray,
        "coef_": np.ndarray,
        "intercept_": np.ndarray,
        "covariance_": np.ndarray | Absent,
        "scalings_": np.ndarray | Absent,
        "explained_variance_ratio_": np.ndarray | Absent,
        "_n_features_out": int,
        "_centre": np.ndarray,
        "_slopes": np.ndarray,
        "_constants": np.ndarray,
        "_moments": GroupMoments,
    }

    _no_estimator_with_svd = "covariance estimator is not supported with svd solver"

    _slopes: Matrix
    _constants: Matrix

    _parameter_constraints: dict = {
        "solver": [StrOptions({"svd", "lsqr", "eigen"})],
        "shrinkage": [StrOptions({"auto"}), Interval(Real, 0, 1, closed="both"), None],
        "n_components": [Interval(Integral, 1, None, closed="left"), None],
        "priors": ["array-like", None],
        "store_covariance": ["boolean"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "covariance_estimator": [HasMethods("fit"), None],
    }

    def __init__(
        self,
        solver: str = "svd",
        shrinkage: float | str | None = None,
        priors: Sequence[float] | ArrayLike | None = None,
        n_components: int | None = None,
        store_covariance: bool = False,
        tol: float = 1e-4,
        covariance_estimator: Any = None,
    ) -> None:
        self.solver = solver
        self.shrinkage = shrinkage
        self.priors = priors
        self.n_components = n_components
        self.store_covariance = store_covariance
        self.tol = tol
        self.covariance_estimator = covariance_estimator

    def _is_consistent(self) -> bool:
        shape = len(self.classes_), self.n_features_in_
        return self._slopes.shape == shape and self.means_.shape == shape

    @all_or_nothing
    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Find the means of the classes and their common covariance.

        Parameters
        ----------
        X : array-like or scan of shape (n_samples, n_features)
            More rows than classes.
        y : array-like of shape (n_samples,)
            Labels. Of a scan also a column.
        sample_weight : array-like of shape (n_samples,), default=None
            Of a scan also a column. At least 0, not all 0.

        Returns
        -------
        LinearDiscriminantAnalysis
            The estimator itself.

        Raises
        ------
        ValueError
            If the input is empty, has a NaN, infinity or wrong shape, or there are not as many
            components as are asked for.
        scipy.linalg.LinAlgError
            If solver="eigen" and the covariance is singular.

        Examples
        --------
        >>> from rmodels import LinearDiscriminantAnalysis
        >>> X, y = [[0.0, 1.0], [2.0, 0.0], [4.0, 5.0], [6.0, 4.0]], [0, 0, 1, 1]
        >>> LinearDiscriminantAnalysis(solver="lsqr").fit(X, y).means_
        array([[1. , 0.5],
               [5. , 4.5]])
        """
        self._check_combination()
        source = one_target(data.source(self, X, y, sample_weight, targets="labels", need=DENSE))
        assert source.classes is not None
        n_classes = len(source.classes[0])
        if self.shrinkage == "auto":
            moments = compute_group_moments(source, n_classes, "full", source.threads(None))
            self._check_moments(moments)
            within, total = self._estimate(moments, source)
            pooled = _pool(moments)
        elif self.covariance_estimator is not None:
            pooled = self._compute(source)
            self._check_moments(pooled)
            each, total = self._fit_estimators(source, n_classes)
            shares = pooled.weight / pooled.weight.sum()
            within = np.tensordot(shares, np.array(each), axes=1)
        else:
            pooled = self._compute(source)
            self._check_moments(pooled)
            within, total = self._shrink(pooled)
        return self._set_moments(pooled, within, total, source, X)

    def _adds_up(self) -> bool:
        if self.shrinkage != "auto" and self.covariance_estimator is None:
            return True
        raise AttributeError(
            "shrinkage='auto' and covariance_estimator need all rows at once: partial_fit adds up "
            "moments"
        )

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
        starts anew; `partial_fit` after `fit` goes on.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`, with the same columns each time.
        classes : array-like of shape (n_classes,), default=None
            All labels that may come; needed in the first call. A class without rows so far has
            probability 0.

        Returns
        -------
        LinearDiscriminantAnalysis
            The estimator itself.

        Raises
        ------
        ValueError
            As in `fit`, and if y holds a label that is not among the classes.
        AttributeError
            If shrinkage="auto", or with `covariance_estimator`.

        Examples
        --------
        >>> from rmodels import LinearDiscriminantAnalysis
        >>> model = LinearDiscriminantAnalysis()
        >>> model = model.partial_fit([[0.0], [2.0], [4.0]], [0, 0, 1], classes=[0, 1])
        >>> model.partial_fit([[6.0]], [1]).means_.ravel()
        array([1., 5.])
        """
        self._check_combination()
        moments, source = self._add_up(X, y, sample_weight, classes, self._compute)
        self._check_moments(moments)
        return self._set_moments(moments, *self._shrink(moments), source, X)

    def _compute(self, source: Source) -> GroupMoments:
        """Return the moments of the classes, and the sum of their scatter matrices."""
        assert source.classes is not None
        threads = source.threads(None)
        return compute_group_moments(source, len(source.classes[0]), "pooled", threads)

    def _check_moments(self, moments: GroupMoments) -> None:
        n, n_classes = int(moments.count.sum()), len(moments.count)
        if n < 2:
            raise ValueError(
                f"Found array with {n} sample(s) (shape={(n, moments.n_features)}) while a minimum "
                "of 2 is required by LinearDiscriminantAnalysis."
            )
        if n <= n_classes:
            raise ValueError("The number of samples must be more than the number of classes.")
        most = min(n_classes - 1, moments.n_features)
        if self.n_components is not None and self.n_components > most:
            raise ValueError("n_components cannot be larger than min(n_features, n_classes - 1).")
        if not moments.is_finite:
            raise ValueError(TOO_LARGE)

    def _shrink(self, moments: GroupMoments) -> tuple[Matrix, Matrix]:
        """Return S and the covariance of all rows, both shrunk if that is asked for."""
        weight, apart = moments.weight.sum(), moments.spread_of_means()
        within = moments.scatter / weight
        total = within + apart.T @ apart / weight
        if not self.shrinkage:
            return within, total
        return shrink(within, float(self.shrinkage)), shrink(total, float(self.shrinkage))

    def _estimate(self, moments: GroupMoments, source: Source) -> tuple[Matrix, Matrix]:
        """Return S and the covariance of all rows, shrunk by what is estimated to be best."""
        weights = np.where(moments.weight > 0, moments.weight, 1.0)
        each = moments.scatter / weights[:, np.newaxis, np.newaxis]
        scales = np.array([scales_of(S) for S in each])
        fourth = sum_fourth_powers(source, moments.mean, scales)
        shares = moments.weight / moments.weight.sum()
        within = np.zeros(each.shape[1:])
        for S, f, w, share in zip(each, fourth, weights, shares, strict=True):
            within += share * ledoit_wolf(S, f, w)
        if self.solver != "eigen":
            return within, within
        pooled = _pool(moments)
        weight, apart = moments.weight.sum(), moments.spread_of_means()
        total = (pooled.scatter + apart.T @ apart) / weight
        mean, scale = shares @ moments.mean, scales_of(total)
        (whole,) = sum_fourth_powers(source, mean[np.newaxis], scale[np.newaxis])
        return within, ledoit_wolf(total, whole, weight)

    def _set_moments(
        self,
        moments: GroupMoments,
        within: Matrix,
        total: Matrix,
        source: Source,
        X: Any,
    ) -> "LinearDiscriminantAnalysis":
        assert source.classes is not None
        classes = source.classes[0]
        d, n_classes = moments.n_features, len(classes)
        most = min(n_classes - 1, d)
        self._n_features_out = most if self.n_components is None else self.n_components
        priors = self._find_priors(moments)
        origin = moments.mean[np.argmax(moments.weight)]
        means = (moments.mean - origin) + moments.rest  # from near: an offset costs no digits
        means = np.where(moments.weight[:, np.newaxis] > 0, means, 0.0)
        middle = priors @ means
        gaps = means - middle
        for name in ("covariance_", "scalings_", "explained_variance_ratio_"):
            self.__dict__.pop(name, None)

        def keep(values: Any) -> Any:
            return convert_like(values, X, source.dtype)

        scalings: Matrix | None = None
        with blas_threads(d, source.threads(None) or thread_count()):
            if self.solver == "svd":
                weight = moments.weight.sum()
                scalings, shares = _find_directions(within, gaps, priors, weight, self.tol)
                slopes = gaps @ scalings @ scalings.T
            elif self.solver == "eigen":
                values, vectors = linalg.eigh(total - within, within, check_finite=False)
                scalings, shares = vectors[:, ::-1], values[::-1] / (values.sum() or 1.0)
                slopes = gaps @ vectors @ vectors.T
            else:
                slopes = linalg.lstsq(within, gaps.T, check_finite=False)[0].T
        if scalings is not None:
            self.scalings_ = keep(turn(scalings.T).T)
            self.explained_variance_ratio_ = keep(shares[: self._n_features_out])
        if self.solver != "svd" or self.store_covariance:
            self.covariance_ = keep(within)
        with np.errstate(divide="ignore"):  # a class without weight
            constants = np.log(priors) - 0.5 * (slopes * gaps).sum(axis=1)
        self._centre, self._slopes, self._constants = origin + middle, slopes, constants
        intercepts = constants - slopes @ self._centre
        if n_classes == 2:
            self.coef_ = keep(slopes[1:] - slopes[:1])
            self.intercept_ = keep(intercepts[1:] - intercepts[:1])
        else:
            self.coef_, self.intercept_ = keep(slopes), keep(intercepts)
        self.means_, self.priors_ = keep(moments.mean), keep(priors)
        self.xbar_ = keep(self._centre)
        self.classes_, self._moments, self.engine_ = classes, moments, moments.engine
        return self

    def _joint(self, rows: Rows) -> Any:
        """Return log p(x, c) of checked rows, but for what all classes share.

        Rows are centred before where their products with the slopes would else be much larger than
        logarithms of odds that matter.
        """
        reach = np.abs(self._slopes) @ np.abs(self._centre)
        if reach.max() <= _NEAR:
            intercepts = self._constants - self._slopes @ self._centre
            slopes, intercepts = (beside(A, rows.X) for A in (self._slopes, intercepts))
            return assert_finite(rows, affine(rows.X, slopes, intercepts))
        centre, slopes, constants = (
            beside(A, rows.X) for A in (self._centre, self._slopes.T, self._constants)
        )
        parts = rows.blocks(ROWS_AT_A_TIME)
        found = join([(part.X - centre) @ slopes + constants for part in parts])
        return assert_finite(rows, found)

    def _joint_graph(self, X: "Value") -> "Value":
        return (X - self._centre) @ self._slopes.T + self._constants

    def _to_graph_transform(self, X: "Value") -> "Value":
        self._check_directions()
        scalings = self._kept_scalings()
        moved = (X - self._centre) @ scalings
        if self.solver == "eigen":
            moved = moved + self._centre @ scalings
        return moved.astype(X.dtype)

    def _check_directions(self) -> None:
        """Raise scikit-learn's error if the solver finds no directions."""
        if self.solver == "lsqr":
            raise NotImplementedError(
                "transform not implemented for 'lsqr' solver (use 'svd' or 'eigen')."
            )

    def _kept_scalings(self) -> Matrix:
        found: Matrix = on_host(adopt(self.scalings_)).astype(np.float64)
        return found[:, : self._n_features_out]

    def transform(self, X: ArrayLike) -> Any:
        """Project rows on the directions in which the means are farthest apart.

        Parameters
        ----------
        X : array-like, scan or Dask collection of shape (n_queries, n_features)

        Returns
        -------
        ndarray of shape (n_queries, n_components)
            (x − xbar) · scalings with solver="svd", x · scalings with "eigen".

        Raises
        ------
        NotImplementedError
            If solver="lsqr".

        Examples
        --------
        >>> from rmodels import LinearDiscriminantAnalysis
        >>> X, y = [[0.0], [2.0], [4.0], [6.0]], [0, 0, 1, 1]
        >>> abs(LinearDiscriminantAnalysis().fit(X, y).transform([[3.0], [5.0]])).round(6)
        array([[0.],
               [2.]])
        """
        self._check_directions()
        check_is_fitted(self)
        return map_rows(self, X, hold(self, X)._transform, need=_QUERIES, task="transform")

    def _transform(self, rows: Rows) -> Any:
        """Return the projections of checked rows."""
        scalings, centre = beside(self._kept_scalings(), rows.X), beside(self._centre, rows.X)
        found = join([(part.X - centre) @ scalings for part in rows.blocks(ROWS_AT_A_TIME)])
        if self.solver == "eigen":
            found = found + centre @ scalings
        return as_dtype(found, rows.dtype)


def _pool(moments: GroupMoments) -> GroupMoments:
    """Return the moments with the sum of the classes' scatter matrices."""
    return GroupMoments(
        moments.n_features,
        moments.count,
        moments.weight,
        moments.mean,
        moments.scatter.sum(axis=0),
        "pooled",
        moments.engine,
        moments.rest,
    )


def _find_directions(
    within: Matrix, gaps: Matrix, priors: Matrix, weight: float, tol: float
) -> tuple[Matrix, Matrix]:
    """Return directions in which S is the identity, those that part the means first, and shares.

    Columns are scaled by S before directions in which it is 0, but for `tol`, are left out.
    """
    scale = scales_of(within)
    values, V = np.linalg.eigh(within / scale / scale[:, np.newaxis])
    kept = np.sqrt(np.maximum(values, 0.0)) > tol
    if kept.any() and values[kept][0] < _FEW_DIGITS * values[-1]:
        warn(
            "directions in which the classes hardly vary have fewer than eight digits: raise tol",
            linalg.LinAlgWarning,
        )
    whitening = (V[:, kept] / scale[:, np.newaxis] / np.sqrt(values[kept]))[:, ::-1]
    apart = np.sqrt(weight * priors / max(1, len(priors) - 1))[:, np.newaxis] * gaps
    _, spread, Vt = linalg.svd(apart @ whitening, full_matrices=False, check_finite=False)
    total = (spread**2).sum()
    shares = spread**2 / total if total else spread
    some = spread > tol * spread[:1].sum()
    return whitening @ Vt[some].T, shares
