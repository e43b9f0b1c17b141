"""Gradient descent on sources: the same steps by every solver."""

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from rmodels.data.source import Rows, Without
from rmodels.solvers.descent import (
    descend,
    descend_moments,
    iterate_eigenvalue,
    solve_eigenvalue,
)
from rmodels.solvers.moments import compute_moments

pytestmark = pytest.mark.usefixtures("on_engine")

rng = np.random.default_rng(0)
X, Y, W = rng.normal(size=(60, 5)) + 0.5, rng.normal(size=(60, 2)), rng.random(60)
ROWS = Rows(X, Y, W, lambda: None)
SOURCES = {"array": ROWS, "batches": Without(ROWS, range(0))}


def steps(rate, iterations, fit_intercept):
    """Return coefficients and losses of the literal loop."""
    Z, w = np.column_stack([X, np.full(len(X), float(fit_intercept))]), W[:, np.newaxis]
    found, losses = np.zeros((6, 2)), np.empty((iterations, 2))
    for step in range(iterations):
        found -= rate * Z.T @ (w * (Z @ found - Y)) / W.sum()
        losses[step] = (w * (Z @ found - Y) ** 2).sum(axis=0) / (2 * W.sum())
    return found, losses


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("solver", ["moments", "gram", "stream"])
def test_literal_steps(source, fit_intercept, solver):
    if solver == "gram" and source is not ROWS:
        with pytest.raises(ValueError, match="different batches do not add up"):
            descend(source, 30, 0.1, fit_intercept, solver=solver)
        return
    found = descend(source, 30, 0.1, fit_intercept, solver=solver)
    coefficients, losses = steps(0.1, 30, fit_intercept)
    np.testing.assert_allclose(found.coefficients, coefficients, rtol=0, atol=1e-13)
    history = found.history if solver == "stream" else found.history.losses
    np.testing.assert_allclose(history, losses, rtol=1e-12)
    assert (found.solver, found.learning_rate, found.warnings) == (solver, 0.1, ())
    assert (found.moments is None) is (solver != "moments")
    assert (found.conditioning is None) is (solver == "stream")


def test_from_moments_that_were_added():
    parts = [compute_moments(ROWS.take(rows), None) for rows in (slice(20), slice(20, None))]
    found = descend_moments(parts[0] + parts[1], 30, 0.1, True)
    np.testing.assert_allclose(found.coefficients, steps(0.1, 30, True)[0], rtol=0, atol=1e-13)


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_largest_eigenvalue(source, fit_intercept):
    Z = np.column_stack([X, np.ones(len(X))]) if fit_intercept else X
    truth = np.linalg.eigvalsh(Z.T @ (W[:, np.newaxis] * Z) / W.sum())[-1]
    for find in (solve_eigenvalue, iterate_eigenvalue):
        assert find(source, fit_intercept, None) == pytest.approx(truth, rel=1e-12)


@pytest.mark.parametrize("find", [solve_eigenvalue, iterate_eigenvalue])
def test_largest_eigenvalue_at_the_ends(find):
    zeros = Rows(np.zeros((3, 2)), np.zeros((3, 1)), None, lambda: None)
    assert find(zeros, False, None) == 0
    assert find(zeros, True, None) == pytest.approx(1)
    large = Rows(np.full((3, 2), 1e200), np.zeros((3, 1)), None, lambda: None)
    assert find(large, True, None) == np.inf


@pytest.mark.parametrize("solver", ["moments", "gram", "stream"])
def test_a_rate_that_is_too_large_is_told(solver):
    largest = solve_eigenvalue(ROWS, True, None)
    for rate, expected in [(1.99 / largest, []), (2.2 / largest, [ConvergenceWarning])]:
        found = descend(ROWS, 50, rate, True, solver=solver)
        assert [type(warning) for warning in found.warnings] == expected
    assert f"the largest stable one is {2 / largest:.6g}" in str(found.warnings[0])
    with pytest.raises(ValueError, match="The coefficients overflowed in 20000 iterations"):
        descend(ROWS, 20_000, 2.2 / largest, True, solver=solver)
