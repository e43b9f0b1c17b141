"""Lasso and elastic net, with a penalty that is given."""

from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn.utils import metadata_routing

from rmodels import data
from rmodels.base.estimator import all_or_nothing
from rmodels.base.sklearn import Interval, StrOptions
from rmodels.base.warnings import warn
from rmodels.data import Rows, Source
from rmodels.data.arrays import adopt, on_host
from rmodels.linear_model._base import LinearModel
from rmodels.linear_model._paths import check_precompute, enet_path, warn_if_missed
from rmodels.solvers.penalized import Form, PathFit, Penalties
from rmodels.solvers.smooth import fit_any

__all__ = ["ElasticNet", "Lasso", "LassoModel"]


class LassoModel(LinearModel):
    """What has coefficients that a penalty on their magnitudes was laid on."""

    coef_: NDArray
    intercept_: Any
    n_iter_: Any
    dual_gap_: Any
    warm_start: bool

    _attributes: ClassVar = {
        "dual_gap_": float | np.floating | np.ndarray,
        "n_iter_": int | list,
    }

    @property
    def sparse_coef_(self) -> Any:
        """The coefficients as a sparse matrix: (1, n_features) or (n_targets, n_features)."""
        return sparse.csr_matrix(np.atleast_2d(on_host(adopt(self.coef_))))

    def _set_path_fit(
        self, found: PathFit, source: Source, X: Any, one_target: bool | None = None
    ) -> None:
        """Set what a fit gives, of its first penalty; warn if it is no minimum."""
        warn_of(found)
        self.engine_ = found.engine
        one_target = source.one_target if one_target is None else one_target
        self._set_coefficients(found.coefficients[0], source.dtype, one_target, X)
        gaps = found.gaps[0]
        steps = [int(each) for each in found.steps[0]]
        self.n_iter_ = steps[0] if len(steps) == 1 else steps
        self.dual_gap_ = float(gaps[0]) if len(gaps) == 1 else gaps

    def _start(self, source: Source) -> NDArray[np.float64] | None:
        """Return the coefficients to begin with: (n_features, n_targets)."""
        if not self.warm_start or not hasattr(self, "coef_"):
            return None
        start = np.atleast_2d(on_host(adopt(self.coef_))).T.astype(np.float64)
        if start.shape != (source.n_features, source.n_targets):
            raise ValueError(
                "warm_start=True needs X and y with the columns of the last fit: coef_ is of shape "
                f"{np.shape(self.coef_)}"
            )
        return start


def warn_of(found: PathFit) -> None:
    """Warn of what the solver tells, and of coefficients that are no minimum."""
    for warning in found.warnings:
        warn(str(warning), type(warning))
    warn_if_missed(found.violation)


def check_gram(precompute: Any, source: Source, mean: NDArray, fit_intercept: bool) -> None:
    """Raise scikit-learn's error if products of the columns that were given are not those of X."""
    if not hasattr(precompute, "__array__") or not isinstance(source, Rows):
        return
    if sparse.issparse(source.X):
        return
    if fit_intercept and not np.allclose(mean, 0.0):
        warn(
            "Gram matrix was provided but X was centered to fit intercept: recomputing Gram matrix."
        )
        return
    given = np.asarray(precompute)
    d = source.n_features
    if given.shape != (d, d):
        raise ValueError(f"precompute must be of shape {(d, d)}, not {given.shape}")
    one, other = d // 2, min(d // 2 + 1, d - 1)
    columns = [on_host(source.X[:, j]).astype(np.float64) - mean[j] for j in (one, other)]
    w = 1.0
    if source.weights is not None:
        w = on_host(source.weights).astype(np.float64)
        w = w * (len(w) / w.sum())
    expected, found = float((w * columns[0]) @ columns[1]), float(given[one, other])
    size = np.sqrt(float((w * columns[0]) @ columns[0]) * float((w * columns[1]) @ columns[1]))
    rounding = 1e-4 if min(given.dtype.itemsize, source.dtype.itemsize) < 8 else 1e-7
    if not abs(found - expected) <= rounding * size:
        raise ValueError(
            "Gram matrix passed in via 'precompute' parameter did not pass validation when a "
            f"single element was checked - please check that it was computed properly. For element "
            f"({one},{other}) we computed {expected} but the user-supplied value was {found}."
        )


