"""Lasso and elastic net of several targets, which choose their columns together."""

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rmodels import data
from rmodels.base.estimator import all_or_nothing
from rmodels.base.sklearn import Interval, StrOptions
from rmodels.linear_model._lasso import LassoModel
from rmodels.linear_model._lasso_cv import CrossValidated
from rmodels.linear_model._paths import enet_path, lasso_path
from rmodels.solvers.penalized import Form, Penalties
from rmodels.solvers.smooth import fit_any

__all__ = ["MultiTaskElasticNet", "MultiTaskElasticNetCV", "MultiTaskLasso", "MultiTaskLassoCV"]


class MultiTaskElasticNet(LassoModel):
    """Elastic net of several targets whose coefficients of a column are 0 all together.

    Minimises ½ Σᵢ wᵢ ‖yᵢ − Bᵀxᵢ − intercept‖² / Σᵢ wᵢ + α ρ Σⱼ ‖bⱼ‖ + ½ α (1 − ρ) Σⱼ ‖bⱼ‖², with
    ρ the `l1_ratio` and bⱼ the coefficients of column j for all targets.

    Parameters
    ----------
    alpha : float, default=1.0
        α, at least 0; 0 is least squares of minimum norm.
    l1_ratio : float, default=0.5
        ρ, from 0, which is ridge regression with the penalty α Σ w, to 1, the lasso.
    fit_intercept : bool, default=True
        Whether the model has an intercept.
    copy_X, max_iter, tol, warm_start, random_state, selection
        As in `ElasticNet`.

    Attributes
    ----------
    coef_ : ndarray of shape (n_targets, n_features)
        In the dtype of X, as in `ElasticNet`.
    sparse_coef_ : sparse matrix of shape (n_targets, n_features)
    intercept_ : ndarray of shape (n_targets,)
    dual_gap_ : float
        How much above the minimum the objective is at most, but for the rounding of `coef_` to the
        dtype of X.
    n_iter_ : int
        Passes of coordinate descent, each with steps of Newton's method.
    eps_ : float
        The gap at which scikit-learn would stop, `tol` times the squares of the centred targets.
    engine_, n_features_in_, feature_names_in_
        As in `ElasticNet`.

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels import MultiTaskElasticNet
    >>> X = np.array([[-1.0, 1.0], [-1.0, -1.0], [1.0, 1.0], [1.0, -1.0]])
    >>> Y = X @ [[3.0, 4.0], [0.3, 0.3]]
    >>> model = MultiTaskElasticNet(alpha=1.0, l1_ratio=0.5).fit(X, Y)
    >>> model.coef_.round(6)  # (3, 4) has norm 5: times (1 - 0.5 / 5) / (1 + 0.5)
    array([[1.8, 0. ],
           [2.4, 0. ]])
    """

    _parameter_constraints: dict = {
        "alpha": [Interval(Real, 0, None, closed="left")],
        "l1_ratio": [Interval(Real, 0, 1, closed="both")],
        "fit_intercept": ["boolean"],
        "max_iter": [Interval(Integral, 1, None, closed="left"), None],
        "copy_X": ["boolean"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
        "selection": [StrOptions({"cyclic", "random"})],
    }

    _attributes: ClassVar = {"eps_": float}

    _of_one_target = "ElasticNet"

    path = staticmethod(enet_path)

    def __init__(
        self,
        alpha: float = 1.0,
        *,
        l1_ratio: float = 0.5,
        fit_intercept: bool = True,
        copy_X: bool = True,
        max_iter: int | None = 1000,
        tol: float = 1e-4,
        warm_start: bool = False,
        random_state: int | np.random.RandomState | None = None,
        selection: str = "cyclic",
    ) -> None:
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.copy_X = copy_X
        self.tol = tol
        self.warm_start = warm_start
        self.random_state = random_state
        self.selection = selection

    @all_or_nothing
    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit the model.

        Parameters
        ----------
        X, sample_weight
            As in `LinearRegression.fit`.
        y : array-like of shape (n_samples, n_targets)
            Of a scan a list of columns.

        Returns
        -------
        MultiTaskElasticNet
            The estimator itself.

        Raises
        ------
        ValueError
            If the input is empty, has a NaN, infinity or wrong shape, its squares overflow, or y
            has one dimension.

        Examples
        --------
        >>> from rmodels import MultiTaskLasso
        >>> Y = [[-3.0, 4.0], [3.0, -4.0]]
        >>> MultiTaskLasso(alpha=1.0).fit([[-1.0], [1.0]], Y).coef_.round(6)
        array([[ 2.4],
               [-3.2]])
        """
        source = data.source(self, X, y, sample_weight, targets="numbers")
        if source.one_target:
            raise ValueError(f"For mono-task outputs, use {self._of_one_target}")
        form = Form(bool(self.fit_intercept), together=True)
        penalties = Penalties.of([self.alpha], self.l1_ratio)
        start = self._start(source)
        found = fit_any(source, penalties, form, source.threads(None), start=start)
        self._set_path_fit(found, source, X, False)
        self.eps_ = float(self.tol * found.squares)
        return self

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.target_tags.multi_output = True
        tags.target_tags.single_output = False
        return tags


class MultiTaskLasso(MultiTaskElasticNet):
    """Lasso of several targets whose coefficients of a column are 0 all together.

    Minimises ½ Σᵢ wᵢ ‖yᵢ − Bᵀxᵢ − intercept‖² / Σᵢ wᵢ + α Σⱼ ‖bⱼ‖, bⱼ being the coefficients of
    column j for all targets.

    Parameters
    ----------
    alpha, fit_intercept, copy_X, max_iter, tol, warm_start, random_state, selection
        As in `MultiTaskElasticNet`.

    Attributes
    ----------
    coef_, sparse_coef_, intercept_, dual_gap_, n_iter_, eps_, engine_, n_features_in_
        As in `MultiTaskElasticNet`.
    feature_names_in_
        As there.

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels import MultiTaskLasso
    >>> X = np.array([[-1.0, 1.0], [-1.0, -1.0], [1.0, 1.0], [1.0, -1.0]])
    >>> MultiTaskLasso(alpha=1.0).fit(X, X @ [[3.0, 4.0], [0.3, 0.3]]).coef_.round(6)
    array([[2.4, 0. ],
           [3.2, 0. ]])
    """

    _parameter_constraints: dict = {**MultiTaskElasticNet._parameter_constraints}
    _parameter_constraints.pop("l1_ratio")

    _of_one_target = "Lasso"
    l1_ratio = 1.0

    def __init__(
        self,
        alpha: float = 1.0,
        *,
        fit_intercept: bool = True,
        copy_X: bool = True,
        max_iter: int | None = 1000,
        tol: float = 1e-4,
        warm_start: bool = False,
        random_state: int | np.random.RandomState | None = None,
        selection: str = "cyclic",
    ) -> None:
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.copy_X = copy_X
        self.tol = tol
        self.warm_start = warm_start
        self.random_state = random_state
        self.selection = selection


_CONSTRAINTS: dict = {**CrossValidated._parameter_constraints}
for _name in ("precompute", "positive"):
    _CONSTRAINTS.pop(_name)


class MultiTaskElasticNetCV(CrossValidated):
    """Multi-task elastic net whose penalty is chosen by cross-validation.

    Parameters
    ----------
    l1_ratio : float or list of float, default=0.5
        ρ of `MultiTaskElasticNet`, or those to try. At 0, `alphas` must be given.
    eps, alphas, fit_intercept, max_iter, tol, cv, copy_X, verbose, n_jobs, random_state, selection
        As in `LassoCV`.

    Attributes
    ----------
    alpha_, l1_ratio_, alphas_
        As in `ElasticNetCV`.
    mse_path_ : ndarray of shape (n_alphas, n_folds) or (n_l1_ratios, n_alphas, n_folds)
        Mean squared errors on the rows that each fold leaves out, the mean of the targets.
    coef_, sparse_coef_, intercept_, dual_gap_, n_iter_, engine_, n_features_in_, feature_names_in_
        As in `MultiTaskElasticNet`, of the fit to all rows with `alpha_` and `l1_ratio_`.

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels import MultiTaskElasticNetCV
    >>> X = np.random.default_rng(0).standard_normal((60, 3))
    >>> model = MultiTaskElasticNetCV(alphas=[1.0, 0.01]).fit(X, X[:, :2] + 1.0)
    >>> model.alpha_, model.coef_.shape
    (0.01, (2, 3))
    """

    _attributes: ClassVar = {"l1_ratio_": float | np.floating | int | np.integer}

    _parameter_constraints: dict = {
        **_CONSTRAINTS,
        "l1_ratio": [Interval(Real, 0, 1, closed="both"), "array-like"],
    }

    _together = True
    path = staticmethod(enet_path)

    def __init__(
        self,
        *,
        l1_ratio: float | Sequence[float] | NDArray = 0.5,
        eps: float = 1e-3,
        alphas: int | Sequence[float] | NDArray = 100,
        fit_intercept: bool = True,
        max_iter: int = 1000,
        tol: float = 1e-4,
        cv: int | Any | None = None,
        copy_X: bool = True,
        verbose: bool | int = 0,
        n_jobs: int | None = None,
        random_state: int | np.random.RandomState | None = None,
        selection: str = "cyclic",
    ) -> None:
        self.l1_ratio = l1_ratio
        self.eps = eps
        self.alphas = alphas
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.tol = tol
        self.cv = cv
        self.copy_X = copy_X
        self.verbose = verbose
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.selection = selection


class MultiTaskLassoCV(CrossValidated):
    """Multi-task lasso whose penalty is chosen by cross-validation.

    Parameters
    ----------
    eps, alphas, fit_intercept, max_iter, tol, copy_X, cv, verbose, n_jobs, random_state, selection
        As in `LassoCV`.

    Attributes
    ----------
    alpha_, alphas_
        As in `LassoCV`.
    mse_path_ : ndarray of shape (n_alphas, n_folds)
        Mean squared errors on the rows that each fold leaves out, the mean of the targets.
    coef_, sparse_coef_, intercept_, dual_gap_, n_iter_, engine_, n_features_in_, feature_names_in_
        As in `MultiTaskLasso`, of the fit to all rows with `alpha_`.

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels import MultiTaskLassoCV
    >>> X = np.random.default_rng(0).standard_normal((60, 3))
    >>> model = MultiTaskLassoCV(alphas=[1.0, 0.01]).fit(X, X[:, :2] + 1.0)
    >>> model.coef_.round(1)
    array([[1., 0., 0.],
           [0., 1., 0.]])
    """

    _parameter_constraints: dict = {**_CONSTRAINTS}

    _together = True
    path = staticmethod(lasso_path)

    def __init__(
        self,
        *,
        eps: float = 1e-3,
        alphas: int | Sequence[float] | NDArray = 100,
        fit_intercept: bool = True,
        max_iter: int = 1000,
        tol: float = 1e-4,
        copy_X: bool = True,
        cv: int | Any | None = None,
        verbose: bool | int = False,
        n_jobs: int | None = None,
        random_state: int | np.random.RandomState | None = None,
        selection: str = "cyclic",
    ) -> None:
        self.eps = eps
        self.alphas = alphas
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.tol = tol
        self.copy_X = copy_X
        self.cv = cv
        self.verbose = verbose
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.selection = selection
