import numpy as np
import pytest
from scipy import sparse

from rmodels import LinearRegression, Ridge, ops
from rmodels.config import config_context
from rmodels.data import Rows
from rmodels.solvers import conjugate_gradients, least_squares, ridge

UNIT = 2.0**-53


def rows_of(n, d, density=0.05, targets=1, weights=None, seed=0):
    rng = np.random.default_rng(seed)
    X = sparse.random_array((n, d), density=density, random_state=seed, format="csr")
    Y = X @ rng.normal(size=(d, targets)) + rng.normal(size=(n, targets))
    return Rows(X, Y, weights, lambda: None)


def on_arrays(rows):
    X = rows.X.toarray()
    return Rows(X, rows.Y, rows.weights, lambda: None)


def assert_equal(found, expected, condition):
    """Hold coefficients together: a backward stable solution is within κ UNIT times a constant."""
    size = np.linalg.norm(expected.coefficients, axis=0)
    apart = np.linalg.norm(found.coefficients - expected.coefficients, axis=0)
    assert (apart <= 100 * condition * UNIT * size).all()


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("targets", [1, 3])
@pytest.mark.parametrize("shape", [(600, 90), (90, 600)])
def test_equals_the_rows(shape, targets, weighted, fit_intercept):
    weights = np.random.default_rng(1).integers(0, 4, shape[0]) / 2 if weighted else None
    rows = rows_of(*shape, targets=targets, weights=weights)
    found = conjugate_gradients.solve(rows, fit_intercept)
    expected = least_squares.solve(on_arrays(rows), fit_intercept, solver="rows")
    engine = ops.choose("conjugate")
    assert (found.solver, found.engine, found.conditioning) == ("krylov", engine, None)
    assert_equal(found, expected, 100.0)
    if not fit_intercept:
        np.testing.assert_array_equal(found.coefficients[-1], 0)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("shape", [(400, 90), (90, 400), (90, 90)])
def test_penalties_of_targets(shape, fit_intercept):
    rows, penalties = rows_of(*shape, targets=3), np.array([0.5, 20.0, 0.5])
    found = conjugate_gradients.solve(rows, fit_intercept, penalties)
    expected = ridge.solve(on_arrays(rows), penalties, fit_intercept)
    assert_equal(found, expected, 100.0)


@pytest.mark.parametrize("shape", [(600, 90), (90, 600)])
def test_the_reference_gives_the_same(shape):
    rows = rows_of(*shape, targets=2)
    found = conjugate_gradients.solve(rows, True, np.array([0.0, 3.0]))
    with config_context(engine="reference"):
        plain = conjugate_gradients.solve(rows, True, np.array([0.0, 3.0]))
    assert plain.engine == "reference"
    assert_equal(found, plain, 100.0)


@pytest.mark.parametrize("shape", [(3000, 800), (800, 3000)])
def test_processors_that_are_free_do_not_change_a_bit(shape, monkeypatch):
    rows, found = rows_of(*shape), []  # as many entries as have threads started
    for free in (-1, 1, 2, 8):
        monkeypatch.setattr(conjugate_gradients, "count_free", lambda free=free: free)
        found.append(conjugate_gradients.solve(rows, True, n_threads=3).coefficients)
    for other in found[1:]:
        np.testing.assert_array_equal(other, found[0])


@pytest.mark.parametrize("shape", [(600, 90), (90, 600)])
def test_float32_has_the_digits_that_it_keeps(shape):
    rows = rows_of(*shape)
    single = Rows(rows.X.astype(np.float32), rows.Y, None, lambda: None)
    found = conjugate_gradients.solve(single, True)
    exact = Rows(single.X.astype(np.float64), rows.Y, None, lambda: None)
    expected = conjugate_gradients.solve(exact, True)
    size = np.linalg.norm(expected.coefficients)
    # what is left is bounded in the scaled columns, whose norms are of one order of magnitude
    assert np.linalg.norm(found.coefficients - expected.coefficients) <= 10 * 2.0**-28 * size


def test_columns_of_very_different_scales():
    rows = rows_of(600, 90)
    scales = 10.0 ** np.linspace(-6, 6, 90)
    scaled = Rows(sparse.csr_array(rows.X * scales), rows.Y, None, lambda: None)
    expected = conjugate_gradients.solve(rows, True)
    found = conjugate_gradients.solve(scaled, True)
    np.testing.assert_allclose(
        found.coefficients[:-1, 0] * scales, expected.coefficients[:-1, 0], rtol=1e-11
    )