class ElasticNet(LassoModel):
    """Least squares with a penalty on the magnitudes and squares of the coefficients.

    Minimises ½ Σᵢ wᵢ (xᵢ·coef + intercept − yᵢ)² / Σᵢ wᵢ + α ρ Σ|coef| + ½ α (1 − ρ) Σ coef², with
    ρ the `l1_ratio`, each target on its own. The intercept has no penalty.

    Parameters
    ----------
    alpha : float, default=1.0
        α, at least 0; 0 is least squares of minimum norm.
    l1_ratio : float, default=0.5
        ρ, from 0, which is ridge regression with the penalty α Σ w, to 1, the lasso.
    fit_intercept : bool, default=True
        Whether the model has an intercept.
    precompute : bool or array-like of shape (n_features, n_features), default=False
        Accepted for compatibility. An array is checked against X as scikit-learn does, and not
        used: which products of columns are needed is decided here.
    max_iter : int, default=1000
        Accepted for compatibility, as are `tol`, `selection` and `random_state`: the coefficients
        are the minimum, whatever they say.
    copy_X : bool, default=True
        Accepted for compatibility. X is never changed, and not copied.
    tol : float, default=1e-4
    warm_start : bool, default=False
        Whether to begin with the coefficients of the last fit. They lead to the same minimum.
    positive : bool, default=False
        Whether the coefficients must be at least 0.
    random_state : int, RandomState instance, default=None
    selection : {"cyclic", "random"}, default="cyclic"

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,) or (n_targets, n_features)
        In the dtype of X. If X is a tensor or another array with DLPack, this and `intercept_` are
        of its kind, on its device.
    sparse_coef_ : sparse matrix of shape (1, n_features) or (n_targets, n_features)
    intercept_ : float or ndarray of shape (n_targets,)
    dual_gap_ : float or ndarray of shape (n_targets,)
        How much above the minimum the objective is at most, but for the rounding of `coef_` to the
        dtype of X.
    n_iter_ : int or list of int
        Passes of coordinate descent and steps of Newton's method; 0 if the coefficients to begin
        with were the minimum.
    engine_ : {"reference", "native", "gpu", "scipy"}
        What computed the moments, or products of columns; "scipy" those of a sparse X.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features,)
        If X has feature names that are all strings.

    Warns
    -----
    ConvergenceWarning
        If a condition of optimality is missed by more than 10⁻¹² of the norms of its (centred,
        weighted) column and of y.

    Notes
    -----
    At the minimum, with r the residuals, Σ w xⱼ r / Σ w − α (1 − ρ) coefⱼ is α ρ sign(coefⱼ) where
    coefⱼ ≠ 0, and at most α ρ in magnitude elsewhere.

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels import ElasticNet
    >>> X = np.array([[-1.0, 1.0], [-1.0, -1.0], [1.0, 1.0], [1.0, -1.0]])
    >>> model = ElasticNet(alpha=1.0, l1_ratio=0.5).fit(X, 4.0 * X[:, 0] + 0.25 * X[:, 1])
    >>> model.coef_.round(6)  # (4 - 0.5) / (1 + 0.5), and 0.25 is below 0.5
    array([2.333333, 0.      ])
    """

    _parameter_constraints: dict = {
        "alpha": [Interval(Real, 0, None, closed="left")],
        "l1_ratio": [Interval(Real, 0, 1, closed="both")],
        "fit_intercept": ["boolean"],
        "precompute": ["boolean", "array-like"],
        "max_iter": [Interval(Integral, 1, None, closed="left"), None],
        "copy_X": ["boolean"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "warm_start": ["boolean"],
        "positive": ["boolean"],
        "random_state": ["random_state"],
        "selection": [StrOptions({"cyclic", "random"})],
    }

    # check_input is no metadata
    __metadata_request__fit: ClassVar = {"check_input": metadata_routing.UNUSED}

    path = staticmethod(enet_path)

    def __init__(
        self,
        alpha: float = 1.0,
        *,
        l1_ratio: float = 0.5,
        fit_intercept: bool = True,
        precompute: bool | NDArray = False,
        max_iter: int | None = 1000,
        copy_X: bool = True,
        tol: float = 1e-4,
        warm_start: bool = False,
        positive: bool = False,
        random_state: int | np.random.RandomState | None = None,
        selection: str = "cyclic",
    ) -> None:
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.fit_intercept = fit_intercept
        self.precompute = precompute
        self.max_iter = max_iter
        self.copy_X = copy_X
        self.tol = tol
        self.warm_start = warm_start
        self.positive = positive
        self.random_state = random_state
        self.selection = selection

    @all_or_nothing
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        check_input: bool = True,
    ) -> Self:
        """Fit the model.

        Parameters
        ----------
        X, y, sample_weight
            As in `LinearRegression.fit`.
        check_input : bool, default=True
            Accepted for compatibility: input is always checked.

        Returns
        -------
        ElasticNet
            The estimator itself.

        Raises
        ------
        ValueError
            If the input is empty, has a NaN, infinity or wrong shape, its squares overflow, or
            `precompute` is not the products of the columns of X.

        Examples
        --------
        >>> from rmodels import ElasticNet
        >>> ElasticNet(alpha=1.0, l1_ratio=0.0).fit([[-1.0], [1.0]], [-3.0, 3.0]).coef_.round(6)
        array([1.5])
        """
        check_precompute(self.precompute)
        source = data.source(self, X, y, sample_weight, targets="numbers")
        form = Form(bool(self.fit_intercept), positive=bool(self.positive))
        penalties = Penalties.of([self.alpha], self.l1_ratio)
        start = self._start(source)
        found = fit_any(source, penalties, form, source.threads(None), start=start)
        check_gram(self.precompute, source, found.mean, form.fit_intercept)
        self._set_path_fit(found, source, X)
        if source.n_targets == 1:
            self.coef_ = self.coef_.ravel()
        return self

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


