"""Minima of losses of linear predictors with so many coefficients that no curvature is kept.

Newton's method, whose steps are found by conjugate gradients on products of the curvature with
vectors, only as well as they need be.
"""

import math

import numpy as np

from rmodels.ops.glm import Matrix
from rmodels.solvers.lockstep import Asking
from rmodels.solvers.losses import Objective
from rmodels.solvers.newton import EXACT, NOISE, Search, violations, worst_of

__all__ = ["minimise"]

_MOST_STEPS = 200
_MOST_PRODUCTS = 2000  # of a step


def minimise(
    objective: Objective, start: Matrix, *, exact: float = EXACT, most: float = math.inf
) -> Asking[Search]:
    """Find where the objective is least, as `newton.minimise` does; stop after `most` reads."""
    theta = start
    sums = yield from objective.evaluate(theta)
    value = sums.loss + objective.penalties.value(theta)
    gradient, sizes = violations(theta, sums, objective)
    worst = worst_of(gradient, sizes)
    best, steps, stalled = worst, 0, 0
    first = float(np.linalg.norm(gradient))
    while worst > exact and steps < _MOST_STEPS and stalled < 3 and objective.reads < most:
        size = float(np.linalg.norm(gradient))
        near = min(0.1, (size / first) ** 0.5) if first else 0.1
        step = yield from _solve(objective, theta, gradient, max(near, 1e-6), most)
        slope = float((gradient * step).sum())
        length = 1.0
        while True:
            trial = theta + length * step
            sums = yield from objective.evaluate(trial)
            new = sums.loss + objective.penalties.value(trial)
            if new <= value + 1e-4 * length * slope + NOISE * abs(value) or length < 1e-12:
                break
            length *= 0.25
        if not new <= value + NOISE * abs(value):
            break
        steps += 1
        theta, value = trial, new
        gradient, sizes = violations(theta, sums, objective)
        following = worst_of(gradient, sizes)
        stalled = 0 if following < 0.8 * best or -slope > NOISE * abs(value) else stalled + 1
        worst, best = following, min(best, following)
    return Search(theta, value, worst, steps, False, sums)


def _solve(
    objective: Objective, theta: Matrix, gradient: Matrix, near: float, most: float
) -> Asking[Matrix]:
    """Find about the step of Newton's method: conjugate gradients, until the rest is small."""
    l2 = objective.penalties.l2
    x, r = np.zeros_like(theta), -gradient
    p, rr = r.copy(), float((r * r).sum())
    enough = near**2 * rr
    for _ in range(_MOST_PRODUCTS):
        if rr <= enough or objective.reads >= most:
            break
        q = (yield from objective.multiply(theta, p)) + l2 * p
        curve = float((p * q).sum())
        if not curve > 0:
            break
        a = rr / curve
        x += a * p
        r = r - a * q
        before, rr = rr, float((r * r).sum())
        p = r + (rr / before) * p
    return x if x.any() else -gradient