def test_what_is_not_unique_is_left_to_others():
    rows = rows_of(600, 90)
    X = sparse.hstack([rows.X, rows.X[:, :1] + rows.X[:, 1:2]]).tocsr()
    assert conjugate_gradients.solve(Rows(X, rows.Y, None, lambda: None), True) is None
    empty = sparse.hstack([rows.X, sparse.csr_array((600, 1))]).tocsr()
    assert conjugate_gradients.solve(Rows(empty, rows.Y, None, lambda: None), True) is None
    twice = sparse.vstack([rows.X.T, rows.X.T[:1]]).tocsr()
    Y = np.ones((len(twice.indptr) - 1, 1))
    assert conjugate_gradients.solve(Rows(twice, Y, None, lambda: None), True) is None
    # a penalty makes it unique
    alike = Rows(X, rows.Y, None, lambda: None)
    found = conjugate_gradients.solve(alike, True, np.array([1.0]))
    assert_equal(found, ridge.solve(on_arrays(alike), np.array([1.0]), True), 1000.0)


def test_what_converges_slowly_is_left_to_others():
    x = np.linspace(0, 1, 1000)
    X = sparse.csr_array(x[:, np.newaxis] ** np.linspace(1, 30, 20))
    y = np.cos(9 * x)[:, np.newaxis]
    assert conjugate_gradients.solve(Rows(X, y, None, lambda: None), True) is None


def test_columns_far_from_zero_are_left_to_others():
    rows = rows_of(600, 90)
    X = sparse.csr_array(np.c_[rows.X.toarray(), 1e4 + np.arange(600.0)])
    assert conjugate_gradients.solve(Rows(X, rows.Y, None, lambda: None), True) is None


@pytest.mark.parametrize("shape", [(600, 90), (90, 600)])
def test_a_constant_target(shape):
    rows = rows_of(*shape)
    found = conjugate_gradients.solve(
        Rows(rows.X, np.full((shape[0], 1), 3.0), None, lambda: None), True
    )
    np.testing.assert_allclose(found.coefficients[:-1], 0, atol=1e-14)
    assert found.coefficients[-1, 0] == pytest.approx(3, rel=1e-14)


@pytest.mark.parametrize("size", [1e-300, 1e-200, 1e-155, 1e155, 1e200, 1e300])
@pytest.mark.parametrize("shape", [(600, 90), (90, 600)])
def test_targets_of_any_size(shape, size):
    rows = rows_of(*shape)
    found = conjugate_gradients.solve(Rows(rows.X, rows.Y * size, None, lambda: None), True)
    expected = conjugate_gradients.solve(rows, True)
    tolerance = 1e-9 * np.abs(expected.coefficients).max()  # of y * 1e-300, 24 bits are left
    np.testing.assert_allclose(
        found.coefficients / size, expected.coefficients, rtol=0, atol=tolerance
    )


@pytest.mark.parametrize("size", [1e-160, 1e160, 1e200])
@pytest.mark.parametrize("shape", [(600, 90), (90, 600)])
def test_squares_that_do_not_fit_are_left_to_others(shape, size):
    rows = rows_of(*shape)
    far = Rows(rows.X * size, rows.Y, None, lambda: None)
    assert conjugate_gradients.solve(far, True) is None
    found = least_squares.solve(far, True)
    expected = least_squares.solve(on_arrays(rows), True, solver="rows")
    np.testing.assert_allclose(
        found.coefficients[:-1] * size, expected.coefficients[:-1], rtol=1e-9, atol=1e-12
    )


def test_nearly_equal_columns():
    rng = np.random.default_rng(0)
    base = rows_of(554, 46, 0.2)
    for gap in (0.3, 0.05, 1e-3):
        noise = sparse.csr_array(base.X[:, :1].toarray() * (1 + gap * rng.normal(size=(554, 1))))
        X = sparse.hstack([base.X, noise]).tocsr()
        rows = Rows(X, base.Y, None, lambda: None)
        expected = least_squares.solve(on_arrays(rows), True, solver="rows")
        found = conjugate_gradients.solve(rows, True)
        if found is None:
            assert gap < 0.05
            found = least_squares.solve(rows, True)
        assert_equal(found, expected, np.linalg.cond(X.toarray() - X.toarray().mean(axis=0)))


@pytest.mark.parametrize("make", [LinearRegression, Ridge])
def test_large_sparse_rows_go_this_way_and_say_so(make):
    rows = rows_of(1500, 700, 0.01)
    y = rows.Y[:, 0]
    model = make().fit(rows.X, y)
    assert (model.solver_, model.engine_) == ("krylov", ops.choose("conjugate"))
    assert not hasattr(model, "rank_")
    expected = make().fit(rows.X.toarray(), y)
    np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-10, atol=1e-12)
    single = make().fit(rows.X.astype(np.float32), y)
    assert single.coef_.dtype == np.float32
    doubled = sparse.hstack([rows.X, rows.X[:, :1]]).tocsr()
    if make is LinearRegression:
        with pytest.warns(UserWarning, match="X has rank 700 where 701 is possible"):
            model = make().fit(doubled, y)
        assert model.solver_ == "rows"
    else:
        assert make().fit(doubled, y).solver_ == "krylov"
