"""The contract of minima with penalties on magnitudes, on every engine."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmodels.ops.coordinate import minimise

UNIT = 2.0**-53
many = settings(max_examples=25)


def columns(n, d, t=1, seed=0, correlated=0.0):
    """Centred columns, of which neighbours are correlated, and targets that five of them make."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    for j in range(1, d):
        X[:, j] = correlated * X[:, j - 1] + np.sqrt(1 - correlated**2) * X[:, j]
    true = np.zeros((d, t))
    true[:5] = rng.standard_normal((min(5, d), t)) * 3
    Y = X @ true + rng.standard_normal((n, t))
    return X - X.mean(axis=0), Y - Y.mean(axis=0)


def problem(n, d, t=1, penalties=7, **how):
    """Q, q, sizes and a path of penalties, of one problem."""
    X, Y = columns(n, d, t, **how)
    Q, q = X.T @ X, X.T @ Y
    largest = np.sqrt((q**2).sum(axis=1)).max(initial=1e-3)
    l1 = np.geomspace(largest, 1e-3 * largest, penalties)
    return Q[np.newaxis], q[np.newaxis], np.array([np.linalg.norm(Y)]), l1[np.newaxis]


def misses(Q, q, B, l1, l2, positive=False):
    """How far each condition of optimality is from being met, over √Q_jj, in extended precision."""
    Q, q, B = (each.astype(np.longdouble) for each in (Q, q, B))
    g = q - Q @ B - l2 * B
    norms = np.sqrt((B * B).sum(axis=1))
    active = norms > 0
    found = (g[:, 0] if positive else np.sqrt((g * g).sum(axis=1))) - l1
    ways = B[active] / norms[active, np.newaxis]
    found[active] = np.sqrt(((g[active] - l1 * ways) ** 2).sum(axis=1))
    scale = np.sqrt(Q.diagonal())
    return np.maximum(found, 0)[scale > 0] / scale[scale > 0]


def assert_minima(found, Q, q, sizes, l1, l2, positive=False):
    """Hold every minimum against the bound of the contract."""
    problems, penalties = l1.shape
    assert found.coefficients.shape == (problems, penalties, *q.shape[1:])
    assert found.coefficients.dtype == found.violations.dtype == np.float64
    assert found.steps.shape == found.violations.shape == (problems, penalties)
    for i in range(problems):
        for k in range(penalties):
            B, own = found.coefficients[i, k], Q[i % len(Q)]
            worst = misses(own, q[i], B, l1[i, k], l2[i, k], positive).max(initial=0)
            count = np.count_nonzero((B * B).sum(axis=1))
            spread = (np.sqrt(own.diagonal()) * np.sqrt((B * B).sum(axis=1))).sum()
            # the search sees its own rounding of as many sums, of count + 2 terms each
            within = (8 + np.sqrt(count) + count + 2) * UNIT * (sizes[i] + spread)
            assert worst <= within
            assert found.violations[i, k] * sizes[i] <= within
            assert not positive or (B >= 0).all()


def test_by_hand(engine):
    # of columns that are orthogonal, each is shrunk on its own: (q − l1) / (Q + l2)
    Q, q = np.diag([2.0, 4.0])[np.newaxis], np.array([[[3.0], [-1.0]]])
    l1, l2 = np.array([[3.0, 1.0, 0.5, 0.5]]), np.array([[0.0, 0.0, 0.0, 6.0]])
    found = minimise(Q, q, np.ones(1), l1, l2, engine=engine)
    assert found.engine == engine
    expected = [[0, 0], [1, 0], [1.25, -0.125], [0.3125, -0.05]]
    np.testing.assert_allclose(found.coefficients[0, :, :, 0], expected, rtol=32 * UNIT)
    found = minimise(Q, q, np.ones(1), l1, l2, positive=True, engine=engine)
    np.testing.assert_allclose(
        found.coefficients[0, :, :, 0], np.maximum(expected, 0), rtol=32 * UNIT
    )


