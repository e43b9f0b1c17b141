"""The contract of gradient descent, on every engine."""

import numpy as np
import pytest
from combinations import each
from hypothesis import given, settings
from hypothesis import strategies as st

from rmodels.ops.descent import descent, gradient, largest_eigenvalue, steps_from_moments
from rmodels.ops.moments import moments

UNIT = 2.0**-53
many = settings(max_examples=25)


def precise(X, Y, coefficients, weights=None, shift=None):
    """Return gradient and losses in extended precision, and a bound for each of a float64 engine.

    A sum of k products in float64, in any order, is within k · 2⁻⁵³ Σ |products| of the exact one:
    the residual has d + 3 terms, and its rounding is carried to the n terms of the gradient.
    """
    n, d = X.shape
    Z = X.astype(np.longdouble) - (0 if shift is None else shift)
    Z = np.concatenate([Z, np.ones((n, 1))], axis=1)
    w = np.ones((n, 1)) if weights is None else weights[:, np.newaxis]
    w = w.astype(np.longdouble)
    residuals = Z @ coefficients - Y
    differences = abs(coefficients[-1] - Y.astype(np.longdouble))
    sizes = abs(Z[:, :-1]) @ abs(coefficients[:-1]) + differences
    within = (n + d + 10) * UNIT
    slope, losses = Z.T @ (w * residuals), (w * residuals**2).sum(axis=0) / 2
    slope_bound = within * (abs(Z).T @ (w * sizes))
    losses_bound = 2 * within * (w * sizes * (abs(residuals) + within * sizes)).sum(axis=0)
    return [part / w.sum() for part in (slope, losses, slope_bound, losses_bound)]


def assert_accurate(found, X, Y, coefficients, weights=None, shift=None):
    slope, losses, slope_bound, losses_bound = precise(X, Y, coefficients, weights, shift)
    assert found.gradient.dtype == found.losses.dtype == np.float64
    assert (found.gradient.shape, found.losses.shape) == (slope.shape, losses.shape)
    assert (abs(found.gradient - slope) <= slope_bound).all()
    assert (abs(found.losses - losses) <= losses_bound).all()


def samples(n, d, t, seed=0, weighted=False):
    rng = np.random.default_rng(seed)
    X, Y, coefficients = (
        rng.normal(size=(n, d)),
        rng.normal(size=(n, t)),
        rng.normal(size=(d + 1, t)),
    )
    weights = rng.integers(0, 3, n) * rng.random(n) if weighted else None
    if weighted and n:
        weights[-1] = 1.0
    return X, Y, coefficients, weights


HAND = np.array([[1.0], [3.0]]), np.array([[4.0], [4.0]]), np.array([[2.0], [1.0]])


def test_gradient_by_hand(engine):
    # Residuals are 2·1 + 1 − 4 = −1 and 2·3 + 1 − 4 = 3.
    found = gradient(*HAND, engine=engine)
    assert found.engine == engine
    np.testing.assert_array_equal(found.gradient, [[4], [1]])
    np.testing.assert_array_equal(found.losses, [2.5])


def test_weights_and_shift_by_hand(engine):
    # z = 0 and 2, the residuals are 1 − 4 = −3 and 5 − 4 = 1, and the weights 1 and 3.
    weights, shift = np.array([1.0, 3.0]), np.array([1.0])
    found = gradient(*HAND, weights, shift=shift, engine=engine)
    np.testing.assert_array_equal(found.gradient, [[6 / 4], [0]])
    np.testing.assert_array_equal(found.losses, [12 / 8])


def test_a_step_by_hand(engine):
    found = descent(*HAND, 0.5, 1, engine=engine)
    assert found.engine == engine
    np.testing.assert_array_equal(found.coefficients, [[0], [0.5]])
    np.testing.assert_array_equal(found.losses, [[3.5**2 / 2]])


