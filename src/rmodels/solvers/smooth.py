"""Minima for any penalties: without one on magnitudes, by least squares and ridge regression."""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from rmodels.data import Rows, Source
from rmodels.data.arrays import on_host
from rmodels.ops.moments import Moments
from rmodels.solvers import coordinate, least_squares, ridge
from rmodels.solvers.coordinate import choose_gradient
from rmodels.solvers.moments import compute_gradient
from rmodels.solvers.penalized import Form, PathFit, Penalties, Sums, join

__all__ = ["fit", "fit_any"]


def fit_any(
    source: Source,
    penalties: Penalties,
    form: Form,
    n_threads: int | None,
    *,
    start: NDArray[np.float64] | None = None,
    moments: Moments | None = None,
) -> PathFit:
    """Return the minimum for each penalty, as `coordinate.fit_path` does, l1 = 0 among them."""
    plain = (penalties.l1 == 0) & ~(form.positive & (penalties.l2 > 0))
    if not plain.any():
        return coordinate.fit_path(
            source, penalties, form, start=start, n_threads=n_threads, moments=moments
        )
    return join(
        [
            fit(source, float(penalties.l2[k]), form, n_threads)
            if plain[k]
            else coordinate.fit_path(
                source, penalties.one(k), form, n_threads=n_threads, moments=moments
            )
            for k in range(len(plain))
        ]
    )


def fit(source: Source, l2: float, form: Form, n_threads: int | None) -> PathFit:
    """Return what minimises ½ Σ w ‖y − Bᵀx − intercept‖² / Σ w + ½ l2 ‖B‖².

    Parameters
    ----------
    source : Source
    l2 : float
        At least 0; 0 is least squares, of minimum norm where it is not unique.
    form : Form
    n_threads : int, optional

    Notes
    -----
    The duality gap is ½ ‖h‖² / l2 with h the slope; of least squares, which has none, ‖h‖².
    """
    if l2 > 0:
        penalties = np.full(source.n_targets, l2 * source.weight)
        found = ridge.solve(source, penalties, form.fit_intercept, n_threads=n_threads)
    else:
        found = least_squares.solve(
            source, form.fit_intercept, positive=form.positive, n_threads=n_threads
        )
    B = found.coefficients
    shift = None if found.moments is None else found.moments.mean[: source.n_features]
    if not form.fit_intercept:
        shift = None
    centred = B.copy()
    if shift is not None:
        centred[-1] += shift @ B[:-1]
    engine = choose_gradient(source, found.engine)
    h = -compute_gradient(source, centred, shift, engine, n_threads)[:-1] - l2 * B[:-1]
    if form.positive:
        h = np.where(B[:-1] > 0, h, np.maximum(h, 0.0))
    squares = (h * h).sum(axis=0)
    gaps = squares.sum(keepdims=True) if form.together else squares
    gaps = gaps / (2 * l2) if l2 > 0 else gaps
    return PathFit(
        B[np.newaxis],
        gaps[np.newaxis],
        np.ones((1, len(gaps)), dtype=np.int64),
        0.0,
        found.engine,
        np.zeros(source.n_features) if shift is None else shift,
        _add_squares(source, found.moments, form.fit_intercept) if form.together else np.nan,
        found.warnings,
    )


def _add_squares(source: Source, moments: Moments | None, fit_intercept: bool) -> float:
    """Return the squares of all targets, as `PathFit` has them."""
    if moments is not None:
        return float(Sums.of(moments, fit_intercept).squares.sum()) * moments.n_samples
    centre = np.zeros(source.n_targets)
    if fit_intercept:
        total = source.fold(partial(_add_powers, centre))
        centre = total[2] / total[1, 0]
    n, weight, _, squares = source.fold(partial(_add_powers, centre))
    return float(squares.sum() * n[0] / weight[0])


def _add_powers(centre: NDArray[np.float64], rows: Rows) -> NDArray[np.float64]:
    """Return rows, weights, distances and squares, all added up: (4, n_targets)."""
    Y = on_host(rows.Y).astype(np.float64) - centre
    w = np.ones(len(Y)) if rows.weights is None else on_host(rows.weights).astype(np.float64)
    return np.array([np.full(len(centre), len(Y)), np.full(len(centre), w.sum()), w @ Y, w @ Y**2])
