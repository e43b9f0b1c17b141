"""The contract of losses of linear predictors, on every engine."""

import numpy as np
import pytest
from combinations import each
from test_moments import LAYOUTS, UNIT

from rmodels.ops.glm import evaluate, evaluate_each, measure

LOSSES = [
    ("logistic", 0.0),
    ("multinomial", 0.0),
    *[("tweedie", power) for power in (0.0, 1.0, 1.5, 2.0, 3.0)],
    *[("tweedie_identity", power) for power in (0.0, 1.0, 1.5, 2.0, 3.0)],
]
LONG = np.longdouble


def data(n, d, loss, seed=0):
    """Return rows, targets, coefficients, a centre and weights."""
    rng = np.random.default_rng(seed)
    n_outputs = 4 if loss == "multinomial" else 1
    theta = 0.3 * rng.normal(size=(n_outputs, d + 1)) / np.sqrt(d + 1)
    if loss == "tweedie_identity":
        theta = 0.1 * theta
        theta[:, -1] = 3.0  # predictions above 0
    y = rng.integers(0, max(2, n_outputs), n).astype(np.float64)
    return rng.normal(size=(n, d)), y, theta, rng.normal(size=d), rng.random(n)


def exact(m, y, loss, power):
    """Return losses, residuals and curvatures (n, k, k) in extended precision."""
    m = m.astype(LONG)
    if loss == "multinomial":
        e = np.exp(m - m.max(axis=1, keepdims=True))
        p = e / e.sum(axis=1, keepdims=True)
        hot = np.eye(m.shape[1])[y.astype(int)]
        losses = np.log(np.exp(m).sum(axis=1)) - (m * hot).sum(axis=1)
        h = p[:, :, np.newaxis] * (np.eye(m.shape[1]) - p[:, np.newaxis])
        return losses, p - hot, h
    m = m[:, 0]
    if loss == "logistic":
        p = 1 / (1 + np.exp(-m))
        losses, r, h = np.log1p(np.exp(m)) - y * m, p - y, p * (1 - p)
    else:
        mu = np.exp(m) if loss == "tweedie" else m
        slope = mu if loss == "tweedie" else np.ones_like(mu)  # dμ/dm
        if power == 1:
            losses = mu - y * np.log(mu)
        elif power == 2:
            losses = np.log(mu) + y / mu
        else:
            losses = mu ** LONG(2 - power) / (2 - power) - y * mu ** LONG(1 - power) / (1 - power)
        r = (mu - y) * slope * mu ** LONG(-power)
        h = slope**2 * mu ** LONG(-power)
        if loss == "tweedie" and 1 <= power <= 2:  # what is not expected of it, but is
            h += (power - 1) * (y - mu) * mu ** LONG(1 - power)
    return losses, r[:, np.newaxis], h[:, np.newaxis, np.newaxis]


def assert_evaluated(engine, X, y, theta, centre, weights, loss, power):
    """Hold sums against their contract."""
    found = evaluate(
        X,
        y,
        theta,
        loss,
        power=power,
        centre=centre,
        weights=weights,
        curvature=True,
        engine=engine,
    )
    assert_sums(found, X, y, theta, centre, weights, loss, power)


def assert_sums(found, X, y, theta, centre, weights, loss, power):
    """Hold sums of some rows against their contract."""
    n, d = X.shape
    Z = np.ones((n, d + 1), dtype=LONG)
    Z[:, :-1] = X.astype(np.float64) - (0 if centre is None else centre)
    w = np.ones(n) if weights is None else weights
    losses, r, h = exact(Z @ theta.T, y, loss, power)
    # a margin's error, and that of its functions, whose derivatives are not above 10 here
    apart = 64 * (d + 8) * UNIT * (1 + (abs(Z) @ abs(theta).T).max(initial=0))
    sums = (64 + n) * UNIT
    assert abs(found.loss - w @ losses) <= (apart + sums) * (w @ (abs(losses) + 1))
    sizes = (w[:, np.newaxis] * (abs(r) + 1)).T @ abs(Z)
    assert found.gradient.shape == found.magnitude.shape == theta.shape
    assert (abs(found.gradient - (w[:, np.newaxis] * r).T @ Z) <= (apart + sums) * sizes).all()
    magnitude = (w[:, np.newaxis] * abs(r)).T @ abs(Z)
    assert (abs(found.magnitude - magnitude) <= (apart + sums) * sizes).all()
    if found.curvature is None:
        return
    H = np.einsum("n,nkl,ni,nj->kilj", w, h, Z, Z).reshape(theta.size, theta.size)
    largest = np.einsum("n,ni,nj->ij", w, abs(Z), abs(Z))
    bound = (
        (apart + sums) * np.tile(largest, (len(theta), len(theta))) * (1 + abs(h).max(initial=0))
    )
    assert (abs(found.curvature - H) <= bound).all()