@pytest.mark.parametrize("d", [0, 1, 2, 7, 8, 9, 17, 25, 40, 48, 49])
@pytest.mark.parametrize("n", [1, 7, 8, 63, 64, 65, 300])
@each(t=[0, 1, 2, 3, 4, 7], weighted=[False, True])
def test_shapes(engine, n, d, t, weighted):
    X, Y, coefficients, weights = samples(n, d, t, weighted=weighted)
    found = gradient(X, Y, coefficients, weights, engine=engine)
    assert_accurate(found, X, Y, coefficients, weights)


@pytest.mark.parametrize(("n", "d", "t"), [(5000, 9, 2), (70, 3000, 1), (3, 5000, 5), (9000, 1, 1)])
def test_large_shapes(engine, n, d, t):
    X, Y, coefficients, weights = samples(n, d, t, weighted=True)
    found = gradient(X, Y, coefficients, weights, engine=engine)
    assert_accurate(found, X, Y, coefficients, weights)


LAYOUTS = {
    "fortran": np.asfortranarray,
    "columns apart": lambda A: np.repeat(A, 3, axis=1)[:, ::3],
    "rows apart": lambda A: np.repeat(A, 2, axis=0)[::2],
    "backwards": lambda A: A[::-1, ::-1].copy()[::-1, ::-1],
    "rows backwards": lambda A: A[::-1].copy()[::-1],
    "inside a larger array": lambda A: np.pad(A, 2)[2:-2, 2:-2],
    "read-only": lambda A: np.frombuffer(A.tobytes(), A.dtype).reshape(A.shape),
}


