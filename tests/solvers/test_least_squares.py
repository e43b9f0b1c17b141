"""Least squares of sources: what a result tells beside the coefficients."""

import warnings

import numpy as np
import pytest
from scipy import linalg, sparse
from sklearn.exceptions import ConvergenceWarning

from rmodels.config import config_context
from rmodels.data.source import Rows, Without
from rmodels.solvers import least_squares, lsqr, ridge
from rmodels.solvers.moments import compute_moments

pytestmark = pytest.mark.usefixtures("on_engine")

rng = np.random.default_rng(0)
X, Y, W = rng.normal(size=(50, 4)) + 2, rng.normal(size=(50, 2)), rng.random(50)


def rows(A=X, targets=Y, weights=W):
    return Rows(A, targets, weights, lambda: None)


def truth(A=X, fit_intercept=True, penalty=0.0):
    """Return the least squares of centred rows and of √α for each column."""
    means = [np.average(part, axis=0, weights=W) * fit_intercept for part in (A, Y)]
    root = np.sqrt(W)[:, np.newaxis]
    Z = np.vstack([root * (A - means[0]), np.sqrt(penalty) * np.eye(A.shape[1])])
    targets = np.vstack([root * (Y - means[1]), np.zeros((A.shape[1], 2))])
    slopes = np.linalg.lstsq(Z, targets, rcond=1e-12)[0]
    return np.vstack([slopes, means[1] - means[0] @ slopes])


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("solver", ["moments", "gram", "rows"])
def test_ways_lead_to_the_same(solver, fit_intercept):
    A = X if solver != "gram" else rng.normal(size=(50, 70))
    found = least_squares.solve(rows(A), fit_intercept, solver=solver)
    assert (found.solver, found.warnings) == (solver, ())
    assert found.learning_rate is found.history is None
    np.testing.assert_allclose(found.coefficients, truth(A, fit_intercept), rtol=0, atol=1e-12)
    assert (found.moments is None) is (solver != "moments")
    assert found.conditioning.rank == (4 if solver != "gram" else 50 - fit_intercept)


def test_ill_conditioned_moments_go_on_to_the_rows():
    A = np.column_stack([X, X[:, 0] + 1e-7 * rng.normal(size=50)])
    found = least_squares.solve(rows(A), True)
    assert found.solver == "rows"
    assert found.moments is not None


@pytest.mark.parametrize("in_memory", [True, False])
def test_positive_coefficients_keep_moments_unless_rows_were_asked_for(in_memory):
    source = rows() if in_memory else Without(rows(), range(0))
    found = least_squares.solve(source, True, positive=True)
    assert found.solver == "rows"
    assert (found.coefficients[:-1] >= 0).all()
    np.testing.assert_allclose(found.moments.mean, compute_moments(rows(), None).mean, rtol=1e-13)
    asked = least_squares.solve(source, True, solver="rows", positive=True)
    np.testing.assert_allclose(asked.coefficients, found.coefficients, rtol=1e-12, atol=1e-14)
    assert (asked.moments is None) is in_memory


