"""Minima of losses of linear predictors with penalties on magnitudes.

Newton's method: the loss is replaced by its second-order expansion, of which coordinate descent
finds the minimum with the penalty.
"""

import numpy as np

from rmodels.ops.coordinate import minimise as minimise_quadratic
from rmodels.ops.glm import Matrix, Sums
from rmodels.solvers.lockstep import Asking
from rmodels.solvers.losses import Objective
from rmodels.solvers.newton import EXACT, NOISE, PATIENCE, Search, worst_of

__all__ = ["minimise", "violations"]

_MOST_STEPS = 100
_STALE = 0.05
_LARGEST = 1500  # columns whose curvature is kept at a time


def violations(theta: Matrix, sums: Sums, objective: Objective) -> tuple[Matrix, Matrix]:
    """Return by how much optimality is missed, and what that is relative to."""
    l1, pull = objective.penalties.l1, objective.penalties.l2 * theta
    g = sums.gradient + pull
    active = theta != 0
    missed = np.where(active, g + l1 * np.sign(theta), np.sign(g) * np.maximum(abs(g) - l1, 0))
    return missed, sums.magnitude + abs(pull) + l1


def minimise(objective: Objective, start: Matrix, *, exact: float = EXACT) -> Asking[Search]:
    """Find where the objective is least.

    Parameters
    ----------
    objective : Objective
    start : ndarray of shape (n_outputs, n_features + 1)
    exact : float
        The violation that ends the search.
    """
    if start.size <= _LARGEST:
        return (yield from _minimise(objective, start, exact))
    return (yield from _minimise_by_sets(objective, start, exact))


def _minimise_by_sets(objective: Objective, start: Matrix, exact: float) -> Asking[Search]:
    """Fit columns that may have coefficients, and add what violates optimality beside them."""
    theta = start.copy()
    outputs, width = theta.shape
    most = max(1, _LARGEST // outputs - 1)
    steps = 0
    while True:
        sums = yield from objective.evaluate(theta)
        missed, sizes = violations(theta, sums, objective)
        worst = worst_of(missed, sizes)
        used = np.flatnonzero((theta[:, :-1] != 0).any(axis=0))
        value = sums.loss + objective.penalties.value(theta)
        if worst <= exact or steps >= _MOST_STEPS:
            return Search(theta, value, worst, steps, False, sums)
        gaps = (abs(missed[:, :-1]) / np.where(sizes[:, :-1] > 0, sizes[:, :-1], 1)).max(axis=0)
        gaps[used] = 0
        count = min(int((gaps > exact).sum()), max(50, len(used)), max(most, len(used) + 1))
        added = np.argsort(-gaps, kind="stable")[:count]
        columns = np.union1d(used, added).astype(np.intp)
        kept = np.append(columns, width - 1)
        restricted = objective.restrict(columns)
        found = yield from _minimise(restricted, theta[:, kept], exact)
        objective.reads += restricted.reads
        steps += max(1, found.steps)
        if not count and np.array_equal(found.theta, theta[:, kept]):
            return Search(theta, value, worst, steps, False, sums)
        theta = np.zeros_like(theta)
        theta[:, kept] = found.theta


def _minimise(objective: Objective, start: Matrix, exact: float) -> Asking[Search]:
    theta = start
    sums = yield from objective.evaluate(theta, curvature=True)
    H = sums.curvature
    value = sums.loss + objective.penalties.value(theta)
    missed, sizes = violations(theta, sums, objective)
    worst = best = worst_of(missed, sizes)
    steps, since, ratio = 0, 0, 1.0
    while worst > exact and steps < _MOST_STEPS:
        assert H is not None
        step = _step(H, theta, sums, objective)
        penalty = objective.penalties.value(theta)
        slope = float((sums.gradient * step).sum()) + (
            objective.penalties.value(theta + step) - penalty
        )
        refresh, length = ratio > _STALE, 1.0
        while True:
            trial = theta + length * step
            found = yield from objective.evaluate(trial, curvature=refresh)
            new = found.loss + objective.penalties.value(trial)
            if new <= value + 1e-4 * length * slope + NOISE * abs(value) or length < 1e-12:
                break
            length *= 0.5
        if not new <= value + NOISE * abs(value):
            break
        steps += 1
        theta, value, sums = trial, new, found
        if found.curvature is not None:
            H = found.curvature
        missed, sizes = violations(theta, sums, objective)
        following = worst_of(missed, sizes)
        ratio = following / worst if worst else 0.0
        worst = following
        since = 0 if worst < 0.5 * best else since + 1
        best = min(best, worst)
        if since >= PATIENCE and abs(slope) < NOISE * abs(value):
            break
    return Search(theta, value, worst, steps, False, sums)


def _step(H: Matrix, theta: Matrix, sums: Sums, objective: Objective) -> Matrix:
    """Return the step to the least value of the second-order expansion with the penalty."""
    outputs, width = theta.shape
    d = width - 1
    free = objective.penalties.l1[-1] == 0  # intercepts, which are then eliminated
    blocks = H.reshape(outputs, width, outputs, width)
    kept = d if free else width
    if not free:  # in a unit of the intercept by which its penalty is that of the others
        blocks = blocks.copy()
        unit = objective.penalties.l1[0] / objective.penalties.l1[-1]
        blocks[:, d] *= unit
        blocks[:, :, :, d] *= unit
    Q = blocks[:, :kept, :, :kept].reshape(outputs * kept, outputs * kept)
    g, b = sums.gradient[:, :kept].copy(), theta[:, :kept].copy()
    if not free:
        g[:, d] *= unit
        b[:, d] /= unit
    g, b = g.ravel(), b.ravel()
    if free:
        across = blocks[:, :d, :, d].reshape(outputs * d, outputs)
        inverse = np.linalg.pinv(blocks[:, d, :, d], hermitian=True)
        Q = Q - across @ inverse @ across.T
        g = g - across @ (inverse @ sums.gradient[:, d])
    q = Q @ b - g
    penalties = objective.penalties
    diagonal = np.diag(Q)
    size = np.max(abs(q) / np.sqrt(np.where(diagonal > 0, diagonal, np.inf)), initial=0.0)
    found = minimise_quadratic(
        np.ascontiguousarray(Q)[np.newaxis],
        q[np.newaxis, :, np.newaxis],
        np.array([size]),
        penalties.l1[:1, np.newaxis],
        penalties.l2[:1, np.newaxis],
        start=b[np.newaxis, :, np.newaxis],
        n_threads=objective.n_threads,
    )
    new = found.coefficients[0, 0, :, 0]
    step = np.zeros_like(theta)
    step[:, :kept] = (new - b).reshape(outputs, kept)
    if not free:
        step[:, d] *= unit
    else:
        change = across.T @ (new - b)
        step[:, d] = -inverse @ (sums.gradient[:, d] + change)
    return step