def test_by_hand(engine):
    X, y = np.array([[0.0], [2.0], [4.0]]), np.array([0.0, 1.0, 1.0])
    found = evaluate(X, y, np.zeros((1, 2)), "logistic", curvature=True, engine=engine)
    assert found.loss == pytest.approx(3 * np.log(2), rel=8 * UNIT)
    np.testing.assert_array_equal(found.gradient, [[-3.0, -0.5]])  # Σ r z with r = ½, −½, −½
    np.testing.assert_array_equal(found.magnitude, [[3.0, 1.5]])
    np.testing.assert_allclose(found.curvature, [[5.0, 1.5], [1.5, 0.75]], rtol=8 * UNIT)
    # Poisson, μ = 1: r = 1 − y, h = 1
    counts = evaluate(X, 2 * y, np.zeros((1, 2)), "tweedie", power=1.0, engine=engine)
    np.testing.assert_array_equal(counts.gradient, [[-6.0, -1.0]])
    assert counts.loss == 3.0


@pytest.mark.parametrize(("loss", "power"), LOSSES)
@each(n=[0, 1, 63, 64, 65, 300], d=[0, 1, 3, 4, 23])
def test_shapes(engine, n, d, loss, power):
    assert_evaluated(engine, *data(n, d, loss), loss, power)


@pytest.mark.parametrize(("loss", "power"), LOSSES[:4])
@pytest.mark.parametrize(("n", "d"), [(3000, 40), (70, 300)])
def test_many_rows_and_columns(engine, n, d, loss, power):
    X, y, theta, *_ = data(n, d, loss)
    assert_evaluated(engine, X, y, theta, None, None, loss, power)