class Lasso(ElasticNet):
    """Least squares with a penalty on the magnitudes of the coefficients, which makes some 0.

    Minimises ½ Σᵢ wᵢ (xᵢ·coef + intercept − yᵢ)² / Σᵢ wᵢ + α Σ|coef|, each target on its own.

    Parameters
    ----------
    alpha : float, default=1.0
        α, at least 0; 0 is least squares of minimum norm.
    fit_intercept, precompute, copy_X, max_iter, tol, warm_start, positive, random_state, selection
        As in `ElasticNet`.

    Attributes
    ----------
    coef_, sparse_coef_, intercept_, dual_gap_, n_iter_, engine_, n_features_in_, feature_names_in_
        As in `ElasticNet`.

    Examples
    --------
    >>> import numpy as np
    >>> from rmodels import Lasso
    >>> X = np.array([[-1.0, 1.0], [-1.0, -1.0], [1.0, 1.0], [1.0, -1.0]])
    >>> Lasso(alpha=0.5).fit(X, 4.0 * X[:, 0] + 0.25 * X[:, 1]).coef_.round(6)
    array([3.5, 0. ])
    """

    _parameter_constraints: dict = {**ElasticNet._parameter_constraints}
    _parameter_constraints.pop("l1_ratio")

    l1_ratio = 1.0

    def __init__(
        self,
        alpha: float = 1.0,
        *,
        fit_intercept: bool = True,
        precompute: bool | NDArray = False,
        copy_X: bool = True,
        max_iter: int | None = 1000,
        tol: float = 1e-4,
        warm_start: bool = False,
        positive: bool = False,
        random_state: int | np.random.RandomState | None = None,
        selection: str = "cyclic",
    ) -> None:
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.precompute = precompute
        self.copy_X = copy_X
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.positive = positive
        self.random_state = random_state
        self.selection = selection