@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize("dtypes", ["fff", "ddd", "fdf", "dfd"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_and_dtypes(engine, layout, dtypes, shifted):
    X, Y, coefficients, weights = samples(133, 29, 5, weighted=True)
    X, Y, weights = X.astype(dtypes[0]), Y.astype(dtypes[1]), weights.astype(dtypes[2])
    shift = X.mean(axis=0, dtype=np.float64) if shifted else None
    arrange = LAYOUTS[layout]
    A, B, w = arrange(X), arrange(Y), arrange(weights[:, np.newaxis])[:, 0]
    before = A.tobytes(), B.tobytes(), w.tobytes(), coefficients.tobytes()
    found = gradient(A, B, arrange(coefficients), w, shift=shift, engine=engine)
    assert_accurate(found, X, Y, coefficients, weights, shift)
    steps = descent(A, B, arrange(coefficients), 0.01, 3, w, engine=engine)
    assert (A.tobytes(), B.tobytes(), w.tobytes(), coefficients.tobytes()) == before
    again = descent(X, Y, coefficients, 0.01, 3, weights, engine=engine)
    np.testing.assert_allclose(steps.coefficients, again.coefficients, rtol=0, atol=1e-13)


@pytest.mark.parametrize(("dtype", "offset"), [("f", 1e4), ("f", 1e5), ("d", 1e8)])
def test_a_shift_keeps_the_digits_of_the_residuals(engine, dtype, offset):
    X, Y, coefficients, weights = samples(500, 12, 2, weighted=True)
    X = (X + offset).astype(dtype)
    shift = X.mean(axis=0, dtype=np.float64)
    found = gradient(X, Y, coefficients, weights, shift=shift, engine=engine)
    assert_accurate(found, X, Y, coefficients, weights, shift)


def literal(X, Y, start, learning_rate, iterations, weights, fit_intercept):
    """Return coefficients and losses in extended precision, and the error that a step may add."""
    coefficients, losses, added = start.astype(np.longdouble), [], 0
    for _ in range(iterations):
        slope, _, slope_bound, _ = precise(X, Y, coefficients, weights)
        coefficients[: None if fit_intercept else -1] -= (
            learning_rate * slope[: None if fit_intercept else -1]
        )
        added += learning_rate * slope_bound.max() + 2 * UNIT * abs(coefficients).max()
        losses.append(precise(X, Y, coefficients, weights)[1])
    return coefficients, np.array(losses).reshape(iterations, Y.shape[1]), added


@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    ("n", "d", "t", "iterations"),
    [
        (1, 1, 1, 3),
        (50, 0, 2, 4),
        (100, 5, 1, 0),
        (100, 5, 1, 1),
        (200, 9, 4, 20),
        (3000, 30, 1, 5),
    ],
)
@pytest.mark.parametrize("dtype", ["f", "d"])
def test_descent(engine, n, d, t, iterations, weighted, fit_intercept, dtype):
    X, Y, start, weights = samples(n, d, t, weighted=weighted)
    X = X.astype(dtype)
    rate = 0.1  # below 1 / λ_max here, so that errors do not grow from step to step
    found = descent(
        X, Y, start, rate, iterations, weights, fit_intercept=fit_intercept, engine=engine
    )
    expected, losses, added = literal(X, Y, start, rate, iterations, weights, fit_intercept)
    assert (found.coefficients.shape, found.losses.shape) == (start.shape, (iterations, t))
    np.testing.assert_allclose(
        found.coefficients, expected.astype(float), rtol=0, atol=added * np.sqrt(d + 1)
    )
    # A change δ of the coefficients changes a loss by |slope|·δ, and its own sum is rounded.
    np.testing.assert_allclose(found.losses, losses.astype(float), rtol=1e-11)
    if not fit_intercept:
        np.testing.assert_array_equal(found.coefficients[-1], start[-1])


@pytest.mark.parametrize("call", [1.0, 3e3, 1e5])
def test_any_length_of_native_calls(engine, call, monkeypatch):
    native = pytest.importorskip("rmodels.ops.descent.native")
    X, Y, start, weights = samples(500, 7, 2, weighted=True)
    expected, losses, added = literal(X, Y, start, 0.1, 6, weights, True)
    monkeypatch.setattr(native, "CALL", call)
    found = descent(X, Y, start, 0.1, 6, weights, engine=engine)
    np.testing.assert_allclose(found.coefficients, expected.astype(float), rtol=0, atol=3 * added)
    np.testing.assert_allclose(found.losses, losses.astype(float), rtol=1e-11)
    slope = gradient(X, Y, start, weights, engine=engine)
    assert_accurate(slope, X, Y, start, weights)


def test_descent_reaches_least_squares(engine):
    X, Y, start, _ = samples(300, 6, 2)
    found = descent(X, Y, start, 0.5, 300, engine=engine)
    Z = np.concatenate([X, np.ones((300, 1))], axis=1)
    expected = np.linalg.lstsq(Z, Y)[0]
    np.testing.assert_allclose(found.coefficients, expected, rtol=0, atol=1e-13)
    assert (np.diff(found.losses, axis=0) <= 300 * UNIT).all()  # a sum of 300 squares


@pytest.mark.parametrize("rate", [10.0, 1e300])
def test_divergence_is_not_hidden_and_does_not_warn(engine, rate):
    X, Y, start, _ = samples(30, 3, 1)
    found = descent(X, Y, start, rate, 600, engine=engine)
    assert not np.isfinite(found.coefficients).any()
    assert not np.isfinite(found.losses[-1]).any()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("shifted", [False, True])
@many
@given(st.integers(1, 150), st.integers(0, 40), st.integers(1, 5), st.data())
def test_what_is_not_finite_shows(engine, bad, shifted, n, d, t, data):
    X, Y, coefficients, weights = samples(n, d, t, weighted=data.draw(st.booleans()))
    row, column = data.draw(st.integers(0, n - 1)), data.draw(st.integers(0, d + t - 1))
    if column < d:
        X[row, column] = bad
    else:
        Y[row, column - d] = bad
    shift = np.ones(d) if shifted else None
    found = gradient(X, Y, coefficients, weights, shift=shift, engine=engine)
    hit = np.ones(t, bool) if column < d else np.arange(t) == column - d
    assert not np.isfinite(found.losses[hit]).any()
    assert not np.isfinite(found.gradient[-1, hit]).any()
    assert np.isfinite(found.losses[~hit]).all()
    assert np.isfinite(found.gradient[:, ~hit]).all()


@pytest.mark.parametrize("dtype", ["f", "d"])
@pytest.mark.parametrize(("n", "d", "t"), [(30000, 20, 1), (4000, 40, 7), (100, 9000, 1)])
def test_any_number_of_threads_gives_the_same_bits(engine, n, d, t, dtype):
    X, Y, start, weights = samples(n, d, t, weighted=True)
    X = X.astype(dtype)
    one, *others = (
        descent(X, Y, start, 1e-4, 3, weights, engine=engine, n_threads=k) for k in (1, 2, 3)
    )
    slopes = [gradient(X, Y, start, weights, engine=engine, n_threads=k) for k in (1, 2, 3)]
    for other, slope in zip(others, slopes[1:], strict=True):
        np.testing.assert_array_equal(other.coefficients, one.coefficients)
        np.testing.assert_array_equal(other.losses, one.losses)
        np.testing.assert_array_equal(slope.gradient, slopes[0].gradient)
        np.testing.assert_array_equal(slope.losses, slopes[0].losses)


@many
@given(st.integers(1, 200), st.integers(0, 50), st.integers(0, 8), st.data())
def test_random_shapes(engine, n, d, t, data):
    X, Y, coefficients, weights = samples(n, d, t, seed=n, weighted=data.draw(st.booleans()))
    X = X.astype(data.draw(st.sampled_from("fd")), order=data.draw(st.sampled_from("CF")))
    shift = np.full(d, 0.5) if data.draw(st.booleans()) else None
    found = gradient(X, Y, coefficients, weights, shift=shift, engine=engine)
    assert_accurate(found, X, Y, coefficients, weights, shift)


@pytest.mark.parametrize(("n", "d"), [(655 * 20 + 3, 46), (2563, 1000)])
def test_an_infinite_target_stays_in_its_part(engine, n, d):
    X, Y, coefficients, _ = samples(n, d, 1)
    Y[n - n // 10 : n - n // 10 + 5] = np.inf
    with np.errstate(invalid="ignore"):
        first, *others = (
            gradient(X, Y, coefficients, engine=engine, n_threads=threads)
            for threads in (1, 2, 3, 1, 2, 3)
        )
    assert first.losses[0] == np.inf
    for other in others:
        np.testing.assert_array_equal(other.gradient, first.gradient)
        np.testing.assert_array_equal(other.losses, first.losses)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("iterations", [0, 1, 2, 7, 64])
@pytest.mark.parametrize("weighted", [False, True])
def test_steps_from_moments(engine, iterations, fit_intercept, weighted):
    X, Y, _, weights = samples(50, 4, 2, weighted=weighted)
    X += 0.5
    known = moments(X, Y, weights, engine=engine)
    found = steps_from_moments(known, 0.1, iterations, fit_intercept, engine=engine)
    truth = descent(
        X,
        Y,
        np.zeros((5, 2)),
        0.1,
        iterations,
        weights,
        fit_intercept=fit_intercept,
        engine="reference",
    )
    assert found.engine == engine
    assert found.losses.shape == (iterations, 2)
    # the steps contract: rounding errors add up, each a few units of numbers of order 1
    np.testing.assert_allclose(found.coefficients, truth.coefficients, rtol=0, atol=1e-13)
    np.testing.assert_allclose(found.losses, truth.losses, rtol=0, atol=1e-13)


def test_largest_eigenvalue_by_hand(engine):
    # of X = [1, 3] the mean square is 5; with ones beside, [[5, 2], [2, 1]] has 3 + 2 √2
    known = moments(HAND[0], HAND[1], engine=engine)
    found = [largest_eigenvalue(known, intercept, engine=engine) for intercept in (False, True)]
    np.testing.assert_allclose(found, [5.0, 3 + 2 * np.sqrt(2)], rtol=1e-14)


def test_largest_eigenvalue_at_the_ends(engine):
    nothing = moments(np.ones((3, 0)), np.ones((3, 1)), engine=engine)
    assert largest_eigenvalue(nothing, False, engine=engine) == 0
    assert largest_eigenvalue(nothing, True, engine=engine) == 1
    large = moments(np.full((3, 2), 1e200), np.ones((3, 1)), engine=engine)
    assert largest_eigenvalue(large, True, engine=engine) == np.inf
