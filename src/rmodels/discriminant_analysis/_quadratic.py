"""Quadratic discriminant analysis: each class with a covariance of its own."""

from collections.abc import Sequence
from dataclasses import replace
from numbers import Real
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy import linalg

from rmodels import data
from rmodels.base.classes import one_target
from rmodels.base.estimator import all_or_nothing
from rmodels.base.sklearn import HasMethods, Interval, StrOptions
from rmodels.base.state import Absent
from rmodels.config import thread_count
from rmodels.data import Rows, Source, assert_finite
from rmodels.data.arrays import beside
from rmodels.discriminant_analysis._base import DENSE, Discriminant, Matrix
from rmodels.ops import mahalanobis
from rmodels.ops.moments import GroupMoments
from rmodels.solvers.blas import blas_threads
from rmodels.solvers.conditioning import factorize
from rmodels.solvers.covariance import ledoit_wolf, scales_of, shrink, sum_fourth_powers
from rmodels.solvers.moments import TOO_LARGE, compute_group_moments
from rmodels.solvers.principal import decompose_moments

if TYPE_CHECKING:
    from rmodels.export.graph import Value

__all__ = ["QuadraticDiscriminantAnalysis"]


class QuadraticDiscriminantAnalysis(Discriminant):
    """Quadratic discriminant analysis: every class is normal, with a covariance of its own.

        log p(x, c) = log π_c − ½ (x − μ_c)ᵀ S_c⁻¹ (x − μ_c) − ½ log det S_c + const,

    with μ_c and S_c the mean and covariance (over n_c) of class c. All come from one read of X.

    Parameters
    ----------
    solver : {"svd", "eigen"}, default="svd"
        Both give the same; "eigen" allows `shrinkage`, "svd" `reg_param`.
    shrinkage : "auto", float or None, default=None
        Share of S_c that is replaced by a multiple of the identity; "auto" estimates the best for
        each class (Ledoit and Wolf), which takes another read. Not with "svd".
    priors : array-like of shape (n_classes,), default=None
        π; None for the classes' shares of the weights.
    reg_param : float, default=0.0
        With "svd": share of S_c that is replaced by the identity.
    store_covariance : bool, default=False
        Whether `covariance_` is kept.
    tol : float, default=1e-4
        A variance of a class up to this is an error.
    covariance_estimator : estimator, default=None
        Whose `fit` on the rows of a class leaves the covariance of the class in `covariance_`; not
        with "svd", of weighted rows, or of rows that are not in memory.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    means_ : ndarray of shape (n_classes, n_features)
    priors_ : ndarray of shape (n_classes,)
    covariance_ : list of n_classes ndarrays of shape (n_features, n_features)
        S_c. There if `store_covariance` is set.
    rotations_ : list of n_classes ndarrays of shape (n_features, n_features)
        Eigenvectors of S_c, as columns.
    scalings_ : list of n_classes ndarrays of shape (n_features,)
        Eigenvalues of S_c, descending, with `reg_param`.
    engine_ : {"reference", "native", "gpu"}
        What computed the moments.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features,)
        If X has feature names that are all strings.

    Notes
    -----
    n_samples · n_features² / 2 multiply-adds, and memory for n_classes matrices of n_features by
    n_features, which must keep the setting `memory_limit`.

    Examples
    --------
    >>> from rmodels import QuadraticDiscriminantAnalysis
    >>> X, y = [[0.0], [2.0], [4.0], [12.0]], ["narrow", "narrow", "wide", "wide"]
    >>> model = QuadraticDiscriminantAnalysis().fit(X, y)
    >>> [s.round(6) for s in model.scalings_], model.predict([[-9.0], [0.5]]).tolist()
    ([array([1.]), array([16.])], ['wide', 'narrow'])
    """

    _attributes: ClassVar = {
        "covariance_": list | Absent,
        "rotations_": list,
        "scalings_": list,
        "_whitenings": list,
        "_determinants": np.ndarray,
    }

    rotations_: list[Matrix]
    scalings_: list[Matrix]
    _whitenings: list[Matrix]
    _determinants: Matrix

    _parameter_constraints: dict = {
        "solver": [StrOptions({"svd", "eigen"})],
        "shrinkage": [StrOptions({"auto"}), Interval(Real, 0, 1, closed="both"), None],
        "priors": ["array-like", None],
        "reg_param": [Interval(Real, 0, 1, closed="both")],
        "store_covariance": ["boolean"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "covariance_estimator": [HasMethods("fit"), None],
    }

    def __init__(
        self,
        *,
        solver: str = "svd",
        shrinkage: float | str | None = None,
        priors: Sequence[float] | ArrayLike | None = None,
        reg_param: float = 0.0,
        store_covariance: bool = False,
        tol: float = 1.0e-4,
        covariance_estimator: Any = None,
    ) -> None:
        self.solver = solver
        self.shrinkage = shrinkage
        self.priors = priors
        self.reg_param = reg_param
        self.store_covariance = store_covariance
        self.tol = tol
        self.covariance_estimator = covariance_estimator

    def _is_consistent(self) -> bool:
        n_classes, d = len(self.classes_), self.n_features_in_
        shapes = [(A.shape, s.shape) for A, s in zip(self.rotations_, self.scalings_, strict=True)]
        return shapes == [((d, d), (d,))] * n_classes

    @all_or_nothing
    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Find the mean and covariance of each class.

        Parameters
        ----------
        X : array-like or scan of shape (n_samples, n_features)
            More rows of each class than columns, unless there is shrinkage; as many with
            `reg_param`.
        y : array-like of shape (n_samples,)
            Labels of at least two classes. Of a scan also a column.
        sample_weight : array-like of shape (n_samples,), default=None
            Of a scan also a column. At least 0, not all 0 in a class.

        Returns
        -------
        QuadraticDiscriminantAnalysis
            The estimator itself.

        Raises
        ------
        ValueError
            If the input is empty, has a NaN, infinity or wrong shape, or a class has one row.
        scipy.linalg.LinAlgError
            If the covariance of a class is singular.

        Examples
        --------
        >>> from rmodels import QuadraticDiscriminantAnalysis
        >>> X, y = [[0.0], [2.0], [4.0], [12.0]], [0, 0, 1, 1]
        >>> QuadraticDiscriminantAnalysis().fit(X, y).means_.ravel()
        array([1., 8.])
        """
        self._check_combination()
        source = one_target(data.source(self, X, y, sample_weight, targets="labels", need=DENSE))
        assert source.classes is not None
        classes = source.classes[0]
        if len(classes) < 2:
            raise ValueError(
                f"The number of classes has to be greater than one. Got {len(classes)} class."
            )
        moments = compute_group_moments(source, len(classes), "full", source.threads(None))
        if not moments.is_finite:
            raise ValueError(TOO_LARGE)
        for label, count in zip(classes, moments.count, strict=True):
            if count == 1:
                raise ValueError(
                    f"y has only 1 sample in class {label}, covariance is ill defined."
                )
        if not moments.weight.all():
            raise ValueError(
                f"sample_weight is 0 for every sample of class {classes[moments.weight == 0][0]}"
            )
        covariances = self._estimate(moments, source)
        with blas_threads(moments.n_features, source.threads(None) or thread_count()):
            self._decompose(covariances, moments)
            self._check_ranks(moments, classes)
            whitened = [_whiten(S) for S in covariances]
        self._whitenings = [A for A, _ in whitened]
        self._determinants = np.array([logarithm for _, logarithm in whitened])
        self.__dict__.pop("covariance_", None)
        if self.store_covariance:
            self.covariance_ = covariances
        self.means_, self.priors_ = moments.mean, self._find_priors(moments)
        self.classes_, self.engine_ = classes, moments.engine
        return self

    def _estimate(self, moments: GroupMoments, source: Source) -> list[Matrix]:
        """Return the covariance of each class, shrunk or regularized as is asked for."""
        if self.covariance_estimator is not None:
            return self._fit_estimators(source, len(moments.weight))[0]
        each = list(moments.scatter / moments.weight[:, np.newaxis, np.newaxis])
        if self.shrinkage == "auto":
            scales = np.array([scales_of(S) for S in each])
            fourth = sum_fourth_powers(source, moments.mean, scales)
            return list(map(ledoit_wolf, each, fourth, moments.weight))
        if self.shrinkage:
            return [shrink(S, float(self.shrinkage)) for S in each]
        share = self.reg_param if self.solver == "svd" else 0.0
        return [(1 - share) * S + share * np.eye(len(S)) for S in each]

    def _decompose(self, covariances: list[Matrix], moments: GroupMoments) -> None:
        """Set the eigenvectors and eigenvalues of each class's covariance."""
        self.rotations_, self.scalings_ = [], []
        for number, S in enumerate(covariances):
            enough = max(int(moments.count[number]), len(S) + 1)
            part = replace(moments.group(number), scatter=S, weight=1.0, n_samples=enough)
            found = decompose_moments(part, lambda squares, n: len(squares))
            values, V = found.squares, found.components.T
            self.rotations_.append(np.ascontiguousarray(V))
            self.scalings_.append(np.ascontiguousarray(values))

    def _check_ranks(self, moments: GroupMoments, classes: Any) -> None:
        """Raise scikit-learn's error if the covariance of a class is singular."""
        d = moments.n_features
        for label, values, n in zip(classes, self.scalings_, moments.count, strict=True):
            svd = self.solver == "svd"
            if np.count_nonzero(values > self.tol) == d and not (svd and n < d):
                continue
            if svd and n <= d:
                raise linalg.LinAlgError(
                    f"The covariance matrix of class {label} is not full rank. When using "
                    "`solver='svd'` the number of samples in each class should be more than the "
                    f"number of features, but class {label} has {n} samples and {d} features. Try "
                    "using `solver='eigen'` and setting the parameter `shrinkage` for "
                    "regularization."
                )
            parameter = "shrinkage" if self.solver == "eigen" else "reg_param"
            raise linalg.LinAlgError(
                f"The covariance matrix of class {label} is not full rank. Increase the value of "
                f"`{parameter}` to reduce the collinearity."
            )

    def _joint(self, rows: Rows) -> Any:
        """Return log p(x, c) of checked rows, but for what all classes share."""
        joint = mahalanobis.full(rows.X, self.means_, np.array(self._whitenings))
        joint = assert_finite(rows, joint)
        joint *= -0.5
        joint += beside(self._logarithms(), rows.X)
        return joint

    def _logarithms(self) -> Matrix:
        """Return log π_c − ½ log det S of each class."""
        found: Matrix = self._log_priors() - 0.5 * self._determinants
        return found

    def _joint_graph(self, X: "Value") -> "Value":
        gaps = X.astype(np.float64).expand(0) - self.means_[:, np.newaxis]
        whitened = gaps @ np.array(self._whitenings)  # a matrix for each class
        squares = (whitened * whitened).sum(2).transpose(1, 0)
        return squares * -0.5 + self._logarithms()


def _whiten(S: Matrix) -> tuple[Matrix, float]:
    """Return A with AᵀSA = I, and log det S: by a Cholesky factor of S scaled to a unit diagonal.

    So columns of different units cost no digits.
    """
    scale, L, reciprocal = factorize(S)
    if not reciprocal:
        raise linalg.LinAlgError("the covariance matrix of a class is not full rank")
    A = linalg.solve_triangular(L, np.eye(len(S)), lower=True, trans="T", check_finite=False)
    return A / scale[:, np.newaxis], float(2 * np.log(L.diagonal() * scale).sum())