def test_of_several_targets_by_hand(engine):
    # the row q = (3, 4) has norm 5, and is shrunk along itself
    Q, q = np.array([[[2.0]]]), np.array([[[3.0, 4.0]]])
    found = minimise(Q, q, np.ones(1), np.array([[5.0, 2.5]]), np.zeros((1, 2)), engine=engine)
    np.testing.assert_allclose(found.coefficients[0, :, 0], [[0, 0], [0.75, 1.0]], rtol=4 * UNIT)


@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("ridge", [0.0, 0.3])
@pytest.mark.parametrize("correlated", [0.0, 0.95])
@pytest.mark.parametrize(("n", "d"), [(60, 0), (60, 1), (60, 7), (60, 33), (20, 40), (9, 9)])
def test_paths(engine, n, d, correlated, ridge, positive):
    Q, q, sizes, l1 = problem(n, d, correlated=correlated)
    found = minimise(Q, q, sizes, l1, ridge * l1, positive=positive, engine=engine)
    assert_minima(found, Q, q, sizes, l1, ridge * l1, positive)


@pytest.mark.parametrize("ridge", [0.0, 0.3])
@pytest.mark.parametrize(("n", "d", "t"), [(60, 12, 3), (20, 30, 2), (60, 5, 1)])
def test_paths_of_several_targets(engine, n, d, t, ridge):
    Q, q, sizes, l1 = problem(n, d, t)
    l1 = l1[:, :5]
    found = minimise(Q, q, sizes, l1, ridge * l1, engine=engine)
    assert_minima(found, Q, q, sizes, l1, ridge * l1)


