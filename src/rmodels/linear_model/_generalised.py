"""Generalised linear models of positive targets: Poisson, Gamma and Tweedie regression."""

from dataclasses import dataclass
from functools import partial
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator

from rmodels import data
from rmodels.base.callbacks import CallbackSupport
from rmodels.base.classes import one_target
from rmodels.base.estimator import all_or_nothing
from rmodels.base.sklearn import Interval, StrOptions
from rmodels.base.state import HasState, check_is_fitted
from rmodels.base.tasks import Regressor
from rmodels.data import Need, Rows, hold, map_rows
from rmodels.data.arrays import adopt, convert_like, on_host
from rmodels.data.checks import warn_of_a_column
from rmodels.linear_model._base import (
    QUERIES,
    dense_coefficients,
    predict_in_graph,
    predict_linearly,
)
from rmodels.linear_model._likelihood import LikelihoodModel
from rmodels.linear_model._minimum import warn_of_minimum
from rmodels.ops.glm import measure
from rmodels.solvers.generalised import fit
from rmodels.solvers.losses import Family, Penalties

if TYPE_CHECKING:
    from rmodels.export.graph import Value

__all__ = ["GammaRegressor", "PoissonRegressor", "TweedieRegressor"]

_NEED = Need()


class GeneralisedLinearModel(LikelihoodModel, HasState, CallbackSupport, Regressor, BaseEstimator):
    """A prediction that is a function of X · coef + intercept, of targets of a Tweedie family."""

    _attributes: ClassVar = {
        "coef_": np.ndarray,
        "intercept_": float | np.floating | np.ndarray,
        "n_iter_": int,
        "n_reads_": int,
    }

    _parameter_constraints: dict = {
        "alpha": [Interval(Real, 0.0, None, closed="left")],
        "fit_intercept": ["boolean"],
        "solver": [StrOptions({"lbfgs", "newton-cholesky"})],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0.0, None, closed="neither")],
        "warm_start": ["boolean"],
        "verbose": ["verbose"],
    }

    coef_: Any
    intercept_: Any

    def __init__(
        self,
        *,
        alpha: float = 1.0,
        fit_intercept: bool = True,
        solver: str = "lbfgs",
        max_iter: int = 100,
        tol: float = 1e-4,
        warm_start: bool = False,
        verbose: int = 0,
    ) -> None:
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.solver = solver
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.verbose = verbose

    def _has_checkpoint(self) -> bool:
        return False

    def _family(self) -> Family:
        """Return what is lost by a prediction."""
        raise NotImplementedError

    def _is_consistent(self) -> bool:
        return bool(self.coef_.shape == (self.n_features_in_,)) and self._holds_likelihood(1)

    def _refusal(self) -> str | None:
        return f"a penalty, alpha={self.alpha!r}: set alpha=0" if self.alpha else None

    def _width(self) -> int:
        return 1

    @all_or_nothing
    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit the model.

        Parameters
        ----------
        X : array-like, sparse matrix, scan or Dask collection of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
            Of a scan also a column.
        sample_weight : array-like of shape (n_samples,), default=None
            w, at least 0. Of a scan also a column.

        Returns
        -------
        estimator
            The estimator itself.

        Raises
        ------
        ValueError
            If the input is empty, has a NaN, infinity or wrong shape, or targets that the
            distribution cannot have.

        Examples
        --------
        >>> from rmodels import PoissonRegressor
        >>> X, y = [[0.0], [0.0], [1.0], [1.0]], [1.0, 3.0, 5.0, 7.0]
        >>> model = PoissonRegressor(alpha=0.0).fit(X, y)
        >>> model.predict([[0.0], [1.0]]).round(6)
        array([2., 6.])
        """
        source = one_target(data.source(self, X, y, sample_weight, targets="numbers", need=_NEED))
        if isinstance(source, Rows) and not source.one_target:
            warn_of_a_column(source.Y)
        family = self._family()
        l2 = np.full(source.n_features + 1, float(self.alpha) * source.weight)
        l2[-1] = 0.0
        found = fit(
            source,
            family,
            Penalties(l2, np.zeros_like(l2)),
            fit_intercept=self.fit_intercept,
            start=self._start(source.n_features),
            n_threads=source.threads(None),
            likelihood=not self.alpha,
        )
        warn_of_minimum(found)
        self._keep_likelihood(found.likelihood)
        coefficients = found.coefficients[0]
        self.coef_ = convert_like(coefficients[:-1], X, source.dtype)
        self.intercept_ = (
            convert_like(coefficients[-1:], X, source.dtype)[0] if self.fit_intercept else 0.0
        )
        self.n_iter_, self.n_reads_, self.engine_ = found.steps, found.reads, found.engine
        return self

    def _start(self, n_features: int) -> NDArray[np.float64] | None:
        if not self.warm_start or not hasattr(self, "coef_"):
            return None
        coef = on_host(adopt(self.coef_)).astype(np.float64)
        if coef.shape != (n_features,):
            raise ValueError(
                f"warm_start: the last fit left {len(coef)} coefficients, and these rows need "
                f"{n_features}: set warm_start=False"
            )
        intercept = float(self.intercept_) if self.fit_intercept else 0.0
        return np.append(coef, intercept)[np.newaxis]

    def _linear(self, rows: Rows) -> NDArray:
        """Return X · coef + intercept of checked rows, on the processor."""
        found: NDArray = on_host(predict_linearly(rows, self.coef_, self.intercept_))
        return found

    def predict(self, X: ArrayLike) -> Any:
        """Predict the mean of the target: the link's inverse of X · coef + intercept.

        Parameters
        ----------
        X : array-like, sparse matrix, scan or Dask collection of shape (n_queries, n_features)

        Returns
        -------
        ndarray of shape (n_queries,)

        Examples
        --------
        >>> from rmodels import GammaRegressor
        >>> model = GammaRegressor(alpha=0.0).fit([[0.0], [1.0]], [1.0, 2.0])
        >>> model.predict([[0.0], [2.0]]).round(6)
        array([1., 4.])
        """
        check_is_fitted(self)
        return map_rows(self, X, hold(self, X)._predict, need=QUERIES)

    def _predict(self, rows: Rows) -> Any:
        """Return the predictions of checked rows."""
        linear = self._linear(rows)
        return linear if self._family().loss == "tweedie_identity" else np.exp(linear)

    def _to_graph(self, X: "Value") -> "dict[str, Value]":
        linear = predict_in_graph(X, *dense_coefficients(self))
        straight = self._family().loss == "tweedie_identity"
        return {"prediction": linear if straight else linear.exp()}

    def score(
        self, X: ArrayLike | None, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> float:
        """Return D², 1 − the deviance over that of the mean of the targets.

        Parameters
        ----------
        X : array-like, sparse matrix, scan or Dask collection of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
            Of a scan also a column.
        sample_weight : array-like of shape (n_samples,), default=None
            Of a scan also a column.

        Returns
        -------
        float
            Of targets that are all the same −∞, and NaN if they are predicted to half the digits.

        Examples
        --------
        >>> from rmodels import PoissonRegressor
        >>> X, y = [[0.0], [0.0], [1.0], [1.0]], [1.0, 3.0, 5.0, 7.0]
        >>> round(PoissonRegressor(alpha=0.0).fit(X, y).score(X, y), 3)
        0.752
        """
        check_is_fitted(self)
        family = self._family()
        source = one_target(
            data.source(
                self, X, y, sample_weight, targets="numbers", need=_NEED, reset=False, task="score"
            )
        )
        sums = source.fold_answers(hold(self, X)._linear, partial(_sum_deviances, family))
        if sums.lowest == sums.highest:
            digits = np.finfo(dense_coefficients(self)[0].dtype).eps
            return sums.of_one_target(family, float(np.sqrt(digits)))
        weight, total, lost, least = sums.added
        mean = np.array([[total / weight]])
        if family.loss == "tweedie":
            mean = np.log(mean)
        null = (
            weight
            * measure(
                mean,
                np.array([total / weight]),
                family.loss,
                power=family.power,
                engine="reference",
            ).loss
        )
        return float(1 - (lost - least) / (null - least))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.target_tags.positive_only = self._family().power > 0
        return tags


@dataclass(frozen=True, eq=False)
class _Deviances:
    """Σ w, Σ w y, the losses of predictions and of the targets themselves; and their ranges.

    Attributes
    ----------
    added : ndarray of shape (4,)
    lowest, highest : float
        Of the targets whose weight is not 0.
    low, high : float
        The same of x · coef + intercept.
    """

    added: NDArray[np.float64]
    lowest: float = np.inf
    highest: float = -np.inf
    low: float = np.inf
    high: float = -np.inf

    def __add__(self, other: "_Deviances") -> "_Deviances":
        return _Deviances(
            self.added + other.added,
            min(self.lowest, other.lowest),
            max(self.highest, other.highest),
            min(self.low, other.low),
            max(self.high, other.high),
        )

    def of_one_target(self, family: Family, near: float) -> float:
        """Return D² of targets that are one number, whose mean has a deviance of 0.

        NaN stands for 0 / 0: where predictions are off by at most `near` of the target, half the
        digits, so that their deviance, a square, is rounding; and for a mean without a logarithm.
        """
        link = self.lowest
        if family.loss == "tweedie":
            link = float(np.log(link)) if link > 0 else np.nan
        size = 1.0 if family.loss == "tweedie" else abs(link)
        apart = max(abs(self.low - link), abs(self.high - link))
        return -np.inf if apart > near * size else np.nan


def _sum_deviances(family: Family, rows: Rows, linear: Any) -> _Deviances:
    """Return what D² is found of."""
    y = np.ascontiguousarray(rows.Y[:, 0], dtype=np.float64)
    family.check(y)
    w = np.ones(len(y)) if rows.weights is None else rows.weights.astype(np.float64)
    margins = np.asarray(linear, dtype=np.float64).reshape(-1, 1)
    lost = measure(margins, y, family.loss, power=family.power, weights=w, engine="reference").loss
    added = np.array([w.sum(), w @ y, lost, w @ _least_losses(y, family.power)])
    heavy = w != 0
    if not heavy.any():
        return _Deviances(added)
    ends = y[heavy], margins[heavy]
    return _Deviances(added, *(float(f(each)) for each in ends for f in (np.min, np.max)))


def _least_losses(y: NDArray[np.float64], power: float) -> NDArray[np.float64]:
    """Return the losses of predictions that are the targets."""
    positive = np.where(y > 0, y, 1.0)
    if power == 1:
        return np.where(y > 0, y - y * np.log(positive), 0.0)
    if power == 2:
        return np.log(positive) + 1
    if power == 0:
        return -0.5 * y * y
    # y^(2 − power) (1 / (2 − power) − 1 / (1 − power)); a y up to 0 is predicted best by 0
    powers = np.where(y > 0, positive ** (2 - power), 0.0)
    least: NDArray[np.float64] = powers * (1 / (2 - power) - 1 / (1 - power))
    return least


class PoissonRegressor(GeneralisedLinearModel):
    """Poisson regression: the logarithm of a count's mean is linear.

    Minimises Σᵢ wᵢ (μᵢ − yᵢ log μᵢ) / Σᵢ wᵢ + ½ α Σ coef² with μ = exp(X · coef + intercept).

    Parameters
    ----------
    alpha : float, default=1.0
        At least 0.
    fit_intercept : bool, default=True
        Whether the model has an intercept.
    solver : {"lbfgs", "newton-cholesky"}, default="lbfgs"
        Accepted for compatibility, as are `max_iter`, `tol` and `verbose`: whichever is named, the
        minimum is found to the digits of float64.
    max_iter : int, default=100
    tol : float, default=1e-4
    warm_start : bool, default=False
        Whether `fit` begins where the last one ended.
    verbose : int, default=0

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,)
        In the dtype of X.
    intercept_ : float
    n_iter_ : int
        Steps that were made.
    n_reads_ : int
        How often all rows were read for them.
    engine_ : {"reference", "native", "gpu", "scipy"}
        What computed losses and gradients; "scipy" those of a sparse X.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features,)
        If X has feature names that are all strings.

    Warns
    -----
    ConvergenceWarning
        If a gradient misses 10⁻¹¹ Σ w abs(x_j r), r the derivatives of the losses, and the
        penalty's part; by how much is said.

    Notes
    -----
    As in `LogisticRegression` of two classes.

    Source: P. McCullagh, J. A. Nelder, "Generalized Linear Models", 1989.

    Examples
    --------
    >>> from rmodels import PoissonRegressor
    >>> model = PoissonRegressor(alpha=0.1).fit([[0.0], [1.0], [2.0]], [1, 2, 6])
    >>> model.coef_.round(3), round(float(model.intercept_), 3), model.predict([[3.0]]).round(2)
    (array([0.889]), -0.038, array([13.86]))
    """

    def _family(self) -> Family:
        return Family("tweedie", 1.0, name="HalfPoissonLoss")


class GammaRegressor(GeneralisedLinearModel):
    """Gamma regression: the logarithm of a positive target's mean is linear.

    Minimises Σᵢ wᵢ (log μᵢ + yᵢ / μᵢ) / Σᵢ wᵢ + ½ α Σ coef² with μ = exp(X · coef + intercept).

    Parameters
    ----------
    alpha : float, default=1.0
        At least 0.
    fit_intercept : bool, default=True
        Whether the model has an intercept.
    solver : {"lbfgs", "newton-cholesky"}, default="lbfgs"
        Accepted for compatibility, as are `max_iter`, `tol` and `verbose`: whichever is named, the
        minimum is found to the digits of float64.
    max_iter : int, default=100
    tol : float, default=1e-4
    warm_start : bool, default=False
        Whether `fit` begins where the last one ended.
    verbose : int, default=0

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,)
        In the dtype of X.
    intercept_ : float
    n_iter_ : int
        Steps that were made.
    n_reads_ : int
        How often all rows were read for them.
    engine_ : {"reference", "native", "gpu", "scipy"}
        What computed losses and gradients; "scipy" those of a sparse X.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features,)
        If X has feature names that are all strings.

    Warns
    -----
    ConvergenceWarning
        If a gradient misses 10⁻¹¹ Σ w abs(x_j r), r the derivatives of the losses, and the
        penalty's part; by how much is said.

    Notes
    -----
    As in `LogisticRegression` of two classes.

    Source: P. McCullagh, J. A. Nelder, "Generalized Linear Models", 1989.

    Examples
    --------
    >>> from rmodels import GammaRegressor
    >>> model = GammaRegressor(alpha=0.1).fit([[0.0], [1.0], [2.0]], [1.0, 2.0, 6.0])
    >>> model.coef_.round(3), round(float(model.intercept_), 3), model.predict([[3.0]]).round(2)
    (array([0.785]), 0.052, array([11.1]))
    """

    def _family(self) -> Family:
        return Family("tweedie", 2.0, name="HalfGammaLoss")


class TweedieRegressor(GeneralisedLinearModel):
    """Regression of targets whose variance is a power of their mean.

    Minimises Σᵢ wᵢ dᵢ / Σᵢ wᵢ + ½ α Σ coef², d half of the unit deviance of the Tweedie
    distribution with this power: (y − μ)² / 2 for 0 (normal), μ − y log μ for 1 (Poisson),
    log μ + y / μ for 2 (Gamma), else μ^(2 − power) / (2 − power) − y μ^(1 − power) / (1 − power),
    but for terms without μ. μ is X · coef + intercept or its exponential.

    Parameters
    ----------
    power : float, default=0.0
        Targets must be at least 0 for powers from 1 to below 2, and above 0 from 2 on; a power
        between 0 and 1 has no distribution.
    alpha : float, default=1.0
        At least 0.
    fit_intercept : bool, default=True
        Whether the model has an intercept.
    link : {"auto", "identity", "log"}, default="auto"
        Which function of μ is linear; "auto" is the identity for powers up to 0, else the
        logarithm. Of "identity" and a power above 0, the search is for positive μ only.
    solver : {"lbfgs", "newton-cholesky"}, default="lbfgs"
        Accepted for compatibility, as are `max_iter`, `tol` and `verbose`: whichever is named, the
        minimum is found to the digits of float64.
    max_iter : int, default=100
    tol : float, default=1e-4
    warm_start : bool, default=False
        Whether `fit` begins where the last one ended.
    verbose : int, default=0

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,)
        In the dtype of X.
    intercept_ : float
    n_iter_ : int
        Steps that were made.
    n_reads_ : int
        How often all rows were read for them.
    engine_ : {"reference", "native", "gpu", "scipy"}
        What computed losses and gradients; "scipy" those of a sparse X.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features,)
        If X has feature names that are all strings.

    Warns
    -----
    ConvergenceWarning
        If a gradient misses 10⁻¹¹ Σ w abs(x_j r), r the derivatives of the losses, and the
        penalty's part; by how much is said.

    Notes
    -----
    As in `LogisticRegression` of two classes.

    Source: P. McCullagh, J. A. Nelder, "Generalized Linear Models", 1989.

    Examples
    --------
    >>> from rmodels import TweedieRegressor
    >>> model = TweedieRegressor(power=1.5, alpha=0.1).fit([[0.0], [1.0], [2.0]], [1.0, 2.0, 6.0])
    >>> model.coef_.round(3), round(float(model.intercept_), 3), model.predict([[3.0]]).round(2)
    (array([0.841]), 0.013, array([12.61]))
    """

    _parameter_constraints: dict = {
        **GeneralisedLinearModel._parameter_constraints,
        "power": [Interval(Real, None, None, closed="neither")],
        "link": [StrOptions({"auto", "identity", "log"})],
    }

    def __init__(
        self,
        *,
        power: float = 0.0,
        alpha: float = 1.0,
        fit_intercept: bool = True,
        link: str = "auto",
        solver: str = "lbfgs",
        max_iter: int = 100,
        tol: float = 1e-4,
        warm_start: bool = False,
        verbose: int = 0,
    ) -> None:
        super().__init__(
            alpha=alpha,
            fit_intercept=fit_intercept,
            solver=solver,
            max_iter=max_iter,
            tol=tol,
            warm_start=warm_start,
            verbose=verbose,
        )
        self.power = power
        self.link = link

    def _family(self) -> Family:
        power = float(self.power)
        identity = self.link == "identity" or (self.link == "auto" and power <= 0)
        name = "HalfTweedieLossIdentity" if identity else "HalfTweedieLoss"
        return Family("tweedie_identity" if identity else "tweedie", power, name=name)
