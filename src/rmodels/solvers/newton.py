"""Minima of losses of linear predictors with squared penalties, in few reads of the rows.

Newton's method with a curvature that is read again only where the one at hand has come to lead too
slowly; between such reads, the gradients of the steps correct it (BFGS).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import lapack

from rmodels.ops.glm import Matrix, Sums
from rmodels.solvers.losses import Objective, Penalties

__all__ = [
    "EXACT",
    "NOISE",
    "PATIENCE",
    "Curvature",
    "Search",
    "foresee",
    "minimise",
    "violations",
    "worst_of",
]

EXACT = 1e-12  # of the magnitudes that cancel in the gradient: a minimum
_STALE = 0.1  # of the decrement before: above, the curvature is read again
_STALE_EXPECTED = 0.7  # the same of one that is only expected, and that steps come to correct
_MOST_READS = 200
NOISE = 2e-14  # of the objective: differences below are rounding
_NOTHING = 1e-22  # of the objective, to be gained by another step: 11 digits of predictions
PATIENCE = 4  # reads without progress


@dataclass(eq=False)
class Search:
    """Where a search has come to.

    Attributes
    ----------
    theta : ndarray of shape (n_outputs, n_features + 1)
    value : float
        Of the objective.
    violation : float
        The largest part of the gradient, over the magnitudes that cancel in it.
    steps : int
    separated : bool
        Whether the search went on towards infinity.
    sums : Sums or None
        At the end.
    curvature : ndarray or None
        The last of the loss that was read, without penalties.
    """

    theta: Matrix
    value: float
    violation: float
    steps: int
    separated: bool = False
    sums: Sums | None = None
    curvature: Matrix | None = None


def violations(theta: Matrix, sums: Sums, objective: Objective) -> tuple[Matrix, Matrix]:
    """Return the gradient of the objective, and what its parts are relative to."""
    pull = objective.penalties.l2 * theta
    return sums.gradient + pull, sums.magnitude + abs(pull)


def worst_of(gradient: Matrix, sizes: Matrix) -> float:
    """Return the largest part of a gradient over what it is relative to."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return float(np.max(np.where(sizes > 0, abs(gradient) / sizes, 0.0), initial=0.0))


class Curvature:
    """The inverse of a curvature, corrected by steps that were made since."""

    def __init__(self, H: Matrix, objective: Objective) -> None:
        outputs, width = objective.shape
        l2 = np.tile(objective.penalties.l2, outputs)
        H = H.copy()
        H[np.diag_indices_from(H)] += l2
        if outputs > 1:
            _fill_shifts(H, outputs, width, objective.penalties.l2)
        diagonal = np.diag(H).copy()
        self._scale = np.where(diagonal > 0, 1 / np.sqrt(np.where(diagonal > 0, diagonal, 1)), 0)
        scaled = H * self._scale * self._scale[:, np.newaxis]
        # SciPy's functions above LAPACK's take longer than small factors do
        self._factor, info = lapack.dpotrf(scaled, lower=1, clean=0)
        self._definite = not info and self._factor.diagonal().min() ** 2 > len(H) * 1e-15
        if not self._definite:
            values, vectors = np.linalg.eigh(scaled)
            kept = values > len(H) * 1e-15 * max(values[-1], 0)
            self._inverse = (vectors[:, kept], 1 / values[kept])
            self._flat = self._scale[:, np.newaxis] * vectors[:, ~kept]
        self.pairs: list[tuple[Matrix, Matrix, float]] = []

    def solve(self, g: Matrix) -> Matrix:
        """Return the inverse times a vector."""
        q = g.copy()
        shares = []
        for s, y, rho in reversed(self.pairs):
            share = rho * (s @ q)
            shares.append(share)
            q -= share * y
        q = self._scale * self._solve(self._scale * q)
        for (s, y, rho), share in zip(self.pairs, reversed(shares), strict=True):
            q += (share - rho * (y @ q)) * s
        return q

    def _solve(self, q: Matrix) -> Matrix:
        if self._definite:
            found: Matrix = lapack.dpotrs(self._factor, q, lower=1)[0]
            return found
        vectors, inverse = self._inverse
        return vectors @ (inverse * (vectors.T @ q))

    def shorten(self, theta: Matrix) -> Matrix:
        """Return the coefficients of least norm that predict the same: intercepts have none."""
        if self._definite:
            return theta
        outputs, width = theta.shape
        counted = np.arange(theta.size) % width != width - 1
        flat, given = self._flat[counted], theta.ravel()[counted]
        sizes = np.linalg.norm(flat, axis=0)
        shares = np.linalg.lstsq(flat / np.where(sizes > 0, sizes, 1), given, rcond=None)[0]
        shorter: Matrix = theta.ravel() - (self._flat / np.where(sizes > 0, sizes, 1)) @ shares
        return shorter.reshape(outputs, width)

    def add(self, step: Matrix, change: Matrix) -> None:
        """Correct the curvature by a step and the change of the gradient along it."""
        product = float(step @ change)
        if product > 1e-12 * np.linalg.norm(step) * np.linalg.norm(change):
            self.pairs.append((step, change, 1 / product))


