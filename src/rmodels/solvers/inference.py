"""Standard errors and tests of least squares, from a triangular factor of the scatter matrix.

See `rmodels.solvers.factor`.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, stats

from rmodels.data import Rows, Source
from rmodels.solvers.factor import Factor
from rmodels.solvers.moments import as_array
from rmodels.solvers.summary import Summary

__all__ = ["ROBUST", "explain_nan", "meat", "rows_of_full_leverage", "summarize"]

Matrix = NDArray[np.float64]

_EPS = float(np.finfo(np.float64).eps)
_ROWS_AT_A_TIME = 4096
ROBUST = ("HC0", "HC1", "HC2", "HC3")


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


def explain_nan(factor: Factor, source: Source, robust: str) -> str | None:
    """Return which rows leave no standard errors, and what to do; None if there are none."""
    rows = rows_of_full_leverage(factor, source)
    if not rows:
        return None
    which = f"row {rows[0]} has" if len(rows) == 1 else f"rows {_list(rows)} have"
    return (
        f"{which} a leverage of 1: {robust} divides by what is left of 1, 0, and the "
        "standard errors are NaN. Choose 'HC0' or 'HC1', or leave out what only such a row "
        "tells: the row, and the column that is its own."
    )


def _list(rows: list[int]) -> str:
    """Return the first of some numbers, and how many there are more."""
    if len(rows) <= 5:
        return f"{', '.join(map(str, rows[:-1]))} and {rows[-1]}"
    return f"{', '.join(map(str, rows[:5]))} and {len(rows) - 5} more"


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
        variance_inflation=factor.inflation,
        n_samples=int(factor.count),
        degrees_of_freedom=int(freedom),
        confidence=confidence,
        robust=robust,
        computed_from=factor.computed_from,
    )
