"""The triangular factor of a scatter matrix, of which all that least squares infers is made.

With RᵀR the scatter matrix of the centred columns [X | y], β = R_xx⁻¹ R_xy, the residual sum of
squares is ‖R_yy‖², and the covariance of β is σ² R_xx⁻¹ R_xx⁻ᵀ. R_xx is the Cholesky factor of
the moments, or where those have too few digits, R the triangular factor of the rows.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, stats

from rmodels.data import Source
from rmodels.ops.moments import Moments
from rmodels.solvers.conditioning import find_constant
from rmodels.solvers.triangular import triangulate

__all__ = ["Factor", "factor_of_moments", "factor_of_rows", "find_factor"]

Matrix = NDArray[np.float64]

_DECIDES = 1e6  # κ², and Σ (y − ȳ)² over the residuals': below, ten digits are left
_EPS = float(np.finfo(np.float64).eps)
_EXACT = 16 * _EPS  # residuals, over the sizes of y and of the terms, that rounding explains
_DEPENDENT = (
    "columns of X are constant or a combination of others, as all categories are beside an "
    "intercept: their coefficients are not unique and have no standard errors. Remove columns, or "
    "the intercept"
)


@dataclass(frozen=True, eq=False)
class Factor:
    """What inference needs of the rows.

    Attributes
    ----------
    inverse : ndarray of shape (n_features, n_features)
        R_xx⁻¹.
    projected : ndarray of shape (n_features, n_targets)
        R_xy.
    residual, total : ndarray of shape (n_targets,)
        Sums of squares: of the residuals, 0 if rounding explains them, and of y about its mean, or
        about 0 if the model has no constant.
    mean : ndarray of shape (n_features + n_targets,)
        Zeros without an intercept.
    constant : ndarray of shape (n_features,) or None
        Without an intercept, but with columns that a constant is a combination of, that
        combination times R_xx, as a unit vector.
    count, weight : float
        Rows whose weight is not 0, and Σ w.
    fit_intercept : bool
    rounding : float
        How far from 1 a leverage may be that is 1.
    computed_from : {"moments", "rows"}
    """

    inverse: Matrix
    projected: Matrix
    residual: Matrix
    total: Matrix
    mean: Matrix
    constant: Matrix | None
    count: float
    weight: float
    fit_intercept: bool
    rounding: float
    computed_from: str

    @cached_property
    def slopes(self) -> Matrix:
        """β: (n_features, n_targets)."""
        found: Matrix = self.inverse @ self.projected
        return found

    @property
    def has_constant(self) -> bool:
        """Whether some coefficients give the same prediction for all rows."""
        return self.fit_intercept or self.constant is not None

    @property
    def freedom(self) -> float:
        """Degrees of freedom of the residuals."""
        return self.count - len(self.slopes) - self.fit_intercept

    @property
    def root(self) -> float:
        """1 / √Σw with an intercept, else 0."""
        return float(self.fit_intercept / np.sqrt(self.weight))

    @property
    def variance(self) -> Matrix:
        """σ²: (n_targets,)."""
        return self.residual / self.freedom

    @property
    def inflation(self) -> Matrix:
        """1 / (1 − R²) of each feature on the others: (n_features,)."""
        R = linalg.solve_triangular(self.inverse, np.eye(len(self.inverse)))
        found: Matrix = (self.inverse**2).sum(axis=1) * (R**2).sum(axis=0)
        return found

    def half_widths(self, X: NDArray, confidence: float, of: str) -> Matrix:
        """Return t σ √(leverage), or t σ √(1 + leverage) of an observation: (rows, n_targets)."""
        squares = self.leverages(X)[:, np.newaxis] + (of == "observation")
        half: Matrix = stats.t.ppf(0.5 + confidence / 2, self.freedom) * np.sqrt(
            self.variance * squares
        )
        return half

    def leverages(self, X: NDArray, weights: Matrix | float = 1.0) -> Matrix:
        """Return w (1 / Σw + ‖(x − μ) R_xx⁻¹‖²): (rows,)."""
        d = len(self.slopes)
        Z = (X.astype(np.float64) - self.mean[:d]) @ self.inverse
        found: Matrix = weights * ((Z**2).sum(axis=1) + self.fit_intercept / self.weight)
        return found


def find_factor(
    moments: Moments | None,
    count: int | None,
    source: Source | None,
    n_features: int,
    fit_intercept: bool,
    *,
    dependent: bool,
) -> Factor:
    """Return the factor of the moments if they can decide, else that of the rows.

    Parameters
    ----------
    moments : Moments or None
        If they were kept.
    count : int or None
        Rows that they are of whose weight is not 0.
    source : Source or None
        The rows, if they are there.
    n_features : int
    fit_intercept : bool
    dependent : bool
        Whether the fit found columns to be a combination of others.

    Raises
    ------
    ValueError
        If there are no more rows than coefficients, the columns are dependent, or the rows are
        needed and not there.
    """
    few = ValueError("standard errors need more rows than coefficients")
    if moments is not None and count is not None:
        if count <= n_features + fit_intercept:
            raise few
        found = factor_of_moments(moments, count, fit_intercept)
        if found is not None:
            return found
    if source is None and dependent:
        raise ValueError(_DEPENDENT)
    if source is None:
        raise ValueError(
            "the moments are too ill-conditioned for standard errors, or were not kept: "
            "summary(X, y) finds them from the rows"
        )
    if source.count <= n_features + fit_intercept:
        raise few
    return factor_of_rows(source, fit_intercept)


def factor_of_moments(moments: Moments, count: int, fit_intercept: bool) -> Factor | None:
    """Return the factor of moments, or None if they have too few digits."""
    d = moments.n_features
    S = moments.scatter if fit_intercept else moments.about_zero()
    scale = np.sqrt(S.diagonal()[:d])
    if not scale.all():
        return None
    correlation = S[:d, :d] / scale / scale[:, np.newaxis]
    values = np.linalg.eigvalsh(correlation)
    if not values[-1] < _DECIDES * values[0]:
        return None
    R = linalg.cholesky(correlation)
    inverse = linalg.solve_triangular(R, np.eye(d)) / scale[:, np.newaxis]
    projected = inverse.T @ S[:d, d:]
    total = S.diagonal()[d:]
    residual = total - (projected**2).sum(axis=0)
    spread = np.sqrt(moments.scatter.diagonal())
    still = find_constant(moments.scatter, moments.mean, moments.weight)
    constant = None
    if not fit_intercept:
        alike = still[:d].any()
        if not alike:
            correlation = moments.scatter[:d, :d] / spread[:d] / spread[:d, np.newaxis]
            lost = 4 * _EPS * d * np.sqrt(count)  # what rounding leaves of an eigenvalue of 0
            alike = np.linalg.eigvalsh(correlation)[0] <= lost
        if alike:
            constant = _unit(inverse, moments.mean[:d])
    if fit_intercept or constant is not None:
        total = np.where(still[d:], 0.0, spread[d:] ** 2)
    exact = total == 0
    if not (exact | (S.diagonal()[d:] < _DECIDES * residual)).all():
        return None
    return Factor(
        inverse,
        _keep_constant(projected, constant, exact),
        np.where(exact, 0.0, residual),
        total,
        moments.mean if fit_intercept else np.zeros(len(moments.mean)),
        constant,
        float(count),
        moments.weight,
        fit_intercept,
        8 * _EPS * (d + 1) * float(values[-1] / values[0]),
        "moments",
    )


def _unit(inverse: Matrix, mean: Matrix) -> Matrix:
    """Return R c over its norm, with X c = 1 in every row: along R⁻ᵀ Xᵀ 1."""
    along = inverse.T @ mean
    found: Matrix = along / np.linalg.norm(along)
    return found


def _keep_constant(projected: Matrix, constant: Matrix | None, still: NDArray) -> Matrix:
    """Return R_xy in which targets that are the same in all rows have nothing but the constant."""
    mean = 0.0 if constant is None else np.outer(constant, constant @ projected)
    return np.where(still, mean, projected)


def factor_of_rows(source: Source, fit_intercept: bool) -> Factor:
    """Return the factor of the rows themselves.

    Raises
    ------
    ValueError
        If the columns are dependent.
    """
    d = source.n_features
    count, weight = (source.count, source.weight)
    R, mean, scale = triangulate(source, fit_intercept)
    number = _condition(R[:, :d], count)
    if number == np.inf:
        raise ValueError(_DEPENDENT)
    inverse = linalg.solve_triangular(R[:d, :d], np.eye(d)) / scale[:d, np.newaxis]
    targets = R[:, d:] * scale[d:]
    projected = targets[:d]
    spread, centre, constant = np.sqrt((R**2).sum(axis=0)) * scale, mean, None
    sizes = np.hypot(spread, np.sqrt(weight) * mean)
    if not fit_intercept:
        R, centre, scale = triangulate(source, True)
        spread = np.sqrt((R**2).sum(axis=0)) * scale
    still = spread <= 4 * _EPS * np.sqrt(weight) * np.abs(centre)
    if not fit_intercept and (still[:d].any() or _condition(R[:, :d], count) == np.inf):
        constant = _unit(inverse, centre[:d])
    total = (targets**2).sum(axis=0)
    if fit_intercept or constant is not None:
        total = np.where(still[d:], 0.0, spread[d:] ** 2)
    exact = total == 0
    projected = _keep_constant(projected, constant, exact)
    residual = (targets[d:] ** 2).sum(axis=0)
    terms = sizes[d:] + np.abs(inverse @ projected).T @ sizes[:d]
    return Factor(
        inverse,
        projected,
        np.where(exact | (residual <= (_EXACT * terms) ** 2), 0.0, residual),
        total,
        mean,
        constant,
        count,
        weight,
        fit_intercept,
        8 * _EPS * (d + 1) * number,
        "rows",
    )


def _condition(R: Matrix, count: float) -> float:
    """Return the condition number of the columns scaled alike, infinite if they are dependent."""
    d = R.shape[1]
    norms = np.sqrt((R**2).sum(axis=0))
    if len(R) < d or not norms.all():
        return np.inf
    singular = linalg.svdvals(R[:d] / norms)
    dependent = singular[-1] <= max(d, count) * _EPS * singular[0]
    return np.inf if dependent else float(singular[0] / singular[-1])
