"""Standard errors and tests of least squares, from a triangular factor of the scatter matrix.

With RᵀR the scatter matrix of the centred columns [X | y], β = R_xx⁻¹ R_xy, the residual sum of
squares is ‖R_yy‖², and the covariance of β is σ² R_xx⁻¹ R_xx⁻ᵀ. R_xx is the Cholesky factor of
the moments, or where those have too few digits, R the triangular factor of the rows.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, stats

from rmodels.data import Rows, Source
from rmodels.ops.moments import Moments
from rmodels.solvers.conditioning import find_constant
from rmodels.solvers.moments import as_array
from rmodels.solvers.triangular import triangulate

__all__ = ["Factor", "Summary", "factor_of_moments", "factor_of_rows", "rows_of_full_leverage"]
__all__ += ["meat", "summarize"]

Matrix = NDArray[np.float64]

_DECIDES = 1e6  # κ², and Σ (y − ȳ)² over the residuals': below, ten digits are left
_EPS = float(np.finfo(np.float64).eps)
_EXACT = 16 * _EPS  # residuals, over the sizes of y and of the terms, that rounding explains
_ROWS_AT_A_TIME = 4096
ROBUST = ("HC0", "HC1", "HC2", "HC3")


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
        raise ValueError(
            "columns of X are constant or a combination of others: their coefficients are not "
            "unique and have no standard errors. Remove columns"
        )
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


def meat(factor: Factor, source: Source | None, kind: str | None) -> Matrix:
    """Return the covariance of R_xx β and, last, of √Σw times the mean prediction, of each target.

    Classical, σ² of each; robust, Σ w² e² u uᵀ with u = [(x − μ) R_xx⁻¹, 1 / √Σw]. It has digits
    that products with the inverse of RᵀR would lose.

    Parameters
    ----------
    factor : Factor
    source : Source or None
        The rows, for robust errors.
    kind : {None, "HC0", "HC1", "HC2", "HC3"}

    Returns
    -------
    ndarray of shape (n_targets, n_features + 1, n_features + 1)
        NaN for "HC2" and "HC3" if a row has a leverage of 1.
    """
    if kind is None:
        return factor.variance[:, np.newaxis, np.newaxis] * np.eye(len(factor.inverse) + 1)
    assert source is not None
    found = source.fold(partial(_meat, factor=factor, kind=kind))
    return found * (factor.count / factor.freedom) if kind == "HC1" else found


def _meat(rows: Rows, factor: Factor, kind: str) -> Matrix:
    """Return what `meat` adds up over rows."""
    d, t = factor.slopes.shape
    power = {"HC2": 1, "HC3": 2}.get(kind, 0)
    total = np.zeros((t, d + 1, d + 1))
    for X, w, part in _blocks(rows):
        Z = X - factor.mean[:d]
        residuals = as_array(rows.Y[part]) - factor.mean[d:] - Z @ factor.slopes
        residuals[:, factor.residual == 0] = 0.0
        U = np.column_stack([Z @ factor.inverse, np.full(len(X), factor.root)])
        if power:
            left = 1 - factor.leverages(X, w)
            w = w / np.where(left > factor.rounding, left, np.nan) ** (power / 2)
        share = w[:, np.newaxis] * residuals
        for target in range(t):
            weighted = share[:, target, np.newaxis] * U
            total[target] += weighted.T @ weighted
    return total


def _blocks(rows: Rows) -> Iterator[tuple[Matrix, Matrix, slice]]:
    """Yield X and weights of some rows at a time, and where they are."""
    for first in range(0, rows.X.shape[0], _ROWS_AT_A_TIME):
        part = slice(first, first + _ROWS_AT_A_TIME)
        X = as_array(rows.X[part]).astype(np.float64)
        w = np.ones(len(X))
        if rows.weights is not None:
            w = as_array(rows.weights[part]).astype(np.float64)
        yield X, w, part


def rows_of_full_leverage(factor: Factor, source: Source) -> list[int]:
    """Return the numbers of the rows whose leverage is 1."""
    source.number_rows()
    found: list[int] = sorted(source.fold(partial(_of_full_leverage, factor=factor)))
    return found


def _of_full_leverage(rows: Rows, factor: Factor) -> list[int]:
    found: list[int] = []
    for X, w, part in _blocks(rows):
        full = np.flatnonzero(1 - factor.leverages(X, w) <= factor.rounding)
        found += (rows.first + part.start + full).tolist()
    return found


def _covariance(factor: Factor, inner: Matrix) -> Matrix:
    """Return the covariance of the coefficients and, last, the intercept of each target."""
    d = len(factor.inverse)
    bread = np.zeros((d + 1, d + 1))
    bread[:d, :d] = factor.inverse
    bread[d, d] = factor.root
    shear = np.eye(d + 1)  # the intercept is ȳ − μ·β
    shear[d, :d] = -factor.mean[:d]
    bread = shear @ bread
    found: Matrix = bread @ inner @ bread.T
    return found


def _wald(factor: Factor, inner: Matrix) -> Matrix:
    """Return the F of Wald's test that all rows have the same prediction, of each target.

    That is bᵀ C⁻¹ b over the number of conditions, with b = R_xx β and C its covariance, both
    without the direction of a constant. Infinite where C has no variance and b is not 0.
    """
    d = len(factor.inverse)
    basis = np.eye(d)
    if factor.constant is not None:
        basis = linalg.null_space(factor.constant[np.newaxis])
    found = np.full(len(inner), np.nan)
    for target, C in enumerate(inner[:, :d, :d]):
        if not basis.size or not np.isfinite(C).all():
            continue
        values, V = np.linalg.eigh(basis.T @ C @ basis)
        b = V.T @ (basis.T @ factor.projected[:, target])
        values = np.where(values > d * _EPS * values[-1], values, 0.0)
        seen = np.abs(b) > 4 * d * _EPS * np.linalg.norm(factor.projected[:, target])
        if values.any() or seen.any():
            with np.errstate(divide="ignore"):
                found[target] = (b[seen] ** 2 / values[seen]).sum() / len(values)
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
        About the mean; about 0 if no coefficients give the same prediction for all rows: without
        an intercept, unless columns such as those of all categories add up to a constant.
    f_value, f_p_value : float
        Wald's test that all rows have the same prediction: that all slopes are 0. Without a
        constant, that all predictions are 0.
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


def _lost(factor: Factor) -> Matrix:
    """Return how large slopes and intercepts may be that are rounding: (n_targets, d + 1)."""
    d = len(factor.slopes)
    y, x = np.abs(factor.mean[d:]), np.abs(factor.mean[:d])
    sizes = np.sqrt(factor.total) + np.sqrt(factor.weight) * y
    slopes = factor.rounding * np.outer(sizes, np.sqrt((factor.inverse**2).sum(axis=1)))
    intercepts = factor.rounding * (y + np.abs(factor.slopes.T) @ x) + slopes @ x
    return np.column_stack([slopes, intercepts])


def summarize(
    factor: Factor,
    names: list[str],
    inner: Matrix,
    confidence: float,
    robust: str | None,
    one_target: bool,
) -> Summary:
    """Return the tests that a factor and its `meat` lead to."""
    d = len(factor.slopes)
    kept = d + factor.fit_intercept
    freedom = factor.freedom
    slopes = factor.slopes.T
    intercepts = factor.mean[d:] - slopes @ factor.mean[:d]
    coefficients = np.column_stack([slopes, intercepts])[:, :kept]
    covariances = _covariance(factor, inner)[:, :kept, :kept]
    errors = np.sqrt(np.diagonal(covariances, axis1=1, axis2=2))
    exact = (factor.residual == 0)[:, np.newaxis]
    tested = np.where(exact & (np.abs(coefficients) <= _lost(factor)[:, :kept]), 0.0, coefficients)
    with np.errstate(divide="ignore", invalid="ignore"):
        t_values = tested / errors
        r2 = 1 - factor.residual / factor.total
    f_value = _wald(factor, inner)
    dimensions = d - (factor.constant is not None)
    half = stats.t.ppf(0.5 + confidence / 2, freedom) * errors
    arrays: dict[str, Any] = {
        "coefficients": coefficients,
        "standard_errors": errors,
        "t_values": t_values,
        "p_values": 2 * stats.t.sf(np.abs(t_values), freedom),
        "confidence_intervals": np.stack([coefficients - half, coefficients + half], axis=-1),
        "covariance": covariances,
        "r2": r2,
        "adjusted_r2": 1 - (factor.count - factor.has_constant) / freedom * (1 - r2),
        "f_value": f_value,
        "f_p_value": stats.f.sf(f_value, dimensions, freedom),
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
