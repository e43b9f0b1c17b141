"""Minima for any penalties: without one on magnitudes, by least squares and ridge regression."""

import numpy as np
from numpy.typing import NDArray

from rmodels.data import Source
from rmodels.ops.moments import Moments
from rmodels.solvers import coordinate, least_squares, ridge
from rmodels.solvers.coordinate import choose_gradient
from rmodels.solvers.moments import compute_gradient
from rmodels.solvers.penalized import Form, PathFit, Penalties, join

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
        found.warnings,
    )