def _fill_shifts(H: Matrix, outputs: int, width: int, l2: Matrix) -> None:
    """Give a curvature to what shifts all outputs' coefficients of a column alike, in place.

    Probabilities do not change with it, and gradients have nothing of it.
    """
    blocks = H.reshape(outputs, width, outputs, width)
    for j in np.flatnonzero(l2 == 0):
        diagonal = np.mean([blocks[k, j, k, j] for k in range(outputs)])
        blocks[:, j, :, j] += diagonal / outputs


def minimise(
    objective: Objective,
    start: Matrix,
    *,
    exact: float = EXACT,
    curve: Any = None,
    known: Matrix | None = None,
) -> Search:
    """Return where the objective is least, found from some coefficients on.

    Parameters
    ----------
    objective : Objective
        Without penalties on magnitudes.
    start : ndarray of shape (n_outputs, n_features + 1)
    exact : float
        The violation that ends the search.
    curve : callable, optional
        Returns the curvature at some coefficients, where that of all rows is not to be read.
    known : ndarray, optional
        The curvature of the loss somewhere near: then none is read before it leads too slowly.
    """
    theta = start
    full = curve is None
    first = full and known is None
    sums = objective.evaluate(theta, curvature=first)
    value = sums.loss + objective.penalties.value(theta)
    if not np.isfinite(value):
        theta, first = np.zeros_like(start), full
        sums = objective.evaluate(theta, curvature=full)
        value = sums.loss + objective.penalties.value(theta)
    H = sums.curvature if first else known if known is not None else curve(theta)
    assert H is not None
    model = Curvature(H, objective)
    gradient, sizes = violations(theta, sums, objective)
    worst = worst_of(gradient, sizes)
    ends = False
    stale = _STALE if objective.family.is_convex else _STALE_EXPECTED
    best, since, steps, contraction = worst, 0, 0, 1.0 if first else 0.0
    while worst > exact and objective.reads < _MOST_READS:
        step = -model.solve(gradient.ravel()).reshape(theta.shape)
        slope = float((gradient * step).sum())
        if not slope < 0:
            if not model.pairs:
                break
            model.pairs.clear()
            continue
        refresh = full and contraction > stale
        length = 1.0
        while True:
            trial = theta + length * step
            sums = objective.evaluate(trial, curvature=refresh)
            new = sums.loss + objective.penalties.value(trial)
            if new <= value + 1e-4 * length * slope + NOISE * abs(value):
                break
            rise = (new - value) - length * slope
            shorter = -0.5 * length * slope / rise if np.isfinite(rise) and rise > 0 else 0.25
            length *= min(0.5, max(0.1, shorter)) if np.isfinite(new) else 0.25
            if length < 1e-12 or objective.reads >= _MOST_READS:
                break
        if not new <= value + NOISE * abs(value):
            break
        steps += 1
        following, sizes = violations(trial, sums, objective)
        moved, change = (trial - theta).ravel(), (following - gradient).ravel()
        theta, value, gradient = trial, new, following
        if refresh and sums.curvature is not None:
            H = sums.curvature
            model = Curvature(H, objective)
        else:
            model.add(moved, change)
        decrement = -slope
        reached = float(gradient.ravel() @ model.solve(gradient.ravel()))
        contraction = np.sqrt(max(reached, 0) / decrement)
        if not full and contraction > 0.5 and len(model.pairs) >= 3:
            H = curve(theta)
            model = Curvature(H, objective)
        worst = worst_of(gradient, sizes)
        ends = 0 <= reached <= _NOTHING * abs(value)
        since = 0 if worst < 0.8 * best else since + 1
        best = min(best, worst)
        if since >= PATIENCE and decrement < NOISE * abs(value):
            break
        if _runs_away(sums, objective, theta):
            return Search(theta, value, worst, steps, True, sums, H)
    if ends:  # where targets are met, magnitudes vanish with the gradient
        worst = min(worst, exact)
    if not objective.penalties.l2[:-1].any():
        theta = model.shorten(theta)
    return Search(theta, value, worst, steps, False, sums, H)


def foresee(theta: Matrix, objective: Objective, before: Penalties, H: Matrix) -> Matrix:
    """Return about where the objective is least, from where it was under other penalties.

    Parameters
    ----------
    theta : ndarray of shape (n_outputs, n_features + 1)
        The minimum under those before.
    objective : Objective
    before : Penalties
        Without those on magnitudes, as are the new ones.
    H : ndarray
        The curvature of the loss.
    """
    gradient = (objective.penalties.l2 - before.l2) * theta  # what the loss has met is −l2 θ
    step = Curvature(H, objective).solve(gradient.ravel()).reshape(theta.shape)
    found: Matrix = theta - step
    return found


def _runs_away(sums: Sums, objective: Objective, theta: Matrix) -> bool:
    """Return whether nothing holds the coefficients, and the losses of all rows vanish."""
    free = not objective.penalties.l2[:-1].any()
    return (
        free
        and objective.family.loss in ("logistic", "multinomial")
        and sums.loss <= 1e-9 * objective.source.weight
    )