@pytest.mark.parametrize("dtype", ["f", "d"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_and_dtypes(engine, layout, dtype):
    X, *others = data(133, 29, "logistic")
    assert_evaluated(engine, LAYOUTS[layout](X.astype(dtype)), *others, "logistic", 0.0)


def test_an_offset_costs_no_digits(engine):
    X, y, theta, centre, weights = data(200, 9, "logistic")
    assert_evaluated(engine, X + 1e8, y, theta, centre + 1e8, weights, "logistic", 0.0)


def test_small_losses_keep_their_digits(engine):
    """Residuals of classes that are certain are far below the rounding of 1."""
    a = np.linspace(-740.0, 740.0, 1481)
    for y in (0.0, 1.0):
        found = measure(a[:, np.newaxis], np.full(len(a), y), "logistic", engine=engine)
        m = a.astype(LONG)
        p, q = 1 / (1 + np.exp(-m)), 1 / (1 + np.exp(m))
        expected = -q if y else p
        error = abs(found.residuals[:, 0] - expected)
        assert (error <= 16 * UNIT * abs(expected) + 1e-320).all()
        assert (abs(found.curvatures[:, 0] - p * q) <= 16 * UNIT * p * q + 1e-320).all()
    m = np.array([[0.0, 30.0, -5.0], [300.0, 0.0, 1.0]])
    found = measure(m, np.array([1.0, 0.0]), "multinomial", engine=engine)
    e = np.exp(m.astype(LONG))
    expected = e / e.sum(axis=1, keepdims=True)
    expected[0, 1], expected[1, 0] = (
        -(expected[0, 0] + expected[0, 2]),
        -(expected[1, 1] + expected[1, 2]),
    )
    bound = (16 + 3 + 2 * 300) * UNIT * abs(expected)
    assert (abs(found.residuals - expected) <= bound).all()
    assert found.loss == pytest.approx(float(-expected[0, 1]), rel=(16 + 600) * UNIT)


def test_predictions_that_cannot_be(engine):
    found = measure(
        np.array([[-1.0]]), np.array([1.0]), "tweedie_identity", power=2.0, engine=engine
    )
    assert np.isnan(found.loss)
    found = measure(np.array([[1000.0]]), np.array([1.0]), "tweedie", power=1.0, engine=engine)
    assert found.loss == np.inf


@pytest.mark.parametrize("loss", ["logistic", "multinomial"])
def test_any_number_of_threads_gives_the_same_bits(loss):
    X, y, theta, centre, weights = data(40_000, 7, loss)
    one, other = (
        evaluate(
            X,
            y,
            theta,
            loss,
            centre=centre,
            weights=weights,
            curvature=True,
            engine="native",
            n_threads=threads,
        )
        for threads in (1, 5)
    )
    assert one.loss == other.loss
    for name in ("gradient", "magnitude", "curvature"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def some_of(X, y, theta, centre, weights):
    """Return the arguments of several sets: of folds, of no rows, of all."""
    n = len(X)
    fold = np.random.default_rng(1).integers(0, 3, n)
    chosen = [
        fold != 0,
        np.repeat(fold == 1, 2)[::2],
        fold != 0,
        np.zeros(n, bool),
        None,
        np.ones(n, bool),
    ]
    chosen.append(np.arange(n) >= n // 2)
    factors = np.linspace(0.9, 1.1, len(chosen))[:, np.newaxis, np.newaxis]
    curvature = [True, True, False, True, False, True, True]
    return theta * factors, {
        "chosen": chosen,
        "centre": centre,
        "weights": weights,
        "curvature": curvature,
    }


def assert_each(engine, X, y, theta, centre, weights, loss, power):
    """Hold the sums of several sets against their contract: each those of its rows."""
    thetas, given = some_of(X, y, theta, centre, weights)
    found = evaluate_each(X, y, thetas, loss, power=power, engine=engine, **given)
    assert len(found) == len(thetas)
    for sums, own, rows, curved in zip(
        found, thetas, given["chosen"], given["curvature"], strict=True
    ):
        assert (sums.curvature is not None) == curved
        rows = slice(None) if rows is None else rows
        w = None if weights is None else weights[rows]
        assert_sums(sums, X[rows], y[rows], own, centre, w, loss, power)


@pytest.mark.parametrize(("loss", "power"), LOSSES)
@each(n=[0, 1, 64, 65, 300], d=[0, 3, 16, 23])
def test_each_set_has_its_rows(engine, n, d, loss, power):
    assert_each(engine, *data(n, d, loss), loss, power)


@pytest.mark.parametrize(("loss", "power"), LOSSES[:3])
@pytest.mark.parametrize(("n", "d"), [(3000, 40), (70, 300)])
def test_each_set_of_many_rows_and_columns(engine, n, d, loss, power):
    X, y, theta, *_ = data(n, d, loss)
    assert_each(engine, X, y, theta, None, None, loss, power)


@pytest.mark.parametrize("dtype", ["f", "d"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_set_of_layouts_and_dtypes(engine, layout, dtype):
    X, *others = data(133, 29, "logistic")
    assert_each(engine, LAYOUTS[layout](X.astype(dtype)), *others, "logistic", 0.0)


def test_rows_that_do_not_count_may_have_infinite_losses(engine):
    X, y, theta, *_ = data(100, 5, "tweedie")
    far = np.arange(100) % 7 == 3
    X[far] = 1e4 * np.sign(theta[0, :-1])
    thetas = np.stack([theta, -theta])
    with np.errstate(over="ignore"):
        found = evaluate_each(
            X, y, thetas, "tweedie", power=1.0, chosen=[~far] * 2, curvature=[1, 0], engine=engine
        )
        both = evaluate(X, y, theta, "tweedie", power=1.0, engine=engine)
    assert both.loss == np.inf
    for sums, own in zip(found, thetas, strict=True):
        assert_sums(sums, X[~far], y[~far], own, None, None, "tweedie", 1.0)


def test_no_sets(engine):
    X, y, theta, *_ = data(10, 2, "logistic")
    assert evaluate_each(X, y, np.empty((0, *theta.shape)), "logistic", engine=engine) == []


@pytest.mark.parametrize("loss", ["logistic", "multinomial"])
def test_any_number_of_threads_gives_each_set_the_same_bits(loss):
    X, y, *others = data(40_000, 7, loss)
    thetas, given = some_of(X, y, *others)
    one, other = (
        evaluate_each(X, y, thetas, loss, engine="native", n_threads=threads, **given)
        for threads in (1, 5)
    )
    for a, b in zip(one, other, strict=True):
        assert a.loss == b.loss
        for name in ("gradient", "magnitude", "curvature"):
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


def test_sums_of_parts_add_up(engine):
    X, y, theta, centre, weights = data(100, 3, "multinomial")
    parts = [
        evaluate(
            X[rows],
            y[rows],
            theta,
            "multinomial",
            centre=centre,
            weights=weights[rows],
            curvature=True,
            engine=engine,
        )
        for rows in (slice(0, 37), slice(37, 100))
    ]
    whole = evaluate(
        X, y, theta, "multinomial", centre=centre, weights=weights, curvature=True, engine=engine
    )
    found = parts[0] + parts[1]
    assert found.loss == pytest.approx(whole.loss, rel=200 * UNIT)
    np.testing.assert_allclose(found.gradient, whole.gradient, atol=1000 * UNIT)
    np.testing.assert_allclose(found.curvature, whole.curvature, atol=1000 * UNIT)
