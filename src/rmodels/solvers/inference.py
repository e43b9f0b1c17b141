"""Standard errors and tests of least squares, from a triangular factor of the scatter matrix.

With RᵀR the scatter matrix of the centred columns [X | y], β = R_xx⁻¹ R_xy, the residual sum of
squares is ‖R_yy‖², and the covariance of β is σ² R_xx⁻¹ R_xx⁻ᵀ. R_xx is the Cholesky factor of
the moments, or where those have too few digits, R the triangular factor of the rows.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, stats

from rmodels.data import Rows, Source
from rmodels.ops.moments import Moments
from rmodels.solvers.moments import as_array
from rmodels.solvers.triangular import triangulate

__all__ = ["Factor", "Summary", "covariance", "factor_of_moments", "factor_of_rows", "summarize"]

Matrix = NDArray[np.float64]

_DECIDES = 1e6  # κ², and Σ (y − ȳ)² over the residuals': below, ten digits are left
_ROWS_AT_A_TIME = 4096
ROBUST = ("HC0", "HC1", "HC2", "HC3")


@dataclass(frozen=True, eq=False)
class Factor:
    """What inference needs of the rows.

    Attributes
    ----------
    inverse : ndarray of shape (n_features, n_features)
        R_xx⁻¹.
    slopes : ndarray of shape (n_features, n_targets)
    residual, total : ndarray of shape (n_targets,)
        Sums of squares: of the residuals, and of y about its mean, or 0 without an intercept.
    mean : ndarray of shape (n_features + n_targets,)
        Zeros without an intercept.
    count, weight : float
        Rows whose weight is not 0, and Σ w.
    fit_intercept : bool
    computed_from : {"moments", "rows"}
    """

    inverse: Matrix
    slopes: Matrix
    residual: Matrix
    total: Matrix
    mean: Matrix
    count: float
    weight: float
    fit_intercept: bool
    computed_from: str

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

    def leverages(self, X: NDArray, weights: Matrix | float = 1.0) -> Matrix:
        """Return w (1 / Σw + ‖(x − μ) R_xx⁻¹‖²): (rows,)."""
        d = len(self.slopes)
        Z = (X.astype(np.float64) - self.mean[:d]) @ self.inverse
        found: Matrix = weights * ((Z**2).sum(axis=1) + self.fit_intercept / self.weight)
        return found


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
    right = inverse.T @ S[:d, d:]
    total = S.diagonal()[d:]
    residual = total - (right**2).sum(axis=0)
    if not (total < _DECIDES * residual).all():
        return None
    mean = moments.mean if fit_intercept else np.zeros(len(moments.mean))
    return Factor(
        inverse,
        inverse @ right,
        residual,
        total,
        mean,
        float(count),
        moments.weight,
        fit_intercept,
        "moments",
    )


def factor_of_rows(source: Source, fit_intercept: bool) -> Factor:
    """Return the factor of the rows themselves.

    Raises
    ------
    ValueError
        If the columns are dependent.
    """
    d = source.n_features
    R, mean, scale = triangulate(source, fit_intercept)
    norms = np.sqrt((R[:, :d] ** 2).sum(axis=0))
    dependent = len(R) < d or not norms.all()
    if not dependent:
        singular = linalg.svdvals(R[:d, :d] / norms)
        dependent = singular[-1] <= max(d, source.count) * np.finfo(np.float64).eps * singular[0]
    if dependent:
        raise ValueError(
            "columns of X are constant or a combination of others: their coefficients are not "
            "unique and have no standard errors. Remove columns"
        )
    inverse = linalg.solve_triangular(R[:d, :d], np.eye(d)) / scale[:d, np.newaxis]
    targets = R[:, d:] * scale[d:]
    slopes = inverse @ targets[:d]
    residual, total = (targets[d:] ** 2).sum(axis=0), (targets**2).sum(axis=0)
    count, weight = source.count, source.weight
    return Factor(inverse, slopes, residual, total, mean, count, weight, fit_intercept, "rows")


def _meat(rows: Rows, factor: Factor, kind: str) -> Matrix:
    """Return Σ w² e² u uᵀ of each target, u = [(x − μ) R_xx⁻¹, 1 / √Σw]: (n_targets, d + 1, d + 1).

    u has the digits that products with the inverse of RᵀR would lose.
    """
    d, t = factor.slopes.shape
    power = {"HC2": 1, "HC3": 2}.get(kind, 0)
    total = np.zeros((t, d + 1, d + 1))
    for first in range(0, rows.X.shape[0], _ROWS_AT_A_TIME):
        part = slice(first, first + _ROWS_AT_A_TIME)
        X = as_array(rows.X[part]).astype(np.float64)
        w = np.ones(len(X))
        if rows.weights is not None:
            w = as_array(rows.weights[part]).astype(np.float64)
        Z = X - factor.mean[:d]
        residuals = as_array(rows.Y[part]) - factor.mean[d:] - Z @ factor.slopes
        U = np.column_stack([Z @ factor.inverse, np.full(len(X), factor.root)])
        share = (w / (1 - factor.leverages(X, w)) ** (power / 2))[:, np.newaxis] * residuals
        for target in range(t):
            weighted = share[:, target, np.newaxis] * U
            total[target] += weighted.T @ weighted
    return total


def covariance(factor: Factor, source: Source | None, kind: str | None) -> Matrix:
    """Return the covariance of the coefficients and, last, the intercept of each target.

    Parameters
    ----------
    factor : Factor
    source : Source or None
        The rows, for robust errors.
    kind : {None, "HC0", "HC1", "HC2", "HC3"}

    Returns
    -------
    ndarray of shape (n_targets, n_features + 1, n_features + 1)
    """
    d = len(factor.slopes)
    bread = np.zeros((d + 1, d + 1))
    bread[:d, :d] = factor.inverse
    bread[d, d] = factor.root
    if kind is None:
        centred = factor.variance[:, np.newaxis, np.newaxis] * (bread @ bread.T)
    else:
        assert source is not None
        centred = bread @ source.fold(partial(_meat, factor=factor, kind=kind)) @ bread.T
        if kind == "HC1":
            centred = centred * (factor.count / factor.freedom)
    shear = np.eye(d + 1)  # the intercept is ȳ − μ·β
    shear[d, :d] = -factor.mean[:d]
    found: Matrix = shear @ centred @ shear.T
    return found


@dataclass(frozen=True, eq=False)
class Summary:
    """Inference of a linear regression; printed as a table.

    With several targets, each array has one more axis in front.

    Attributes
    ----------
    names : list of str
        Of the coefficients: the features, and last the intercept, if there is one.
    coefficients, standard_errors, t_values, p_values : ndarray of shape (n_coefficients,)
        p-values are two-sided, of Student's t.
    confidence_intervals : ndarray of shape (n_coefficients, 2)
    covariance : ndarray of shape (n_coefficients, n_coefficients)
    r2, adjusted_r2 : float
        About the mean; without an intercept, about 0.
    f_value, f_p_value : float
        Wald's test that all slopes are 0.
    residual_std : float
        √(Σ w e² / degrees of freedom).
    n_samples, degrees_of_freedom : int
        Rows whose weight is not 0, and what is left of them.
    confidence : float
    robust : str or None
    computed_from : {"moments", "rows"}
    """

    names: list[str]
    coefficients: Matrix
    standard_errors: Matrix
    t_values: Matrix
    p_values: Matrix
    confidence_intervals: Matrix
    covariance: Matrix
    r2: Any
    adjusted_r2: Any
    f_value: Any
    f_p_value: Any
    residual_std: Any
    n_samples: int
    degrees_of_freedom: int
    confidence: float
    robust: str | None
    computed_from: str

    def __str__(self) -> str:
        several = self.coefficients.ndim == 2
        blocks = range(len(self.coefficients)) if several else [()]
        width = max(map(len, self.names))
        lines = [
            f"{self.n_samples} rows, {self.degrees_of_freedom} degrees of freedom, "
            f"{self.robust or 'classical'} errors, from the {self.computed_from}"
        ]
        for target in blocks:
            r2, adjusted, f, p, std = (
                np.asarray(each)[target]
                for each in (
                    self.r2, self.adjusted_r2, self.f_value, self.f_p_value, self.residual_std
                )
            )  # fmt: skip
            lines += [
                *([f"target {target}"] if several else []),
                f"R² {r2:.4g}   adjusted R² {adjusted:.4g}   F {f:.4g} (p {p:.3g})   "
                f"residual standard deviation {std:.4g}",
                f"{'':{width}} {'coefficient':>12} {'error':>11} {'t':>9} {'p':>9}   "
                f"{self.confidence:.0%} interval",
            ]
            columns = zip(
                self.names,
                self.coefficients[target],
                self.standard_errors[target],
                self.t_values[target],
                self.p_values[target],
                self.confidence_intervals[target],
                strict=True,
            )
            lines += [
                f"{name:{width}} {c:12.5g} {e:11.4g} {t:9.3f} {p:9.3g}   [{low:.5g}, {high:.5g}]"
                for name, c, e, t, p, (low, high) in columns
            ]
        return "\n".join(lines)


def summarize(
    factor: Factor,
    names: list[str],
    covariances: Matrix,
    confidence: float,
    robust: str | None,
    one_target: bool,
) -> Summary:
    """Return the tests that a factor and the covariances of its coefficients lead to."""
    d = len(factor.slopes)
    kept = d + factor.fit_intercept
    freedom = factor.freedom
    slopes = factor.slopes.T
    intercepts = factor.mean[d:] - slopes @ factor.mean[:d]
    coefficients = np.column_stack([slopes, intercepts])[:, :kept]
    covariances = covariances[:, :kept, :kept]
    errors = np.sqrt(np.diagonal(covariances, axis1=1, axis2=2))
    with np.errstate(divide="ignore", invalid="ignore"):
        t_values = coefficients / errors
        r2 = 1 - factor.residual / factor.total
    solved = np.linalg.solve(covariances[:, :d, :d], slopes[:, :, np.newaxis])[:, :, 0]
    f_value = (slopes * solved).sum(axis=1) / d
    half = stats.t.ppf(0.5 + confidence / 2, freedom) * errors
    arrays: dict[str, Any] = {
        "coefficients": coefficients,
        "standard_errors": errors,
        "t_values": t_values,
        "p_values": 2 * stats.t.sf(np.abs(t_values), freedom),
        "confidence_intervals": np.stack([coefficients - half, coefficients + half], axis=-1),
        "covariance": covariances,
        "r2": r2,
        "adjusted_r2": 1 - (factor.count - factor.fit_intercept) / freedom * (1 - r2),
        "f_value": f_value,
        "f_p_value": stats.f.sf(f_value, d, freedom),
        "residual_std": np.sqrt(factor.variance),
    }
    if one_target:
        arrays = {name: value[0] for name, value in arrays.items()}
    return Summary(
        names=names,
        **arrays,
        n_samples=int(factor.count),
        degrees_of_freedom=int(freedom),
        confidence=confidence,
        robust=robust,
        computed_from=factor.computed_from,
    )