def few_rows(seed, n=5, d=30, t=2):
    """Q, q, sizes of a problem with many more columns than rows, of targets of unlike sizes."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    X[:, 0] = 1
    y = X @ rng.standard_normal(d) + rng.standard_normal(n)
    Y = np.column_stack([y**power for power in range(1, t + 1)])
    X, Y = X - X.mean(axis=0), Y - Y.mean(axis=0)
    X[:, 0] = 0
    return (X.T @ X)[np.newaxis], (X.T @ Y)[np.newaxis], np.array([np.linalg.norm(Y)])


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize(("n", "d", "t"), [(5, 30, 2), (12, 25, 3)])
@pytest.mark.parametrize("seed", [87, 344, 568, 757])
def test_several_targets_of_few_rows(engine, seed, n, d, t, backwards):
    """Rows of coefficients come, leave and turn over, where most columns depend on others."""
    Q, q, sizes = few_rows(seed, n, d, t)
    largest = np.sqrt((q**2).sum(axis=2)).max()
    l1 = largest * np.geomspace(0.3, 1e-6, 7)[np.newaxis, :: -1 if backwards else 1]
    found = minimise(Q, q, sizes, l1, 0 * l1, engine=engine)
    assert_minima(found, Q, q, sizes, l1, 0 * l1)


def test_several_targets_of_copied_columns(engine):
    Q, q, sizes = few_rows(3, 12, 10, 3)
    twice = np.r_[0:10, 0:10]
    Q, q = Q[:, twice][:, :, twice], q[:, twice]
    l1 = np.sqrt((q**2).sum(axis=2)).max() * np.geomspace(0.3, 1e-4, 5)[np.newaxis]
    found = minimise(Q, q, sizes, l1, 0 * l1, engine=engine)
    assert_minima(found, Q, q, sizes, l1, 0 * l1)


@many
@given(st.integers(0, 2**32), st.integers(1, 12), st.integers(2, 30))
def test_any_problem(engine, seed, d, n):
    rng = np.random.default_rng(seed)
    Q, q, sizes, l1 = problem(n, d, seed=seed, penalties=3)
    scales = 10.0 ** rng.integers(-3, 4, d)
    Q, q = Q * scales * scales[:, np.newaxis], q * scales[:, np.newaxis]
    l1 = rng.permuted(l1, axis=1)
    found = minimise(Q, q, sizes, l1, 0 * l1, engine=engine)
    assert_minima(found, Q, q, sizes, l1, 0 * l1)


@pytest.mark.parametrize("positive", [False, True])
def test_dependent_columns(engine, positive):
    """Copies, opposites and sums of columns: any minimum is one, and all fit the same."""
    X, Y = columns(50, 6)
    Z = np.hstack([X, X, -X[:, :2], X[:, :1] + X[:, 1:2], np.zeros((50, 1))])
    l1 = np.geomspace(100, 0.1, 6)[np.newaxis]
    size = np.array([np.linalg.norm(Y)])
    found, plain = (
        minimise(
            (A.T @ A)[np.newaxis],
            (A.T @ Y)[np.newaxis],
            size,
            l1,
            0 * l1,
            positive=positive,
            engine=engine,
        )
        for A in (Z, X)
    )
    Q, q = (Z.T @ Z)[np.newaxis], (Z.T @ Y)[np.newaxis]
    assert_minima(found, Q, q, size, l1, 0 * l1, positive)
    assert not found.coefficients[:, :, -1].any()
    if not positive:  # a column and its opposite are more than the column, if both must be positive
        objective = [
            0.5 * np.linalg.norm(Y - A @ B) ** 2 + penalty * abs(B).sum()
            for A, minima in ((Z, found), (X, plain))
            for penalty, B in zip(l1[0], minima.coefficients[0], strict=True)
        ]
        assert (np.array(objective[:6]) <= np.array(objective[6:]) * (1 + 1e-12)).all()


def test_a_minimum_takes_no_steps(engine):
    Q, q, sizes, l1 = problem(40, 8)
    found = minimise(Q, q, sizes, l1, 0 * l1, engine=engine)
    assert found.steps[0, 1:].all()
    last = found.coefficients[:, -1]
    again = minimise(Q, q, sizes, l1[:, -1:], 0 * l1[:, -1:], start=last, engine=engine)
    assert not again.steps.any()
    np.testing.assert_array_equal(again.coefficients[:, 0], last)


def test_any_start_leads_to_the_minimum(engine):
    Q, q, sizes, l1 = problem(40, 8)
    start = np.random.default_rng(1).standard_normal((1, 8, 1)) * 1e3
    found = minimise(Q, q, sizes, l1, 0 * l1, start=start, engine=engine)
    assert_minima(found, Q, q, sizes, l1, 0 * l1)


def test_problems_are_independent(engine):
    several = [problem(40, 8, seed=seed) for seed in range(3)]
    Q, q, sizes, l1 = (np.concatenate(each) for each in zip(*several, strict=True))
    together = minimise(Q, q, sizes, l1, 0 * l1, engine=engine, n_threads=2)
    for i, one in enumerate(several):
        alone = minimise(*one, 0 * l1[:1], engine=engine, n_threads=1)
        np.testing.assert_array_equal(together.coefficients[i], alone.coefficients[0])
        np.testing.assert_array_equal(together.steps[i], alone.steps[0])
    shared = minimise(Q[:1], q, sizes, l1, 0 * l1, engine=engine)
    np.testing.assert_array_equal(shared.coefficients[0], together.coefficients[0])
    assert_minima(shared, Q[:1], q, sizes, l1, 0 * l1)


def test_input_is_not_changed(engine):
    Q, q, sizes, l1 = problem(40, 8)
    start = np.ones_like(q)
    given = Q, q, sizes, l1, 0 * l1, start
    before = [each.tobytes() for each in given]
    minimise(*given[:5], start=start, engine=engine)
    assert [each.tobytes() for each in given] == before


def test_targets_of_zero(engine):
    Q, q, _, l1 = problem(40, 8)
    found = minimise(Q, 0 * q, np.zeros(1), l1, 0 * l1, engine=engine)
    assert not found.coefficients.any()
    assert not found.violations.any()
