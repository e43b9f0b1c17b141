"""Ridge regression, with a penalty that is given."""

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from rmodels import data
from rmodels.base.estimator import all_or_nothing
from rmodels.base.sklearn import (
    Interval,
    StrOptions,
)
from rmodels.base.warnings import warn
from rmodels.data import Source
from rmodels.linear_model._base import Coefficients, LinearModel
from rmodels.ops.moments import Gram, Moments
from rmodels.solvers import ridge

__all__ = ["PenalisedModel", "Ridge", "RidgeModel"]

_SOLVERS = {"auto", "svd", "cholesky", "lsqr", "sparse_cg", "sag", "saga", "lbfgs"}
_DENSE_INTERCEPT = ("svd", "cholesky", "saga")  # scikit-learn's own restriction


class RidgeModel(Coefficients):
    """What fits coefficients with penalties."""

    def _fit_penalties(
        self,
        source: Source,
        penalties: NDArray[np.float64],
        positive: bool,
        one_target: bool,
        X: Any,
        known: Moments | Gram | None = None,
    ) -> str:
        """Set the coefficients, as the kind of array that X is; return what found them."""
        found = ridge.solve(
            source,
            penalties,
            self.fit_intercept,
            positive=positive,
            n_threads=source.threads(None),
            known=known,
        )
        for warning in found.warnings:
            warn(str(warning), type(warning))
        self.engine_ = found.engine
        self._set_coefficients(found.coefficients, source.dtype, one_target, X)
        if source.n_targets == 1:
            self.coef_ = self.coef_.ravel()
        return found.solver


class PenalisedModel(RidgeModel):
    """The same with a penalty that is given, and scikit-learn's parameters."""

    _attributes: ClassVar = {"n_iter_": type(None), "solver_": str}

    _parameter_constraints: dict = {
        "alpha": [Interval(Real, 0, None, closed="left"), "array-like"],
        "fit_intercept": ["boolean"],
        "copy_X": ["boolean"],
        "max_iter": [Interval(Integral, 1, None, closed="left"), None],
        "tol": [Interval(Real, 0, None, closed="left")],
        "solver": [StrOptions(_SOLVERS)],
        "positive": ["boolean"],
        "random_state": ["random_state"],
    }

    alpha: Any
    solver: str
    positive: bool

    def _fit_alpha(self, source: Source, one_target: bool, X: Any) -> None:
        """Set the coefficients, and what led to them."""
        given = np.asarray(self.alpha, dtype=np.float64).ravel()
        if len(given) not in (1, source.n_targets):
            raise ValueError(
                "Number of targets and number of penalties do not correspond: "
                f"{len(given)} != {source.n_targets}"
            )
        if not (given >= 0).all():
            raise ValueError(f"alpha must be at least 0; got {self.alpha!r}")
        penalties = np.broadcast_to(given, source.n_targets)
        solver = self._fit_penalties(source, penalties, self.positive, one_target, X)
        self.solver_ = solver if self.solver == "auto" else self.solver
        self.n_iter_ = None

    def _check_solver(self, is_sparse: bool) -> None:
        if self.solver == "lbfgs" and not self.positive:
            raise ValueError(
                "'lbfgs' solver can be used only when positive=True. Please use another solver."
            )
        if self.positive and self.solver not in ("auto", "lbfgs"):
            raise ValueError(
                f"solver='{self.solver}' does not support positive fitting. Please set the solver "
                "to 'auto' or 'lbfgs', or set `positive=False`"
            )
        if is_sparse and self.fit_intercept and self.solver in _DENSE_INTERCEPT:
            raise ValueError(
                f"solver='{self.solver}' does not support fitting the intercept on sparse data. "
                "Please set the solver to 'auto', or set `fit_intercept=False`"
            )
        if is_sparse and self.solver == "svd":
            raise TypeError("SVD solver does not support sparse inputs: set the solver to 'auto'")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()  # type: ignore[misc]
        tags.input_tags.sparse = self.solver != "svd" and not (
            self.fit_intercept and self.solver in _DENSE_INTERCEPT
        )
        return tags


class Ridge(PenalisedModel, LinearModel):
    """Least squares with a penalty on the squares of the coefficients.

    Minimises Σᵢ wᵢ (xᵢ·coef + intercept − yᵢ)² + α Σ coef², each target on its own. The
    intercept has no penalty.

    Parameters
    ----------
    alpha : float or array-like of shape (n_targets,), default=1.0
        α, at least 0; 0 is least squares of minimum norm.
    fit_intercept : bool, default=True
        Whether the model has an intercept.
    copy_X : bool, default=True
        Accepted for compatibility. X is never changed, and not copied.
    max_iter : int, default=None
        Accepted for compatibility, as are `tol` and `random_state`: nothing here iterates until a
        tolerance is met.
    tol : float, default=1e-4
    solver : str, default="auto"
        One of "auto", "svd", "cholesky", "lsqr", "sparse_cg", "sag", "saga" and "lbfgs". Accepted
        for compatibility, and restricted as scikit-learn restricts it: whichever is named, the
        coefficients are the exact minimum, from the moments of the rows, or where those would lose
        digits, from the rows.
    positive : bool, default=False
        Whether the coefficients must be at least 0. With solver="auto" or "lbfgs" only.
    random_state : int, RandomState instance, default=None

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,) or (n_targets, n_features)
        In the dtype of X. If X is a tensor or another array with DLPack, this and `intercept_` are
        of its kind, on its device.
    intercept_ : float or ndarray of shape (n_targets,)
    n_iter_ : None
    solver_ : str
        `solver`; with "auto", what was used: "moments", "gram" (products of the rows), "rows",
        "krylov" (conjugate gradients of a sparse X, where they take the fewest operations and lead
        to all digits) or "lsqr" (a sparse X whose moments do not keep the setting `memory_limit`).
    engine_ : {"reference", "native", "gpu", "scipy"}
        What computed the moments, products or steps; "scipy" "lsqr" and positive=True, and moments
        and products of a sparse X without the native engine.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features,)
        If X has feature names that are all strings.

    Examples
    --------
    >>> from rmodels import Ridge
    >>> model = Ridge(alpha=1.0).fit([[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0])
    >>> model.coef_.round(6), round(float(model.intercept_), 6)
    (array([1.333333]), 1.666667)
    """

    def __init__(
        self,
        alpha: float | Sequence[float] | NDArray = 1.0,
        *,
        fit_intercept: bool = True,
        copy_X: bool = True,
        max_iter: int | None = None,
        tol: float = 1e-4,
        solver: str = "auto",
        positive: bool = False,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.copy_X = copy_X
        self.max_iter = max_iter
        self.tol = tol
        self.solver = solver
        self.positive = positive
        self.random_state = random_state

    @all_or_nothing
    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit the model.

        Parameters
        ----------
        X, y, sample_weight
            As in `LinearRegression.fit`.

        Returns
        -------
        Ridge
            The estimator itself.

        Raises
        ------
        ValueError
            If the input is empty, has a NaN, infinity or wrong shape, there are not as many
            penalties as targets, or parameters contradict each other.

        Examples
        --------
        >>> from rmodels import Ridge
        >>> Ridge(alpha=1.0).fit([[-1.0], [1.0]], [-3.0, 3.0]).coef_.round(6)  # 6 / (2 + alpha)
        array([2.])
        """
        self._check_solver(sparse.issparse(X))
        source = data.source(self, X, y, sample_weight, targets="numbers")
        self._fit_alpha(source, source.one_target, X)
        return self
