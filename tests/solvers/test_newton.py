"""Newton's method on losses, and the sample that leads its first steps."""

import numpy as np
import pytest

from rmodels.data import Rows
from rmodels.solvers.lockstep import run
from rmodels.solvers.losses import Family, Objective, Penalties
from rmodels.solvers.newton import EXACT, Sample, minimise, violations

N, D = 4000, 6


def objective_of(X, y, l2=1.0, share=1.0):
    penalties = Penalties(np.append(np.full(D, l2 * share), 0.0), np.zeros(D + 1))
    return Objective(Rows(X, y[:, np.newaxis].astype(np.float64)), Family("logistic"), penalties)


def found_of(objective, **given):
    return run(minimise(objective, np.zeros((1, D + 1)), **given), objective.source)


def rows(seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(N, D)) @ (np.eye(D) + 0.3 * rng.normal(size=(D, D)))
    return X, (X @ np.linspace(-1, 1, D) > rng.logistic(size=N)).astype(int)


def size_of(objective, theta, model):
    g = violations(theta, run(objective.evaluate(theta), objective.source), objective)[0].ravel()
    return float(g @ model.solve(g))


def test_a_sample_of_all_rows_leads_closer_than_newton():
    """So near the minimum, steps with the curvature of the first leave a hundredth or so each."""
    objective = objective_of(*rows())
    theta = found_of(objective).theta + 0.01
    sums = run(objective.evaluate(theta, curvature=True), objective.source)
    gradient = violations(theta, sums, objective)[0]
    sample = Sample(objective_of(*rows()), 1.0)
    step, model = sample.lead(theta, gradient, objective, sums.curvature)
    plain = -model.solve(gradient.ravel()).reshape(theta.shape)
    left, newton = (size_of(objective, theta + each, model) for each in (step, plain))
    assert left < newton / 4


@pytest.mark.parametrize("flipped", [0.0, 0.5, 1.0])
def test_whatever_the_sample_says_the_minimum_is_that_of_all_rows(flipped):
    X, y = rows()
    few = slice(0, 400)
    told = np.where(np.random.default_rng(1).random(400) < flipped, 1 - y[few], y[few])
    sample = Sample(objective_of(X[few], told, share=0.1), 0.1)
    objective = objective_of(X, y)
    found = found_of(objective, sample=sample)
    assert found.violation <= EXACT
    alone = found_of(objective_of(X, y))
    # both gradients vanish to EXACT of their magnitudes, and the curvature is at least the penalty
    _, sizes = violations(
        found.theta, run(objective.evaluate(found.theta), objective.source), objective
    )
    assert np.linalg.norm((found.theta - alone.theta)[0, :-1]) <= 2 * EXACT * np.linalg.norm(sizes)


def test_a_good_sample_saves_reads_of_the_curvature():
    X, y = rows()
    few = np.arange(0, N, 4)
    sample = Sample(objective_of(X[few], y[few], share=0.25), 0.25)
    asked = []

    class Counted(Objective):
        def evaluate(self, theta, *, curvature=False):
            asked.append(bool(curvature))
            return super().evaluate(theta, curvature=curvature)

    plain = objective_of(X, y)
    found_of(Counted(plain.source, plain.family, plain.penalties))
    without = sum(asked)
    asked.clear()
    found_of(Counted(plain.source, plain.family, plain.penalties), sample=sample)
    assert not asked[0]
    assert sum(asked) < without