def test_dependent_columns_are_told_not_warned_of():
    A = np.column_stack([X, X[:, 0]])
    moments = compute_moments(rows(A), None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        both = (
            least_squares.solve(rows(A), True),
            least_squares.solve_moments_alone(moments, 50, True),
        )
    for found in both:
        (warning,) = found.warnings
        assert type(warning) is UserWarning
        assert "X has rank 4 where 5 is possible" in str(warning)
        np.testing.assert_allclose(found.coefficients[0], found.coefficients[4], rtol=1e-10)


def test_moments_alone():
    moments = compute_moments(rows(), None)
    found = least_squares.solve_moments_alone(moments, 50, True)
    np.testing.assert_allclose(found.coefficients, truth(), rtol=0, atol=1e-12)
    assert (found.solver, found.warnings, found.moments) == ("moments", (), moments)
    positive = least_squares.solve_moments_alone(moments, 50, True, positive=True)
    expected = least_squares.solve(rows(), True, positive=True)
    np.testing.assert_allclose(positive.coefficients, expected.coefficients, rtol=0, atol=1e-12)


def test_moments_alone_tell_that_digits_are_lost():
    A = np.column_stack([X, X[:, 0] + 1e-5 * rng.normal(size=50)])
    found = least_squares.solve_moments_alone(compute_moments(rows(A), None), 50, True)
    (warning,) = found.warnings
    assert isinstance(warning, linalg.LinAlgWarning)
    assert "the moments of X are ill-conditioned" in str(warning)


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_penalties(fit_intercept):
    found = ridge.solve(rows(), np.array([0.5, 3.0]), fit_intercept)
    for target, penalty in enumerate((0.5, 3.0)):
        expected = truth(X, fit_intercept, penalty)[:, target]
        np.testing.assert_allclose(found.coefficients[:, target], expected, rtol=0, atol=1e-12)


def test_known_moments_are_not_computed_again():
    moments = compute_moments(rows(), None)
    source = Rows(X, np.full_like(Y, np.nan), W, lambda: None)  # nothing of it is read
    found = ridge.solve(source, np.ones(2), True, known=moments)
    np.testing.assert_allclose(found.coefficients, truth(penalty=1.0), rtol=0, atol=1e-12)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("penalty", [None, 2.0])
def test_lsqr(fit_intercept, penalty):
    source = rows(sparse.csr_array(X))
    penalties = None if penalty is None else np.full(2, penalty)
    with config_context(engine="auto"):
        found = lsqr.solve(source, fit_intercept, penalties)
    assert (found.solver, found.engine, found.warnings) == ("lsqr", "scipy", ())
    expected = truth(X, fit_intercept, penalty or 0.0)
    np.testing.assert_allclose(found.coefficients, expected, rtol=0, atol=1e-11)


def test_lsqr_tells_that_it_did_not_converge():
    x = np.linspace(0, 1, 1000)[:, np.newaxis]
    source = Rows(sparse.csr_array(x ** np.linspace(1, 30, 200)), np.cos(9 * x), None, lambda: None)
    with config_context(engine="auto"):
        found = lsqr.solve(source, True)
    assert [type(warning) for warning in found.warnings] == [ConvergenceWarning]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("penalty", [0.0, 1.0])
@pytest.mark.parametrize("offset", [2.0**12, 2.0**30])
def test_wide_rows_far_from_zero_keep_their_digits(offset, penalty, weighted):
    rng = np.random.default_rng(0)
    near = rng.integers(-1000, 1000, (40, 600)) / 1024.0  # so that offsets are added exactly
    Y, w = rng.normal(size=(40, 2)), rng.random(40) + 0.1 if weighted else None
    found = [
        ridge.solve(Rows(rows, Y, w, lambda: None), np.full(2, penalty), True)
        for rows in (near, near + offset)
    ]
    assert {each.solver for each in found} == {"gram"}
    expected, shifted = (each.coefficients[:-1] for each in found)
    condition = 4.0  # of 40 rows in 600 directions: (1 + 1/4) / (1 - 1/4), and of the weights
    apart = np.linalg.norm(shifted - expected, axis=0)
    assert (apart <= 100 * condition * 2.0**-53 * np.linalg.norm(expected, axis=0)).all()


@pytest.mark.parametrize("n", [40, 150, 450])
def test_square_rows_give_the_least_norm_by_their_products(n):
    rng = np.random.default_rng(0)
    A, Y = rng.normal(size=(n, n)), rng.normal(size=(n, 1))
    found = least_squares.solve(Rows(A, Y, None, lambda: None), True)
    assert found.solver == "gram"
    D = A - A.mean(axis=0)
    U, values, Vt = linalg.svd(D)
    expected = Vt[: n - 1].T @ ((U[:, : n - 1].T @ (Y - Y.mean())) / values[: n - 1, np.newaxis])
    condition = values[0] / values[n - 2]
    apart = np.linalg.norm(found.coefficients[:-1] - expected)
    assert apart <= 100 * n * condition * 2.0**-53 * np.linalg.norm(expected)


@pytest.mark.parametrize("penalty", [0.0, 10.0])
@pytest.mark.parametrize("shape", [(1000, 450), (450, 1000)])
def test_large_factors_lead_where_the_rows_do(shape, penalty):
    rng = np.random.default_rng(0)
    scale = np.ones(shape[1]) if shape[0] < shape[1] else 10.0 ** rng.uniform(-3, 3, shape[1])
    A = rng.normal(size=shape) * scale + 100.0 * scale
    Y, w = rng.normal(size=(shape[0], 2)), rng.random(shape[0]) + 0.5
    source = Rows(A, Y, w, lambda: None)
    found = ridge.solve(source, np.full(2, penalty), True)
    assert found.solver == ("gram" if shape[0] < shape[1] else "moments")
    root = np.sqrt(w)[:, np.newaxis]
    D, T = root * (A - np.average(A, 0, w)), root * (Y - np.average(Y, 0, w))
    R, T = (
        np.vstack([D, np.sqrt(penalty) * np.eye(shape[1])]),
        np.vstack([T, np.zeros((len(scale), 2))]),
    )
    sizes = np.linalg.norm(R, axis=0) if shape[0] > shape[1] else np.ones(shape[1])
    U, values, Vt = linalg.svd(R / sizes, full_matrices=False)
    rank = min(shape[0] - 1, shape[1]) if not penalty else len(values)
    expected = Vt[:rank].T @ ((U[:, :rank].T @ T) / values[:rank, np.newaxis])
    apart = np.linalg.norm(found.coefficients[:-1] * sizes[:, np.newaxis] - expected, axis=0)
    # n roundings of each way; κ is squared as the residuals are not small; and of the offset, a
    # hundred deviations, each row keeps that many fewer digits
    error = len(A) * (values[0] / values[rank - 1]) ** 2 * 2.0**-53
    assert (apart <= 100 * error * np.linalg.norm(expected, axis=0)).all()


def grid(values):
    """Round to 2⁻²⁰, so that an offset of up to 2³² changes no digit."""
    return np.round(values * 2.0**20) / 2.0**20


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("offsets", [(0.0, 2.0**20), (0.0, 2.0**31), (2.0**10, 0.0)])
@pytest.mark.parametrize("penalty", [0.0, 1e-3])
def test_offsets_of_columns_and_targets_cost_no_digits(penalty, offsets, form):
    """κ² is 2 · 10⁵: moments are refined, by residuals that are as small as they are near zero."""
    draws = np.random.default_rng(0)
    a = draws.normal(size=1000)
    A = grid(np.c_[a, a + draws.normal(size=1000) / 200])
    targets = grid(A @ [[1.0], [2.0]] + 0.1 * draws.normal(size=(1000, 1)))
    found = []
    for of_columns, of_targets in ((0.0, 0.0), offsets):
        source = rows(form(A + of_columns), targets + of_targets, None)
        slopes = ridge.solve(source, np.array([penalty]), True).coefficients[:-1]
        found.append(slopes)
    # the conditioning of the problem: κ² times the rounding of a row's residual
    np.testing.assert_allclose(found[1], found[0], rtol=2e5 * 2.0**-53 * 20)


@pytest.mark.parametrize("weighted", [False, True])
def test_rank_of_rows_far_from_zero_is_that_of_their_differences(weighted):
    """What rounding a mean leaves in its column is no direction of its own."""
    draws = np.random.default_rng(1)
    A = draws.normal(size=(25, 30)) * np.logspace(-3, 3, 30) + 10
    targets = draws.normal(size=(25, 1))
    weights = draws.random(25) + 0.5 if weighted else None
    found = least_squares.solve(rows(A, targets, weights), True, solver="rows")
    assert found.conditioning.rank == 24
    root = np.ones((25, 1)) if weights is None else np.sqrt(weights)[:, np.newaxis]
    D = root * (A - np.average(A, axis=0, weights=weights))
    t = root * (targets - np.average(targets, axis=0, weights=weights))
    U, values, Vt = linalg.svd(D, full_matrices=False)
    least = Vt[:24].T @ ((U[:, :24].T @ t) / values[:24, np.newaxis])
    norm = np.linalg.norm(found.coefficients[:-1])
    assert norm == pytest.approx(np.linalg.norm(least), rel=1e-6)
